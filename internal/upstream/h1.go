package upstream

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// staleWindow is how soon after the request a connection that the server had closed must tell. A close that crossed our
// request is reported within one round trip; what comes later comes from a server that had begun to work.
const staleWindow = time.Second

// h1 is the HTTP/1.1 plane. It is safe for concurrent use.
type h1 struct {
	address   string // host:port to dial
	authority string // the Host field
	options   Options
	idle      pool
	mem       *memory
}

func newH1(address, authority string, o Options) *h1 {
	return &h1{
		address: address, authority: authority, options: o,
		idle: pool{timeout: o.IdleTimeout, most: o.MaxIdle},
		mem:  newMemory(),
	}
}

func (h *h1) closeIdle() { h.idle.closeAll() }

// do tries kept connections, then a new one. A kept connection that is found closed before the request is written costs
// nothing. One that closes after it, without a byte of an answer, leaves the question whether the server has seen the
// request. RFC 9110, section 9.2.2, lets a client repeat a request of any method if it can tell that the first was not
// applied; a kept connection that is closed within a moment of the request was being closed while idle. So such a
// request goes out once more, on a new connection; an idempotent one goes out again however late the close came.
func (h *h1) do(ctx context.Context, r *Request) (*Response, error) {
	for !r.Timing.Resent {
		c := h.idle.get()
		if c == nil {
			break
		}
		x, err := h.exchange(ctx, c, r)
		if err == nil {
			return &x.Response, nil
		}
		switch {
		case ctx.Err() != nil || !errors.Is(err, errStale) && !h.mayResend(c, r, err):
			return nil, err
		case !errors.Is(err, errStale):
			r.Timing.Resent = true
		}
	}
	c, err := h.dial(ctx, r)
	if err != nil {
		return nil, err
	}
	x, err := h.exchange(ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &x.Response, nil
}

// mayResend reports whether a request that failed on a kept connection can go out again.
func (h *h1) mayResend(c *conn, r *Request, err error) bool {
	if !gone(err) || !r.Timing.FirstByte.IsZero() {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return c.wrote.IsZero() || time.Since(c.wrote) < staleWindow
}

// dial opens a connection within the request's bounds.
func (h *h1) dial(ctx context.Context, r *Request) (*conn, error) {
	limit := h.options.DialTimeout
	kind := Connect
	if r.HeadTimeout > 0 {
		if left := r.HeadTimeout - time.Since(r.Timing.Start); left < limit {
			limit, kind = left, Timeout
		}
	}
	if limit <= 0 {
		return nil, &Error{Op: OpDial, Kind: Timeout, Err: errHead}
	}
	start := time.Now()
	dialCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	nc, err := h.options.Dial(dialCtx, "tcp", h.address)
	r.Timing.Dial = time.Since(start)
	switch {
	case err == nil:
		return newConn(nc, h.mem), nil
	case ctx.Err() != nil:
		return nil, contextError(ctx, OpDial)
	case dialCtx.Err() == nil:
		kind = Connect
	}
	return nil, &Error{Op: OpDial, Kind: kind, Err: err}
}

// exchange sends r on c and reads the response's head. It owns c: after an error the connection is closed.
func (h *h1) exchange(ctx context.Context, c *conn, r *Request) (*exchange, error) {
	t := &r.Timing
	t.Reused, t.Peer, t.Wrote, t.FirstByte = c.used, c.peer, time.Time{}, time.Time{}
	x := &exchange{pool: &h.idle, mem: h.mem, conn: c, ctx: ctx, stop: context.AfterFunc(ctx, c.shut)}
	x.body = x
	err := x.send(r, h.authority)
	if err == nil {
		err = x.readHead(r)
	}
	if err != nil {
		x.fail(err)
		x.close()
		return nil, err
	}
	return x, nil
}
