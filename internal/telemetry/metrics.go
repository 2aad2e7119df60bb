package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/spanway/spanway/internal/ir"
)

// defaultMetricInterval is how often metrics are pushed.
const defaultMetricInterval = time.Minute

// EventFirstChunk is the span event of the logical span at the true time of a streamed response's first chunk.
const EventFirstChunk = "gen_ai.first_chunk"

// meter derives metrics from finished records. The SDK reads and exports them; they are counted here, because an SDK
// instrument normalizes its attributes at every measurement, which costs more than all else that Finish does. It is safe for
// concurrent use.
type meter struct {
	provider *sdkmetric.MeterProvider
	handler  http.Handler
	scope    string // version of the instrumentation scope
	start    time.Time
	sinks    []*sink
	calls    seriesTable
	routes   routeTable
	costs    costTable
	latest   bool // calls are measured for the conventions after 1.41

	truncated atomic.Int64              // traces that were too large for a request
	verdicts  [numVerdicts]atomic.Int64 // traces by what tail sampling made of them
}

// newMeter makes what counts and what reads; sinks are those that spanway.telemetry.spans counts, latest
// is for the names after 1.41.
func newMeter(ctx context.Context, cfg ir.Metrics, res []attribute.KeyValue, version string, log *slog.Logger,
	sinks []*sink, latest bool) (*meter, error) {
	m := &meter{handler: http.NotFoundHandler(), scope: version, start: time.Now(), sinks: sinks, latest: latest}
	options := []sdkmetric.Option{sdkmetric.WithResource(resource.NewWithAttributes(schemaURL, res...))}
	if cfg.Prometheus {
		registry := prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		reader, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo(),
			otelprom.WithProducer(m.producer(metricdata.CumulativeTemporality)))
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
		producer := m.producer(exporter.Temporality(sdkmetric.InstrumentKindHistogram))
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter,
			sdkmetric.WithInterval(orDefault(cfg.Interval, defaultMetricInterval)), sdkmetric.WithProducer(producer))))
	}
	m.provider = sdkmetric.NewMeterProvider(options...)
	return m, nil
}

// record measures t. The span that names an operation is the logical call; the gateway's overhead may stand on any.
func (m *meter) record(t *Trace) {
	var call *Span
	var overhead *Attr
	for i := range t.Spans {
		s := &t.Spans[i]
		if call == nil && s.Get(GenAIOperationName) != nil {
			call = s
		}
		if overhead == nil {
			overhead = s.Get(SpanwayGatewayOverhead)
		}
	}
	if overhead != nil {
		m.routes.get(t.route()).record(overhead.Float())
	}
	if call != nil {
		m.recordCall(t, call)
	}
}

func (m *meter) recordCall(t *Trace, s *Span) {
	var k seriesKey
	var input, output, first, chunks, cost *Attr
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
		case SpanwayCostUSD:
			cost = a
		}
	}
	o := m.calls.get(k)
	i := o.duration.record(max(s.End.Sub(s.Start), 0).Seconds())
	if t.Sampled {
		o.duration.exemplify(i, s.End, s.End.Sub(s.Start).Seconds(), t.ID, s.ID)
	}
	if input != nil {
		o.input.record(float64(input.Int()))
	}
	if output != nil {
		o.output.record(float64(output.Int()))
	}
	if m.latest {
		o.parts.record(s)
	}
	if first != nil {
		o.firstChunk.record(first.Float())
	}
	if cost != nil {
		m.costs.get(s).add(cost.Float())
	}
	if chunks != nil && chunks.Int() > 1 {
		if e := s.event(EventFirstChunk); e != nil && s.End.After(e.Time) {
			o.perChunk.record(s.End.Sub(e.Time).Seconds() / float64(chunks.Int()-1))
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
