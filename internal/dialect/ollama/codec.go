package ollama

import (
	"bytes"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// codec implements llm.Codec for all requests: their members have different names.
type codec struct{}

// Conversation implements llm.Codec. A prompt, and each text to be embedded, is a message of the user.
func (codec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	var images []byte // of generate: they belong to the prompt
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "messages":
			elements(v, func(v []byte) { c.Messages = append(c.Messages, readMessage(v)) })
		case "system":
			if s := jsonscan.String(v); s != "" {
				c.System = append(c.System, llm.Part{Text: s})
			}
		case "prompt", "input":
			for _, s := range jsonscan.Strings(v) {
				c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: s}}})
			}
		case "images":
			images = v
		case "tools":
			elements(v, func(v []byte) { c.Tools = append(c.Tools, readTool(v)) })
		case "format":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				c.OutputSchema = bytes.Clone(v)
			}
		}
	}
	if last := len(c.Messages) - 1; last >= 0 {
		c.Messages[last].Parts = appendImages(c.Messages[last].Parts, images)
	}
	return c, it.Err()
}

// elements calls f for the objects of the list v.
func elements(v []byte, f func(v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		if jsonscan.KindOf(it.Value()) == jsonscan.Dict {
			f(it.Value())
		}
	}
}

// readMessage reads one of messages. What a tool answered is a tool result; tool_call_id is newer than tool_name.
func readMessage(v []byte) llm.Message {
	m := llm.Message{Role: llm.RoleUser}
	var images []byte
	result := llm.Part{Kind: llm.PartToolResult}
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "role":
			m.Role = llm.Role(jsonscan.String(v))
		case "images":
			images = v
		case "tool_name":
			result.Name = jsonscan.String(v)
		case "tool_call_id":
			result.ID = jsonscan.String(v)
		}
	}
	eachPart(&response{message: v}, func(p llm.Part, _ []byte) {
		if m.Role == llm.RoleTool && p.Kind == llm.PartText {
			result.Text = p.Text
			p = result
		}
		p.Index = len(m.Parts)
		m.Parts = append(m.Parts, p)
	})
	m.Parts = appendImages(m.Parts, images)
	return m
}

// appendImages appends images, base64 text of a kind that is not told.
func appendImages(parts []llm.Part, images []byte) []llm.Part {
	if jsonscan.KindOf(images) != jsonscan.List {
		return parts
	}
	for _, data := range jsonscan.Strings(images) {
		parts = append(parts, llm.Part{Kind: llm.PartBlob, Index: len(parts), Data: data})
	}
	return parts
}

func readTool(v []byte) llm.Tool {
	fn := jsonscan.Get(v, "function")
	if jsonscan.KindOf(fn) != jsonscan.Dict {
		return llm.Tool{Raw: bytes.Clone(v)}
	}
	var t llm.Tool
	for it := jsonscan.Object(fn); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "name":
			t.Name = jsonscan.String(v)
		case "description":
			t.Description = jsonscan.String(v)
		case "parameters":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				t.Schema = bytes.Clone(v)
			}
		}
	}
	return t
}

// EditText implements llm.Codec.
func (codec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	t := dialect.Texts{Body: body, Edit: edit}
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "messages":
			elements(v, func(v []byte) { offerMessage(&t, v) })
		case "system":
			t.Offer(llm.RoleSystem, v)
		case "prompt", "suffix", "input":
			if jsonscan.KindOf(v) != jsonscan.List {
				t.Offer(llm.RoleUser, v)
				continue
			}
			for e := jsonscan.Array(v); e.Next(); {
				t.Offer(llm.RoleUser, e.Value())
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return t.Result(), nil
}

func offerMessage(t *dialect.Texts, v []byte) {
	role := llm.RoleUser
	if s := jsonscan.String(jsonscan.Get(v, "role")); s != "" {
		role = llm.Role(s)
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "content", "thinking":
			t.Offer(role, it.Value())
		}
	}
}
