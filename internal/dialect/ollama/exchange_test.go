package ollama_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func recordings(t testing.TB) []*exchange.Exchange {
	return exchange.Load(t, "ollama.chat", "ollama.generate", "ollama.embeddings")
}

func apiOf(x *exchange.Exchange) llm.API { return x.API }

func TestExchanges(t *testing.T) {
	all := recordings(t)
	for _, x := range all {
		api, ok := ollama.Dialect{}.Accepts(x.Request.Method, x.Request.Path)
		if !ok || api != apiOf(x) {
			t.Errorf("%s: %s %s is accepted as %q, %v", x.ID, x.Request.Method, x.Request.Path, api, ok)
		}
	}
	exchange.Conform(t, all, ollama.Dialect{}, ollama.Dialect{}, apiOf)
}
