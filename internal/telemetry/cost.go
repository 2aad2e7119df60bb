package telemetry

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// sum adds up numbers. The zero value is 0; it is safe for concurrent use.
type sum struct{ bits atomic.Uint64 }

func (s *sum) add(v float64) {
	for {
		old := s.bits.Load()
		if s.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (s *sum) load() float64 { return math.Float64frombits(s.bits.Load()) }

// costKey is what costs are told apart by.
type costKey struct{ provider, model, route, backend string }

// cost is what the calls of one key cost, in US dollars.
type cost struct {
	sum

	attrs attribute.Set
}

// costTable is the costs of all calls.
type costTable struct {
	table cowMap[costKey, *cost]
}

// get returns where the cost of s, a logical span, is added.
func (t *costTable) get(s *Span) *cost {
	text := func(k Key) string {
		if a := s.Get(k); a != nil {
			return a.Str
		}
		return ""
	}
	k := costKey{text(GenAIProviderName), text(GenAIRequestModel), text(SpanwayRoute), text(SpanwayBackend)}
	if len(k.model) > maxModelName {
		k.model = otherName
	}
	c, ok := t.table.get(k, maxSeries, newCost)
	if !ok {
		k.model = other(k.model)
		c, _ = t.table.get(k, noLimit, newCost) // providers, routes and backends are the configuration's: few
	}
	return c
}

func newCost(k costKey) (costKey, *cost) {
	// The key outlives the call: its strings must not hold on to the call's bodies.
	k = costKey{strings.Clone(k.provider), strings.Clone(k.model), strings.Clone(k.route), strings.Clone(k.backend)}
	var kv []attribute.KeyValue
	for _, a := range [...]struct {
		key   Key
		value string
	}{{GenAIProviderName, k.provider}, {GenAIRequestModel, k.model}, {SpanwayRoute, k.route}, {SpanwayBackend, k.backend}} {
		if a.value != "" {
			kv = append(kv, attribute.String(names[a.key], validText(a.value)))
		}
	}
	return k, &cost{attrs: attribute.NewSet(kv...)}
}

// cost is no metric before the first call with a cost.
func (p *producer) cost(now time.Time) []metricdata.Metrics {
	var points []metricdata.DataPoint[float64]
	for c := range p.m.costs.table.values() {
		v := c.load()
		if p.delta {
			v, p.lastCosts[c] = v-p.lastCosts[c], v
		}
		points = append(points, metricdata.DataPoint[float64]{Attributes: c.attrs, StartTime: p.start, Time: now, Value: v})
	}
	if len(points) == 0 {
		return nil
	}
	return []metricdata.Metrics{{
		Name: names[SpanwayCostUSD], Unit: "{USD}", Description: "Cost of calls of models with a price.",
		Data: metricdata.Sum[float64]{Temporality: p.temporality(), IsMonotonic: true, DataPoints: points},
	}}
}
