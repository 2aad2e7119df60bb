package gemini

import (
	"bytes"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// codec implements llm.Codec for all request messages: their members have different names.
type codec struct{}

// Conversation implements llm.Codec. What is to be embedded is read as messages of the user.
func (codec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "contents", "content":
			elements(v, func(v []byte) { c.Messages = append(c.Messages, readMessage(v)) })
		case "requests":
			elements(v, func(v []byte) {
				elements(member(v, "content"), func(v []byte) { c.Messages = append(c.Messages, readMessage(v)) })
			})
		case "systemInstruction", "system_instruction":
			elements(v, func(v []byte) { c.System = append(c.System, readMessage(v).Parts...) })
		case "tools":
			elements(v, func(v []byte) { readTools(c, v) })
		case "toolConfig", "tool_config":
			readToolChoice(c, v)
		case "generationConfig", "generation_config":
			c.OutputSchema = outputSchema(v)
		}
	}
	return c, it.Err()
}

// readMessage reads a Content. One that holds nothing but function responses is a tool's, whatever its role says (user, or
// function of old).
func readMessage(v []byte) llm.Message {
	role, parts := roleAndParts(v)
	m := llm.Message{Role: role}
	results := 0
	elements(parts, func(v []byte) {
		p, _ := readPart(v)
		p.Index = len(m.Parts)
		p.Raw = bytes.Clone(p.Raw)
		if p.Kind == llm.PartToolResult {
			results++
		}
		m.Parts = append(m.Parts, p)
	})
	if results > 0 && results == len(m.Parts) {
		m.Role = llm.RoleTool
	}
	return m
}

func roleAndParts(content []byte) (role llm.Role, parts []byte) {
	role = llm.RoleUser
	for it := jsonscan.Object(content); it.Next(); {
		switch string(it.Key()) {
		case "role":
			switch jsonscan.String(it.Value()) {
			case "model":
				role = llm.RoleAssistant
			case "function":
				role = llm.RoleTool
			case "system":
				role = llm.RoleSystem
			}
		case "parts":
			parts = it.Value()
		}
	}
	return role, parts
}

// readTools reads a Tool: its function declarations, and each of the provider's own tools in it.
func readTools(c *llm.Conversation, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "functionDeclarations", "function_declarations":
			elements(it.Value(), func(v []byte) { c.Tools = append(c.Tools, readFunction(v)) })
		default:
			c.Tools = append(c.Tools, llm.Tool{Name: string(it.Key()), Raw: bytes.Clone(v)})
		}
	}
}

func readFunction(v []byte) llm.Tool {
	var t llm.Tool
	for it := jsonscan.Object(v); it.Next(); {
		switch val := it.Value(); string(it.Key()) {
		case "name":
			t.Name = jsonscan.String(val)
		case "description":
			t.Description = jsonscan.String(val)
		case "parameters":
			if jsonscan.KindOf(val) == jsonscan.Dict {
				t.Schema = standardSchema(val)
			}
		case "parametersJsonSchema", "parameters_json_schema":
			if jsonscan.KindOf(val) == jsonscan.Dict {
				t.Schema = bytes.Clone(val)
			}
		}
	}
	return t
}

// outputSchema is the schema of generationConfig, which has a name for each of the two schema languages.
func outputSchema(config []byte) []byte {
	if jsonscan.KindOf(config) != jsonscan.Dict {
		return nil
	}
	for it := jsonscan.Object(config); it.Next(); {
		v := it.Value()
		if jsonscan.KindOf(v) != jsonscan.Dict {
			continue
		}
		switch string(it.Key()) {
		case "responseSchema", "response_schema":
			return standardSchema(v)
		case "responseJsonSchema", "response_json_schema":
			return bytes.Clone(v)
		}
	}
	return nil
}

// standardSchema turns Google's Schema, whose types are an enum (STRING, or its number), into JSON Schema.
func standardSchema(v []byte) []byte {
	var edits []jsonscan.Edit
	schemaTypes(v, v, &edits)
	return jsonscan.Apply(nil, v, edits)
}

func schemaTypes(whole, v []byte, edits *[]jsonscan.Edit) {
	if jsonscan.KindOf(v) == jsonscan.List {
		elements(v, func(v []byte) { schemaTypes(whole, v, edits) })
		return
	}
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		val := it.Value()
		if name := schemaType(val); string(it.Key()) == "type" && name != "" {
			*edits = append(*edits, jsonscan.Edit{At: jsonscan.At(whole, val), With: jsonscan.AppendString(nil, name)})
			continue
		}
		schemaTypes(whole, val, edits)
	}
}

// schemaType is the JSON Schema name of a value of google.ai.generativelanguage.v1beta.Type.
func schemaType(v []byte) string {
	names := [...]string{"", "string", "number", "integer", "boolean", "array", "object", "null"}
	if n, ok := jsonscan.Int(v); ok && n > 0 && n < int64(len(names)) {
		return names[n]
	}
	return strings.ToLower(jsonscan.String(v))
}

// readToolChoice reads ToolConfig.functionCallingConfig.
func readToolChoice(c *llm.Conversation, v []byte) {
	cfg := member(v, "functionCallingConfig")
	if cfg == nil {
		cfg = member(v, "function_calling_config")
	}
	if jsonscan.KindOf(cfg) != jsonscan.Dict {
		return
	}
	var names []string
	for it := jsonscan.Object(cfg); it.Next(); {
		switch string(it.Key()) {
		case "mode":
			switch strings.ToUpper(jsonscan.String(it.Value())) {
			case "AUTO", "VALIDATED":
				c.ToolChoice = "auto"
			case "ANY":
				c.ToolChoice = "required"
			case "NONE":
				c.ToolChoice = "none"
			}
		case "allowedFunctionNames", "allowed_function_names":
			names = jsonscan.Strings(it.Value())
		}
	}
	if c.ToolChoice == "required" && len(names) == 1 {
		c.ToolChoice, c.ToolChoiceName = "tool", names[0]
	}
}

// EditText implements llm.Codec. The text of a function response is every string in it.
func (codec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	e := editor{dialect.Texts{Body: body, Edit: edit}}
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "contents", "content":
			elements(v, e.content)
		case "requests":
			elements(v, func(v []byte) { elements(member(v, "content"), e.content) })
		case "systemInstruction", "system_instruction":
			elements(v, e.system)
		}
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return e.Result(), nil
}

type editor struct{ dialect.Texts }

func (e *editor) content(v []byte) {
	role, parts := roleAndParts(v)
	e.parts(role, parts)
}

func (e *editor) system(v []byte) {
	_, parts := roleAndParts(v)
	e.parts(llm.RoleSystem, parts)
}

func (e *editor) parts(role llm.Role, parts []byte) {
	elements(parts, func(v []byte) {
		switch p, text := readPart(v); p.Kind {
		case llm.PartText, llm.PartReasoning:
			e.Offer(role, text)
		case llm.PartToolResult:
			e.strings(text)
		}
	})
}

// strings offers every string in v, names of members aside.
func (e *editor) strings(v []byte) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		e.Offer(llm.RoleTool, v)
	case jsonscan.List:
		for it := jsonscan.Array(v); it.Next(); {
			e.strings(it.Value())
		}
	case jsonscan.Dict:
		for it := jsonscan.Object(v); it.Next(); {
			e.strings(it.Value())
		}
	}
}
