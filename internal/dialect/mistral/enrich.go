package mistral

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

// Enrich implements llm.Codec: as of OpenAI's requests, but that Mistral knows no role developer.
func (c codec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	asked, _ := alike(c.api)
	return openai.Codec(asked).Enrich(body, dialect.NoDeveloper(before), dialect.NoDeveloper(after))
}
