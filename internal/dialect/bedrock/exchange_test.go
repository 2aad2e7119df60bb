package bedrock_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func TestExchanges(t *testing.T) {
	all := exchange.Load(t, "bedrock.converse", "bedrock.converse_stream")
	var d bedrock.Dialect
	exchange.Conform(t, all, d, d, func(x *exchange.Exchange) llm.API {
		api, ok := d.Accepts(x.Request.Method, x.Request.Path)
		if !ok {
			t.Fatalf("%s %s is not taken", x.Request.Method, x.Request.Path)
		}
		return api
	})
}
