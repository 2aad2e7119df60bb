package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// EditText implements llm.Codec.
func (converseCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	e := editor{dialect.Texts{Body: body, Edit: edit}}
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key()) {
		case "system":
			e.blocks(llm.RoleSystem, it.Value())
		case "messages":
			e.list(it.Value(), func(m []byte) {
				role := roleOf(member(m, "role"))
				e.members(m, func(key string, v []byte) {
					if key == "content" {
						e.blocks(role, v)
					}
				})
			})
		case "promptVariables":
			e.Values(llm.RoleUser, it.Value())
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return e.Result(), nil
}

// editor walks the texts of a body in its order.
type editor struct{ dialect.Texts }

func (e *editor) list(v []byte, do func(v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		do(it.Value())
	}
}

func (e *editor) members(v []byte, do func(key string, v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		do(string(it.Key()), it.Value())
	}
}

func (e *editor) blocks(role llm.Role, v []byte) {
	e.list(v, func(b []byte) {
		e.members(b, func(kind string, v []byte) { e.block(role, kind, v) })
	})
}

// block offers the texts of a block of one kind (API reference, ContentBlock, SystemContentBlock and ToolResultContentBlock).
func (e *editor) block(role llm.Role, kind string, v []byte) {
	switch kind {
	case "text":
		e.Offer(role, v)
	case "json":
		e.Values(role, v)
	case "guardContent", "reasoningContent":
		e.members(v, func(key string, v []byte) {
			if key == "text" || key == "reasoningText" {
				e.members(v, func(key string, v []byte) {
					if key == "text" {
						e.Offer(role, v)
					}
				})
			}
		})
	case "toolUse":
		e.members(v, func(key string, v []byte) {
			if key == "input" {
				e.Arguments(role, v)
			}
		})
	case "toolResult":
		e.members(v, func(key string, v []byte) {
			if key == "content" {
				e.blocks(llm.RoleTool, v)
			}
		})
	case kindDocument, "searchResult", "citationsContent":
		e.titled(role, v)
	}
}

// titled offers the texts of a DocumentBlock, a SearchResultBlock or a CitationsContentBlock. The name of a document is none:
// it is one of few characters that the API takes.
func (e *editor) titled(role llm.Role, v []byte) {
	e.members(v, func(key string, v []byte) {
		switch key {
		case "context", "title", "text":
			e.Offer(role, v)
		case "content", "sourceContent":
			e.blocks(role, v)
		case "source":
			e.titled(role, v)
		case "citations":
			e.list(v, func(c []byte) { e.titled(role, c) })
		}
	})
}
