package openai

import (
	"bytes"
	"slices"
	"strings"

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

// item edits an input item: a message, a tool's call or output, or earlier reasoning.
func (e *editor) item(v []byte) {
	role := itemRole(v)
	for it := jsonscan.Object(v); it.Next(); {
		switch m := it.Value(); string(it.Key()) {
		case "content", "output", "summary":
			e.content(role, m)
		case "arguments":
			e.Arguments(role, m)
		case "input", "code":
			e.text(role, m)
		case "queries", "results", "outputs", "operation", "error", "revised_prompt": // of searches, code, patches, MCP and images
			e.Found(role, m)
		case "action": // of a shell, a computer or a search
			for a := jsonscan.Object(m); a.Next(); {
				if string(a.Key()) != "type" {
					e.Values(role, a.Value())
				}
			}
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
		v := it.Value()
		if jsonscan.IsNull(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "instructions":
			if isText(v) {
				c.System = append(c.System, llm.Part{Text: jsonscan.String(v)})
			}
		case "input":
			if isText(v) {
				c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: jsonscan.String(v)}}})
			}
			for _, item := range elements(v) {
				appendTurn(c, inputItem(c, item))
			}
		case "tools":
			for _, t := range elements(v) {
				c.Tools = append(c.Tools, newTool(c, t, t))
			}
		case "tool_choice":
			toolChoice(c, key, v)
		case "parallel_tool_calls":
			parallel(c, v)
		case "user":
			c.User = jsonscan.String(v)
		default:
			responseOption(c, key, v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	return c, nil
}

// responseOption decodes the members that say how to answer.
func responseOption(c *llm.Conversation, key string, v []byte) {
	switch key {
	case "text":
		spec := jsonscan.Get(v, "format")
		format(c, "text.format", "text.format", spec, spec)
		for it := jsonscan.Object(v); it.Next(); {
			if name := string(it.Key()); name != "format" {
				extra(c, "text."+name, "text."+name, it.Value())
			}
		}
	case "reasoning":
		for _, name := range []string{"summary", "generate_summary"} { // the latter was the former's name
			if isText(jsonscan.Get(v, name)) {
				c.ShowThinking = llm.Some(true)
			}
		}
		rest(c, key, v, "effort", "summary", "generate_summary")
	case "top_logprobs":
		topLogprobs(c, v)
		c.Logprobs = c.Logprobs || c.TopLogprobs.Set
	case "include":
		for _, e := range elements(v) {
			switch jsonscan.String(e) {
			case "message.output_text.logprobs":
				c.Logprobs = true
			case "reasoning.encrypted_content": // always in the answer
			default:
				extra(c, key, key, v)
			}
		}
	case "stream_options":
		rest(c, key, v, "include_obfuscation")
	case "store":
		extra(c, "input.store", key, v)
	default:
		if !slices.Contains(params, key) {
			extra(c, key, key, v)
		}
	}
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
func inputItem(c *llm.Conversation, v []byte) llm.Message {
	const content = "input.content"
	m := llm.Message{Role: itemRole(v)}
	switch typ := str(v, "type"); typ {
	case "message", "":
		m.Parts = appendContent(c, content, nil, jsonscan.Get(v, "content"))
		rest(c, "input", v, "type", "role", "content", "id", "status")
	case "function_call":
		m.Parts = []llm.Part{{Kind: llm.PartToolCall, ID: str(v, "call_id"), Name: str(v, "name"), Text: str(v, "arguments")}}
		rest(c, "input", v, "type", "call_id", "name", "arguments", "id", "status")
	case "function_call_output":
		result := llm.Part{ID: str(v, "call_id")}
		m.Parts = toolResult(result, appendContent(c, "input.output", nil, jsonscan.Get(v, "output")))
		rest(c, "input", v, "type", "call_id", "output", "id", "status")
	case "reasoning":
		m.Parts = appendContent(c, content, nil, jsonscan.Get(v, "summary"))
		m.Parts = appendContent(c, content, m.Parts, jsonscan.Get(v, "content"))
		m.Parts = unseal(m.Parts, str(v, "encrypted_content"))
		rest(c, "input", v, "type", "summary", "content", "encrypted_content", "id", "status")
	default:
		// The role of a call, for outputs too: what cannot be said is that there was such a call.
		m.Role = llm.RoleAssistant
		m.Parts = []llm.Part{{Kind: llm.PartOther, Name: typ, Raw: bytes.Clone(v)}}
	}
	return m
}

// signed begins the encrypted_content of reasoning of other providers that has a signature: its text is not encrypted. No
// provider's own begins so, for a colon is not base64.
const signed = "signature:"

// seal is the encrypted_content of p, "" when it has none.
func seal(p *llm.Part) string {
	if p.Signature != "" {
		return signed + p.Signature
	}
	return p.Data
}

// unseal gives the last of parts, which are one reasoning item's, what the item has as encrypted_content.
func unseal(parts []llm.Part, content string) []llm.Part {
	if content == "" {
		return parts
	}
	if len(parts) == 0 {
		parts = append(parts, llm.Part{Kind: llm.PartReasoning})
	}
	p := &parts[len(parts)-1]
	if s, ok := strings.CutPrefix(content, signed); ok {
		p.Signature = s
	} else {
		p.Data = content
	}
	return parts
}
