package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/spanway/spanway/internal/ir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send finishes n sampled calls of three spans each and returns how many spans that were.
func send(p *Pipeline, n int) int64 {
	for range n {
		tr := p.Start(nil)
		sampleCall(tr, tr.base)
		p.Finish(tr)
	}
	return int64(3 * n)
}

// checkExact shuts p down within the timeout and checks that every span is counted once, and taken once where exported.
func checkExact(t *testing.T, p *Pipeline, c *collector, sent int64, timeout time.Duration) SinkStats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	begin := time.Now()
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > timeout+2*time.Second {
		t.Errorf("shutdown took %v of %v", took, timeout)
	}
	st := p.Stats()[0]
	if st.Accepted != sent || st.Accepted != st.Exported+st.Dropped+st.Failed {
		t.Errorf("sent %d, counted %+v", sent, st)
	}
	if c != nil && int64(c.taken()) < st.Exported {
		t.Errorf("%d spans arrived, counted %+v", c.taken(), st)
	}
	return st
}

func sinkConfig(endpoint, protocol string) ir.OTLP {
	return ir.OTLP{Endpoint: endpoint, Protocol: protocol, Interval: 5 * time.Millisecond, Timeout: 5 * time.Second}
}

// newUnstarted makes a pipeline with the sinks set up by edit before they run.
func newUnstarted(t *testing.T, o ir.OTLP, edit func(*sink)) *Pipeline {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	sinks, err := newSinks([]ir.OTLP{o}, newEnvelope(nil, schemaURL, "test"), "test", log)
	if err != nil {
		t.Fatal(err)
	}
	p := newPipeline(t, ir.Telemetry{}, Options{})
	p.sinks = sinks
	for _, s := range sinks {
		s.backoff = time.Millisecond
		if edit != nil {
			edit(s)
		}
		s.start()
	}
	return p
}

var protocols = []string{protocolGRPC, protocolHTTP, protocolJSON}

func TestExport(t *testing.T) {
	for _, protocol := range protocols {
		for _, compression := range []string{"none", "gzip"} {
			t.Run(protocol+" "+compression, func(t *testing.T) {
				c := &collector{}
				o := sinkConfig(c.serve(t, protocol), protocol)
				o.Compression = compression
				o.Headers = map[string]ir.Secret{"x-tenant": "blue"}
				p := newUnstarted(t, o, nil)
				st := checkExact(t, p, c, send(p, 50), 20*time.Second)
				if st.Exported != 150 || c.taken() != 150 {
					t.Errorf("%d arrived, %+v", c.taken(), st)
				}
				if got := c.header.Get("x-tenant"); got != "blue" {
					t.Errorf("x-tenant is %q", got)
				}
				late := send(p, 1)
				if after := p.Stats()[0]; after.Dropped != late {
					t.Errorf("a call finished after shutdown: %+v", after)
				}
			})
		}
	}
}

// Whatever a collector answers at first, all arrives once it recovers.
func TestExportRetries(t *testing.T) {
	retryInfo, err := status.New(codes.ResourceExhausted, "later").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	type answers struct {
		protocol string
		err      error
	}
	tests := map[string]answers{
		"http 429":  {protocolHTTP, httpStatus{code: 429}},
		"http 502":  {protocolHTTP, httpStatus{code: 502}},
		"http 503":  {protocolJSON, httpStatus{code: 503, retryAfter: "0"}},
		"http 504":  {protocolHTTP, httpStatus{code: 504, retryAfter: "Mon, 02 Jan 2006 15:04:05 GMT"}},
		"http cut":  {protocolHTTP, io.ErrUnexpectedEOF},
		"RetryInfo": {protocolGRPC, retryInfo.Err()},
	}
	for _, code := range []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted,
		codes.OutOfRange, codes.Unavailable, codes.DataLoss} {
		tests[code.String()] = answers{protocolGRPC, status.Error(code, "no")}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &collector{answer: func(_ context.Context, call int, _ []*tracepb.Span) (int64, error) {
				if call <= 3 {
					return 0, tt.err
				}
				return 0, nil
			}}
			p := newUnstarted(t, sinkConfig(c.serve(t, tt.protocol), tt.protocol), nil)
			st := checkExact(t, p, c, send(p, 10), 20*time.Second)
			if st.Exported != 30 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestExportRefusedForGood(t *testing.T) {
	tests := map[string]struct {
		protocol string
		err      error
	}{
		"http 400": {protocolHTTP, httpStatus{code: 400}},
		"http 500": {protocolJSON, httpStatus{code: 500}},
		"grpc":     {protocolGRPC, status.Error(codes.InvalidArgument, "no")},
		"auth":     {protocolGRPC, status.Error(codes.Unauthenticated, "no")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &collector{answer: func(context.Context, int, []*tracepb.Span) (int64, error) { return 0, tt.err }}
			p := newUnstarted(t, sinkConfig(c.serve(t, tt.protocol), tt.protocol), nil)
			if st := checkExact(t, p, c, send(p, 10), 20*time.Second); st.Failed != 30 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestExportPartialSuccess(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			var refused atomic.Int64
			c := &collector{answer: func(context.Context, int, []*tracepb.Span) (int64, error) {
				refused.Add(2)
				return 2, nil
			}}
			p := newUnstarted(t, sinkConfig(c.serve(t, protocol), protocol), nil)
			st := checkExact(t, p, c, send(p, 10), 20*time.Second)
			if st.Failed != refused.Load() || st.Exported != 30-refused.Load() {
				t.Errorf("refused %d, %+v", refused.Load(), st)
			}
		})
	}
}

// A collector that takes smaller messages than ours gets smaller ones.
func TestExportSplits(t *testing.T) {
	c := &collector{}
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, newGate(t), grpc.MaxRecvMsgSize(8<<10)), protocolGRPC), func(s *sink) {
		s.interval = time.Hour
	})
	st := checkExact(t, p, c, send(p, 100), 20*time.Second)
	if st.Exported != 300 || c.taken() != 300 {
		t.Errorf("%d arrived, %+v", c.taken(), st)
	}
	tooLarge := &collector{answer: func(_ context.Context, _ int, spans []*tracepb.Span) (int64, error) {
		if len(spans) > 1 {
			return 0, httpStatus{code: 413}
		}
		return 0, nil
	}}
	p = newUnstarted(t, sinkConfig(tooLarge.serve(t, protocolHTTP), protocolHTTP), nil)
	if st := checkExact(t, p, tooLarge, send(p, 20), 20*time.Second); st.Exported != 60 {
		t.Errorf("%+v", st)
	}
	never := &collector{answer: func(context.Context, int, []*tracepb.Span) (int64, error) {
		return 0, httpStatus{code: 413}
	}}
	p = newUnstarted(t, sinkConfig(never.serve(t, protocolHTTP), protocolHTTP), nil)
	if st := checkExact(t, p, never, send(p, 3), 20*time.Second); st.Failed != 9 {
		t.Errorf("%+v", st)
	}
}

// A collector that hangs is cut by the timeout, and the next attempt may succeed; calls go on all the while.
func TestExportHangs(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			c := &collector{answer: func(ctx context.Context, call int, _ []*tracepb.Span) (int64, error) {
				if call <= 2 {
					<-ctx.Done()
				}
				return 0, ctx.Err()
			}}
			o := sinkConfig(c.serve(t, protocol), protocol)
			o.Timeout = 300 * time.Millisecond
			p := newUnstarted(t, o, nil)
			if st := checkExact(t, p, c, send(p, 10), 20*time.Second); st.Exported != 30 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// One that hangs for ever costs what the shutdown's context allows, and every span is counted as dropped.
func TestShutdownIsBounded(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			c := &collector{answer: func(ctx context.Context, _ int, _ []*tracepb.Span) (int64, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}}
			p := newUnstarted(t, sinkConfig(c.serve(t, protocol), protocol), nil)
			if st := checkExact(t, p, c, send(p, 10), 100*time.Millisecond); st.Dropped != 30 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Nobody answers at first: the queue keeps what it can, the rest is dropped and counted, and what it kept arrives.
func TestExportQueueIsBounded(t *testing.T) {
	c, g := &collector{}, newGate(t)
	g.close()
	o := sinkConfig(c.serveGRPC(t, g), protocolGRPC)
	o.Queue = 256 << 10
	p := newUnstarted(t, o, nil)
	sent := send(p, 2000) // about 2 MB
	s := p.sinks[0]
	s.mu.Lock()
	queued := s.queued
	s.mu.Unlock()
	if queued > o.Queue {
		t.Errorf("%d bytes are queued, bound %d", queued, o.Queue)
	}
	g.open()
	st := checkExact(t, p, c, sent, 30*time.Second)
	if st.Dropped == 0 || st.Exported == 0 || int64(c.taken()) != st.Exported {
		t.Errorf("%d arrived, %+v", c.taken(), st)
	}
}

// The connection drops again and again under load.
func TestExportConnectionDrops(t *testing.T) {
	c, g := &collector{}, newGate(t)
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, g), protocolGRPC), nil)
	var sent int64
	for range 4 {
		sent += send(p, 100)
		g.close()
		sent += send(p, 100)
		g.open()
	}
	st := checkExact(t, p, c, sent, 60*time.Second)
	if st.Exported != sent || int64(c.taken()) != sent {
		t.Errorf("sent %d, %d arrived, %+v", sent, c.taken(), st)
	}
}

func TestRetryFor(t *testing.T) {
	c := &collector{answer: func(context.Context, int, []*tracepb.Span) (int64, error) {
		return 0, status.Error(codes.Unavailable, "no")
	}}
	o := sinkConfig(c.serveGRPC(t, newGate(t)), protocolGRPC)
	o.RetryFor = 20 * time.Millisecond
	p := newUnstarted(t, o, nil)
	if st := checkExact(t, p, c, send(p, 10), 20*time.Second); st.Failed != 30 {
		t.Errorf("%+v", st)
	}
}

func TestConcurrentFinish(t *testing.T) {
	c := &collector{}
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, newGate(t)), protocolGRPC), func(s *sink) { s.flushAt = 16 << 10 })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { send(p, 200) })
	}
	wg.Wait()
	st := checkExact(t, p, c, 8*200*3, 60*time.Second)
	if st.Exported != 8*200*3 || c.taken() != 8*200*3 {
		t.Errorf("%d arrived, %+v", c.taken(), st)
	}
}

// Calls that end while the pipeline shuts down are counted, whichever side of it they fall on.
func TestFinishDuringShutdown(t *testing.T) {
	c := &collector{}
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, newGate(t)), protocolGRPC), func(s *sink) { s.flushAt = 8 << 10 })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { send(p, 300) })
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	st := p.Stats()[0]
	if st.Accepted != 4*300*3 || st.Accepted != st.Exported+st.Dropped+st.Failed || int64(c.taken()) != st.Exported {
		t.Errorf("%d arrived, %+v", c.taken(), st)
	}
}

func TestLostSpansAreCounted(t *testing.T) {
	c := &collector{}
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, newGate(t)), protocolGRPC), nil)
	tr := p.Start(nil)
	for range MaxSpans + 5 {
		tr.StartSpan("s", KindInternal, NoSpan, tr.base)
	}
	p.Finish(tr)
	if st := checkExact(t, p, c, MaxSpans+5, 20*time.Second); st.Dropped != 5 {
		t.Errorf("%+v", st)
	}
}

func TestOversizedTraceArrivesCut(t *testing.T) {
	c := &collector{}
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, newGate(t)), protocolGRPC), nil)
	tr := p.Start(nil)
	sampleCall(tr, tr.base)
	tr.Spans[1].String(URLFull, strings.Repeat("x", 5<<20))
	p.Finish(tr)
	if st := checkExact(t, p, c, 3, 20*time.Second); st.Exported != 3 {
		t.Errorf("%+v", st)
	}
	if n := p.meter.truncated.Load(); n != 1 {
		t.Errorf("%d truncated traces are counted", n)
	}
}

// One line when exports begin to fail, one when they work again, one for what shutdown had to drop: however often they happen.
func TestExportLogsChangesOnly(t *testing.T) {
	asked := make(chan int)
	c := &collector{answer: func(ctx context.Context, call int, _ []*tracepb.Span) (int64, error) {
		select {
		case asked <- call:
		case <-ctx.Done():
		}
		if call > 5 && call <= 10 || call > 12 {
			return 0, status.Error(codes.Unavailable, "no")
		}
		return 0, nil
	}}
	var out strings.Builder
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &out}, nil))
	p := newUnstarted(t, sinkConfig(c.serveGRPC(t, newGate(t)), protocolGRPC), func(s *sink) { s.log = log })
	p.log = log
	sent := int64(0)
	for call := 0; call < 15; call = <-asked {
		sent += send(p, 1)
	}
	checkExact(t, p, c, sent, 200*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	for message, want := range map[string]int{
		"trace export failed": 2, "trace export works again": 1, "shutdown dropped spans": 1,
	} {
		if got := strings.Count(out.String(), message); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%s", message, got, want, out.String())
		}
	}
}

func TestExportTLS(t *testing.T) {
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			c := &collector{}
			endpoint, ca := c.serveTLS(t, protocol)
			o := sinkConfig(endpoint, protocol)
			o.TLS.CAFile = ca
			p := newUnstarted(t, o, nil)
			if st := checkExact(t, p, c, send(p, 5), 20*time.Second); st.Exported != 15 {
				t.Errorf("%+v", st)
			}
			c = &collector{}
			o.Endpoint, ca = c.serveTLS(t, protocol)
			text, err := os.ReadFile(ca)
			if err != nil {
				t.Fatal(err)
			}
			o.TLS = ir.ClientTLS{CA: string(text)}
			p = newUnstarted(t, o, nil)
			if st := checkExact(t, p, c, send(p, 5), 20*time.Second); st.Exported != 15 {
				t.Errorf("by content: %+v", st)
			}
			o.TLS = ir.ClientTLS{}
			p = newUnstarted(t, o, nil)
			if st := checkExact(t, p, nil, send(p, 5), 200*time.Millisecond); st.Dropped != 15 {
				t.Errorf("with the system's roots: %+v", st)
			}
		})
	}
}

func TestErrorsAreSorted(t *testing.T) {
	after := func(h string) time.Duration {
		return httpError(&http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {h}}}).after
	}
	if got := after("120"); got != 2*time.Minute {
		t.Errorf("Retry-After: 120 is %v", got)
	}
	if got := after(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)); got < 59*time.Minute || got > time.Hour {
		t.Errorf("Retry-After with a date is %v", got)
	}
	for _, bad := range []string{"", "soon", "-5", "99999999999999999999"} {
		if got := after(bad); got != 0 {
			t.Errorf("Retry-After: %s is %v", bad, got)
		}
	}
	st, err := status.New(codes.Unavailable, "x").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if e := grpcError(st.Err()); !e.retry || e.after != 3*time.Second {
		t.Errorf("RetryInfo: %+v", e)
	}
	if e := grpcError(status.Error(codes.PermissionDenied, "x")); e.retry {
		t.Errorf("PermissionDenied: %+v", e)
	}
}

func TestCheckOTLP(t *testing.T) {
	for _, bad := range []ir.OTLP{
		{Endpoint: ""}, {Endpoint: "localhost:4317"}, {Endpoint: "ftp://x"}, {Endpoint: "http://"},
		{Endpoint: "http://x", Protocol: "thrift"}, {Endpoint: "http://x", Compression: "zip"},
		{Endpoint: "https://x", TLS: ir.ClientTLS{CAFile: "/does/not/exist"}},
		{Endpoint: "https://x", TLS: ir.ClientTLS{CA: "no certificate"}},
		{Endpoint: "https://x", TLS: ir.ClientTLS{CertFile: "only"}},
	} {
		o := Options{Getenv: noEnv, Logger: slog.New(slog.DiscardHandler)}
		if _, err := New(t.Context(), ir.Telemetry{Traces: []ir.OTLP{bad}}, o); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	for in, want := range map[string]string{
		"http://c": "http://c:4317", "https://[::1]": "https://[::1]:4317", "http://c:99": "http://c:99",
	} {
		if got, err := checkOTLP(ir.OTLP{Endpoint: in}); err != nil || got.Endpoint != want {
			t.Errorf("%s is %s, want %s (%v)", in, got.Endpoint, want, err)
		}
	}
}

// The collector that benchmarks export to takes whole requests without decoding them.
type blackHole struct{}

func (blackHole) export(context.Context, []byte) (int, error) { return 0, nil }
func (blackHole) close()                                      {}

func BenchmarkFinish(b *testing.B) {
	p := newPipeline(b, ir.Telemetry{Metrics: ir.Metrics{Prometheus: true}}, Options{})
	s := &sink{
		name: "none", env: newEnvelope([]attribute.KeyValue{attribute.String("service.name", "x")}, schemaURL, "1"),
		log: slog.New(slog.DiscardHandler), limit: defaultQueue, flushAt: flushSize, interval: defaultInterval,
		timeout: defaultTimeout, backoff: backoffBase, shards: make([]shard, 2), transport: blackHole{},
	}
	s.start()
	p.sinks = []*sink{s}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tr := p.Start(nil)
			sampleCall(tr, tr.base)
			p.Finish(tr)
		}
	})
}
