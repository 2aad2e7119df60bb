package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
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
	tail        *tail // nil = the sampler decides alone
	propagation propagationSet
	naming      naming
	records     sync.Pool
	sinks       []*sink
	meter       *meter
	log         *slog.Logger
	ended       atomic.Bool
}

// New makes a pipeline that exports as cfg says. What cfg leaves empty comes from OpenTelemetry's environment variables, then
// from their defaults. No destination need be reachable. ctx bounds the making only. The caller ends the pipeline with
// Shutdown, after the last Finish.
func New(ctx context.Context, cfg ir.Telemetry, o Options) (*Pipeline, error) {
	log, getenv := o.Logger, o.Getenv
	if log == nil {
		log = slog.Default()
	}
	if getenv == nil {
		getenv = os.Getenv
	}
	env := environment{get: getenv, warn: func(variable, value, problem string) {
		log.Warn("environment variable ignored", "variable", variable, "value", value, "problem", problem)
	}}
	said := cfg
	cfg = env.apply(cfg)
	p := &Pipeline{console: o.Console, capture: cfg.Capture == captureMessages, log: log}
	p.records.New = func() any { return &Trace{Spans: make([]Span, 0, inlineSpans)} }
	var err error
	if p.sampler, err = newSampler(cfg.Sampler); err != nil {
		return nil, err
	}
	if p.tail, err = newTail(cfg.Tail); err != nil {
		return nil, err
	}
	if p.propagation, err = newPropagation(cfg.Propagators); err != nil {
		return nil, err
	}
	p.propagation.through = env.disabled()
	if p.naming, err = newNaming(cfg.Conventions, env); err != nil {
		return nil, err
	}
	res := resourceAttributes(cfg, env, o.Version)
	if p.sinks, err = newSinks(cfg.Traces, newEnvelope(res, schemaURL, o.Version), o.Version, log); err != nil {
		return nil, fromEnvironment(said.Traces == nil, err)
	}
	if p.meter, err = newMeter(ctx, cfg.Metrics, res, o.Version, log, p.sinks, p.naming.latest); err != nil {
		closeTransports(p.sinks)
		return nil, fromEnvironment(said.Metrics.OTLP == nil, err)
	}
	for _, s := range p.sinks {
		s.start()
	}
	return p, nil
}

// fromEnvironment says of err, where yes, that no setting of the configuration caused it.
func fromEnvironment(yes bool, err error) error {
	if !yes {
		return err
	}
	return fmt.Errorf("as the OTEL_EXPORTER_OTLP_ variables of the environment say: %w", err)
}

// newSinks makes a sink for every destination of cfg, not started yet.
func newSinks(cfg []ir.OTLP, env *envelope, version string, log *slog.Logger) ([]*sink, error) {
	var sinks []*sink
	named := map[string]int{}
	for i, c := range cfg {
		c, err := checkOTLP(c)
		if err != nil {
			closeTransports(sinks)
			return nil, fmt.Errorf("traces[%d]: %w", i, err)
		}
		s := &sink{
			env: env, log: log, limit: c.Queue, flushAt: int(min(max(c.Queue/8, minFlush), flushSize)),
			interval: c.Interval, timeout: c.Timeout, retryFor: c.RetryFor, backoff: backoffBase,
			shards: make([]shard, runtime.GOMAXPROCS(0)),
		}
		s.name = RedactURL(c.Endpoint)
		if named[c.Endpoint]++; named[c.Endpoint] > 1 {
			s.name += "#" + strconv.Itoa(named[c.Endpoint])
		}
		if s.transport, err = newTransport(c, version); err != nil {
			closeTransports(sinks)
			return nil, fmt.Errorf("traces[%d]: %w", i, err)
		}
		sinks = append(sinks, s)
	}
	return sinks, nil
}

// closeTransports releases what sinks that were never started hold.
func closeTransports(sinks []*sink) {
	for _, s := range sinks {
		s.transport.close()
	}
}

func newTransport(c ir.OTLP, version string) (transport, error) {
	if c.Protocol == protocolGRPC {
		return newGRPCTransport(c, version)
	}
	return newHTTPTransport(c, version)
}

// checkOTLP fills in c's defaults and reports what cannot work.
func checkOTLP(c ir.OTLP) (ir.OTLP, error) {
	switch c.Protocol {
	case "":
		c.Protocol = protocolGRPC
	case protocolGRPC, protocolHTTP, protocolJSON:
	default:
		return c, fmt.Errorf("unknown protocol %q: use %s, %s or %s", c.Protocol, protocolGRPC, protocolHTTP, protocolJSON)
	}
	switch c.Compression {
	case "", "none", compressionGzip:
	default:
		return c, fmt.Errorf("unknown compression %q: use none or %s", c.Compression, compressionGzip)
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return c, fmt.Errorf("endpoint %q: use http://host:port or https://host:port", RedactURL(c.Endpoint))
	}
	if c.Protocol == protocolGRPC && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), portGRPC)
		c.Endpoint = u.String()
	}
	c.Timeout = orDefault(c.Timeout, defaultTimeout)
	c.Interval = orDefault(c.Interval, defaultInterval)
	c.Queue = orDefault(c.Queue, defaultQueue)
	return c, nil
}

func orDefault[T int64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// CaptureContent reports whether messages are recorded on spans, where a route says nothing else.
func (p *Pipeline) CaptureContent() bool { return p.capture }

// MetricsHandler serves the metrics in Prometheus' formats, or 404 where they are off.
func (p *Pipeline) MetricsHandler() http.Handler { return p.meter.handler }

// Finish takes t, which must not be used afterwards: it ends the spans that are open, decides whether to keep the trace where
// that is left to its end, measures the call, shows it on the console, and hands it to the sinks when it is sampled. It never
// waits for a sink. It is safe for concurrent use.
func (p *Pipeline) Finish(t *Trace) {
	t.endOpen(time.Now())
	if p.tail != nil {
		p.sampleTail(t)
	}
	p.meter.record(t)
	p.naming.add(t)
	if p.console != nil {
		p.console(t)
	}
	if t.Sampled && len(p.sinks) > 0 && len(t.ours()) > 0 {
		p.export(t)
	}
	t.reset()
	p.records.Put(t)
}

// export encodes t once and hands it to every sink.
func (p *Pipeline) export(t *Trace) {
	p.naming.strip(t)
	fits := t.textSize() <= maxTrace
	if fits {
		t.buf = appendTrace(t.buf[:0], t)
		fits = len(t.buf) <= maxTrace
	}
	if !fits {
		p.meter.truncated.Add(1)
		t.buf = t.shrink(t.buf[:0])
	}
	for _, s := range p.sinks {
		s.add(t.buf, len(t.ours()), t.Lost)
	}
}

// Stats counts the spans of every sink.
func (p *Pipeline) Stats() []SinkStats {
	stats := make([]SinkStats, len(p.sinks))
	for i, s := range p.sinks {
		stats[i] = s.stats()
	}
	return stats
}

// Shutdown sends what is queued and ends the pipeline. What is not out when ctx ends is dropped, counted and logged once. A
// trace that is finished later is counted as dropped. Further calls do nothing.
func (p *Pipeline) Shutdown(ctx context.Context) error {
	if p.ended.Swap(true) {
		return nil
	}
	most, cancel := mostOf(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range p.sinks {
		wg.Go(func() {
			if n := s.stop(most); n > 0 {
				p.log.Warn("shutdown dropped spans that were not exported", "sink", s.name, "spans", n)
			}
		})
	}
	wg.Wait()
	if err := p.meter.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("flush metrics: %w", err)
	}
	return nil
}

// mostOf leaves a fifth of ctx's time to the last export of metrics, which says what became of the spans: a collector of
// traces that hangs must not hide its loss.
func mostOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-time.Until(end)/5))
}
