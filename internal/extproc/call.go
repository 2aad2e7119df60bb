package extproc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

var (
	errBusy    = status.Error(codes.ResourceExhausted, "too many calls at a time")
	errClosing = status.Error(codes.Unavailable, "shutting down")
	errBroken  = status.Error(codes.Aborted, "the response is broken off")
	errOrder   = status.Error(codes.FailedPrecondition, "message out of order")
)

// call carries the stream R of a call. Whatever happens, the call's trace is closed once.
func (s *Server) call(stream grpc.ServerStream) error {
	engine := s.engine.Load()
	if engine == nil || !s.door.enter() {
		return errClosing
	}
	defer s.door.leave()
	if !s.sessions.reserve() {
		return errBusy
	}
	a := abortableOf(stream.Context())
	x := &session{server: s, stream: stream, abort: a.abort, connection: told(stream, xds.ConnectionKey)}
	err := x.open(engine)
	close(a.seen)
	if err != nil {
		s.sessions.count.Add(-1)
		return err
	}
	return x.run()
}

// open takes the request's head, the first message of the stream.
func (x *session) open(engine *gateway.Engine) (err error) {
	defer func() {
		if x.server.caught(recover()) {
			err = errBroken
		}
	}()
	m := &x.message
	if err := x.stream.RecvMsg(m); err != nil {
		return err
	}
	if m.kind != requestHead {
		return errOrder
	}
	in := incoming(m)
	in.Listener, _ = url.QueryUnescape(told(x.stream, xds.ListenerKey)) // of our own making
	x.ctx, x.cancel = context.WithCancelCause(x.stream.Context())
	x.call = engine.Open(x.ctx, &in)
	x.id = x.call.ID()
	x.server.sessions.add(x)
	x.bare = m.last
	length, err := strconv.ParseInt(in.Head.Header.Get("Content-Length"), 10, 64)
	x.tooLong = err == nil && length > x.call.BodyLimit()
	if in.Head.Query != "" {
		x.path = in.Head.Path
	}
	return nil
}

// incoming is the request's head as the pipeline takes it: what the client sent, without what Envoy added.
func incoming(m *message) gateway.Incoming {
	var span, requestID, ownID string
	p, h := readHead(m.fields, func(name string) bool {
		return strings.HasPrefix(name, "x-envoy-")
	})
	take := func(k string) string {
		v := ""
		if have := h[k]; len(have) > 0 {
			v = have[0]
		}
		delete(h, k)
		return v
	}
	span, requestID, ownID = take(spanHeader), take("X-Request-Id"), take(requestIDHeader)
	delete(h, "X-Forwarded-Proto")
	if ownID != "" {
		h["X-Request-Id"] = []string{ownID}
	}
	in := gateway.Incoming{Host: p.authority, Scheme: p.scheme, Protocol: protocolOf(m.attributes.text("request.protocol")), Client: m.attributes.text("source.address"),
		Received: m.attributes.time("request.time")}
	in.Head = llm.Head{Method: p.method, Header: h}
	in.Head.Path, in.Head.Query = splitPath(p.path)
	if span != "" {
		in.Server = telemetry.ParseServer(span, sampled(h, requestID))
	}
	return in
}

// The headers of internal/xds by their canonical names.
var (
	spanHeader      = http.CanonicalHeaderKey(xds.SpanHeader)
	requestIDHeader = http.CanonicalHeaderKey(xds.RequestIDHeader)
	protocolHeader  = http.CanonicalHeaderKey(xds.ProtocolHeader)
)

// sampled is Envoy's decision on the trace: the caller's, when there is one (W3C trace context, trace-flags), else its own, which it
// writes into the request's id in place of the version of the UUID: 4 is no.
func sampled(h http.Header, requestID string) bool {
	if v := h["Traceparent"]; len(v) == 1 && len(v[0]) >= 55 {
		return strings.IndexByte("13579bdf", v[0][54]) >= 0
	}
	return len(requestID) < 36 || requestID[14] != '4'
}

func protocolOf(p string) string {
	switch p {
	case "HTTP/2":
		return "2"
	case "HTTP/3":
		return "3"
	case "HTTP/1.0":
		return "1.0"
	}
	return "1.1"
}

// run carries the stream from the first message's answer to its end.
func (x *session) run() (err error) {
	defer func() {
		if x.server.caught(recover()) {
			err = x.apologise()
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.finish()
	}()
	for err = x.begin(); err == nil; {
		if err = x.stream.RecvMsg(&x.message); err == nil {
			err = x.take(&x.message)
		}
	}
	if errors.Is(err, errBroken) || errors.Is(err, errOrder) {
		return err
	}
	return x.lost(err)
}

// begin answers the first message: with all there is to say, when the request has no body, else so that the body comes.
func (x *session) begin() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.tooLong:
		return x.tell(x.call.Abandon(gateway.ReasonTooLarge))
	case x.bare:
		return x.request(nil)
	}
	return x.stream.SendMsg(goOn)
}

// goOn answers the head of a request whose body follows.
var goOn = &answer{kind: requestHead}

// take takes one message.
func (x *session) take(m *message) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase == over {
		return nil // on its way when the end was told
	}
	switch m.kind {
	case responseBody:
		if x.phase != responding {
			return errOrder
		}
		return x.body(m.body, m.last)
	case requestBody:
		if x.phase != reading {
			return errOrder
		}
		return x.request(m.body)
	case responseHead:
		return x.answered(m)
	case responseTrailers:
		if x.phase != responding {
			return errOrder
		}
		return x.trailers()
	}
	return errOrder
}

// request takes the whole body: policies run, the plan is made, and Envoy is told where the attempts go.
func (x *session) request(body []byte) error {
	if int64(len(body)) > x.call.BodyLimit() {
		return x.tell(x.call.Abandon(gateway.ReasonTooLarge))
	}
	if r := x.call.Request(body); r != nil {
		return x.tell(r)
	}
	if d := x.call.Timeout(); d > 0 {
		x.timers.whole = time.AfterFunc(d, func() { x.interrupt(gateway.ReasonTimeout) })
	}
	if r := x.next(); r != nil {
		return x.tell(r)
	}
	x.phase = attempting
	x.ahead = x.call.Ahead(x.ahead)
	return x.stream.SendMsg(x.planned())
}

// next begins the next attempt.
func (x *session) next() *gateway.Reply {
	a, r := x.call.Attempt()
	x.attempt, x.judged, x.verdict, x.headed = a, false, gateway.Verdict{}, false
	if r == nil {
		x.n++
		x.begun = time.Now()
	}
	return r
}

// planned answers the request. What a provider must not see is taken out of it, so that it is not there should no U put the real
// request in its place: the client's credentials and the body.
func (x *session) planned() *answer {
	a := newAnswer(requestBody, 2)
	if x.bare {
		a.kind = requestHead
	} else {
		a.hasBody, a.body = true, nothing
	}
	a.put(xds.RouteHeader, x.call.Route())
	if x.path != "" {
		a.put(":path", x.path)
	}
	a.remove, a.route = removed, true
	plan := x.server.plans.of(&x.server.clusters, x.attempt.Backend, x.ahead)
	a.metadata = appendTexts(make([]byte, 0, len(plan)+96), xds.Namespace, "call", x.id, "dialect", string(x.call.Dialect()))
	a.metadata = append(a.metadata, plan...)
	return a
}

// nothing is the body that a provider gets should no U put in the real one.
var nothing = []byte("{}")

// removed are the fields that go no further than R: credentials, what says something of them, and the length of a body that is
// replaced.
var removed = append([]string{"content-length", "proxy-authorization", "cookie", "x-amz-security-token", "x-amz-date", xds.SpanHeader, xds.RequestIDHeader}, lower(provider.CredentialHeaders())...)

func lower(names []string) (out []string) {
	for _, n := range names {
		out = append(out, strings.ToLower(n))
	}
	return out
}

// lost ends the call after its stream has ended, which tells nothing of why: the access log does.
func (x *session) lost(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != over {
		for deadline := time.Now().Add(wordPatience); !x.logged && x.phase != over; {
			left := time.Until(deadline)
			if left <= 0 {
				break
			}
			x.wait(context.Background(), left)
		}
		if x.phase != over {
			x.stopFor(x.whyLost())
			x.finish()
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// whyLost is why the stream ended before the call had.
func (x *session) whyLost() gateway.Reason {
	switch {
	case errors.Is(context.Cause(x.ctx), gateway.ErrShutdown):
		return gateway.ReasonShutdown
	case x.ended != "" && x.headed && !x.verdict.Retry:
		return cutFor(x.ended)
	case x.ended != "":
		return x.ended
	}
	return gateway.ReasonClientGone
}

// apologise answers a call that panicked, if nothing of a response went out before, and else breaks its response off.
func (x *session) apologise() (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() {
		if x.server.caught(recover()) {
			err = errBroken
		}
	}()
	if x.phase == over || x.call == nil || x.response.started {
		return errBroken
	}
	if err := x.tell(x.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error"))); err != nil {
		return err
	}
	return x.drain()
}

// drain waits for the stream's end after all was said.
func (x *session) drain() error {
	x.mu.Unlock()
	defer x.mu.Lock()
	for {
		if err := x.stream.RecvMsg(&x.message); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
