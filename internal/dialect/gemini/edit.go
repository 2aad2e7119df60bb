package gemini

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// EditText implements llm.Codec. The text of a function call or response is every string in it.
func (codec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	e := editor{dialect.Texts{Body: body, Edit: edit}}
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "contents", "content":
			elements(v, e.content)
		case "requests":
			elements(v, func(v []byte) {
				each(v, func(key string, v []byte) {
					switch key {
					case "content":
						elements(v, e.content)
					case "title":
						e.Offer(llm.RoleUser, v)
					}
				})
			})
		case "title":
			e.Offer(llm.RoleUser, v)
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
		case llm.PartToolCall:
			e.Values(role, text)
		case llm.PartToolResult:
			e.Values(llm.RoleTool, text)
		case llm.PartServerTool:
			each(text, func(key string, v []byte) { e.serverTool(role, key, v) })
		}
	})
}

// serverTool offers a member of what ran on the provider's side: the code and its output, arguments and results.
func (e *editor) serverTool(role llm.Role, key string, v []byte) {
	switch key {
	case "code", "args":
		e.Values(role, v)
	case "output", "response":
		e.Values(llm.RoleTool, v)
	}
}
