package scenario

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Upstream is a provider that does to the byte what its script says, good or bad: it speaks raw TCP. It is safe for
// concurrent use.
type Upstream struct {
	URL     string // http://host:port
	Address string // host:port

	ln     net.Listener
	script []Act
	notify chan struct{}
	done   chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex
	begun    int // acts
	received []*Received
	open     map[net.Conn]bool
}

// Received is a request as it came.
type Received struct {
	Method, Target string // Target as in the request line
	Header         http.Header
	Host           string
	Body           []byte
	At             time.Time       // when it had come whole
	Over           string          // the protocol, where it came over TLS
	Closed         <-chan struct{} // closed when the client of this connection hung up on an Act that waits for it
}

// Act is what the provider does with one request.
type Act struct {
	accept bool // at once when a connection comes, without a request
	do     func(*Exchange)
	answer *scripted // nil for what can only be done in HTTP/1.1
}

// Exchange is one request as an Act sees it.
type Exchange struct {
	*Received
	Conn   net.Conn
	up     *Upstream
	closed chan struct{}
	keep   bool
}

// StartUpstream runs a provider until the test ends. The n-th request gets the n-th act, every later one the last.
func StartUpstream(t testing.TB, script ...Act) *Upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed when the test ends
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{URL: "http://" + ln.Addr().String(), Address: ln.Addr().String(), ln: ln, script: script,
		notify: make(chan struct{}, 1), done: make(chan struct{}), open: map[net.Conn]bool{}}
	u.wg.Go(u.accept)
	t.Cleanup(u.stop)
	return u
}

func (u *Upstream) stop() {
	close(u.done)
	_ = u.ln.Close()
	u.mu.Lock()
	for c := range u.open {
		_ = c.Close()
	}
	u.mu.Unlock()
	u.wg.Wait()
}

func (u *Upstream) accept() {
	for {
		c, err := u.ln.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.open[c] = true
		u.mu.Unlock()
		u.wg.Go(func() {
			u.serve(c)
			_ = c.Close()
			u.mu.Lock()
			delete(u.open, c)
			u.mu.Unlock()
		})
	}
}

// next is the act for the request that comes next.
func (u *Upstream) next() Act { return u.script[min(u.begun, len(u.script)-1)] }

func (u *Upstream) serve(c net.Conn) {
	u.mu.Lock()
	act := u.next()
	if act.accept {
		u.begun++
	}
	u.mu.Unlock()
	if act.accept {
		act.do(&Exchange{Received: &Received{At: time.Now()}, Conn: c, up: u})
		return
	}
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		closed := make(chan struct{})
		got := &Received{Method: req.Method, Target: req.RequestURI, Header: req.Header, Host: req.Host, Body: body, At: time.Now(), Closed: closed}
		act := u.receive(got)
		x := &Exchange{Received: got, Conn: c, up: u, closed: closed}
		act.do(x)
		if !x.keep {
			return
		}
	}
}

// receive keeps a request and says what is to be done with it.
func (u *Upstream) receive(got *Received) Act {
	u.mu.Lock()
	act := u.next()
	u.begun++
	u.received = append(u.received, got)
	u.mu.Unlock()
	select {
	case u.notify <- struct{}{}:
	default: // somebody is told already
	}
	return act
}

// Requests returns what came so far.
func (u *Upstream) Requests() []*Received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*Received(nil), u.received...)
}

// Calls is how often the script was asked, connections that an act closed at once included.
func (u *Upstream) Calls() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.begun
}

// Await waits for the n-th request.
func (u *Upstream) Await(t testing.TB, n int) *Received {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if got := u.Requests(); len(got) >= n {
			return got[n-1]
		}
		select {
		case <-u.notify:
		case <-deadline:
			t.Fatalf("the provider got %d requests, want %d", len(u.Requests()), n)
		}
	}
}

// Write sends s as it is. A client that hung up is not an error: the act goes on.
func (x *Exchange) Write(s string) { _, _ = io.WriteString(x.Conn, s) }

// Hang waits until the client hangs up or the test ends.
func (x *Exchange) Hang() {
	_, _ = io.Copy(io.Discard, x.Conn)
	close(x.closed)
}

// Pause waits for d, or the end of the test.
func (x *Exchange) Pause(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-x.up.done:
	}
}

// Do makes an act of f. The connection is closed when f returns.
func Do(f func(*Exchange)) Act { return Act{do: f} }

// CloseAtOnce closes the connection before it reads anything.
func CloseAtOnce() Act { return Act{accept: true, do: func(*Exchange) {}} }

// Raw sends s and closes the connection.
func Raw(s string) Act { return Do(func(x *Exchange) { x.Write(s) }) }

// RawThenReset sends s and resets the connection (RST in place of FIN).
func RawThenReset(s string) Act {
	return Do(func(x *Exchange) {
		x.Write(s)
		if t, ok := x.Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
	})
}

// RawThenHang sends s and then nothing, until the client hangs up.
func RawThenHang(s string) Act {
	return Do(func(x *Exchange) {
		x.Write(s)
		x.Hang()
	})
}

// Respond answers with a whole response, and keeps the connection. Headers are whole lines.
func Respond(status int, contentType, body string, headers ...string) Act {
	return Do(func(x *Exchange) {
		x.Write(ResponseText(status, contentType, body, headers...))
		x.keep = true
	})
}

// ResponseText is a whole HTTP/1.1 response.
func ResponseText(status int, contentType, body string, headers ...string) string {
	return HeadText(status, append([]string{"Content-Type: " + contentType, fmt.Sprintf("Content-Length: %d", len(body))}, headers...)...) + body
}

// HeadText is the head of an HTTP/1.1 response.
func HeadText(status int, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n"
}

// Chunk is s as one chunk of a chunked body (RFC 9112, section 7.1); "" is the last.
func Chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// ChunksText is the head and the beginning of a chunked response of the media type, without its end.
func ChunksText(status int, contentType string, pieces ...string) string {
	var b bytes.Buffer
	b.WriteString(HeadText(status, "Content-Type: "+contentType, "Transfer-Encoding: chunked"))
	for _, p := range pieces {
		b.WriteString(Chunk(p))
	}
	return b.String()
}

// Stream answers with a chunked body of pieces, a pause of gap before each, and keeps the connection.
func Stream(contentType string, gap time.Duration, pieces ...string) Act {
	return Do(func(x *Exchange) {
		x.Write(ChunksText(http.StatusOK, contentType))
		for _, p := range pieces {
			if gap > 0 {
				x.Pause(gap)
			}
			x.Write(Chunk(p))
		}
		x.Write(Chunk(""))
		x.keep = true
	})
}
