package ollama

import (
	"cmp"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

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
			t.Values(llm.RoleUser, v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return t.Result(), nil
}

func offerMessage(t *dialect.Texts, v []byte) {
	role := cmp.Or(roleOf(jsonscan.Get(v, "role")), llm.RoleUser)
	each(v, func(key string, v []byte) {
		switch key {
		case "content", "thinking":
			t.Offer(role, v)
		case "tool_calls":
			elements(v, func(v []byte) {
				each(jsonscan.Get(v, "function"), func(key string, v []byte) {
					if key == "arguments" {
						t.Arguments(role, v)
					}
				})
			})
		}
	})
}
