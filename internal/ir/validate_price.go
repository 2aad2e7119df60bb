package ir

import (
	"maps"
	"slices"
)

// leastPrice bounds prices other than 0 from below, in US dollars per million tokens: what is less was meant for one token.
const leastPrice = 0.0001

// prices checks the prices of field.
func (v *validator) prices(field string, prices map[string]*priceFile) {
	for _, model := range slices.Sorted(maps.Keys(prices)) {
		p, at := prices[model], join(field, model)
		if model == "" {
			v.add(at, Problem{Message: "an empty name of a model", Allowed: `a name, or a pattern such as "gpt-4o*"`})
		}
		if p == nil {
			continue
		}
		for _, x := range []struct {
			key   string
			price *float64
		}{{"input", &p.Input}, {"output", &p.Output}, {"cacheRead", p.CacheRead}, {"cacheWrite", p.CacheWrite}} {
			if x.price != nil && *x.price > 0 && *x.price < leastPrice {
				v.bad(join(at, x.key), "looks like the price of one token", "US dollars per million tokens")
			}
		}
	}
}
