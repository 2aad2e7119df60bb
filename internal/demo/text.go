package demo

import (
	"encoding/json"
	"strings"
)

// maxNesting is how deeply content may nest before the demo provider stops reading it. Tool results with parts need 3.
const maxNesting = 4

// textOf joins the natural-language text of content in any of the dialects' shapes: a string, a part with text, content or
// parts, or a list of such.
func textOf(raw json.RawMessage) string { return strings.Join(texts(nil, raw, maxNesting), "\n") }

func texts(dst []string, raw json.RawMessage, depth int) []string {
	if len(raw) == 0 || depth == 0 {
		return dst
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil && s != "" {
			dst = append(dst, s)
		}
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil {
			for _, v := range list {
				dst = texts(dst, v, depth-1)
			}
		}
	case '{':
		var part struct{ Text, Content, Parts json.RawMessage }
		if json.Unmarshal(raw, &part) == nil {
			for _, v := range []json.RawMessage{part.Text, part.Content, part.Parts} {
				dst = texts(dst, v, depth-1)
			}
		}
	}
	return dst
}

// message is one turn, in the shape that OpenAI, Anthropic and Ollama share.
type message struct {
	Role    string
	Type    string // of an item of the Responses API
	Content json.RawMessage
	Output  json.RawMessage // of a function_call_output of the Responses API
}

// converse adds messages to p.
func (p *prompt) converse(messages []message) {
	for _, m := range messages {
		text := textOf(m.Content)
		if text == "" {
			text = textOf(m.Output)
		}
		p.add(text)
		if m.Role == "user" && text != "" {
			p.last = text
		}
		p.answered = m.Role == "tool" || m.Type == "function_call_output" || holdsToolResult(m.Content)
	}
}

// holdsToolResult tells a message of Anthropic's that carries the result of a tool.
func holdsToolResult(content json.RawMessage) bool {
	var parts []struct{ Type string }
	if json.Unmarshal(content, &parts) != nil {
		return false
	}
	for _, part := range parts {
		if part.Type == "tool_result" {
			return true
		}
	}
	return false
}

// offered is a tool of a request: OpenAI's chat API nests the name, the others do not.
type offered struct {
	Name     string
	Function struct{ Name string }
}

// offer takes the first tool's name.
func (p *prompt) offer(tools []offered) {
	for _, t := range tools {
		if name := t.Name + t.Function.Name; name != "" {
			p.tool = name
			return
		}
	}
}
