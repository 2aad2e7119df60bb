package anthropic

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// Enrich implements llm.Codec.
func (messagesCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, malformed(err)
	}
	a.Claude(before, after)
	return a.Result(), nil
}

// Enrich implements llm.Codec.
func (completeCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, malformed(err)
	}
	a.Human(before, after)
	return a.Result(), nil
}
