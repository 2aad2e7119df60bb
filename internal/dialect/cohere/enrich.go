package cohere

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// enrich makes a body ready to be put around, and edits it.
func enrich(body []byte, edit func(a *dialect.Around) error) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, malformed(err)
	}
	if err := edit(a); err != nil {
		return nil, err
	}
	return a.Result(), nil
}

// Enrich implements llm.Codec.
func (chatCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	return enrich(body, func(a *dialect.Around) error {
		a.Messages("messages", dialect.SystemMessage, before, after)
		return nil
	})
}

// Enrich implements llm.Codec.
func (chatV1Codec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	return enrich(body, func(a *dialect.Around) error {
		a.Command(before, after)
		return nil
	})
}

// Enrich implements llm.Codec.
func (generateCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	return enrich(body, func(a *dialect.Around) error { return a.Prompt("prompt", before, after) })
}

// Enrich implements llm.Codec: embeddings hold no conversation.
func (embedCodec) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error) { return body, nil }

// Enrich implements llm.Codec: a ranking holds no conversation.
func (rerankCodec) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error) { return body, nil }
