package writer_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/writer"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

var d writer.Dialect

func TestExchanges(t *testing.T) {
	all := exchange.Load(t, "writer.chat")
	exchange.Conform(t, all, d, d, func(x *exchange.Exchange) llm.API {
		api, ok := d.Accepts(x.Request.Method, x.Request.Path)
		if !ok || api != x.API {
			t.Fatalf("%s %s is taken for %q", x.Request.Method, x.Request.Path, api)
		}
		return api
	})
}
