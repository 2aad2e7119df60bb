package mistral_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

var d mistral.Dialect

func TestExchanges(t *testing.T) {
	all := exchange.Load(t, "mistral.chat", "mistral.embeddings", "mistral.fim")
	exchange.Conform(t, all, d, d, func(x *exchange.Exchange) llm.API {
		api, ok := d.Accepts(x.Request.Method, x.Request.Path)
		if !ok || api != x.API {
			t.Fatalf("%s %s is taken for %q", x.Request.Method, x.Request.Path, api)
		}
		return api
	})
}
