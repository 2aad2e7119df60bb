package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// enrich makes a body ready to be put around, and edits it.
func enrich(body []byte, edit func(a *dialect.Around) error) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, malformed(body, err)
	}
	if err := edit(a); err != nil {
		return nil, err
	}
	return a.Result(), nil
}

// Enrich implements llm.Codec.
func (chatCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	return enrich(body, func(a *dialect.Around) error {
		a.Messages("messages", dialect.Message, before, after)
		return nil
	})
}

// Enrich implements llm.Codec: a prompt has no roles.
func (c promptCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	return enrich(body, func(a *dialect.Around) error { return a.Prompt(c.member, before, after) })
}

// Enrich implements llm.Codec. An input that is a text becomes a message of the user when others stand beside it.
func (responsesCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	return enrich(body, func(a *dialect.Around) error {
		system, said := dialect.Instructions(before)
		more, rest := dialect.Instructions(after)
		a.InstructText("instructions", dialect.Message, system, more)
		if len(said)+len(rest) == 0 {
			return nil
		}
		a.Each("input", func(v []byte) {
			if jsonscan.KindOf(v) == jsonscan.Text {
				items := dialect.Form(dialect.Message).Each(said)
				user := append(append([]byte(`{"role":"user","content":`), v...), '}')
				a.Replace(v, dialect.List(append(append(items, user), dialect.Form(dialect.Message).Each(rest)...)))
				return
			}
			a.Items(v, dialect.Form(dialect.Message).Each(said), dialect.Form(dialect.Message).Each(rest))
		})
		return nil
	})
}
