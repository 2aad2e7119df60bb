package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const okEmpty = okHead + "Content-Length: 0\r\n\r\n"

// waitFor polls for a condition that another goroutine brings about.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(5 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s did not come", what)
		}
	}
}

// TestClosedWhileIdle: the server closes a kept connection; the next exchange finds out before it writes.
func TestClosedWhileIdle(t *testing.T) {
	closed := make(chan struct{})
	s := serve(t,
		[]reply{{write: okEmpty, then: func(c net.Conn, _ *scripted) { c.Close(); close(closed) }}},
		[]reply{{write: okEmpty}})
	c := s.client(Options{})
	exchangeOnce(t, c, post("one"), drains["next"])
	<-closed
	r := post("two")
	got := exchangeOnce(t, c, r, drains["next"])
	if got.Status != 200 || r.Timing.Reused || r.Timing.Resent {
		t.Errorf("outcome %+v, timing %+v: want 200 on a new connection, sent once", got, r.Timing)
	}
	if conns, requests := s.counts(); conns != 2 || requests != 2 {
		t.Errorf("server saw %d connections and %d requests, want 2 and 2", conns, requests)
	}
}

// TestClosedAfterRequest: the close crosses the request. It goes out again once, on a new connection.
func TestClosedAfterRequest(t *testing.T) {
	for name, end := range map[string]func(net.Conn, *scripted){"closed": closeConn, "reset": resetConn} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, []reply{{write: okEmpty}, {then: end}}, []reply{{write: okEmpty}, {then: end}})
			c := s.client(Options{})
			exchangeOnce(t, c, post("one"), drains["next"])
			r := post("two")
			got := exchangeOnce(t, c, r, drains["next"])
			if got.Status != 200 || r.Timing.Reused || !r.Timing.Resent {
				t.Errorf("outcome %+v, timing %+v: want 200, resent on a new connection", got, r.Timing)
			}
			if conns, requests := s.counts(); conns != 2 || requests != 3 {
				t.Errorf("server saw %d connections and %d requests, want 2 and 3", conns, requests)
			}
		})
	}
}

// TestNotSentAgain lists the failures after which a request must not go out again.
func TestNotSentAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		scripts [][]reply
		calls   int
		kind    Kind
		want    int // requests the server saw
	}{
		"new connection": {[][]reply{{{then: closeConn}}}, 1, Reset, 1},
		"part of a head": {[][]reply{{{write: okEmpty}, {write: "HTTP/1.1 2", then: closeConn}}}, 2, Reset, 2},
		"malformed":      {[][]reply{{{write: okEmpty}, {write: "nonsense\r\n\r\n", then: closeConn}}}, 2, Malformed, 2},
		"second time":    {[][]reply{{{write: okEmpty}, {then: closeConn}}, {{then: closeConn}}}, 2, Reset, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tc.scripts...)
			c := s.client(Options{})
			var got outcome
			for range tc.calls {
				got = exchangeOnce(t, c, post("x"), drains["next"])
			}
			if _, requests := s.counts(); got.Fail != tc.kind || requests != tc.want {
				t.Errorf("kind %v and %d requests, want %v and %d", got.Fail, requests, tc.kind, tc.want)
			}
		})
	}
}

// TestMayResend is the rule for requests that failed on a kept connection, late closes included.
func TestMayResend(t *testing.T) {
	h := newH1("", "", Options{}.withDefaults())
	now := time.Now()
	cut := &Error{Op: OpHead, Kind: Reset, Err: io.ErrUnexpectedEOF}
	for name, tc := range map[string]struct {
		method string
		wrote  time.Time
		first  time.Time
		err    error
		want   bool
	}{
		"POST at once":      {"POST", now, time.Time{}, cut, true},
		"POST late":         {"POST", now.Add(-2 * staleWindow), time.Time{}, cut, false},
		"POST not written":  {"POST", time.Time{}, time.Time{}, &Error{Op: OpWrite, Err: syscall.EPIPE}, true},
		"GET late":          {"GET", now.Add(-2 * staleWindow), time.Time{}, cut, true},
		"GET answered":      {"GET", now, now, cut, false},
		"POST timed out":    {"POST", now, time.Time{}, &Error{Op: OpHead, Kind: Timeout, Err: errHead}, false},
		"POST closed by us": {"POST", now, time.Time{}, &Error{Op: OpHead, Err: net.ErrClosed}, false},
	} {
		r := &Request{Method: tc.method, Timing: Timing{FirstByte: tc.first}}
		if got := h.mayResend(&conn{wrote: tc.wrote}, r, tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestEarlyAnswer: the server answers and closes without reading a body that does not fit the socket's buffers.
func TestEarlyAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.ReadFull(c, make([]byte, 10))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		c.Close()
	})
	c := newClient(t, Target{URL: "http://" + l.Addr().String()}, Options{})
	got := exchangeOnce(t, c, post(strings.Repeat("x", 32<<20)), drains["next"])
	if got.Status != 413 || got.Body != "no" {
		t.Errorf("outcome %+v, want the 413", got)
	}
}

// stages are the points at which an exchange can wait, as scripts of a server.
var stages = map[string]struct {
	write string
	body  int // bytes of the request's body
	op    Op
}{
	"write":       {"", 64 << 20, OpWrite},
	"head":        {"", 1, OpHead},
	"half a head": {okHead + "X-A: b", 1, OpHead},
	"length":      {okHead + "Content-Length: 5\r\n\r\nhel", 1, OpBody},
	"chunk":       {inChunks + "5\r\nhel", 1, OpBody},
	"next chunk":  {inChunks + "3\r\nhel\r\n", 1, OpBody},
	"until close": {okHead + "\r\nhel", 1, OpBody},
}

// stalled is a server that writes and then neither reads nor writes. gone is closed when its peer has closed.
func stalled(t *testing.T, write string, read bool) (url string, gone chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone = make(chan struct{})
	accepted := make(chan net.Conn, 1)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		select {
		case c := <-accepted:
			c.Close()
		default:
		}
		wg.Wait()
	})
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		accepted <- c
		io.WriteString(c, write)
		if !read {
			return
		}
		io.Copy(io.Discard, c)
		close(gone)
	})
	return "http://" + l.Addr().String(), gone
}

// drive makes an exchange up to its failure.
func drive(ctx context.Context, c *Client, r *Request, idle time.Duration, reading func()) error {
	res, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Close()
	res.SetIdle(idle)
	for {
		b, err := res.Next()
		if err != nil {
			return err
		}
		if len(b) > 0 {
			reading()
		}
	}
}

// TestCancel: wherever an exchange waits, cancelling ends it within 100 ms and closes the connection. A busy machine gets
// three tries at the time, not at the rest.
func TestCancel(t *testing.T) {
	for name, st := range stages {
		t.Run(name, func(t *testing.T) {
			var late []time.Duration
			for len(late) == 0 || len(late) < 3 && late[len(late)-1] > 100*time.Millisecond {
				late = append(late, cancelOnce(t, st.write, st.body, st.op))
			}
			if late[len(late)-1] > 100*time.Millisecond {
				t.Errorf("took %v after the cancellation", late)
			}
		})
	}
}

// cancelOnce cancels an exchange where it waits and tells how long that took.
func cancelOnce(t *testing.T, write string, body int, op Op) time.Duration {
	t.Helper()
	url, gone := stalled(t, write, op != OpWrite)
	c := newClient(t, Target{URL: url}, Options{})
	r := post(strings.Repeat("x", body))
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancelled := make(chan time.Time, 1)
	timer := time.AfterFunc(30*time.Millisecond, func() { cancelled <- time.Now(); cancel(cause) })
	defer timer.Stop()
	err := drive(ctx, c, r, 0, func() {})
	end := time.Now()
	var e *Error
	if !errors.As(err, &e) || e.Kind != Canceled || e.Op != op || !errors.Is(err, cause) {
		t.Fatalf("error %v, want canceled at %q by the cause", err, op)
	}
	if op != OpWrite {
		<-gone
	}
	return end.Sub(<-cancelled)
}

// TestCancelClosesUnread: the provider learns of a cancellation even when nobody is reading.
func TestCancelClosesUnread(t *testing.T) {
	url, gone := stalled(t, okHead+"\r\nhel", true)
	c := newClient(t, Target{URL: url}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	res, err := c.Do(ctx, post("x"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-gone
	res.Close()
}

// TestTimeouts: the head's and the idle bound hold, wherever an exchange waits.
func TestTimeouts(t *testing.T) {
	const bound = 80 * time.Millisecond
	for name, st := range stages {
		t.Run(name, func(t *testing.T) {
			url, _ := stalled(t, st.write, st.op != OpWrite)
			c := newClient(t, Target{URL: url}, Options{})
			r := post(strings.Repeat("x", st.body))
			if st.op != OpBody {
				r.HeadTimeout = bound
			}
			start := time.Now()
			err := drive(t.Context(), c, r, bound, func() { start = time.Now() })
			took := time.Since(start)
			var e *Error
			if !errors.As(err, &e) || e.Kind != Timeout || e.Op != st.op || !e.Timeout() {
				t.Errorf("error %v (%+v), want a timeout at %q", err, e, st.op)
			}
			if took < bound-time.Millisecond || took > 5*time.Second {
				t.Errorf("took %v, want %v", took, bound)
			}
		})
	}
}

// TestDeadlinesDoNotOutlive: a connection that carried a bounded exchange carries an unbounded one for longer.
func TestDeadlinesDoNotOutlive(t *testing.T) {
	const bound = 40 * time.Millisecond
	slow := func(c net.Conn, _ *scripted) {
		<-time.After(3 * bound)
		io.WriteString(c, okEmpty)
	}
	s := serve(t, []reply{{write: okEmpty}, {then: slow}})
	c := s.client(Options{})
	first := post("a")
	first.HeadTimeout = bound
	res, err := c.Do(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	res.Close()
	second := post("b")
	res, err = c.Do(t.Context(), second)
	if err != nil || !second.Timing.Reused {
		t.Fatalf("second exchange: %v, reused %v", err, second.Timing.Reused)
	}
	res.Close()
}

func TestContextDeadline(t *testing.T) {
	url, _ := stalled(t, "", true)
	c := newClient(t, Target{URL: url}, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, post("x")); KindOf(err) != Timeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a timeout by the context", err)
	}
	if _, err := c.Do(ctx, post("x")); KindOf(err) != Timeout {
		t.Errorf("error %v with the context over, want a timeout", err)
	}
}

func TestDialFailures(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + l.Addr().String()
	l.Close()
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	canceled, cancel := context.WithCancel(t.Context())
	for name, tc := range map[string]struct {
		ctx     context.Context
		options Options
		head    time.Duration
		during  func()
		kind    Kind
		timeout bool
	}{
		"refused":       {ctx: t.Context(), kind: Connect},
		"dial timeout":  {ctx: t.Context(), options: Options{Dial: hang, DialTimeout: 10 * time.Millisecond}, kind: Connect, timeout: true},
		"head timeout":  {ctx: t.Context(), options: Options{Dial: hang}, head: 10 * time.Millisecond, kind: Timeout, timeout: true},
		"canceled":      {ctx: canceled, options: Options{Dial: hang}, during: cancel, kind: Canceled},
		"canceled then": {ctx: canceled, during: cancel, kind: Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.during != nil {
				timer := time.AfterFunc(10*time.Millisecond, tc.during)
				defer timer.Stop()
			}
			c := newClient(t, Target{URL: refusing}, tc.options)
			r := post("x")
			r.HeadTimeout = tc.head
			if name == "canceled then" {
				<-tc.ctx.Done()
			}
			_, err := c.Do(tc.ctx, r)
			var e *Error
			if !errors.As(err, &e) || e.Kind != tc.kind || e.Op != OpDial || e.Timeout() != tc.timeout {
				t.Errorf("error %v (%+v), want kind %v, timeout %v", err, e, tc.kind, tc.timeout)
			}
			if name == "refused" && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("error %v does not wrap its cause", err)
			}
		})
	}
}

// TestCloseEarly: closing before the end closes the connection; reading on is refused.
func TestCloseEarly(t *testing.T) {
	url, gone := stalled(t, inChunks+"5\r\nhel", true)
	c := newClient(t, Target{URL: url}, Options{})
	res, err := c.Do(t.Context(), post("x"))
	if err != nil {
		t.Fatal(err)
	}
	res.Close()
	res.Close()
	<-gone
	if _, err := res.Next(); KindOf(err) != Canceled {
		t.Errorf("Next after Close: %v, want canceled", err)
	}
	if _, err := res.Read(make([]byte, 1)); KindOf(err) != Canceled {
		t.Errorf("Read after Close: %v, want canceled", err)
	}
}

func TestCutIsUnexpectedEOF(t *testing.T) {
	for name, end := range map[string]func(net.Conn, *scripted){"closed": closeConn, "reset": resetConn} {
		s := serve(t, []reply{{write: inChunks + "5\r\nhel", then: end}})
		err := drive(t.Context(), s.client(Options{}), post("x"), 0, func() {})
		if !errors.Is(err, io.ErrUnexpectedEOF) || KindOf(err) == Canceled {
			t.Errorf("%s: %v, want an unexpected EOF", name, err)
		}
	}
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func TestPoolBounds(t *testing.T) {
	hold := make(chan struct{})
	answers := reply{then: func(c net.Conn, _ *scripted) { <-hold; io.WriteString(c, okEmpty) }}
	s := serve(t, []reply{answers})
	c := s.client(Options{MaxIdle: 2, IdleTimeout: 50 * time.Millisecond})
	idle := &c.plane.(*h1).idle
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { exchangeOnce(t, c, post("x"), drains["next"]) })
	}
	waitFor(t, "five requests", func() bool { _, n := s.counts(); return n == 5 })
	close(hold)
	wg.Wait()
	if got := idle.size(); got != 2 {
		t.Errorf("%d idle connections, want 2", got)
	}
	waitFor(t, "the reaper", func() bool { return idle.size() == 0 })
}

func TestCloseIdle(t *testing.T) {
	s := serve(t, []reply{{write: okEmpty}, {write: okEmpty}})
	c := s.client(Options{})
	for _, closed := range []bool{false, true} {
		if closed {
			c.CloseIdle()
			if got := c.plane.(*h1).idle.size(); got != 0 {
				t.Errorf("%d idle connections after CloseIdle", got)
			}
		}
		r := post("x")
		got := exchangeOnce(t, c, r, drains["next"])
		if got.Status != 200 || r.Timing.Reused {
			t.Errorf("outcome %+v, reused %v, want 200 on a new connection", got, r.Timing.Reused)
		}
	}
}

func TestPoolOrder(t *testing.T) {
	s := serve(t, []reply{{write: okEmpty}})
	p := &pool{timeout: time.Minute, most: 9}
	defer p.closeAll()
	var conns []*conn
	for range 3 {
		nc, err := net.Dial("tcp", s.l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, newConn(nc, newMemory()))
		p.put(conns[len(conns)-1])
	}
	if got := p.get(); got != conns[2] {
		t.Error("get did not take the connection used last")
	}
	conns[2].shut()
	p.mu.Lock()
	p.conns[0].since = time.Now().Add(-2 * time.Minute)
	p.mu.Unlock()
	p.reap()
	if got := p.get(); got != conns[1] || p.get() != nil {
		t.Error("the reaper did not leave the one that is not old")
	}
	conns[1].shut()
	if _, err := conns[0].nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write on the reaped connection: %v, want it closed", err)
	}
}

// TestMany runs exchanges of every kind at once, cancelled ones among them, and sees that each gets its own answer. It is
// for the race detector.
func TestMany(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.RawQuery == "stream" {
			for i := range b {
				w.Write(b[i : i+1])
				w.(http.Flusher).Flush()
			}
			return
		}
		w.Write(b)
	})
	url := listen(t, h, nil)
	c := newClient(t, Target{URL: url}, Options{MaxIdle: 4})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 40 {
				body := fmt.Sprintf("goroutine %d call %d", g, i)
				ctx, cancel := context.WithCancel(t.Context())
				r := post(body)
				r.HeadTimeout = 5 * time.Second
				if i%2 == 0 {
					r.Query = "stream"
				}
				if i%5 == 0 {
					timer := time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
					defer timer.Stop()
				}
				res, err := c.Do(ctx, r)
				got := ""
				if err == nil {
					got, err = drains["next"](res)
					res.Close()
				}
				if err != io.EOF && KindOf(err) != Canceled || err == io.EOF && got != body {
					t.Errorf("%q, %v, want %q", got, err, body)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}
