package gateway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

// TestPriceOf: the exact name, then the pattern with the most characters beside *.
func TestPriceOf(t *testing.T) {
	ps := compilePrices([]ir.Price{
		{Model: "*"}, {Model: "*mini"}, {Model: "gpt-4o"}, {Model: "gpt-4o*"}, {Model: "gpt-4o*mini*"}, {Model: "gpt-*-mini"}, {Model: "gpt-4*mini"},
	})
	for name, want := range map[string]string{
		"gpt-4o": "gpt-4o", "gpt-4o-2024-11-20": "gpt-4o*", "gpt-4o-mini-2024": "gpt-4o*mini*", "gpt-4o-mini": "gpt-4o*mini*",
		"gpt-4.1-mini": "gpt-*-mini", "gpt-4x.mini": "gpt-4*mini", "o4-mini": "*mini", "mini": "*mini", "claude": "*", "GPT-4o": "*",
	} {
		if got := ps.of(name); got.Model != want {
			t.Errorf("%s has the price of %s, want %s", name, got.Model, want)
		}
	}
	if got := compilePrices([]ir.Price{{Model: "a*"}, {Model: "b"}}).of("c"); got != nil {
		t.Errorf("c has the price of %s", got.Model)
	}
	if compilePrices(nil) != nil {
		t.Error("no prices are some")
	}
}

// TestPriceOfCall: the backend's prices go before the file's, and within each the model that answered before the one asked for.
func TestPriceOfCall(t *testing.T) {
	file := []ir.Price{{Model: "asked", Input: 1}, {Model: "told", Input: 2}}
	for _, x := range []struct {
		name       string
		own        []ir.Price
		model, res string
		want       float64 // of the input; -1 = no price
	}{
		{"the model that answered", nil, "asked", "told", 2},
		{"the model that was asked for", nil, "asked", "unknown", 1},
		{"an answer that names no model", nil, "asked", "", 1},
		{"neither", nil, "x", "y", -1},
		{"the backend's", []ir.Price{{Model: "told", Input: 3}}, "asked", "told", 3},
		{"the backend's for what was asked", []ir.Price{{Model: "asked", Input: 4}}, "asked", "told", 4},
		{"the backend has none for it", []ir.Price{{Model: "x", Input: 5}}, "asked", "told", 2},
		{"a nameless model has no price", []ir.Price{{Model: "*", Input: 6}}, "", "", -1},
	} {
		c := &Call{state: &state{snapshot: &Snapshot{prices: compilePrices(file)}}}
		c.result.Model = x.res
		got := -1.0
		if p := c.price(&Attempt{Backend: &Backend{prices: compilePrices(x.own)}, model: x.model}); p != nil {
			got = p.Input
		}
		if got != x.want {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
}

func TestCostSpan(t *testing.T) {
	list := []ir.Price{{Model: "m", Input: 2, Output: 8, CacheRead: 0.5, CacheWrite: 2.5}}
	n := llm.Some[int64]
	type costs map[string]float64
	for _, x := range []struct {
		name  string
		op    llm.Op
		usage llm.Usage
		want  costs
	}{
		{"input and output", llm.OpChat, llm.Usage{Input: n(1000), Output: n(500)},
			costs{"spanway.cost.usd": 0.006, "spanway.cost.input_usd": 0.002, "spanway.cost.output_usd": 0.004}},
		{"reasoning is output", llm.OpChat, llm.Usage{Input: n(0), Output: n(500), Reasoning: n(400)},
			costs{"spanway.cost.usd": 0.004, "spanway.cost.input_usd": 0, "spanway.cost.output_usd": 0.004}},
		{"cache", llm.OpChat, llm.Usage{Input: n(1000), Output: n(0), CacheRead: n(600), CacheWrite: n(200)},
			costs{"spanway.cost.usd": 0.0012, "spanway.cost.input_usd": 0.0012, "spanway.cost.output_usd": 0, "spanway.cost.cache_usd": 0.0008}},
		{"more cached than there is", llm.OpChat, llm.Usage{Input: n(100), Output: n(0), CacheRead: n(200)},
			costs{"spanway.cost.usd": 0.0001, "spanway.cost.input_usd": 0.0001, "spanway.cost.output_usd": 0, "spanway.cost.cache_usd": 0.0001}},
		{"broken off before the output", llm.OpChat, llm.Usage{Input: n(1000)}, costs{"spanway.cost.input_usd": 0.002}},
		{"output alone", llm.OpChat, llm.Usage{Output: n(500), CacheRead: n(3)}, costs{"spanway.cost.output_usd": 0.004}},
		{"embeddings", llm.OpEmbeddings, llm.Usage{Input: n(1000)}, costs{"spanway.cost.usd": 0.002, "spanway.cost.input_usd": 0.002}},
		{"nothing reported", llm.OpChat, llm.Usage{}, costs{}},
		{"nonsense", llm.OpChat, llm.Usage{Input: n(1000), Output: n(-1)}, costs{}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := &Call{state: &state{snapshot: &Snapshot{prices: compilePrices(list)}}, llm: llm.Call{Request: &llm.Request{Op: x.op}}}
			c.attempt = Attempt{Backend: &Backend{}, model: "m"}
			c.result.Usage = x.usage
			var s telemetry.Span
			c.costSpan(&s)
			got := costs{}
			for i := range s.Attrs {
				got[s.Attrs[i].Key.String()] = s.Attrs[i].Float()
			}
			if d := cmp.Diff(x.want, got, cmpopts.EquateApprox(0, 1e-12)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestNoCostAllocates: a price is looked up without making anything.
func TestNoCostAllocates(t *testing.T) {
	ps := compilePrices([]ir.Price{{Model: "gpt-*-mini*"}, {Model: "o*"}, {Model: "claude"}})
	if n := testing.AllocsPerRun(100, func() { _ = ps.of("gpt-4o-mini-2024") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
