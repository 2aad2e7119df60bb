package ir

import (
	_ "embed"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:generate go test . -run TestReference|TestSchema -update

var (
	//go:embed file.go
	fileSource string
	//go:embed file_envoy.go
	envoySource string
	//go:embed file_answer.go
	answerSource string
)

// prose returns the comments of file.go and its sisters: of a type under its name, of a field under Type.Field.
func prose() map[string]string {
	out := make(map[string]string)
	for _, source := range [...]string{fileSource, envoySource, answerSource} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
		if err != nil {
			return out // cannot be: the compiler has read it too
		}
		comments(out, parsed.Decls)
	}
	return out
}

// comments puts those of decls into out.
func comments(out map[string]string, decls []ast.Decl) {
	for _, decl := range decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			t := spec.(*ast.TypeSpec)
			out[t.Name.Name] = sentence(t.Name.Name, g.Doc.Text())
			s, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					out[t.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
		}
	}
}

// sentence is the comment of the type called name without that name, as a sentence of its own.
func sentence(name, comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	text = strings.TrimPrefix(strings.TrimPrefix(text, name+" "), "is ")
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}

// object is a JSON object of the schema.
type object = map[string]any

// replaced is the alternative of every plain value that is not text: a text with ${…}.
var replaced = object{"type": "string", "pattern": `\$\{`}

// Schema returns the JSON Schema (draft 2020-12) of the native file, for editors. It is the shape only: it
// accepts some files that [Load] refuses, and wants numbers without quotes.
func Schema() []byte {
	s := schema{prose: prose(), defs: make(object)}
	root := s.definition(reflect.TypeFor[file]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Spanway configuration"
	root["type"] = []string{"object", "null"}
	root["$defs"] = s.defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil // cannot be: maps, lists and texts
	}
	return append(out, '\n')
}

// schema builds the schema of the types of file.go.
type schema struct {
	prose map[string]string
	defs  object
}

// definition is the schema of t, a struct.
func (s *schema) definition(t reflect.Type) object {
	properties := make(object)
	rs := rulesOf(t)
	var needed []string
	for i := range rs.settings {
		r := &rs.settings[i]
		f := t.Field(r.index)
		of := append(s.of(f.Type, r), object{"type": "null"})
		for _, key := range r.keys {
			p := object{"anyOf": of, "description": s.prose[t.Name()+"."+f.Name]}
			if r.fallback != "" {
				p["default"] = fallback(f.Type, r.fallback)
			}
			properties[key] = p
		}
		if r.need {
			needed = append(needed, r.keys[0])
		}
	}
	out := object{
		"type":                 "object",
		"description":          s.prose[t.Name()],
		"properties":           properties,
		"additionalProperties": false,
	}
	if needed != nil {
		out["required"] = needed
	}
	return out
}

// fallback is a default of type t as a value in JSON.
func fallback(t reflect.Type, text string) any {
	switch t.Kind() {
	case reflect.Slice:
		return list(text)
	case reflect.Bool, reflect.Int, reflect.Float64:
		return json.RawMessage(text)
	}
	return text
}

// of returns the alternatives of a value of type t under r.
func (s *schema) of(t reflect.Type, r *rule) []any {
	switch {
	case isScalar(t):
		return scalarSchema(t, r)
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem(), r)
	case t.Kind() == reflect.Map:
		items := append(s.of(t.Elem(), &rule{}), object{"type": "null"})
		return []any{object{"type": "object", "additionalProperties": object{"anyOf": items}}}
	case t.Kind() == reflect.Slice:
		items := s.of(t.Elem(), r)
		out := []any{object{"type": "array", "items": object{"anyOf": items}}}
		switch inner := t.Elem(); {
		case isScalar(inner):
			return append(out, items...)
		case inner.Kind() == reflect.Slice: // a list inside a list may be its one item
			items[0].(object)["minItems"] = 1
			out[0].(object)["items"] = object{"anyOf": append(items, s.of(inner.Elem(), r)...)}
		}
		return out
	}
	name := strings.TrimSuffix(t.Name(), "File")
	if _, done := s.defs[name]; !done {
		s.defs[name] = nil // before its fields, which may be of the same type
		s.defs[name] = s.definition(t)
	}
	out := []any{object{"$ref": "#/$defs/" + name}}
	rs := rulesOf(t)
	if short := rs.short(); short != nil {
		out = append(out, s.of(t.Field(short.index).Type, short)...)
	}
	return out
}

// scalarSchema returns the alternatives of a plain value.
func scalarSchema(t reflect.Type, r *rule) []any {
	switch {
	case t == reflect.TypeFor[anyValue]():
		return []any{object{}}
	case r.enum != nil:
		var values []any
		for _, text := range r.enum {
			values = append(values, text)
			if _, err := strconv.ParseFloat(text, 64); err == nil {
				values = append(values, json.RawMessage(text))
			}
		}
		return []any{object{"enum": values}, replaced}
	case t == reflect.TypeFor[time.Duration]():
		return []any{object{"type": "string", "pattern": `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`}, object{"const": 0}, replaced}
	case t == reflect.TypeFor[size]():
		return []any{object{"type": "string", "pattern": `^[0-9]+ *([KMG]iB|[kKMG]?B)?$`}, object{"type": "integer"}, replaced}
	}
	number := func(typ string) []any {
		out := object{"type": typ}
		for key, bound := range map[string]string{"minimum": r.min, "maximum": r.max} {
			if bound != "" {
				out[key] = json.RawMessage(bound)
			}
		}
		return []any{out, replaced}
	}
	switch t.Kind() {
	case reflect.Bool:
		return []any{object{"type": "boolean"}, replaced}
	case reflect.Int:
		return number("integer")
	case reflect.Float64:
		return number("number")
	}
	return []any{object{"type": []string{"string", "number", "boolean"}}}
}
