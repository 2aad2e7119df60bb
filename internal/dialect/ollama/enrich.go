package ollama

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// Enrich implements llm.Codec. Of /api/generate the instructions are the member system, and what else is said stands in the prompt.
func (codec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, err
	}
	if a.Has("messages") {
		a.Messages("messages", dialect.SystemMessage, before, after)
		return a.Result(), nil
	}
	system, said := dialect.Instructions(before)
	more, rest := dialect.Instructions(after)
	a.InstructText("system", nil, system, more)
	if err := a.Prompt("prompt", said, rest); err != nil {
		return nil, err
	}
	return a.Result(), nil
}
