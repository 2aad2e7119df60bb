package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/ir"
)

// Bucket boundaries: those of the semantic conventions for durations (s) and tokens, and finer ones for what the gateway
// itself takes (s).
var (
	durationBuckets = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokenBuckets    = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	overheadBuckets = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1}
)

// defaultMetricInterval is how often metrics are pushed.
const defaultMetricInterval = time.Minute

// firstChunkEvent is the span event at the first chunk's true time.
const firstChunkEvent = "gen_ai.first_chunk"

// meter derives metrics from finished records. It is safe for concurrent use.
type meter struct {
	provider *sdkmetric.MeterProvider
	handler  http.Handler

	duration   metric.Float64Histogram
	tokens     metric.Int64Histogram
	firstChunk metric.Float64Histogram
	perChunk   metric.Float64Histogram
	overhead   metric.Float64Histogram

	calls  seriesTable
	routes routeTable
}

// newMeter makes the instruments and what reads them; sinks are those that spanway.telemetry.spans counts.
func newMeter(ctx context.Context, cfg ir.Metrics, res []attribute.KeyValue, version string, log *slog.Logger,
	sinks []*sink) (*meter, error) {
	m := &meter{handler: http.NotFoundHandler()}
	options := []sdkmetric.Option{sdkmetric.WithResource(resource.NewWithAttributes(schemaURL, res...))}
	if cfg.Prometheus {
		registry := prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		reader, err := otelprom.New(otelprom.WithRegisterer(registry))
		if err != nil {
			return nil, err
		}
		options = append(options, sdkmetric.WithReader(reader))
		m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	}
	if cfg.OTLP != nil {
		exporter, err := newMetricExporter(ctx, *cfg.OTLP, log)
		if err != nil {
			return nil, err
		}
		interval := cfg.Interval
		if interval <= 0 {
			interval = defaultMetricInterval
		}
		options = append(options,
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(interval))))
	}
	m.provider = sdkmetric.NewMeterProvider(options...)
	return m, m.instruments(m.provider.Meter(scopeOfSpans, metric.WithInstrumentationVersion(version)), sinks)
}

func (m *meter) instruments(mt metric.Meter, sinks []*sink) (err error) {
	histogram := func(dst *metric.Float64Histogram, name, description string, buckets []float64) {
		if err == nil {
			*dst, err = mt.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
				metric.WithExplicitBucketBoundaries(buckets...))
		}
	}
	histogram(&m.duration, "gen_ai.client.operation.duration", "GenAI operation duration.", durationBuckets)
	histogram(&m.firstChunk, "gen_ai.client.operation.time_to_first_chunk",
		"Time to receive the first chunk, measured from the upstream request.", durationBuckets)
	histogram(&m.perChunk, "gen_ai.client.operation.time_per_output_chunk",
		"Mean time between two chunks of one streamed response.", durationBuckets)
	histogram(&m.overhead, "spanway.gateway.overhead", "Time spent in the gateway itself, not waiting for an upstream.",
		overheadBuckets)
	if err != nil {
		return err
	}
	m.tokens, err = mt.Int64Histogram("gen_ai.client.token.usage", metric.WithUnit("{token}"),
		metric.WithDescription("Number of input and output tokens used."),
		metric.WithExplicitBucketBoundaries(tokenBuckets...))
	if err != nil {
		return err
	}
	_, err = mt.Int64ObservableCounter("spanway.telemetry.spans", metric.WithUnit("{span}"),
		metric.WithDescription("Sampled spans by what became of them."), metric.WithInt64Callback(observeSinks(sinks)))
	return err
}

func observeSinks(sinks []*sink) metric.Int64Callback {
	return func(_ context.Context, o metric.Int64Observer) error {
		for _, s := range sinks {
			st := s.stats()
			state := func(name string, n int64) {
				o.Observe(n, metric.WithAttributes(attribute.String("state", name), attribute.String("sink", s.name)))
			}
			state("exported", st.Exported)
			state("dropped", st.Dropped)
			state("failed", st.Failed)
		}
		return nil
	}
}

// record measures t. The span that names an operation is the logical call; the gateway's overhead may stand on any.
func (m *meter) record(t *Trace) {
	call := -1
	var overhead *Attr
	for i := range t.Spans {
		s := &t.Spans[i]
		if call < 0 && s.Get(GenAIOperationName) != nil {
			call = i
		}
		if overhead == nil {
			overhead = s.Get(SpanwayGatewayOverhead)
		}
	}
	ctx := context.Background()
	if overhead != nil {
		m.overhead.Record(ctx, overhead.Float(), m.routes.options(t.route())...)
	}
	if call < 0 {
		return
	}
	s := &t.Spans[call]
	if t.Sampled {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: t.ID, SpanID: s.ID, TraceFlags: trace.FlagsSampled,
		}))
	}
	m.recordCall(ctx, s)
}

func (m *meter) recordCall(ctx context.Context, s *Span) {
	var k seriesKey
	var input, output, first, chunks *Attr
	for i := range s.Attrs {
		switch a := &s.Attrs[i]; a.Key {
		case GenAIOperationName:
			k.operation = a.Str
		case GenAIProviderName:
			k.provider = a.Str
		case GenAIRequestModel:
			k.requestModel = a.Str
		case GenAIResponseModel:
			k.responseModel = a.Str
		case ServerAddress:
			k.server = a.Str
		case ServerPort:
			k.port = a.Int()
		case ErrorType:
			k.errorType = a.Str
		case GenAIUsageInputTokens:
			input = a
		case GenAIUsageOutputTokens:
			output = a
		case GenAIResponseTimeToFirstChunk:
			first = a
		case SpanwayStreamChunks:
			chunks = a
		}
	}
	o := m.calls.get(k)
	m.duration.Record(ctx, max(s.End.Sub(s.Start), 0).Seconds(), o.duration...)
	if input != nil {
		m.tokens.Record(ctx, input.Int(), o.input...)
	}
	if output != nil {
		m.tokens.Record(ctx, output.Int(), o.output...)
	}
	if first != nil {
		m.firstChunk.Record(ctx, first.Float(), o.base...)
	}
	if chunks != nil && chunks.Int() > 1 {
		if e := s.event(firstChunkEvent); e != nil && s.End.After(e.Time) {
			m.perChunk.Record(ctx, s.End.Sub(e.Time).Seconds()/float64(chunks.Int()-1), o.base...)
		}
	}
}

// route is the route of the call, "" when none matched.
func (t *Trace) route() string {
	for i := range t.Spans {
		if a := t.Spans[i].Get(SpanwayRoute); a != nil {
			return a.Str
		}
	}
	return ""
}

func (s *Span) event(name string) *Event {
	for i := range s.Events {
		if s.Events[i].Name == name {
			return &s.Events[i]
		}
	}
	return nil
}

// Bounds of what metrics tell apart. The SDK's own limit, 2000 sets an instrument, is never met.
const (
	maxSeries      = 800 // further models are _other
	maxOtherSeries = 100 // further servers, providers and errors are _other as well
	maxRoutes      = 1000
	maxModelName   = 128 // bytes; a longer name is _other
	otherName      = "_other"
)

// seriesKey is one combination of attributes of a call.
type seriesKey struct {
	operation, provider, requestModel, responseModel, server, errorType string
	port                                                                int64
}

// series are the precomputed attribute sets of one combination.
type series struct {
	duration []metric.RecordOption // with error.type
	base     []metric.RecordOption
	input    []metric.RecordOption
	output   []metric.RecordOption
}

// seriesTable finds series without a lock; a new one copies the table.
type seriesTable struct {
	table cowMap[seriesKey, *series]
}

func (t *seriesTable) get(k seriesKey) *series {
	if len(k.requestModel) > maxModelName {
		k.requestModel = otherName
	}
	if len(k.responseModel) > maxModelName {
		k.responseModel = otherName
	}
	if s, ok := t.table.get(k, maxSeries, newSeries); ok {
		return s
	}
	k.requestModel, k.responseModel = other(k.requestModel), other(k.responseModel)
	if s, ok := t.table.get(k, maxSeries+maxOtherSeries, newSeries); ok {
		return s
	}
	k.provider, k.server, k.port, k.errorType = otherName, "", 0, other(k.errorType)
	s, _ := t.table.get(k, noLimit, newSeries)
	return s
}

// other replaces a value that is there.
func other(s string) string {
	if s == "" {
		return ""
	}
	return otherName
}

func newSeries(k seriesKey) (seriesKey, *series) {
	// The key outlives the call: its strings must not hold on to the call's bodies.
	k = seriesKey{
		operation: strings.Clone(k.operation), provider: strings.Clone(k.provider),
		requestModel: strings.Clone(k.requestModel), responseModel: strings.Clone(k.responseModel),
		server: strings.Clone(k.server), errorType: strings.Clone(k.errorType), port: k.port,
	}
	var kv []attribute.KeyValue
	text := func(key Key, v string) {
		if v != "" {
			kv = append(kv, attribute.String(names[key], validText(v)))
		}
	}
	text(GenAIOperationName, k.operation)
	text(GenAIProviderName, k.provider)
	text(GenAIRequestModel, k.requestModel)
	text(GenAIResponseModel, k.responseModel)
	text(ServerAddress, k.server)
	if k.port != 0 {
		kv = append(kv, attribute.Int64(names[ServerPort], k.port))
	}
	with := func(more ...attribute.KeyValue) []metric.RecordOption {
		all := append(append([]attribute.KeyValue(nil), kv...), more...)
		return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(all...))}
	}
	s := &series{
		base:   with(),
		input:  with(attribute.String("gen_ai.token.type", "input")),
		output: with(attribute.String("gen_ai.token.type", "output")),
	}
	s.duration = s.base
	if k.errorType != "" {
		s.duration = with(attribute.String(names[ErrorType], validText(k.errorType)))
	}
	return k, s
}

// routeTable is the precomputed attribute sets of routes.
type routeTable struct {
	table cowMap[string, []metric.RecordOption]
}

func (t *routeTable) options(route string) []metric.RecordOption {
	o, ok := t.table.get(route, maxRoutes, newRoute)
	if !ok {
		o, _ = t.table.get(otherName, noLimit, newRoute)
	}
	return o
}

func newRoute(route string) (string, []metric.RecordOption) {
	route = strings.Clone(route)
	if route == "" {
		return route, nil
	}
	set := attribute.NewSet(attribute.String(names[SpanwayRoute], validText(route)))
	return route, []metric.RecordOption{metric.WithAttributeSet(set)}
}

// quietExporter logs when exports begin and cease to fail, in place of the SDK's process-wide error handler.
type quietExporter struct {
	sdkmetric.Exporter
	log     *slog.Logger
	mu      sync.Mutex
	failing bool
}

// Export implements sdkmetric.Exporter.
func (e *quietExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, rm)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil && !e.failing:
		e.log.Warn("metric export failed", "error", err)
	case err == nil && e.failing:
		e.log.Info("metric export works again")
	}
	e.failing = err != nil
	return nil
}
