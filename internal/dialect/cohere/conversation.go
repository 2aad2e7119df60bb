package cohere

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// chatCodec reads requests of chat, version 2.
type chatCodec struct{}

// Conversation implements llm.Codec. The plan that comes before calls of tools is reasoning.
func (chatCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	var strict llm.Opt[bool]
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		if absent(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "model", "stream", "temperature", "p", "k", "frequency_penalty", "presence_penalty", "max_tokens", "seed", "stop_sequences":
		case "messages":
			elements(v, func(v []byte) { c.Messages = append(c.Messages, message(c, v)) })
		case "tools":
			elements(v, func(v []byte) { c.Tools = append(c.Tools, readTool(v)) })
		case "strict_tools":
			strict = llm.Some(jsonscan.Bool(v))
		case "tool_choice":
			c.ToolChoice = strings.ToLower(jsonscan.String(v)) // REQUIRED, NONE
		case "response_format":
			responseFormat(c, v)
		case "thinking":
			thinking(c, v)
		case "logprobs":
			c.Logprobs = jsonscan.Bool(v)
		default:
			if !isDefault(key, v) {
				extra(c, key, v)
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	if strict.Set {
		for i := range c.Tools {
			c.Tools[i].Strict = strict
		}
	}
	return c, nil
}

func malformed(err error) error {
	return llm.Errorf(http.StatusBadRequest, badRequest, "The request body is not a JSON object: %v.", err)
}

// absent reports whether a member says nothing: null, or an empty list.
func absent(v []byte) bool {
	return jsonscan.IsNull(v) || len(v) >= 2 && v[0] == '[' && len(bytes.TrimSpace(v[1:len(v)-1])) == 0
}

// isDefault reports whether a member of a chat request says what its absence says (API reference, chat). Without citations,
// which no other provider makes, nothing is lost either.
func isDefault(key string, v []byte) bool {
	switch key {
	case "safety_mode":
		return jsonscan.String(v) == "CONTEXTUAL"
	case "priority":
		n, ok := jsonscan.Int(v)
		return ok && n == 0
	case "citation_options":
		switch strings.ToLower(jsonscan.String(jsonscan.Get(v, "mode"))) {
		case "", "accurate", "enabled", "off", "disabled":
			return true
		}
	case "raw_prompting":
		return !jsonscan.Bool(v)
	}
	return false
}

func extra(c *llm.Conversation, field string, v []byte) {
	c.Extra = append(c.Extra, llm.Extra{Field: field, Raw: bytes.Clone(v)})
}

// elements calls f for the elements of the list v.
func elements(v []byte, f func(v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		f(it.Value())
	}
}

// message reads one of messages, whose members that have no neutral form go to c.
func message(c *llm.Conversation, v []byte) llm.Message {
	m := llm.Message{Role: llm.Role(jsonscan.String(jsonscan.Get(v, "role")))}
	if m.Role == llm.RoleTool {
		m.Parts = toolResult(c, v)
		return m
	}
	var content, calls []llm.Part
	for it := jsonscan.Object(v); it.Next(); {
		v := it.Value()
		if absent(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "role":
		case "content":
			content = appendContent(content, v)
		case "tool_plan":
			if s := jsonscan.String(v); s != "" {
				m.Parts = append(m.Parts, llm.Part{Kind: llm.PartReasoning, Text: s})
			}
		case "tool_calls":
			elements(v, func(v []byte) { calls = append(calls, readCall(v, len(calls))) })
		default:
			extra(c, "messages."+key, v)
		}
	}
	m.Parts = append(append(m.Parts, content...), calls...)
	return m
}

// appendContent appends the parts of a content: a text, or a list of parts.
func appendContent(dst []llm.Part, v []byte) []llm.Part {
	if jsonscan.KindOf(v) == jsonscan.Text {
		return append(dst, llm.Part{Text: jsonscan.String(v)})
	}
	elements(v, func(v []byte) { dst = append(dst, contentPart(v)) })
	return dst
}

func contentPart(v []byte) llm.Part {
	switch typ := jsonscan.String(jsonscan.Get(v, "type")); typ {
	case "text":
		return llm.Part{Text: jsonscan.String(jsonscan.Get(v, "text"))}
	case "thinking":
		return llm.Part{Kind: llm.PartReasoning, Text: jsonscan.String(jsonscan.Get(v, "thinking"))}
	case "image_url":
		p := linked(jsonscan.String(jsonscan.Get(v, "image_url", "url")))
		p.Detail = jsonscan.String(jsonscan.Get(v, "image_url", "detail"))
		return p
	default:
		return llm.Part{Kind: llm.PartOther, Name: typ, Raw: bytes.Clone(v)}
	}
}

// linked is the image at a URL: the data of a data URL (RFC 2397, base64), else the URL.
func linked(url string) llm.Part {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		if mime, data, ok := strings.Cut(rest, ";base64,"); ok {
			return llm.Part{Kind: llm.PartBlob, MIME: mime, Data: data}
		}
	}
	return llm.Part{Kind: llm.PartURI, MIME: "image/*", URI: url}
}

// toolResult reads a message of a tool: its texts, and the data of its documents, as one part. The id of a document, by which
// citations name it, has no neutral form.
func toolResult(c *llm.Conversation, v []byte) []llm.Part {
	result := llm.Part{Kind: llm.PartToolResult}
	var texts []string
	var others []llm.Part
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "role":
		case "tool_call_id":
			result.ID = jsonscan.String(v)
		case "content":
			if jsonscan.KindOf(v) == jsonscan.Text {
				texts = append(texts, jsonscan.String(v))
			}
			elements(v, func(v []byte) {
				if data := jsonscan.Get(v, "document", "data"); jsonscan.String(jsonscan.Get(v, "type")) == "document" && data != nil {
					texts = append(texts, valueText(data))
					if id := jsonscan.Get(v, "document", "id"); !absent(id) {
						extra(c, "messages.content.document.id", id)
					}
					return
				}
				if p := contentPart(v); p.Kind == llm.PartText {
					texts = append(texts, p.Text)
				} else {
					others = append(others, p)
				}
			})
		default:
			if !absent(v) {
				extra(c, "messages."+string(it.Key()), v)
			}
		}
	}
	result.Text = strings.Join(texts, "\n")
	return append([]llm.Part{result}, others...)
}

// valueText is the string v, or its JSON when it is something else.
func valueText(v []byte) string {
	if jsonscan.KindOf(v) == jsonscan.Text {
		return jsonscan.String(v)
	}
	return string(v)
}

// readCall reads one of the tool calls of version 2, whose arguments are text.
func readCall(v []byte, index int) llm.Part {
	return llm.Part{
		Kind: llm.PartToolCall, Index: index, ID: jsonscan.String(jsonscan.Get(v, "id")),
		Name: jsonscan.String(jsonscan.Get(v, "function", "name")), Text: valueText(jsonscan.Get(v, "function", "arguments")),
	}
}

func readTool(v []byte) llm.Tool {
	fn := jsonscan.Get(v, "function")
	if jsonscan.KindOf(fn) != jsonscan.Dict {
		return llm.Tool{Raw: bytes.Clone(v)}
	}
	t := llm.Tool{Name: jsonscan.String(jsonscan.Get(fn, "name")), Description: jsonscan.String(jsonscan.Get(fn, "description"))}
	if p := jsonscan.Get(fn, "parameters"); jsonscan.KindOf(p) == jsonscan.Dict {
		t.Schema = bytes.Clone(p)
	}
	return t
}

// responseFormat reads response_format. Its schema is json_schema in the reference of version 2, schema in the guides and in
// version 1.
func responseFormat(c *llm.Conversation, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		v := it.Value()
		switch key := string(it.Key()); key {
		case "type":
			if t := jsonscan.String(v); t != "text" && t != "json_object" {
				extra(c, "response_format.type", v)
			}
		case "json_schema", "schema":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				c.OutputSchema = bytes.Clone(v)
			}
		default:
			if !absent(v) {
				extra(c, "response_format."+key, v)
			}
		}
	}
}

func thinking(c *llm.Conversation, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		v := it.Value()
		switch key := string(it.Key()); key {
		case "type":
			switch jsonscan.String(v) {
			case "enabled":
				c.Thinking = "on"
			case "disabled":
				c.Thinking = "off"
			}
		case "token_budget":
			if n, ok := jsonscan.Int(v); ok {
				c.ThinkingBudget = llm.Some(n)
			}
		default:
			if !absent(v) {
				extra(c, "thinking."+key, v)
			}
		}
	}
}
