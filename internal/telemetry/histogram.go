package telemetry

import (
	"context"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

// Bucket boundaries: those of the semantic conventions for durations (s) and tokens, and finer ones for what the gateway
// itself takes (s).
var (
	durationBuckets = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokenBuckets    = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	overheadBuckets = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1}
)

// exemplarAge is how long a bucket's exemplar stays before a newer one replaces it.
const exemplarAge = time.Second

// histogram counts values in buckets, for one set of attributes. It is safe for concurrent use and has no lock.
type histogram struct {
	attrs     attribute.Set
	bounds    []float64
	counts    []atomic.Uint64 // one more than bounds
	sum       *sum
	exemplars []atomic.Pointer[metricdata.Exemplar[float64]]
}

func newHistogram(attrs attribute.Set, bounds []float64) histogram {
	n := len(bounds) + 1
	return histogram{
		attrs: attrs, bounds: bounds, counts: make([]atomic.Uint64, n), sum: new(sum),
		exemplars: make([]atomic.Pointer[metricdata.Exemplar[float64]], n),
	}
}

// record counts v and returns its bucket.
func (h *histogram) record(v float64) (bucket int) {
	bucket = sort.SearchFloat64s(h.bounds, v)
	h.counts[bucket].Add(1)
	h.sum.add(v)
	return bucket
}

// exemplify links the bucket to the span that v was measured from, at most once in exemplarAge.
func (h *histogram) exemplify(bucket int, at time.Time, v float64, id trace.TraceID, span trace.SpanID) {
	slot := &h.exemplars[bucket]
	if e := slot.Load(); e != nil && at.Sub(e.Time) < exemplarAge {
		return
	}
	ids := slices.Concat(id[:], span[:])
	slot.Store(&metricdata.Exemplar[float64]{Time: at, Value: v, TraceID: ids[:16:16], SpanID: ids[16:]})
}

// counted is the state of a histogram at one moment.
type counted struct {
	counts []uint64
	count  uint64
	sum    float64
}

func (h *histogram) load() counted {
	c := counted{counts: make([]uint64, len(h.counts)), sum: h.sum.load()}
	for i := range h.counts {
		c.counts[i] = h.counts[i].Load()
		c.count += c.counts[i]
	}
	return c
}

// since is what was counted after before.
func (c counted) since(before counted) counted {
	if before.counts == nil {
		return c
	}
	d := counted{counts: slices.Clone(c.counts), count: c.count - before.count, sum: c.sum - before.sum}
	for i := range d.counts {
		d.counts[i] -= before.counts[i]
	}
	return d
}

// producer gives what a meter counted to one of the SDK's readers, which calls it from one goroutine at a time.
type producer struct {
	m     *meter
	delta bool
	start time.Time
	// What the collection before gave, for deltas.
	last       map[*histogram]counted
	lastCounts map[attribute.Set]int64
	lastCosts  map[*cost]float64
	lastParts  map[*atomic.Int64]int64
}

func (m *meter) producer(t metricdata.Temporality) sdkmetric.Producer {
	return &producer{m: m, delta: t == metricdata.DeltaTemporality, start: m.start,
		last: map[*histogram]counted{}, lastCounts: map[attribute.Set]int64{}, lastCosts: map[*cost]float64{},
		lastParts: map[*atomic.Int64]int64{}}
}

// Produce implements sdkmetric.Producer.
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	now := time.Now()
	calls := p.calls
	if p.m.latest {
		calls = p.latest
	}
	var overhead pointList
	for h := range p.m.routes.table.values() {
		p.add(&overhead, h, now)
	}
	sm := metricdata.ScopeMetrics{
		Scope: instrumentation.Scope{Name: scopeOfSpans, Version: p.m.scope, SchemaURL: schemaURL},
		Metrics: slices.Concat(
			calls(now),
			p.metric("spanway.gateway.overhead", "s",
				"Time spent in the gateway itself, not waiting for an upstream.", overhead),
			p.cost(now),
			p.spans(now),
			p.traces(now),
		),
	}
	if p.delta {
		p.start = now
	}
	return []metricdata.ScopeMetrics{sm}, nil
}

// calls collects the metrics of calls (semantic conventions 1.41, GenAI metrics).
func (p *producer) calls(now time.Time) []metricdata.Metrics {
	var duration, tokens, firstChunk, perChunk pointList
	for s := range p.m.calls.table.values() {
		p.add(&duration, &s.duration, now)
		p.add(&firstChunk, &s.firstChunk, now)
		p.add(&perChunk, &s.perChunk, now)
		p.add(&tokens, &s.input, now)
		p.add(&tokens, &s.output, now)
	}
	return slices.Concat(
		p.metric("gen_ai.client.operation.duration", "s", "GenAI operation duration.", duration),
		p.metric("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", tokens),
		p.metric("gen_ai.client.operation.time_to_first_chunk", "s",
			"Time to receive the first chunk, measured from the upstream request.", firstChunk),
		p.metric("gen_ai.client.operation.time_per_output_chunk", "s",
			"Mean time between two chunks of one streamed response.", perChunk),
	)
}

// add collects h into to, where it counted anything.
func (p *producer) add(to *pointList, h *histogram, now time.Time) {
	if c := p.collect(h); c.count > 0 {
		to.add(h.point(c, p.start, now))
	}
}

// collect is what h counted since the start, or since the collection before.
func (p *producer) collect(h *histogram) counted {
	c := h.load()
	if !p.delta {
		return c
	}
	d := c.since(p.last[h])
	p.last[h] = c
	return d
}

func (h *histogram) point(c counted, start, now time.Time) metricdata.HistogramDataPoint[float64] {
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: h.attrs, StartTime: start, Time: now, Count: c.count, Sum: c.sum,
		Bounds: slices.Clone(h.bounds), BucketCounts: slices.Clone(c.counts),
	}
	for i := range h.exemplars {
		if e := h.exemplars[i].Load(); e != nil && e.Time.After(start) {
			p.Exemplars = append(p.Exemplars, *e)
		}
	}
	return p
}

// pointList is the points of one metric, one for each set of attributes: series that differ only by what a metric does not tell, such
// as error.type, are one point of it.
type pointList struct {
	list []metricdata.HistogramDataPoint[float64]
	at   map[attribute.Distinct]int
}

func (p *pointList) add(d metricdata.HistogramDataPoint[float64]) {
	key := d.Attributes.Equivalent()
	i, ok := p.at[key]
	if !ok {
		if p.at == nil {
			p.at = map[attribute.Distinct]int{}
		}
		p.at[key] = len(p.list)
		p.list = append(p.list, d)
		return
	}
	same := &p.list[i]
	same.Count += d.Count
	same.Sum += d.Sum
	for b, n := range d.BucketCounts {
		same.BucketCounts[b] += n
	}
	same.Exemplars = append(same.Exemplars, d.Exemplars...)
}

// metric is no metric when there is no point.
func (p *producer) metric(name, unit, description string, of pointList) []metricdata.Metrics {
	if len(of.list) == 0 {
		return nil
	}
	return []metricdata.Metrics{{
		Name: name, Unit: unit, Description: description,
		Data: metricdata.Histogram[float64]{Temporality: p.temporality(), DataPoints: of.list},
	}}
}

func (p *producer) temporality() metricdata.Temporality {
	if p.delta {
		return metricdata.DeltaTemporality
	}
	return metricdata.CumulativeTemporality
}

// spans counts the spans of every sink by what became of them, and the traces that were cut to fit into a request.
func (p *producer) spans(now time.Time) []metricdata.Metrics {
	if len(p.m.sinks) == 0 {
		return nil
	}
	point := func(n int64, attrs ...attribute.KeyValue) metricdata.DataPoint[int64] {
		return p.point(now, n, attrs...)
	}
	var points []metricdata.DataPoint[int64]
	for _, s := range p.m.sinks {
		st, sink := s.stats(), attribute.String("sink", s.name)
		points = append(points,
			point(st.Exported, sink, attribute.String("state", "exported")),
			point(st.Dropped, sink, attribute.String("state", "dropped")),
			point(st.Failed, sink, attribute.String("state", "failed")))
	}
	return []metricdata.Metrics{{
		Name: "spanway.telemetry.spans", Unit: "{span}", Description: "Sampled spans by what became of them.",
		Data: p.sum(points...),
	}, {
		Name: "spanway.telemetry.truncated", Unit: "{trace}", Description: "Traces that were cut to fit into a request.",
		Data: p.sum(point(p.m.truncated.Load())),
	}}
}

// traces counts what tail sampling made of traces; no metric where it has decided on none.
func (p *producer) traces(now time.Time) []metricdata.Metrics {
	var points []metricdata.DataPoint[int64]
	for v := range p.m.verdicts {
		if n := p.m.verdicts[v].Load(); n > 0 {
			points = append(points, p.point(now, n, attribute.String("decision", verdicts[v].decision),
				attribute.String("reason", verdicts[v].reason)))
		}
	}
	if points == nil {
		return nil
	}
	return []metricdata.Metrics{{
		Name: "spanway.telemetry.traces", Unit: "{trace}", Description: "Finished traces by what tail sampling decided, and why.",
		Data: p.sum(points...),
	}}
}

// point is n, counted since the start, as a point: for deltas, what came since the collection before. No two counters have
// the same attributes.
func (p *producer) point(now time.Time, n int64, attrs ...attribute.KeyValue) metricdata.DataPoint[int64] {
	set := attribute.NewSet(attrs...)
	if p.delta {
		n, p.lastCounts[set] = n-p.lastCounts[set], n
	}
	return metricdata.DataPoint[int64]{Attributes: set, StartTime: p.start, Time: now, Value: n}
}

func (p *producer) sum(points ...metricdata.DataPoint[int64]) metricdata.Sum[int64] {
	return metricdata.Sum[int64]{Temporality: p.temporality(), IsMonotonic: true, DataPoints: points}
}
