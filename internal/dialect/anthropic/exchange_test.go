package anthropic_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func TestExchanges(t *testing.T) {
	all := exchange.Load(t, "anthropic.messages", "anthropic.complete")
	var d anthropic.Dialect
	exchange.Conform(t, all, d, d, func(x *exchange.Exchange) llm.API {
		api, ok := d.Accepts(x.Request.Method, x.Request.Path)
		if !ok || api != x.API {
			t.Fatalf("%s %s is taken for %q", x.Request.Method, x.Request.Path, api)
		}
		return api
	})
}
