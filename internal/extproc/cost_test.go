package extproc

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

// wire is a stream whose messages come from memory: what is measured is this package and the pipeline, without gRPC and the network.
type wire struct {
	grpc.ServerStream

	ctx  context.Context
	next []byte
}

func (w *wire) Context() context.Context { return w.ctx }

func (w *wire) RecvMsg(m any) error {
	if w.next == nil {
		return io.EOF
	}
	return m.(*message).decode(w.next, false)
}

func (w *wire) SendMsg(m any) error {
	m.(*answer).marshal().Free()
	return nil
}

func encoded(tb testing.TB, m *extprocv3.ProcessingRequest) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// course is all that Envoy says of one call with one attempt.
type course struct {
	server *Server
	r, u   *wire
	// What comes on R and on U, in order.
	head, body, shown, answered, response, chunk, last []byte
}

func newCourse(tb testing.TB) *course {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	g, err := ir.Load("test.yaml", []byte("telemetry: {traces: []}\nbackends: {a: {provider: openai, url: 'http://a.test', key: k}}\nroutes: [{match: {path: /r}, to: a}]\n"), ir.LoadOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	snapshot, err := gateway.Compile(g, &gateway.Env{})
	if err != nil {
		tb.Fatal(err)
	}
	traces, err := telemetry.New(tb.Context(), g.Telemetry, telemetry.Options{Version: "test", Logger: log})
	if err != nil {
		tb.Fatal(err)
	}
	s := New(log)
	if err := s.Apply(tb.Context(), g, snapshot, traces); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Shutdown(0) })
	c := &course{server: s}
	c.r = &wire{ctx: metadata.NewIncomingContext(tb.Context(), metadata.Pairs(xds.RoleKey, xds.RoleR, xds.ConnectionKey, "7"))}
	c.u = &wire{ctx: tb.Context()}
	fields := headers(":method", "POST", ":path", "/r/v1/chat/completions", ":authority", "gw.test", ":scheme", "http", "authorization", "Bearer sk-client",
		"content-type", "application/json", "accept", "*/*", "user-agent", "test/1", "content-length", strconv.Itoa(len(ask)))
	c.head = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: fields}},
		Attributes: attrs("source.address", "192.0.2.7:4711", "request.protocol", "HTTP/1.1")})
	c.body = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(ask), EndOfStream: true}}})
	c.shown = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: fields}}})
	answered := &extprocv3.HttpHeaders{Headers: headers(append([]string{":status", "200", xds.ProtocolHeader, "HTTP/1.1"}, stream200...)...)}
	c.answered = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: answered}})
	c.response = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{
		Headers: headers(append([]string{":status", "200"}, stream200...)...)}}, Attributes: viaProvider})
	c.chunk = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(frame1)}}})
	c.last = encoded(tb, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(frame2 + done), EndOfStream: true}}})
	return c
}

// run carries one call with so many chunks.
func (c *course) run(tb testing.TB, chunks int) {
	tb.Helper()
	c.server.sessions.reserve()
	x := &session{server: c.server, stream: c.r, abort: func() {}, connection: "7"}
	c.r.next = c.head
	must(tb, x.open(c.server.engine.Load()))
	must(tb, x.begin())
	take := func(m []byte) {
		c.r.next = m
		must(tb, c.r.RecvMsg(&x.message))
		must(tb, x.take(&x.message))
	}
	take(c.body)
	u := &attempt{session: x, stream: c.u, n: 1, cluster: c.server.clusters.of(x.attempt.Backend)}
	var m message
	for _, next := range [][]byte{c.shown, c.answered} {
		c.u.next = next
		must(tb, c.u.RecvMsg(&m))
		must(tb, u.take(&m))
	}
	take(c.response)
	for range chunks {
		take(c.chunk)
	}
	take(c.last)
	if x.phase != over {
		tb.Fatal("the call has not ended")
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Budgets of allocations: one for the bytes of each message that goes out with its list of buffers, the rest for a call's heads, its
// session and its contexts.
const (
	callBudget  = 104
	chunkBudget = 3
)

// TestAllocations holds a call, and each chunk of its answer, to what they may allocate.
func TestAllocations(t *testing.T) {
	c := newCourse(t)
	count := func(chunks int) float64 { return testing.AllocsPerRun(50, func() { c.run(t, chunks) }) }
	whole := count(1)
	if whole > callBudget {
		t.Errorf("a call costs %v allocations, budget %d", whole, callBudget)
	}
	if per := (count(1001) - whole) / 1000; per > chunkBudget+0.01 { // what else runs may allocate now and then
		t.Errorf("a chunk costs %v allocations, budget %d", per, chunkBudget)
	}
}

// BenchmarkCall is a call of one attempt, its answer in three chunks.
func BenchmarkCall(b *testing.B) {
	c := newCourse(b)
	b.ReportAllocs()
	for b.Loop() {
		c.run(b, 2)
	}
}

// BenchmarkChunk is a chunk of an answer.
func BenchmarkChunk(b *testing.B) {
	c := newCourse(b)
	b.ReportAllocs()
	c.run(b, b.N)
}
