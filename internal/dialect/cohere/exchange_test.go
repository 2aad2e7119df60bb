package cohere_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func recordings(t testing.TB) []*exchange.Exchange {
	return exchange.Load(t, "cohere.chat", "cohere.embed", "cohere.generate")
}

// apiOf tells the versions apart, which the recordings do by the path.
func apiOf(x *exchange.Exchange) llm.API {
	api, _ := cohere.Dialect{}.Accepts(x.Request.Method, x.Request.Path)
	return api
}

func TestExchanges(t *testing.T) {
	all := recordings(t)
	for _, x := range all {
		if api := apiOf(x); api != x.API && api != x.API+"_v1" {
			t.Errorf("%s: %s %s is accepted as %q", x.ID, x.Request.Method, x.Request.Path, api)
		}
	}
	exchange.Conform(t, all, cohere.Dialect{}, cohere.Dialect{}, apiOf)
}
