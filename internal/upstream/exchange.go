package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxInformational bounds the 1xx responses before a response.
const maxInformational = 8

// errClosed is what reading says after Close.
var errClosed = errors.New("response is closed")

// exchange is one request on one connection and the body of its response.
type exchange struct {
	Response
	pool *pool
	mem  *memory
	conn *conn           // nil once the exchange is over
	ctx  context.Context // of the call
	stop func() bool     // undoes the watch on ctx

	framing framing
	keep    bool    // the connection outlives the body
	left    int64   // bytes to come, with byLength
	dec     chunked // with byChunks
	idle    time.Duration
	err     error // what next and read say when there are no more bytes

	page *page  // memory under raw, ready and what next lent; nil = none, or not from the pool
	raw  []byte // bytes of the body that came with the head
	out  []byte // decoded bytes that read has not handed out
}

// send writes the request and reads the first bytes of the response.
func (x *exchange) send(r *Request, authority string) error {
	c := x.conn
	buf := c.mem.requests.Get().(*[]byte)
	*buf = r.appendHead((*buf)[:0], authority)
	body := r.Body
	if len(body) <= inlineBody {
		*buf = append(*buf, body...)
		body = nil
	}
	now := time.Now()
	var by time.Time
	left := time.Duration(0)
	if r.HeadTimeout > 0 {
		by = r.Timing.Start.Add(r.HeadTimeout)
		if left = by.Sub(now); left <= 0 {
			c.mem.requests.Put(buf)
			return &Error{Op: OpWrite, Kind: Timeout, Err: errHead}
		}
	}
	if err := c.arm(now, left); err != nil {
		c.mem.requests.Put(buf)
		return wireError(x.ctx, OpWrite, err)
	}
	p, n, err := c.start(buf, body, by)
	r.Timing.Wrote = c.wrote
	if err != nil {
		op := OpHead
		if w := (*writeError)(nil); errors.As(err, &w) || errors.Is(err, errStale) {
			op = OpWrite
		}
		return wireError(x.ctx, op, err)
	}
	r.Timing.FirstByte = time.Now()
	x.page, x.raw = p, p[:n]
	return nil
}

// readHead reads on to the end of the head and parses it, skipping informational responses.
func (x *exchange) readHead(r *Request) error {
	total, skipped := 0, 0
	for scanned := 0; ; {
		end := headEnd(x.raw, scanned)
		if end < 0 {
			if total+len(x.raw) >= maxHead {
				return &Error{Op: OpHead, Kind: Malformed, Err: fmt.Errorf("response head over %d bytes", maxHead)}
			}
			scanned = max(len(x.raw)-2, 0) // the line feed of a last line end, and a carriage return after it
			if err := x.more(); err != nil {
				return err
			}
			continue
		}
		h, err := parseHead(x.raw[:end], r.Method)
		if err != nil {
			return &Error{Op: OpHead, Kind: Malformed, Err: err}
		}
		x.raw = x.raw[end:]
		if h.status >= 200 {
			x.begin(h)
			return nil
		}
		total, scanned = total+end, 0
		if skipped++; h.status == 101 || skipped > maxInformational {
			return &Error{Op: OpHead, Kind: Malformed, Err: fmt.Errorf("status %d after %d informational responses", h.status, skipped-1)}
		}
	}
}

// more reads more of the head behind x.raw, into memory of its own when the page is too small.
func (x *exchange) more() error {
	n := len(x.raw)
	if cap(x.raw)-n == 0 {
		x.raw = append(make([]byte, 0, max(2*n, pageSize)), x.raw...)
		x.dropPage()
	}
	_, k, err := x.conn.read(x.raw[n:cap(x.raw)], 0)
	if err != nil {
		return wireError(x.ctx, OpHead, err)
	}
	x.raw = x.raw[:n+k]
	return nil
}

// begin takes over the parsed head. A response without a body ends here.
func (x *exchange) begin(h head) {
	x.framing, x.keep, x.left = h.framing, h.keep, h.length
	x.Status, x.Proto, x.Header, x.ContentLength = h.status, h.proto, h.header, h.content
	x.UntilClose = h.framing == untilDone
	if h.framing == byLength && h.length == 0 {
		x.finish(len(x.raw) == 0)
		x.raw = nil
		x.dropPage()
	}
}

func (x *exchange) setIdle(d time.Duration) { x.idle = d }

func (x *exchange) next() ([]byte, error) {
	if b := x.out; len(b) > 0 { // left over by read; the page stays until the next call
		x.out = nil
		return b, x.eof()
	}
	for {
		b := x.raw
		if len(b) == 0 {
			x.dropPage()
			if x.err != nil {
				return nil, x.err
			}
			p, n, err := x.fill(nil)
			if err != nil {
				return nil, x.ended(err)
			}
			x.page, b = p, p[:n]
		}
		x.raw = nil
		if b = x.decode(b); len(b) > 0 {
			return b, x.eof()
		}
	}
}

func (x *exchange) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(x.raw) > 0 {
			x.out, x.raw = x.decode(x.raw), nil
		}
		if len(x.out) > 0 {
			n := copy(p, x.out)
			if x.out = x.out[n:]; len(x.out) > 0 {
				return n, nil
			}
			x.dropPage()
			return n, x.eof()
		}
		x.dropPage()
		if x.err != nil {
			return 0, x.err
		}
		_, n, err := x.fill(p)
		if err != nil {
			return 0, x.ended(err)
		}
		if b := x.decode(p[:n]); len(b) > 0 {
			return len(b), x.eof()
		}
	}
}

// eof is the error that goes with the last bytes: only the good end is told with them.
func (x *exchange) eof() error {
	if x.err == io.EOF {
		return io.EOF
	}
	return nil
}

// fill reads bytes of the body: into dst or, if that is nil, into a page. It does not read past a known length, so what a
// server sends beyond it stays on the connection, where the probe before its next use finds it.
func (x *exchange) fill(dst []byte) (*page, int, error) {
	limit := pageSize
	if x.framing == byLength {
		limit = int(min(int64(limit), x.left))
		dst = dst[:min(int64(len(dst)), x.left)]
	}
	now := time.Time{}
	if x.idle > 0 {
		now = time.Now()
	}
	if err := x.conn.arm(now, x.idle); err != nil {
		return nil, 0, err
	}
	return x.conn.read(dst, limit)
}

// decode takes bytes as they came and returns the payload in them, in the same memory. At the body's end, good or bad, it
// ends the exchange.
func (x *exchange) decode(b []byte) []byte {
	switch x.framing {
	case byLength:
		n := min(int64(len(b)), x.left)
		if x.left -= n; x.left == 0 {
			x.finish(n == int64(len(b)))
		}
		return b[:n]
	case byChunks:
		n, used, err := x.dec.decode(b)
		if err == nil && x.dec.state == chunkDone {
			x.Trailer, err = x.dec.fields()
		}
		switch {
		case err != nil:
			x.fail(&Error{Op: OpBody, Kind: Malformed, Err: err})
		case x.dec.state == chunkDone:
			x.finish(used == len(b))
		}
		return b[:n]
	}
	return b
}

// ended is what a failed read of the body means: its end, if the connection's close delimits it, or a failure.
func (x *exchange) ended(err error) error {
	if err == io.EOF && x.framing == untilDone {
		x.finish(false)
	} else {
		x.fail(wireError(x.ctx, OpBody, err))
	}
	return x.err
}

// finish ends the exchange at the body's good end. clean says that nothing came after it.
func (x *exchange) finish(clean bool) {
	x.err = io.EOF
	x.release(clean && x.keep)
}

// fail ends the exchange with an error.
func (x *exchange) fail(err error) {
	x.err = err
	x.release(false)
}

// release gives the connection back, or closes it. A watch on the context that cannot be undone is closing it already.
func (x *exchange) release(keep bool) {
	c := x.conn
	if c == nil {
		return
	}
	x.conn = nil
	if x.stop() && keep {
		x.pool.put(c)
		return
	}
	c.shut()
}

func (x *exchange) dropPage() {
	if x.page == nil {
		return
	}
	x.mem.free(x.page)
	x.page = nil
}

func (x *exchange) close() {
	if x.conn != nil {
		x.fail(&Error{Op: OpBody, Kind: Canceled, Err: errClosed})
	}
	x.raw, x.out = nil, nil
	x.dropPage()
}
