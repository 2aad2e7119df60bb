package anthropic

import (
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// messagesCodec reads requests of the Messages API.
type messagesCodec struct{}

// completeCodec reads requests of the Text Completions API.
type completeCodec struct{}

// Conversation implements llm.Codec: the prompt is one message of the user.
func (completeCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key()) {
		case "prompt":
			c.Messages = []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: jsonscan.String(it.Value())}}}}
		case "metadata":
			c.User = jsonscan.String(jsonscan.Get(it.Value(), "user_id"))
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return c, nil
}

// Conversation implements llm.Codec. The results of tools, which the API has the user send, become messages of their own
// with the role tool.
func (messagesCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		var err error
		switch string(it.Key()) {
		case "system":
			c.System, err = appendContent(nil, v, "system")
		case "messages":
			c.Messages, err = messages(v)
		case "tools":
			c.Tools, err = tools(v)
		case "tool_choice":
			toolChoiceOf(c, v)
		case "metadata":
			c.User = jsonscan.String(jsonscan.Get(v, "user_id"))
		case "output_config":
			c.OutputSchema = jsonscan.Get(v, "format", "schema")
		case "output_format":
			c.OutputSchema = jsonscan.Get(v, "schema")
		}
		if err != nil {
			return nil, err
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return c, nil
}

func messages(v []byte) ([]llm.Message, error) {
	if jsonscan.IsNull(v) {
		return nil, nil
	}
	var out []llm.Message
	it := jsonscan.Array(v)
	for it.Next() {
		m, ok := scan(it.Value())
		if !ok {
			return nil, refuse("messages", "messages: expected a list of objects")
		}
		parts, err := appendContent(nil, m.content, "messages")
		if err != nil {
			return nil, err
		}
		out = appendTurn(out, roleOf(m.role), parts)
	}
	if it.Err() != nil {
		return nil, refuse("messages", "messages: expected a list")
	}
	return out, nil
}

func roleOf(v []byte) llm.Role {
	switch string(word(v)) {
	case "assistant":
		return llm.RoleAssistant
	case "system":
		return llm.RoleSystem
	}
	return llm.RoleUser
}

// appendTurn appends a turn, cut where results of tools begin and end.
func appendTurn(dst []llm.Message, role llm.Role, parts []llm.Part) []llm.Message {
	from := 0
	for i := 1; i <= len(parts); i++ {
		if i < len(parts) && isResult(&parts[i]) == isResult(&parts[from]) {
			continue
		}
		m := llm.Message{Role: role, Parts: parts[from:i:i]}
		if isResult(&parts[from]) {
			m.Role = llm.RoleTool
		}
		dst, from = append(dst, m), i
	}
	if len(parts) == 0 {
		dst = append(dst, llm.Message{Role: role})
	}
	return dst
}

func isResult(p *llm.Part) bool { return p.Kind == llm.PartToolResult }

// appendContent appends the parts of a content: a string, or a list of blocks.
func appendContent(dst []llm.Part, v []byte, where string) ([]llm.Part, error) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Invalid, jsonscan.Null:
		return dst, nil
	case jsonscan.Text:
		return append(dst, llm.Part{Text: jsonscan.String(v)}), nil
	}
	it := jsonscan.Array(v)
	for it.Next() {
		b, ok := scan(it.Value())
		if !ok {
			return nil, refuse(where, "%s: expected content blocks", where)
		}
		var err error
		if dst, err = appendBlock(dst, &b, it.Value(), where); err != nil {
			return nil, err
		}
	}
	if it.Err() != nil {
		return nil, refuse(where, "%s: expected a string or a list of content blocks", where)
	}
	return dst, nil
}

func appendBlock(dst []llm.Part, b *fields, raw []byte, where string) ([]llm.Part, error) {
	switch string(word(b.typ)) {
	case "image", "document":
		return appendSource(dst, b, raw, where)
	case "search_result":
		return appendContent(dst, b.content, where)
	case "tool_result":
		return appendResult(dst, b, where)
	}
	p := pieces{parts: dst}
	p.block(b, raw, 0)
	return p.parts, nil
}

// appendResult appends the result of a tool: its texts as one part, and what else it holds after it.
func appendResult(dst []llm.Part, b *fields, where string) ([]llm.Part, error) {
	inner, err := appendContent(nil, b.content, where)
	if err != nil {
		return nil, err
	}
	result := len(dst)
	dst = append(dst, llm.Part{Kind: llm.PartToolResult, ID: jsonscan.String(b.toolUseID), IsError: jsonscan.Bool(b.isError)})
	var texts []string
	for _, p := range inner {
		if p.Kind == llm.PartText {
			texts = append(texts, p.Text)
		} else {
			dst = append(dst, p)
		}
	}
	dst[result].Text = strings.Join(texts, "\n")
	return dst, nil
}

// appendSource appends an image or a document.
func appendSource(dst []llm.Part, b *fields, raw []byte, where string) ([]llm.Part, error) {
	var typ, mime, data, uri, id, content []byte
	for it := jsonscan.Object(b.source); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "type":
			typ = v
		case "media_type":
			mime = v
		case "data":
			data = v
		case "url":
			uri = v
		case "file_id":
			id = v
		case "content":
			content = v
		}
	}
	p := llm.Part{MIME: jsonscan.String(mime)}
	switch string(word(typ)) {
	case "base64":
		p.Kind, p.Data = llm.PartBlob, jsonscan.String(data)
	case "url":
		p.Kind, p.URI, p.MIME = llm.PartURI, jsonscan.String(uri), mimeImage
		if string(word(b.typ)) == "document" {
			p.MIME = mimePDF
		}
	case "file":
		p.Kind, p.ID = llm.PartFile, jsonscan.String(id)
	case "text":
		p = llm.Part{Text: jsonscan.String(data)}
	case "content":
		return appendContent(dst, content, where)
	default:
		p = llm.Part{Kind: llm.PartOther, Name: string(word(b.typ)), Raw: raw}
	}
	return append(dst, p), nil
}

// tools reads tool definitions. Those with a type of their own run on the provider's side or are known to the model.
func tools(v []byte) ([]llm.Tool, error) {
	if jsonscan.IsNull(v) {
		return nil, nil
	}
	var out []llm.Tool
	it := jsonscan.Array(v)
	for it.Next() {
		t := llm.Tool{}
		typ := ""
		for m := jsonscan.Object(it.Value()); m.Next(); {
			switch string(m.Key()) {
			case "type":
				typ = jsonscan.String(m.Value())
			case "name":
				t.Name = jsonscan.String(m.Value())
			case "description":
				t.Description = jsonscan.String(m.Value())
			case "input_schema":
				t.Schema = m.Value()
			case "strict":
				t.Strict = llm.Some(jsonscan.Bool(m.Value()))
			}
		}
		if typ != "" && typ != "custom" {
			t = llm.Tool{Name: t.Name, Raw: it.Value()}
		}
		out = append(out, t)
	}
	if it.Err() != nil {
		return nil, refuse("tools", "tools: expected a list")
	}
	return out, nil
}

func toolChoiceOf(c *llm.Conversation, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "type":
			if c.ToolChoice = jsonscan.String(it.Value()); c.ToolChoice == "any" {
				c.ToolChoice = "required"
			}
		case "name":
			c.ToolChoiceName = jsonscan.String(it.Value())
		case "disable_parallel_tool_use":
			c.ParallelToolCalls = llm.Some(!jsonscan.Bool(it.Value()))
		}
	}
}
