package proxy

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// gate bounds the open connections of all listeners together. It is safe for concurrent use.
type gate struct {
	mu          sync.Mutex
	changed     *sync.Cond // a connection left, the limit grew, or a listener closed
	open, limit int64
}

func newGate() *gate {
	g := &gate{}
	g.changed = sync.NewCond(&g.mu)
	return g
}

// resize sets the bound. Connections beyond it stay until they end.
func (g *gate) resize(limit int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	g.changed.Broadcast()
}

// enter waits until there is room for another connection, and takes it; false when l closed before.
func (g *gate) enter(l *gatedListener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.open >= g.limit && !l.closed {
		g.changed.Wait()
	}
	if l.closed {
		return false
	}
	g.open++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	g.changed.Broadcast()
}

// gatedListener wraps accepted connections in watchedConn and counts them in the gate. Past the gate's bound it holds one
// accepted connection until there is room, and accepts no other: a listener that waits for clients must not take the room of
// those that have some.
type gatedListener struct {
	net.Listener
	gate   *gate
	closed bool // guarded by the gate
}

// Accept implements net.Listener.
func (l *gatedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.gate.enter(l) {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	return &watchedConn{Conn: c, gate: l.gate}, nil
}

// Close implements net.Listener.
func (l *gatedListener) Close() error {
	l.gate.mu.Lock()
	l.closed = true
	l.gate.changed.Broadcast()
	l.gate.mu.Unlock()
	return l.Listener.Close()
}

// watchedConn is a client's connection. It looks for a Content-Length among the bytes that come, because net/http takes that
// field away from a request that is also chunked, and such a request must be refused (RFC 9112, section 6.3).
type watchedConn struct {
	net.Conn
	gate      *gate
	once      sync.Once
	hasLength atomic.Bool // a Content-Length stood in what was last read
}

var lengthField = []byte("\ncontent-length:")

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 1 {
		c.hasLength.Store(foldContains(p[:n], lengthField))
	}
	return n, err
}

// foldContains reports whether b contains sub, which is lower-case, whatever the case of b's letters.
func foldContains(b, sub []byte) bool {
	for {
		i := bytes.IndexByte(b, sub[0])
		if i < 0 || len(b)-i < len(sub) {
			return false
		}
		if bytes.EqualFold(b[i:i+len(sub)], sub) {
			return true
		}
		b = b[i+1:]
	}
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	c.once.Do(c.gate.leave)
	return c.Conn.Close()
}

type connKey struct{}

func rememberConn(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(*watchedConn); ok {
		return context.WithValue(ctx, connKey{}, w)
	}
	return ctx
}

// conflicting reports whether r, which is chunked, also brought a Content-Length.
func conflicting(r *http.Request) bool {
	w, ok := r.Context().Value(connKey{}).(*watchedConn)
	return ok && w.hasLength.Load()
}
