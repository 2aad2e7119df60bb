package openai

import (
	"testing"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// TestExchanges reads every recording of OpenAI's APIs and of the two that differ from them in details only.
func TestExchanges(t *testing.T) {
	apis := map[llm.API]llm.API{
		"mistral.chat":       llm.OpenAIChat,
		"mistral.embeddings": llm.OpenAIEmbeddings,
		"writer.chat":        llm.OpenAIChat,
	}
	all := exchange.Load(t, "openai.chat", "openai.completions", "openai.responses", "openai.embeddings", "openai.images",
		"mistral.chat", "mistral.embeddings", "writer.chat")
	exchange.Conform(t, all, Dialect{}, Dialect{}, func(x *exchange.Exchange) llm.API {
		if api, ok := apis[x.API]; ok {
			return api
		}
		return x.API
	})
}
