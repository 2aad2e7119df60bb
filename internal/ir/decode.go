package ir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a file beside its size.
const (
	maxNodes    = 1 << 19 // keys and values, counted again at every use of an alias
	maxMerges   = 16      // merge keys inside merge keys
	maxProblems = 1000
)

// place is where a value stands in a file.
type place struct {
	file         string
	line, column int
	text         string // as written, ${…} included; "" for a secret or what is not a plain value
}

// decoder reads YAML nodes into the types of file.go. It goes on after a problem, so that all are found at once.
type decoder struct {
	file     string // name of the file being read
	options  LoadOptions
	at       map[string]place // by field
	told     map[string]bool  // fields of the wrong kind or with a key of a later version: what they lack is no news
	problems Problems
	more     bool // than maxProblems
	types    map[reflect.Type]*rules
	nodes    int // read so far
	merges   int // open merge keys
}

// rules returns the tags of t, a struct of file.go.
func (d *decoder) rules(t reflect.Type) *rules {
	if d.types[t] == nil {
		rs := rulesOf(t)
		d.types[t] = &rs
	}
	return d.types[t]
}

// add adds p, at the place of field or of the nearest field around it.
func (d *decoder) add(field string, p Problem) {
	p.Field = field
	for where := field; p.Line == 0; {
		if at, ok := d.at[where]; ok {
			p.File, p.Line, p.Column = at.file, at.line, at.column
		} else if where == "" {
			p.File, p.Line, p.Column = d.file, 1, 1
		}
		where = where[:max(0, strings.LastIndexAny(where, ".["))]
	}
	if d.more = len(d.problems) == maxProblems; !d.more {
		d.problems = append(d.problems, p)
	}
}

// bad adds the problem that what field holds is not allowed.
func (d *decoder) bad(field, message, allowed string) {
	d.add(field, Problem{Message: message, Found: d.found(field), Allowed: allowed})
}

// found is what the file says at field, quoted; "" when it says nothing or nothing that may be shown.
func (d *decoder) found(field string) string {
	if text := d.at[field].text; text != "" {
		return quoted(text)
	}
	return ""
}

// addAt adds p at n, which need not be a field's value.
func (d *decoder) addAt(n *yaml.Node, field string, p Problem) {
	p.File, p.Line, p.Column = d.file, n.Line, n.Column
	d.add(field, p)
}

// root parses the one document of data, null when it is empty, and reports whether it is YAML.
func (d *decoder) root(data []byte) (*yaml.Node, bool) {
	in := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}, true
	case err != nil:
		d.syntax(data, err)
		return nil, false
	}
	if err := in.Decode(&more); err == nil {
		d.addAt(&more, "", Problem{Message: "a second document: a file holds one"})
	} else if !errors.Is(err, io.EOF) {
		d.syntax(data, err)
	}
	return doc.Content[0], true
}

// syntax adds what the YAML parser says of data.
func (d *decoder) syntax(data []byte, err error) {
	p := Problem{Line: 1, Column: 1, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	if text, ok := strings.CutPrefix(p.Message, "line "); ok {
		if number, message, ok := strings.Cut(text, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				p.Line, p.Message = line, message
			}
		}
	}
	if text, ok := strings.CutPrefix(p.Message, "unknown anchor '"); ok { // its name may be an unquoted secret
		name, _, _ := strings.Cut(text, "'")
		before, _, _ := bytes.Cut(data, []byte("*"+name))
		p.Line = 1 + bytes.Count(before, []byte("\n"))
		p.Column = 1 + utf8.RuneCount(before[1+bytes.LastIndexByte(before, '\n'):])
		p.Message = `a value that starts with "*" is an alias, and no anchor of that name stands before it`
		p.Allowed = "quotes around the value"
	}
	p.Message = "not YAML: " + p.Message
	d.addAt(&yaml.Node{Line: p.Line, Column: p.Column}, "", p)
}

// settable is the variable that f points to.
func settable(f *file) reflect.Value { return reflect.ValueOf(f).Elem() }

// value reads n into v, the value of field under r.
func (d *decoder) value(n *yaml.Node, field string, v reflect.Value, r *rule) {
	n, ok := d.resolve(n, field)
	if !ok {
		return
	}
	if _, again := d.at[field]; !again {
		d.at[field] = place{file: d.file, line: n.Line, column: n.Column}
	}
	if value, ok := v.Addr().Interface().(*anyValue); ok {
		*value = anyValue(d.json(nil, n, field))
		return
	}
	if n.ShortTag() == "!!null" {
		d.absent(v, r)
		return
	}
	switch t := v.Type(); {
	case isScalar(t):
		d.scalar(n, field, v, r)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, field, v.Elem(), r)
	case t.Kind() == reflect.Struct:
		d.object(n, field, v)
	case t.Kind() == reflect.Slice:
		d.list(n, field, v, r)
	case t.Kind() == reflect.Map:
		d.named(n, field, v, r)
	}
}

// resolve follows an alias, counts, and refuses tags of other schemas.
func (d *decoder) resolve(n *yaml.Node, field string) (*yaml.Node, bool) {
	if !d.count(n, 1) {
		return nil, false
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp", "!!merge":
		return n, true
	}
	d.addAt(n, field, Problem{Message: "has a YAML tag (!) of its own", Allowed: "no tag"})
	return nil, false
}

// count notes that k more keys or values are read, and reports whether the file may have as many.
func (d *decoder) count(n *yaml.Node, k int) bool {
	before := d.nodes
	d.nodes += k
	if before <= maxNodes && d.nodes > maxNodes {
		d.addAt(n, "", Problem{Message: fmt.Sprintf("more than %d keys and values, those behind aliases included", maxNodes)})
	}
	return d.nodes <= maxNodes
}

// absent gives v, the value of a key that is not there or null, its default, which is within its bounds.
func (d *decoder) absent(v reflect.Value, r *rule) {
	switch t := v.Type(); {
	case t.Kind() == reflect.Struct && !isScalar(t):
		rs := d.rules(t)
		for i := range rs.settings {
			s := &rs.settings[i]
			d.absent(v.Field(s.index), s)
		}
	case t.Kind() == reflect.Slice:
		for _, text := range list(r.fallback) {
			e := reflect.New(t.Elem()).Elem()
			set(e, text, &rule{})
			v.Set(reflect.Append(v, e))
		}
	case r.fallback != "":
		set(v, r.fallback, &rule{})
	}
}

// scalar reads n, one plain value, into v.
func (d *decoder) scalar(n *yaml.Node, field string, v reflect.Value, r *rule) {
	t := v.Type()
	if n.Kind != yaml.ScalarNode {
		d.wrongKind(n, field, r.allowed(t))
		return
	}
	if !isSecret(t) {
		d.at[field] = place{file: d.file, line: n.Line, column: n.Column, text: n.Value}
	}
	e, errs := d.options.expand(n.Value)
	for _, err := range errs {
		d.add(field, Problem{Message: err.Error()})
	}
	switch {
	case errs != nil:
	case isSecret(t):
		d.secret(n, field, v, e, r)
	case !set(v, e.text, r):
		p := Problem{Message: "not allowed", Found: d.found(field), Allowed: r.allowed(t), Suggestion: suggest(n.Value, r.enum)}
		d.add(field, p)
	}
}

// secret puts what came of n into v, a Secret or a Credential under r.
func (d *decoder) secret(n *yaml.Node, field string, v reflect.Value, e expansion, r *rule) {
	if !r.lines && !isHeaderValue(e.text) {
		d.add(field, Problem{Message: "holds a line break or another control character (the value is secret)"})
	}
	if e.used && e.text == "" {
		d.add(field, Problem{Message: "what it stands for is empty", Found: quoted(n.Value)})
	}
	switch p := v.Addr().Interface().(type) {
	case *Secret:
		*p = Secret(e.text)
	case *Credential:
		switch {
		case e.text == passthrough:
			p.Passthrough = true
		case suggest(e.text, []string{passthrough}) != "":
			d.add(field, Problem{Message: "looks like a misspelt word", Suggestion: passthrough})
		default:
			p.Value, p.File = Secret(e.text), e.file
		}
	}
}

// passthrough, in place of a key, sends the caller's own credential on.
const passthrough = "passthrough"

// list reads n into v, a slice. A list of one plain value, or one inside another list, may be written as that value.
func (d *decoder) list(n *yaml.Node, field string, v reflect.Value, r *rule) {
	t := v.Type()
	v.Set(reflect.MakeSlice(t, 0, len(n.Content)))
	if n.Kind != yaml.SequenceNode {
		inner := t.Elem().Kind() == reflect.Struct && strings.HasSuffix(field, "]") && n.Kind == yaml.MappingNode
		if !inner && (!isScalar(t.Elem()) || n.Kind != yaml.ScalarNode) {
			d.wrongKind(n, field, r.allowed(t))
			return
		}
		v.Set(reflect.Append(v, reflect.Zero(t.Elem())))
		d.value(n, field, v.Index(0), r)
		return
	}
	for i, item := range n.Content {
		at := field + "[" + strconv.Itoa(i) + "]"
		v.Set(reflect.Append(v, reflect.Zero(t.Elem())))
		if item.ShortTag() == "!!null" {
			d.addAt(item, at, Problem{Message: "an empty item", Allowed: r.allowed(t.Elem())})
			continue
		}
		d.value(item, at, v.Index(i), r)
	}
}

// named reads n into v, a map by name.
func (d *decoder) named(n *yaml.Node, field string, v reflect.Value, r *rule) {
	t := v.Type()
	if n.Kind != yaml.MappingNode {
		d.wrongKind(n, field, r.allowed(t))
		return
	}
	v.Set(reflect.MakeMap(t))
	for _, e := range d.entries(n, field) {
		item := reflect.New(t.Elem()).Elem()
		d.value(e.value, join(field, e.key.Value), item, r)
		v.SetMapIndex(reflect.ValueOf(e.key.Value), item)
	}
}

// object reads n into v, a struct of file.go.
func (d *decoder) object(n *yaml.Node, field string, v reflect.Value) {
	rs := d.rules(v.Type())
	done := make(map[int]string) // index of a field → the key that set it
	switch short := rs.short(); {
	case n.Kind == yaml.MappingNode:
		d.settings(n, field, v, rs, done)
	case n.Kind == yaml.ScalarNode && short != nil:
		d.value(n, field, v.Field(short.index), short)
		done[short.index] = short.keys[0]
	default:
		d.wrongKind(n, field, phrase(v.Type()))
		d.absent(v, &rule{})
		return
	}
	for i := range rs.settings {
		s := &rs.settings[i]
		if _, ok := done[s.index]; ok {
			continue
		}
		if s.need {
			d.add(join(field, s.keys[0]), Problem{Message: "is needed", Allowed: s.allowed(v.Field(s.index).Type())})
		}
		d.absent(v.Field(s.index), s)
	}
}

// settings reads the keys of n into the fields of v, and notes them in done.
func (d *decoder) settings(n *yaml.Node, field string, v reflect.Value, rs *rules, done map[int]string) {
	for _, e := range d.entries(n, field) {
		key := e.key.Value
		s := rs.find(key)
		switch {
		case s == nil && slices.Contains(rs.later, key):
			d.told[field] = true
			d.addAt(e.key, join(field, key), Problem{Message: "not supported yet in this version"})
		case s == nil:
			p := Problem{Message: "unknown key", Allowed: strings.Join(rs.names(), ", "), Suggestion: suggest(key, rs.names())}
			d.addAt(e.key, join(field, key), p)
		case done[s.index] != "":
			d.addAt(e.key, join(field, key), Problem{Message: "is the same setting as " + done[s.index] + ", which is there too"})
		default:
			done[s.index] = key
			d.value(e.value, join(field, s.keys[0]), v.Field(s.index), s)
		}
	}
}

// entry is a key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// entries returns the keys of a mapping in order, each once: its own, then those of merges (<<) that it has not itself.
func (d *decoder) entries(n *yaml.Node, field string) []entry {
	if !d.count(n, len(n.Content)/2) {
		return nil
	}
	var out []entry
	var merges []*yaml.Node
	seen := make(map[string]int) // key → line
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.ShortTag() == "!!merge":
			merges = append(merges, v)
		case k.Kind != yaml.ScalarNode:
			d.addAt(k, field, Problem{Message: "a key that is no plain text"})
		case seen[k.Value] != 0:
			d.addAt(k, join(field, k.Value), Problem{Message: fmt.Sprintf("is set twice, first on line %d", seen[k.Value])})
		default:
			seen[k.Value] = k.Line
			out = append(out, entry{k, v})
		}
	}
	for _, m := range merges {
		for _, e := range d.merged(m, field) {
			if seen[e.key.Value] == 0 {
				seen[e.key.Value] = e.key.Line
				out = append(out, e)
			}
		}
	}
	return out
}

// merged returns the keys that the value of a merge key brings: one mapping, or several in a list, the first wins.
func (d *decoder) merged(n *yaml.Node, field string) []entry {
	if d.merges == maxMerges {
		d.addAt(n, join(field, "<<"), Problem{Message: fmt.Sprintf("merges more than %d deep, or into itself", maxMerges)})
		return nil
	}
	d.merges++
	defer func() { d.merges-- }()
	n, ok := d.resolve(n, field)
	if !ok {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return d.entries(n, field)
	case yaml.SequenceNode:
		var out []entry
		for _, item := range n.Content {
			out = append(out, d.merged(item, field)...)
		}
		return out
	}
	d.wrongKind(n, join(field, "<<"), "a mapping or an alias of one")
	return nil
}

// wrongKind adds the problem that n is a list, mapping or plain value where something else belongs. It does not repeat n,
// which may be a secret in the wrong place.
func (d *decoder) wrongKind(n *yaml.Node, field, want string) {
	found := map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "a plain value"}
	d.told[field] = true
	d.addAt(n, field, Problem{Message: "not of the right kind", Found: found[n.Kind], Allowed: want})
}

// join is the name of key inside field.
func join(field, key string) string {
	for i := range len(key) {
		c := key[i]
		if c != '_' && c != '-' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return field + "[" + quoted(key) + "]"
		}
	}
	switch {
	case key == "":
		return field + `[""]`
	case field == "":
		return key
	}
	return field + "." + key
}
