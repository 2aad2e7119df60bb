package gateway

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

// prices finds what a model's tokens cost. nil has no prices.
type prices struct {
	exact    map[string]*ir.Price
	patterns []pricePattern // the most characters beside * first
}

type pricePattern struct {
	parts []string // what stands between the *
	price *ir.Price
}

func compilePrices(list []ir.Price) *prices {
	if len(list) == 0 {
		return nil
	}
	ps := &prices{exact: map[string]*ir.Price{}}
	for i := range list {
		p := &list[i]
		if parts := strings.Split(p.Model, "*"); len(parts) > 1 {
			ps.patterns = append(ps.patterns, pricePattern{parts: parts, price: p})
		} else {
			ps.exact[p.Model] = p
		}
	}
	literal := func(p *pricePattern) int { return len(p.price.Model) - len(p.parts) }
	slices.SortStableFunc(ps.patterns, func(a, b pricePattern) int {
		return cmp.Or(literal(&b)-literal(&a), len(a.parts)-len(b.parts))
	})
	return ps
}

// of is the price of the model called name, nil when there is none.
func (ps *prices) of(name string) *ir.Price {
	if p, ok := ps.exact[name]; ok {
		return p
	}
	for i := range ps.patterns {
		if p := &ps.patterns[i]; fits(p.parts, name) {
			return p.price
		}
	}
	return nil
}

// price is that of a's model: the backend's before the snapshot's, and of each the one for the model that answered before the
// one for the model that was asked for. nil when there is none.
func (c *Call) price(a *Attempt) *ir.Price {
	if a.Backend == nil {
		return nil
	}
	for _, ps := range [...]*prices{a.Backend.prices, c.state.snapshot.prices} {
		if ps == nil {
			continue
		}
		for _, model := range [...]string{c.result.Model, a.model} {
			if model == "" {
				continue
			}
			if p := ps.of(model); p != nil {
				return p
			}
		}
	}
	return nil
}

// costSpan sets what the call cost, as far as that is known: usage that was not reported costs nobody knows what. The sum is
// known when input and output are; an embedding has no output.
func (c *Call) costSpan(s *telemetry.Span) {
	u := &c.result.Usage
	if u.IsZero() || min(u.Input.V, u.Output.V, u.CacheRead.V, u.CacheWrite.V) < 0 {
		return // nothing was reported, or nonsense
	}
	p := c.price(&c.attempt)
	if p == nil {
		return
	}
	input, cached := inputCost(u, p)
	output := float64(u.Output.V) * p.Output / perMillion
	if u.Input.Set {
		s.Float(telemetry.SpanwayCostInputUSD, input)
	}
	if u.Input.Set && (u.CacheRead.Set || u.CacheWrite.Set) {
		s.Float(telemetry.SpanwayCostCacheUSD, cached)
	}
	if u.Output.Set {
		s.Float(telemetry.SpanwayCostOutputUSD, output)
	}
	if u.Input.Set && (u.Output.Set || c.llm.Request.Op == llm.OpEmbeddings) {
		s.Float(telemetry.SpanwayCostUSD, input+output)
	}
}

// perMillion is what prices are of.
const perMillion = 1e6

// inputCost is what u's input cost in US dollars, and how much of that its cached tokens did, which u.Input includes.
func inputCost(u *llm.Usage, p *ir.Price) (input, cached float64) {
	read, written := float64(u.CacheRead.V), float64(u.CacheWrite.V)
	plain := max(float64(u.Input.V)-read-written, 0)
	cached = (read*p.CacheRead + written*p.CacheWrite) / perMillion
	return plain*p.Input/perMillion + cached, cached
}
