// Package gateway is the pipeline that every call goes through, whatever data plane carries it. A data plane drives it:
//
//	c := engine.Open(ctx, in)              // the trace begins, routes are looked up
//	defer c.Close()                   // the trace ends, however the call went
//	if r := c.Request(body); r != nil // parse, policies, plan: a Reply ends the call
//	a := c.Attempt()                  // what to send, and where
//	v := a.Head(head)                 // or a.Failed: try again, reply, or go on
//	s := c.Body(p, eof)               // what of the response goes to the client
//
// The package knows neither an HTTP server nor gRPC and starts no goroutine. A call belongs to one goroutine at a time.
package gateway

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

// Engine holds the configuration that new calls begin with. It is safe for concurrent use.
type Engine struct {
	state atomic.Pointer[state]
	pool  sync.Pool
}

// state is what is swapped as one.
type state struct {
	snapshot *Snapshot
	traces   *telemetry.Pipeline
	calls    atomic.Int64 // running; the last one to leave a retired state closes done
	retired  atomic.Bool
	done     chan struct{}
	once     sync.Once
}

func newState(s *Snapshot, t *telemetry.Pipeline) *state {
	return &state{snapshot: s, traces: t, done: make(chan struct{})}
}

func (s *state) leave() {
	if s.calls.Add(-1) == 0 && s.retired.Load() {
		s.once.Do(func() { close(s.done) })
	}
}

// New returns an engine that serves s and records into t.
func New(s *Snapshot, t *telemetry.Pipeline) *Engine {
	e := &Engine{}
	e.pool.New = func() any { return newCall() }
	e.state.Store(newState(s, t))
	return e
}

// Swap makes new calls begin with s and t. The channel is closed when every call of the old state has ended: t's
// predecessor may then be shut down.
func (e *Engine) Swap(s *Snapshot, t *telemetry.Pipeline) (ended <-chan struct{}) {
	old := e.state.Swap(newState(s, t))
	old.calls.Add(1)
	old.retired.Store(true)
	old.leave()
	return old.done
}

// Running is the number of calls that run on the present configuration.
func (e *Engine) Running() int64 { return e.state.Load().calls.Load() }

// Snapshot is the configuration that new calls begin with.
func (e *Engine) Snapshot() *Snapshot { return e.state.Load().snapshot }

// Incoming is the head of a client's request.
type Incoming struct {
	Head     llm.Head // Path whole; Header is read, never changed, until Close
	Host     string
	Listener string // the configuration's name of it, or its address there
	Scheme   string
	Protocol string // 1.0, 1.1 or 2
	Client   string // address:port
	Received time.Time
	// Server is the call's SERVER span when a proxy in front of us records it; not valid when it is ours to record.
	Server trace.SpanContext
}

// Open begins a call. It never fails: what is wrong with the request is said by Request.
func (e *Engine) Open(ctx context.Context, in *Incoming) *Call {
	c := e.pool.Get().(*Call)
	c.ctx, c.state, c.engine = ctx, e.enter(), e
	c.in, c.Scheme = *in, in.Scheme
	if in.Server.IsValid() {
		c.trace = c.state.traces.StartUnder(in.Head.Header, in.Server)
	} else {
		c.trace = c.state.traces.Start(in.Head.Header)
	}
	c.llm = llm.Call{ID: callID(), Head: in.Head}
	c.serverSpan()
	c.routes = c.state.snapshot.routes.find(c.routesBuf[:0], &in.Head, in.Listener, in.Host)
	if len(c.routes) > 0 {
		c.route = c.routes[0]
		c.llm.Head.Path = c.pathOf(c.route)
	}
	c.recognise()
	return c
}

// enter counts the call in on the state that it begins with.
func (e *Engine) enter() *state {
	for {
		s := e.state.Load()
		s.calls.Add(1)
		if e.state.Load() == s {
			return s
		}
		s.leave()
	}
}

const hexDigits = "0123456789abcdef"

func callID() string {
	var b [16]byte
	n := rand.Uint64() //nolint:gosec // an identifier, not a secret
	for i := range b {
		b[i] = hexDigits[n&15]
		n >>= 4
	}
	return string(b[:])
}

// header returns h's first value of canonical name k.
func header(h http.Header, k string) string {
	if v := h[k]; len(v) > 0 {
		return v[0]
	}
	return ""
}
