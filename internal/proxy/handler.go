package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/upstream"
)

// bodyPatience is how long a client may take to send a request body.
const bodyPatience = 60 * time.Second

// handler drives the pipeline for clients of one listener.
type handler struct {
	engine  *gateway.Engine
	clients *clients
	log     *slog.Logger
	address string // of the listener, as configured
	scheme  string
	bodies  sync.Pool

	patience time.Duration // with a request's body
}

// ServeHTTP carries one call. Whatever happens, its trace is closed once.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := gateway.Incoming{
		Head: llm.Head{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header},
		Host: r.Host, Listener: h.address, Scheme: h.scheme, Protocol: protocol(r), Client: r.RemoteAddr, Received: time.Now(),
	}
	ctx := r.Context()
	c := h.engine.Open(ctx, &in)
	x := exchange{handler: h, call: c, w: w, r: r, ctx: ctx}
	defer x.close()
	x.run()
}

func protocol(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// exchange is one call in the native data plane.
type exchange struct {
	handler *handler
	call    *gateway.Call
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	cancel  context.CancelFunc // nil without a timeout of the whole call
	body    *[]byte            // pooled
	client  *upstream.Client   // of the present attempt
	started bool               // the response's head went out
	abort   bool
}

// close ends the trace and, where the client must notice that its response is broken, the connection.
func (x *exchange) close() {
	if failed := recover(); failed != nil {
		x.handler.log.Error("call panicked", "panic", failed, "stack", string(debug.Stack()))
		x.abort = !x.apologise()
	}
	if x.cancel != nil {
		x.cancel()
	}
	x.call.Close()
	if x.body != nil {
		x.handler.putBody(x.body)
	}
	if x.abort {
		panic(http.ErrAbortHandler) // net/http's way to break a response off
	}
}

// apologise answers a call that panicked, and reports whether it could: nothing of a response may have gone out before.
func (x *exchange) apologise() (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	if x.started {
		return false
	}
	x.reply(x.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error")))
	return true
}

func (x *exchange) run() {
	if reply := x.call.Preflight(); reply != nil {
		x.reply(reply)
		return
	}
	body, reply, ok := x.readBody()
	if ok {
		reply = x.call.Request(body)
	}
	if reply != nil {
		x.reply(reply)
	}
	if reply != nil || !ok {
		return
	}
	if d := x.call.Timeout(); d > 0 {
		x.ctx, x.cancel = context.WithTimeout(x.ctx, d)
	}
	for {
		a, reply := x.call.Attempt()
		if reply != nil {
			x.reply(reply)
			return
		}
		resp, v := x.try(a)
		if v.Retry && !x.pause(v.Wait) {
			v = gateway.Verdict{Reply: x.call.Abandon(x.why(nil))}
		}
		switch {
		case v.Retry:
		case v.Reply != nil:
			x.reply(v.Reply)
			return
		case resp == nil: // the client has gone
			return
		default:
			x.relay(resp)
			return
		}
	}
}

// try makes one attempt. A response comes only with a Verdict to go on.
func (x *exchange) try(a *gateway.Attempt) (*response, gateway.Verdict) {
	o := a.Outgoing()
	req := upstream.Request{Method: o.Method, Path: o.Path, Query: o.Query, Header: o.Header, Host: o.Host, Body: o.Body, HeadTimeout: o.HeadTimeout}
	x.client = x.handler.clients.of(a.Backend).next(x.client)
	resp, err := x.client.Do(x.ctx, &req)
	if req.Timing.Resent {
		a.Resent(req.Timing.Wrote)
	}
	if err != nil {
		x.handler.log.DebugContext(x.ctx, "attempt failed", "backend", a.Backend.Name, "error", err)
		return nil, a.Failed(x.why(err))
	}
	res := newResponse(resp, x.call.Inspects())
	head := llm.Head{Status: resp.Status, Header: resp.Header, UntilClose: resp.UntilClose}
	v := a.Head(&head, upstreamProtocol(resp.Proto))
	if v.Retry || v.Reply != nil {
		res.discard()
		return nil, v
	}
	resp.SetIdle(o.IdleTimeout)
	return res, v
}

func upstreamProtocol(p string) string {
	switch p {
	case "HTTP/2.0":
		return "2"
	case "HTTP/1.0":
		return "1.0"
	}
	return "1.1"
}

// why names the reason of err, and of a context that is over.
func (x *exchange) why(err error) gateway.Reason {
	switch {
	case x.r.Context().Err() != nil && errors.Is(context.Cause(x.r.Context()), gateway.ErrShutdown):
		return gateway.ReasonShutdown
	case x.r.Context().Err() != nil:
		return gateway.ReasonClientGone
	case x.ctx.Err() != nil:
		return gateway.ReasonTimeout
	}
	switch upstream.KindOf(err) {
	case upstream.Connect:
		return gateway.ReasonConnect
	case upstream.Timeout:
		return gateway.ReasonTimeout
	case upstream.Malformed:
		return gateway.ReasonMalformed
	case upstream.Invalid:
		return gateway.ReasonInvalid
	}
	return gateway.ReasonReset
}

// whyUnsent names the reason of a write to the client that failed.
func (x *exchange) whyUnsent() gateway.Reason {
	if errors.Is(context.Cause(x.r.Context()), gateway.ErrShutdown) {
		return gateway.ReasonShutdown
	}
	return gateway.ReasonClientGone
}

// pause waits out a backoff and reports whether the call goes on.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return x.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// relay passes the response on, a piece at a time.
func (x *exchange) relay(resp *response) {
	defer resp.close()
	streaming := x.call.Streaming()
	for {
		p, err := resp.next()
		ended := err == io.EOF // Next documents the bare value
		if err == nil || ended || len(p) > 0 {
			if !x.send(x.call.Body(p, ended), streaming) {
				return
			}
		}
		if err != nil && !ended {
			why := x.why(err)
			if why == gateway.ReasonClientGone && x.call.Complete() {
				x.send(x.call.Body(nil, true), streaming)
			} else {
				x.send(x.call.Cut(why), streaming)
			}
			return
		}
	}
}

// send does what s says and reports whether the response goes on.
func (x *exchange) send(s gateway.Segment, flush bool) bool {
	if s.Reply != nil {
		x.reply(s.Reply)
		return false
	}
	if len(s.Out) > 0 || s.End && !s.Abort {
		x.start()
	}
	if len(s.Out) > 0 {
		if _, err := x.w.Write(s.Out); err != nil {
			x.call.Cut(x.whyUnsent())
			return false
		}
		if flush && !x.flush() {
			x.call.Cut(x.whyUnsent())
			return false
		}
	}
	if s.Abort {
		x.abort = true
		if x.started {
			x.flush() // what came before the break is the client's
		}
	}
	return !s.End
}

func (x *exchange) flush() bool {
	f, ok := x.w.(interface{ FlushError() error })
	return !ok || f.FlushError() == nil
}

// start sends the response's head, once.
func (x *exchange) start() {
	if !x.started {
		x.started = true
		status := x.call.Response(x.w.Header())
		x.call.Share(x.w.Header())
		x.w.WriteHeader(status)
	}
}

// reply sends a response of the gateway's own.
func (x *exchange) reply(r *gateway.Reply) {
	if x.started {
		return
	}
	x.started = true
	h := x.w.Header()
	for k, v := range r.Header {
		h[k] = v
	}
	x.call.Share(h)
	if x.r.ContentLength != 0 && x.body == nil {
		h["Connection"] = []string{"close"} // its body was not read to the end
	}
	x.w.WriteHeader(r.Status)
	if x.r.Method != http.MethodHead {
		if _, err := x.w.Write(r.Body); err != nil {
			x.call.Cut(x.whyUnsent())
		}
	}
}
