package anthropic

import (
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// EditText implements llm.Codec.
func (completeCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	e := newEditor(body, edit)
	it := jsonscan.Object(body)
	for it.Next() {
		if string(it.Key()) == "prompt" {
			e.Offer(llm.RoleUser, it.Value())
		}
	}
	return e.finish(it.Err())
}

// EditText implements llm.Codec. Anthropic takes back thinking that it has signed only as it was, and sees through the
// signature what the text was: a signed block whose text changes becomes a block of text, which is all that can be kept of it.
func (messagesCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	e := newEditor(body, edit)
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key()) {
		case "system":
			e.content(llm.RoleSystem, it.Value())
		case "messages":
			for m := jsonscan.Array(it.Value()); m.Next(); {
				e.message(m.Value())
			}
		}
	}
	return e.finish(it.Err())
}

// editor walks the texts of a body.
type editor struct {
	dialect.Texts
}

func newEditor(body []byte, edit llm.TextEdit) *editor {
	return &editor{dialect.Texts{Body: body, Edit: edit}}
}

func (e *editor) finish(err error) ([]byte, error) {
	if err != nil {
		return nil, malformed(err)
	}
	return e.Result(), nil
}

func (e *editor) message(v []byte) {
	role := roleOf(jsonscan.Get(v, "role"))
	for it := jsonscan.Object(v); it.Next(); {
		if string(it.Key()) == "content" {
			e.content(role, it.Value())
		}
	}
}

// content walks what a member named content holds: a string, a list of blocks, or, of some results, one block.
func (e *editor) content(role llm.Role, v []byte) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		e.Offer(role, v)
	case jsonscan.Dict:
		e.block(role, v)
	case jsonscan.List:
		for it := jsonscan.Array(v); it.Next(); {
			e.block(role, it.Value())
		}
	}
}

// block walks one content block in the order of its members.
func (e *editor) block(role llm.Role, v []byte) {
	typ := string(word(jsonscan.Get(v, "type")))
	switch {
	case typ == "tool_result":
		role = llm.RoleTool
	case typ == "thinking":
		e.thinking(role, v)
		return
	case strings.HasSuffix(typ, "_tool_result"):
		e.Found(llm.RoleTool, v)
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "text":
			e.Offer(role, it.Value())
		case "content":
			e.content(role, it.Value())
		case "input":
			e.Values(role, it.Value())
		case "citations":
			e.Found(role, it.Value())
		case "title", "context":
			if typ == "document" || typ == "search_result" {
				e.Offer(role, it.Value())
			}
		case "source":
			if typ == "document" {
				e.source(role, it.Value())
			}
		}
	}
}

func (e *editor) thinking(role llm.Role, v []byte) {
	text := jsonscan.Get(v, "thinking")
	if jsonscan.String(jsonscan.Get(v, "signature")) == "" {
		e.Offer(role, text)
		return
	}
	s := jsonscan.String(text)
	if s == "" { // the provider showed none of it
		return
	}
	if s, changed := e.Edit(role, s); changed {
		with := jsonscan.AppendString([]byte(`{"type":"text","text":`), s)
		e.Replace(v, append(with, '}'))
	}
}

// source walks the source of a document, which may be plain text or content blocks.
func (e *editor) source(role llm.Role, v []byte) {
	plain := string(word(jsonscan.Get(v, "type"))) == "text"
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "data":
			if plain {
				e.Offer(role, it.Value())
			}
		case "content":
			e.content(role, it.Value())
		}
	}
}
