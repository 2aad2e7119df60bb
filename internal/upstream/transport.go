package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A connection of HTTP/2 that has been silent for pingAfter is asked whether it lives and given pingTimeout to answer.
const (
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
)

// transport is the plane over net/http: HTTPS with HTTP/1.1 or 2, and HTTP/2 in the clear. It is safe for concurrent
// use. Two bounds differ from the plane of our own: a body is waited for with a page in hand, and net/http ignores a
// Content-Length beside Transfer-Encoding instead of refusing the response.
type transport struct {
	rt        *http.Transport
	scheme    string
	authority string
	mem       *memory
}

func newTransport(scheme, authority string, t Target, o Options) *transport {
	rt := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
			defer cancel()
			return o.Dial(ctx, network, cmp.Or(t.Address, address))
		},
		TLSHandshakeTimeout:    o.DialTimeout,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    o.MaxIdle,
		IdleConnTimeout:        o.IdleTimeout,
		MaxResponseHeaderBytes: maxHead,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		Protocols:              new(http.Protocols),
	}
	if scheme == "https" {
		if t.Address == "" {
			rt.Proxy = http.ProxyFromEnvironment
		}
		rt.Protocols.SetHTTP1(true)
		rt.Protocols.SetHTTP2(true)
		rt.TLSClientConfig = t.TLS.Clone()
	} else {
		rt.Protocols.SetUnencryptedHTTP2(true)
	}
	return &transport{rt: rt, scheme: scheme, authority: authority, mem: newMemory()}
}

func (t *transport) closeIdle() { t.rt.CloseIdleConnections() }

func (t *transport) do(ctx context.Context, r *Request) (*Response, error) {
	x := &roundTrip{mem: t.mem, outer: ctx, lender: lender{body: r.Body}}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.body = x
	facts := &facts{at: r.Timing}
	req, err := t.request(httptrace.WithClientTrace(x.ctx, facts.hooks()), r, &x.lender)
	if err != nil {
		x.cancel(errClosed)
		return nil, &Error{Op: OpRequest, Kind: Invalid, Err: err}
	}
	if r.HeadTimeout > 0 {
		head := time.AfterFunc(r.HeadTimeout, func() { x.cancel(errHead) })
		defer head.Stop()
	}
	res, err := t.rt.RoundTrip(req)
	var reached Op
	r.Timing, reached = facts.read()
	if err != nil {
		err = x.failure(reached, err)
		x.cancel(errClosed)
		x.lender.takeBack()
		return nil, err
	}
	if r.Timing.Wrote.IsZero() { // net/http's writer has not told yet
		r.Timing.Wrote = r.Timing.FirstByte
	}
	x.res = res
	x.Status, x.Proto, x.Header, x.ContentLength = res.StatusCode, res.Proto, res.Header, res.ContentLength
	connection := res.Header["Connection"]
	for name := range res.Header {
		if name != "Content-Length" && hopByHop(name, connection) {
			delete(res.Header, name)
		}
	}
	return &x.Response, nil
}

// request makes net/http's form of r, whose body comes from l.
func (t *transport) request(ctx context.Context, r *Request, l *lender) (*http.Request, error) {
	path, err := url.PathUnescape(r.Path)
	if err != nil {
		return nil, fmt.Errorf("path is not escaped: %w", err)
	}
	header := make(http.Header, len(r.Header)+1)
	header["User-Agent"] = []string{""} // net/http sends its own when there is none at all
	named := r.Header["Connection"]
	for name, values := range r.Header {
		if name = http.CanonicalHeaderKey(name); !hopByHop(name, named) {
			header[name] = values
		}
	}
	req := &http.Request{
		Method: r.Method,
		URL:    &url.URL{Scheme: t.scheme, Host: t.authority, Path: path, RawPath: r.Path, RawQuery: r.Query},
		Header: header,
		Host:   r.Host,
		Body:   http.NoBody,
	}
	if len(r.Body) > 0 {
		req.ContentLength = int64(len(r.Body))
		req.GetBody = func() (io.ReadCloser, error) { return l.reader(), nil }
		req.Body = l.reader()
	}
	return req.WithContext(ctx), nil
}

// roundTrip is one exchange over net/http.
type roundTrip struct {
	Response
	mem    *memory
	outer  context.Context // the caller's
	ctx    context.Context // ended by cancel, with errHead or errIdle when time is up
	cancel context.CancelCauseFunc
	res    *http.Response
	idle   time.Duration
	timer  *time.Timer // cancels with errIdle; nil until the first wait
	err    error       // what reading says from now on
	page   *page       // lent by next
	lender lender      // of the request's body
}

func (x *roundTrip) setIdle(d time.Duration) { x.idle = d }

func (x *roundTrip) next() ([]byte, error) {
	if x.page == nil {
		x.page = x.mem.page()
	}
	n, err := x.read(x.page[:])
	if n == 0 {
		x.dropPage()
		return nil, err
	}
	return x.page[:n], err
}

func (x *roundTrip) read(p []byte) (int, error) {
	if x.err != nil || len(p) == 0 {
		return 0, x.err
	}
	if x.idle > 0 {
		if x.timer == nil {
			x.timer = time.AfterFunc(x.idle, func() { x.cancel(errIdle) })
		} else {
			x.timer.Reset(x.idle)
		}
		defer x.timer.Stop()
	}
	n, err := x.res.Body.Read(p)
	switch {
	case err == io.EOF:
		if len(x.res.Trailer) > 0 {
			x.Trailer = x.res.Trailer
		}
		x.end(io.EOF)
		return n, io.EOF
	case err != nil:
		x.end(x.failure(OpBody, err))
		if n == 0 {
			return 0, x.err
		}
	}
	return n, nil
}

// end ends the exchange; reading says err from now on.
func (x *roundTrip) end(err error) {
	x.err = err
	_ = x.res.Body.Close() // what it could say, reading has said
	x.cancel(errClosed)
}

func (x *roundTrip) close() {
	if x.err == nil {
		x.end(&Error{Op: OpBody, Kind: Canceled, Err: errClosed})
	}
	x.lender.takeBack()
	x.dropPage()
}

func (x *roundTrip) dropPage() {
	x.mem.free(x.page)
	x.page = nil
}

// failure is what an error of net/http means.
func (x *roundTrip) failure(op Op, err error) *Error {
	cause := context.Cause(x.ctx)
	switch {
	case x.outer.Err() != nil:
		return contextError(x.outer, op)
	case cause == errHead || cause == errIdle:
		return &Error{Op: op, Kind: Timeout, Err: cause}
	case op == OpDial:
		return &Error{Op: op, Kind: Connect, Err: err}
	case malformed(err):
		return &Error{Op: op, Kind: Malformed, Err: err}
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return &Error{Op: op, Kind: Reset, Err: err}
}

// malformed reports whether net/http could not read a response. Most of its parser's errors have no exported type, only
// this word.
func malformed(err error) bool {
	var line textproto.ProtocolError
	return errors.As(err, &line) || strings.Contains(err.Error(), "malformed") ||
		strings.Contains(err.Error(), "exceeded") && strings.Contains(err.Error(), "header")
}

// facts collects an exchange's timing. net/http calls the hooks from its own goroutines, some after the exchange.
type facts struct {
	mu       sync.Mutex
	at       Timing
	asked    time.Time // for a connection
	tlsStart time.Time
	conns    int  // connections that were taken
	unsent   bool // writing the request failed
}

// read gives the timing so far, and what was under way if the exchange has failed. net/http tells late of a request that
// was written, at once of one that could not be.
func (f *facts) read() (t Timing, reached Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.conns == 0:
		return f.at, OpDial
	case f.unsent:
		return f.at, OpWrite
	}
	return f.at, OpHead
}

func (f *facts) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			f.set(func(now time.Time) { f.asked = now })
		},
		TLSHandshakeStart: func() {
			f.set(func(now time.Time) { f.tlsStart = now })
		},
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			f.set(func(now time.Time) { f.at.TLS = now.Sub(f.tlsStart) })
		},
		GotConn: func(c httptrace.GotConnInfo) {
			f.set(func(now time.Time) {
				f.conns++
				f.unsent = false
				f.at.Resent, f.at.Reused = f.conns > 1, c.Reused
				f.at.Dial, f.at.Wrote = now.Sub(f.asked), time.Time{}
				if c.Reused {
					f.at.Dial, f.at.TLS = 0, 0
				}
				if a, ok := c.Conn.RemoteAddr().(*net.TCPAddr); ok {
					f.at.Peer = a.AddrPort()
				}
			})
		},
		WroteRequest: func(w httptrace.WroteRequestInfo) {
			f.set(func(now time.Time) {
				if f.unsent = w.Err != nil; !f.unsent {
					f.at.Wrote = now
				}
			})
		},
		GotFirstResponseByte: func() {
			f.set(func(now time.Time) { f.at.FirstByte = now })
		},
	}
}

// set changes the facts under their lock.
func (f *facts) set(change func(now time.Time)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(time.Now())
}
