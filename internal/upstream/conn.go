package upstream

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	pageSize   = 16 << 10 // bytes of a page
	inlineBody = 32 << 10 // a body up to this goes out in one write with its head, by copying
)

// page is memory for one read. Pages are borrowed while bytes are looked at, never while they are waited for.
type page [pageSize]byte

// memory lends pages and the buffers that requests are serialised into. It is safe for concurrent use.
type memory struct {
	pages    sync.Pool // of *page
	requests sync.Pool // of *[]byte
}

func newMemory() *memory {
	return &memory{
		pages:    sync.Pool{New: func() any { return new(page) }},
		requests: sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }},
	}
}

func (m *memory) page() *page { return m.pages.Get().(*page) }

func (m *memory) free(p *page) {
	if p != nil {
		m.pages.Put(p)
	}
}

// errStale is a kept connection that the server closed, or wrote to, before the request was written.
var errStale = errors.New("kept connection was closed, or talked on, before the request")

// conn is one HTTP/1.1 connection. One goroutine at a time uses it; only shut may be called at any time.
//
// Where the system allows (raw != nil) reads wait for the socket without a buffer: the function given to
// [syscall.RawConn] gets a page when it tries to read and gives it back when there is nothing. The same function first
// probes the connection and writes the request, because a probe that finds nothing is exactly the try that must precede
// waiting: noticing a closed kept connection costs no system call.
type conn struct {
	nc    net.Conn
	raw   syscall.RawConn // nil = use nc
	try   func(fd uintptr) bool
	shut  func() // closes nc; safe at any time
	mem   *memory
	peer  netip.AddrPort
	used  bool      // has carried an exchange
	since time.Time // in the pool: when it was put there
	armed time.Time // read deadline that is set; zero = none

	// What try works on.
	step  step
	out   *[]byte // the request to write; nil = probe only
	sent  int     // bytes of out written
	dst   []byte  // where to read to; nil = into a page
	limit int     // bytes to read into a page at most
	in    *page   // the page that was read into
	one   [1]byte // where the probe reads to
	n     int     // result of the read
	err   error   // and of it or the write
	wrote time.Time
}

// step is what conn.try does when it is called.
type step uint8

const (
	stepRead  step = iota // read, or wait
	stepProbe             // see that a kept connection is open and silent, write, then read
	stepAlive             // the probe found it so, but the request is not wholly written
	stepDead              // the probe found it closed or talking
)

func newConn(nc net.Conn, mem *memory) *conn {
	c := &conn{nc: nc, raw: rawConn(nc), mem: mem}
	c.try = c.tryOnce
	c.shut = func() { _ = nc.Close() } // nobody is left to tell
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = a.AddrPort()
	}
	return c
}

// arm sets the read deadline to d from now, or to none. An armed deadline that is at most an eighth of d late stays.
func (c *conn) arm(now time.Time, d time.Duration) error {
	if d <= 0 {
		if c.armed.IsZero() {
			return nil
		}
		c.armed = time.Time{}
		return c.nc.SetReadDeadline(c.armed)
	}
	want := now.Add(d)
	if latest := want.Add(d / 8); c.armed.Before(want) || c.armed.After(latest) {
		c.armed = latest
		return c.nc.SetReadDeadline(latest)
	}
	return nil
}

// start writes a request, out and then body, and reads the first bytes of the response into a page, which it lends. out
// goes back to the pool once it is written. A write that fails because the server closed the connection still reads: the
// server may have answered before.
func (c *conn) start(out *[]byte, body []byte, writeBy time.Time) (*page, int, error) {
	c.wrote, c.sent, c.out = time.Time{}, 0, nil
	if c.raw != nil {
		if body == nil {
			c.out = out
		}
		p, n, err := c.wait(stepProbe, nil, pageSize)
		switch {
		case c.step == stepRead:
			return p, n, err
		case err != nil:
			c.mem.requests.Put(out)
			return nil, 0, err
		}
	}
	err := c.write((*out)[c.sent:], body, writeBy)
	c.mem.requests.Put(out)
	c.out = nil
	switch {
	case err == nil:
		c.wrote = time.Now()
	case !gone(err):
		return nil, 0, &writeError{err}
	}
	p, n, readErr := c.read(nil, pageSize)
	if readErr != nil && err != nil {
		return nil, 0, &writeError{err}
	}
	return p, n, readErr
}

// writeError marks a failure to write the request.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// write writes the request, or what is left of it, waiting for room.
func (c *conn) write(out, body []byte, by time.Time) error {
	if err := c.nc.SetWriteDeadline(by); err != nil {
		return err
	}
	if body == nil {
		_, err := c.nc.Write(out)
		return err
	}
	both := net.Buffers{out, body}
	_, err := both.WriteTo(c.nc)
	return err
}

// read reads once, waiting for bytes: into dst or, if that is nil, at most limit bytes into a page, which it lends. The
// error is io.EOF when the server has closed.
func (c *conn) read(dst []byte, limit int) (*page, int, error) {
	if c.raw != nil {
		return c.wait(stepRead, dst, limit)
	}
	var p *page
	if dst == nil {
		p = c.mem.page()
		dst = p[:min(limit, pageSize)]
	}
	n, err := c.nc.Read(dst)
	if n > 0 {
		return p, n, nil
	}
	c.mem.free(p)
	if err == nil {
		err = io.ErrNoProgress
	}
	return nil, 0, err
}

// wait runs try until it has a result.
func (c *conn) wait(first step, dst []byte, limit int) (*page, int, error) {
	c.step, c.dst, c.limit, c.n, c.err = first, dst, limit, 0, nil
	err := c.raw.Read(c.try)
	p := c.in
	c.dst, c.in = nil, nil
	switch {
	case err != nil: // closed from elsewhere, or the deadline
	case c.step == stepDead:
		err = errStale
	case c.err != nil:
		err = c.err
	case c.step == stepRead && c.n == 0:
		err = io.EOF
	}
	if err != nil {
		c.mem.free(p)
		return nil, 0, err
	}
	return p, c.n, nil
}
