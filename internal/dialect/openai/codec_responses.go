package openai

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// responsesCodec reads the body of "Create a model response".
type responsesCodec struct{}

// EditText implements llm.Codec.
func (responsesCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return run(body, edit, func(e *editor, it *jsonscan.Iter) {
		switch v := it.Value(); string(it.Key()) {
		case "instructions":
			e.text(llm.RoleSystem, v)
		case "input":
			e.text(llm.RoleUser, v)
			if jsonscan.KindOf(v) != jsonscan.List {
				return
			}
			for item := jsonscan.Array(v); item.Next(); {
				e.item(item.Value())
			}
		case "prompt": // variables of a stored prompt: texts, or content parts
			for p := jsonscan.Object(jsonscan.Get(v, "variables")); p.Next(); {
				e.text(llm.RoleUser, p.Value())
				e.part(llm.RoleUser, p.Value())
			}
		}
	})
}

// item edits an input item: a message, a tool's output or earlier reasoning.
func (e *editor) item(v []byte) {
	role := itemRole(v)
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "content", "output", "summary":
			e.content(role, it.Value())
		}
	}
}

// itemRole is the role of an input item: its own, a tool's for an output, the assistant's for the rest.
func itemRole(v []byte) llm.Role {
	if role := jsonscan.Get(v, "role"); role != nil {
		return roleOf(role)
	}
	if jsonscan.Get(v, "output") != nil {
		return llm.RoleTool
	}
	return llm.RoleAssistant
}

// Conversation implements llm.Codec.
func (responsesCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "instructions":
			if isText(v) {
				c.System = append(c.System, llm.Part{Text: jsonscan.String(v)})
			}
		case "input":
			if isText(v) {
				c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: jsonscan.String(v)}}})
			}
			for _, item := range elements(v) {
				appendTurn(c, inputItem(item))
			}
		case "tools":
			for _, t := range elements(v) {
				c.Tools = append(c.Tools, newTool(t, t))
			}
		case "tool_choice":
			toolChoice(c, v)
		case "parallel_tool_calls":
			parallel(c, v)
		case "text":
			c.OutputSchema = schema(jsonscan.Get(v, "format", "schema"))
		case "user":
			c.User = jsonscan.String(v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	return c, nil
}

// appendTurn appends m, or its parts to the message before when both are the assistant's: one turn of it is several items.
func appendTurn(c *llm.Conversation, m llm.Message) {
	if n := len(c.Messages); n > 0 && m.Role == llm.RoleAssistant && c.Messages[n-1].Role == m.Role {
		c.Messages[n-1].Parts = append(c.Messages[n-1].Parts, m.Parts...)
		return
	}
	c.Messages = append(c.Messages, m)
}

// inputItem decodes one item.
func inputItem(v []byte) llm.Message {
	m := llm.Message{Role: itemRole(v)}
	str := func(key string) string { return jsonscan.String(jsonscan.Get(v, key)) }
	switch typ := str("type"); typ {
	case "message", "":
		m.Parts = appendContent(nil, jsonscan.Get(v, "content"))
	case "function_call":
		m.Parts = []llm.Part{{Kind: llm.PartToolCall, ID: str("call_id"), Name: str("name"), Text: str("arguments")}}
	case "custom_tool_call":
		m.Parts = []llm.Part{{Kind: llm.PartToolCall, ID: str("call_id"), Name: str("name"), Text: str("input")}}
	case "function_call_output", "custom_tool_call_output":
		m.Parts = []llm.Part{{Kind: llm.PartToolResult, ID: str("call_id"), Text: joined(jsonscan.Get(v, "output"))}}
	case "reasoning":
		m.Parts = appendContent(nil, jsonscan.Get(v, "summary"))
		m.Parts = appendContent(m.Parts, jsonscan.Get(v, "content"))
		if s := str("encrypted_content"); s != "" {
			m.Parts = append(m.Parts, llm.Part{Kind: llm.PartReasoning, Signature: s})
		}
	default:
		m.Parts = []llm.Part{{Kind: llm.PartOther, Name: typ, Raw: bytes.Clone(v)}}
	}
	return m
}
