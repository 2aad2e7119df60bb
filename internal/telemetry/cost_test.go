package telemetry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// costs renders what p produces of costs, by attributes; nil when there is no such metric.
func costs(t *testing.T, p *producer) map[string]string {
	t.Helper()
	sm, err := p.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]string
	for _, m := range sm[0].Metrics {
		if d, ok := m.Data.(metricdata.Sum[float64]); ok {
			if m.Name != "spanway.cost.usd" || m.Unit != "{USD}" || !d.IsMonotonic || d.Temporality != p.temporality() {
				t.Errorf("%s %s, monotonic %v, %v", m.Name, m.Unit, d.IsMonotonic, d.Temporality)
			}
			out = map[string]string{}
			for _, pt := range d.DataPoints {
				out[pt.Attributes.Encoded(attribute.DefaultEncoder())] = fmt.Sprintf("%.4g", pt.Value)
			}
		}
	}
	return out
}

// priced is a finished call of a model that cost so much.
func priced(model string, usd float64) *Trace {
	t := newTrace()
	sampleCall(t, t.base)
	s := &t.Spans[1]
	s.String(GenAIRequestModel, model)
	s.String(SpanwayRoute, "smart")
	s.String(SpanwayBackend, "gpt")
	s.Float(SpanwayCostUSD, usd)
	return t
}

func TestCosts(t *testing.T) {
	m := newTestMeter()
	total, delta := m.producer(metricdata.CumulativeTemporality).(*producer), m.producer(metricdata.DeltaTemporality).(*producer)
	unpriced := newTrace()
	sampleCall(unpriced, unpriced.base)
	m.record(unpriced)
	if got := costs(t, total); got != nil {
		t.Errorf("calls without a price cost %v", got)
	}
	m.record(priced("gpt-4o", 0.25))
	m.record(priced("gpt-4o", 0.5))
	m.record(priced(strings.Repeat("x", maxModelName+1), 1))
	key := func(model string) string {
		return "gen_ai.provider.name=openai,gen_ai.request.model=" + model + ",spanway.backend=gpt,spanway.route=smart"
	}
	want := map[string]string{key("gpt-4o"): "0.75", key(otherName): "1"}
	for name, p := range map[string]*producer{"total": total, "delta": delta} {
		if d := cmp.Diff(want, costs(t, p)); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
	m.record(priced("gpt-4o", 0.125))
	if got := costs(t, total)[key("gpt-4o")]; got != "0.875" {
		t.Errorf("total %s", got)
	}
	if got := costs(t, delta); got[key("gpt-4o")] != "0.125" || got[key(otherName)] != "0" {
		t.Errorf("the next delta: %v", got)
	}
}

// TestCostsOfManyModels: models past the bound are one, and nothing is lost.
func TestCostsOfManyModels(t *testing.T) {
	m := newTestMeter()
	const extra = 10
	for i := range maxSeries + extra {
		m.record(priced(fmt.Sprint("m", i), 1))
	}
	got := costs(t, m.producer(metricdata.CumulativeTemporality).(*producer))
	if n := len(got); n != maxSeries+1 {
		t.Errorf("%d series, want %d", n, maxSeries+1)
	}
	for k, v := range got {
		if strings.Contains(k, otherName) && v != fmt.Sprint(extra) {
			t.Errorf("%s: %s, want %d", k, v, extra)
		}
	}
}
