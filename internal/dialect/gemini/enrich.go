package gemini

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Enrich implements llm.Codec.
func (codec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, err
	}
	system, said := dialect.Instructions(before)
	more, rest := dialect.Instructions(after)
	instruct(a, dialect.Form(dialect.Block).Each(system), dialect.Form(dialect.Block).Each(more))
	a.Each("contents", func(v []byte) {
		if form := dialect.Form(turnContent); !a.Items(v, form.Each(said), form.Each(rest)) {
			a.Wrap(v, form.Each(said), form.Each(rest))
		}
	})
	return a.Result(), nil
}

// instruct puts parts around those of the instructions.
func instruct(a *dialect.Around, before, after [][]byte) {
	if len(before)+len(after) == 0 {
		return
	}
	parts := dialect.List(append(before[:len(before):len(before)], after...))
	whole := append(append([]byte(`{"parts":`), parts...), '}')
	n := 0
	for _, name := range [...]string{"systemInstruction", "system_instruction"} {
		n += a.Each(name, func(v []byte) {
			if jsonscan.IsNull(v) {
				a.Replace(v, whole)
				return
			}
			if jsonscan.KindOf(v) != jsonscan.Dict {
				return
			}
			found := false
			for it := jsonscan.Object(v); it.Next(); {
				if string(it.Key()) == "parts" {
					found = a.Items(it.Value(), before, after) || found
				}
			}
			if !found {
				a.Member(v, "parts", parts)
			}
		})
	}
	if n == 0 {
		a.Add("systemInstruction", whole)
	}
}

// turnContent is one turn (Gemini API reference, Content).
func turnContent(t llm.Turn) []byte {
	role := "user"
	if t.Role == string(llm.RoleAssistant) {
		role = "model"
	}
	out := append([]byte(`{"role":"`+role+`","parts":[`), dialect.Block(t)...)
	return append(out, "]}"...)
}
