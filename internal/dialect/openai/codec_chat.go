package openai

import (
	"bytes"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// chatCodec reads the body of "Create chat completion".
type chatCodec struct{}

// EditText implements llm.Codec.
func (chatCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return run(body, edit, func(e *editor, it *jsonscan.Iter) {
		switch v := it.Value(); string(it.Key()) {
		case "messages":
			if jsonscan.KindOf(v) != jsonscan.List {
				return
			}
			for m := jsonscan.Array(v); m.Next(); {
				e.message(m.Value())
			}
		case "prediction":
			e.content(llm.RoleAssistant, jsonscan.Get(v, "content"))
		}
	})
}

func (e *editor) message(m []byte) {
	role := roleOf(jsonscan.Get(m, "role"))
	for it := jsonscan.Object(m); it.Next(); {
		switch string(it.Key()) {
		case "content", "refusal", "reasoning_content", "reasoning":
			e.content(role, it.Value())
		}
	}
}

// roleOf is the neutral role: developer speaks as system does, function (before tools) as tool.
func roleOf(v []byte) llm.Role {
	switch s := jsonscan.String(v); s {
	case "developer":
		return llm.RoleSystem
	case "function":
		return llm.RoleTool
	default:
		return llm.Role(s)
	}
}

// Conversation implements llm.Codec.
func (chatCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "messages":
			for _, m := range elements(v) {
				c.Messages = append(c.Messages, chatMessage(m))
			}
		case "tools":
			for _, t := range elements(v) {
				c.Tools = append(c.Tools, newTool(t, jsonscan.Get(t, "function")))
			}
		case "functions":
			for _, f := range elements(v) {
				c.Tools = append(c.Tools, function(f))
			}
		case "tool_choice", "function_call":
			toolChoice(c, v)
		case "parallel_tool_calls":
			parallel(c, v)
		case "response_format":
			c.OutputSchema = schema(jsonscan.Get(v, "json_schema", "schema"))
		case "user":
			c.User = jsonscan.String(v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	return c, nil
}

// elements is the raw elements of an array, nil for what is none.
func elements(v []byte) [][]byte {
	if jsonscan.KindOf(v) != jsonscan.List {
		return nil
	}
	var out [][]byte
	for it := jsonscan.Array(v); it.Next(); {
		out = append(out, it.Value())
	}
	return out
}

func chatMessage(m []byte) llm.Message {
	out := llm.Message{Role: roleOf(jsonscan.Get(m, "role")), Name: jsonscan.String(jsonscan.Get(m, "name"))}
	if out.Role == llm.RoleTool {
		p := llm.Part{Kind: llm.PartToolResult, ID: jsonscan.String(jsonscan.Get(m, "tool_call_id")), Name: out.Name}
		p.Text = joined(jsonscan.Get(m, "content"))
		out.Parts = []llm.Part{p}
		return out
	}
	for it := jsonscan.Object(m); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "content":
			out.Parts = appendContent(out.Parts, v)
		case "refusal":
			if isText(v) {
				out.Parts = append(out.Parts, llm.Part{Kind: llm.PartRefusal, Text: jsonscan.String(v)})
			}
		case "reasoning_content":
			if isText(v) {
				out.Parts = append(out.Parts, llm.Part{Kind: llm.PartReasoning, Text: jsonscan.String(v)})
			}
		}
	}
	var t texts
	t.calls(jsonscan.Get(m, "tool_calls"), 0, false)
	t.call(jsonscan.Get(m, "function_call"), llm.Part{})
	out.Parts = append(out.Parts, t.parts...)
	return out
}

// joined is a content's text: itself, or its text parts one after the other.
func joined(v []byte) string {
	if jsonscan.KindOf(v) == jsonscan.Text {
		return jsonscan.String(v)
	}
	var b strings.Builder
	for _, p := range elements(v) {
		b.WriteString(jsonscan.String(jsonscan.Get(p, "text")))
	}
	return b.String()
}

// appendContent decodes a content: a text, or parts of chat completions or of Responses.
func appendContent(parts []llm.Part, v []byte) []llm.Part {
	if isText(v) {
		return append(parts, llm.Part{Text: jsonscan.String(v)})
	}
	for _, e := range elements(v) {
		parts = append(parts, contentPart(e))
	}
	return parts
}

func contentPart(v []byte) llm.Part {
	typ := jsonscan.String(jsonscan.Get(v, "type"))
	switch typ {
	case "text", "input_text", "output_text":
		return llm.Part{Text: jsonscan.String(jsonscan.Get(v, "text"))}
	case "refusal":
		return llm.Part{Kind: llm.PartRefusal, Text: jsonscan.String(jsonscan.Get(v, typ))}
	case "summary_text", "reasoning_text":
		return llm.Part{Kind: llm.PartReasoning, Text: jsonscan.String(jsonscan.Get(v, "text"))}
	case "image_url":
		return linked("image", jsonscan.String(jsonscan.Get(v, typ, "url")))
	case "input_image":
		if id := jsonscan.String(jsonscan.Get(v, "file_id")); id != "" {
			return llm.Part{Kind: llm.PartFile, ID: id, MIME: "image/*"}
		}
		return linked("image", jsonscan.String(jsonscan.Get(v, "image_url")))
	case "input_audio":
		a := jsonscan.Get(v, typ)
		return llm.Part{Kind: llm.PartBlob, MIME: audioType(jsonscan.String(jsonscan.Get(a, "format"))),
			Data: jsonscan.String(jsonscan.Get(a, "data"))}
	case "file":
		return filePart(jsonscan.Get(v, typ))
	case "input_file":
		return filePart(v)
	}
	return llm.Part{Kind: llm.PartOther, Name: typ, Raw: bytes.Clone(v)}
}

// audioType is the media type of a format of input_audio ("wav" or "mp3").
func audioType(format string) string {
	if format == "mp3" {
		return "audio/mpeg"
	}
	return "audio/" + format
}

func filePart(v []byte) llm.Part {
	name := jsonscan.String(jsonscan.Get(v, "filename"))
	if id := jsonscan.String(jsonscan.Get(v, "file_id")); id != "" {
		return llm.Part{Kind: llm.PartFile, ID: id, Name: name}
	}
	uri := jsonscan.String(jsonscan.Get(v, "file_data"))
	if uri == "" {
		uri = jsonscan.String(jsonscan.Get(v, "file_url"))
	}
	p := linked("", uri)
	p.Name = name
	return p
}

// linked is what a URL refers to: the data of a data URL (RFC 2397, base64), else the URL. Kind is "image" or "".
func linked(kind, uri string) llm.Part {
	if rest, ok := strings.CutPrefix(uri, "data:"); ok {
		if mime, data, ok := strings.Cut(rest, ";base64,"); ok {
			return llm.Part{Kind: llm.PartBlob, MIME: mime, Data: data}
		}
	}
	p := llm.Part{Kind: llm.PartURI, URI: uri}
	if kind != "" {
		p.MIME = kind + "/*"
	}
	return p
}

// newTool decodes a tool whose function is f, which is nil when the tool is none.
func newTool(raw, f []byte) llm.Tool {
	if jsonscan.String(jsonscan.Get(raw, "type")) != "function" || f == nil {
		name := jsonscan.String(jsonscan.Get(raw, "custom", "name"))
		if name == "" {
			name = jsonscan.String(jsonscan.Get(raw, "type"))
		}
		return llm.Tool{Name: name, Raw: bytes.Clone(raw)}
	}
	return function(f)
}

func function(f []byte) llm.Tool {
	var t llm.Tool
	for it := jsonscan.Object(f); it.Next(); {
		v := it.Value()
		if jsonscan.IsNull(v) {
			continue
		}
		switch string(it.Key()) {
		case "name":
			t.Name = jsonscan.String(v)
		case "description":
			t.Description = jsonscan.String(v)
		case "parameters":
			t.Schema = schema(v)
		case "strict":
			t.Strict = llm.Some(jsonscan.Bool(v))
		}
	}
	return t
}

// toolChoice decodes tool_choice of both APIs and the function_call that came before it.
func toolChoice(c *llm.Conversation, v []byte) {
	if jsonscan.KindOf(v) == jsonscan.Text {
		c.ToolChoice = jsonscan.String(v)
		return
	}
	for _, path := range [][]string{{"function", "name"}, {"custom", "name"}, {"name"}} {
		if name := jsonscan.String(jsonscan.Get(v, path...)); name != "" {
			c.ToolChoice, c.ToolChoiceName = "tool", name
			return
		}
	}
}

// schema is the JSON Schema v, nil when it is none.
func schema(v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	return bytes.Clone(v)
}

func parallel(c *llm.Conversation, v []byte) {
	if !jsonscan.IsNull(v) {
		c.ParallelToolCalls = llm.Some(jsonscan.Bool(v))
	}
}
