package gemini

import (
	"bytes"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// tool reads a Tool: its function declarations, and each of the provider's own tools in it.
func (d *reading) tool(v []byte) {
	each(v, func(key string, v []byte) {
		switch {
		case key == "functionDeclarations" || key == "function_declarations":
			elements(v, func(v []byte) { d.function("tools."+key, v) })
		case !jsonscan.IsNull(v):
			raw := append(jsonscan.AppendString([]byte("{"), key), ':')
			d.c.Tools = append(d.c.Tools, llm.Tool{Name: key, Raw: append(append(raw, v...), '}')})
		}
	})
}

func (d *reading) function(path string, v []byte) {
	var t llm.Tool
	each(v, func(key string, v []byte) {
		switch key {
		case "name":
			t.Name = jsonscan.String(v)
		case "description":
			t.Description = jsonscan.String(v)
		case "parameters":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				t.Schema = appendSchema(nil, v)
			}
		case "parametersJsonSchema", "parameters_json_schema":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				t.Schema = bytes.Clone(v)
			}
		case "behavior":
			if jsonscan.String(v) != "BLOCKING" {
				d.extra(path+"."+key, v)
			}
		default:
			d.extra(path+"."+key, v)
		}
	})
	d.c.Tools = append(d.c.Tools, t)
}

// toolConfig reads a ToolConfig.
func (d *reading) toolConfig(path string, v []byte) {
	each(v, func(key string, v []byte) {
		if key == "functionCallingConfig" || key == "function_calling_config" {
			d.callingConfig(path+"."+key, v)
			return
		}
		d.extra(path+"."+key, v)
	})
}

// callingConfig reads a FunctionCallingConfig. VALIDATED, the model's own choice with calls that follow their schemas, and
// several allowed functions have no neutral form.
func (d *reading) callingConfig(path string, v []byte) {
	var names []string
	var given []byte
	namesKey := ""
	each(v, func(key string, v []byte) {
		switch key {
		case "mode":
			switch strings.ToUpper(jsonscan.String(v)) {
			case "AUTO":
				d.c.ToolChoice = "auto"
			case "ANY":
				d.c.ToolChoice = "required"
			case "NONE":
				d.c.ToolChoice = "none"
			default:
				d.extra(path+"."+key, v)
			}
		case "allowedFunctionNames", "allowed_function_names":
			names, given, namesKey = jsonscan.Strings(v), v, key
		default:
			d.extra(path+"."+key, v)
		}
	})
	switch {
	case d.c.ToolChoice == "required" && len(names) == 1:
		d.c.ToolChoice, d.c.ToolChoiceName = "tool", names[0]
	case len(names) > 0:
		d.extra(path+"."+namesKey, given)
	}
}

// appendSchema appends Google's Schema v, a subset of OpenAPI's, as JSON Schema: types are an enum there (STRING, or its
// number), null is a flag, and proto's JSON mapping writes 64-bit counts as strings.
func appendSchema(dst, v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return append(dst, v...)
	}
	nullable := jsonscan.Bool(member(v, "nullable"))
	dst = append(dst, '{')
	n := 0
	each(v, func(key string, v []byte) {
		if key == "nullable" {
			return
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(jsonscan.AppendString(dst, key), ':')
		dst = appendKeyword(dst, key, v, nullable)
	})
	return append(dst, '}')
}

func appendKeyword(dst []byte, key string, v []byte, nullable bool) []byte {
	switch key {
	case "type":
		name := schemaType(v)
		switch {
		case name == "":
			return append(dst, v...)
		case nullable:
			return append(jsonscan.AppendString(append(dst, '['), name), `,"null"]`...)
		}
		return jsonscan.AppendString(dst, name)
	case "enum":
		if list := bytes.TrimSuffix(v, []byte("]")); nullable && len(list) < len(v) && !unset(v) {
			return append(append(dst, list...), ",null]"...)
		}
	case "items", "additionalProperties", "additional_properties", "not":
		return appendSchema(dst, v)
	case "properties", "$defs", "defs":
		return appendAll(dst, v, jsonscan.Dict)
	case "anyOf", "any_of", "oneOf", "allOf", "prefixItems":
		return appendAll(dst, v, jsonscan.List)
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		if s := jsonscan.String(v); s != "" {
			if _, ok := jsonscan.Int([]byte(s)); ok {
				return append(dst, s...)
			}
		}
	}
	return append(dst, v...)
}

// appendAll appends the schemas in v, which is of kind k.
func appendAll(dst, v []byte, k jsonscan.Kind) []byte {
	if jsonscan.KindOf(v) != k {
		return append(dst, v...)
	}
	it, end := jsonscan.Array(v), byte(']')
	if k == jsonscan.Dict {
		it, end = jsonscan.Object(v), '}'
	}
	dst = append(dst, v[0])
	for n := 0; it.Next(); n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		if k == jsonscan.Dict {
			dst = append(jsonscan.AppendString(dst, string(it.Key())), ':')
		}
		dst = appendSchema(dst, it.Value())
	}
	return append(dst, end)
}

// schemaType is the JSON Schema name of a value of google.ai.generativelanguage.v1beta.Type, "" when it is none.
func schemaType(v []byte) string {
	names := [...]string{"", "string", "number", "integer", "boolean", "array", "object", "null"}
	if n, ok := jsonscan.Int(v); ok && n > 0 && n < int64(len(names)) {
		return names[n]
	}
	return strings.ToLower(jsonscan.String(v))
}
