package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a raw TCP server: each request it reads on a connection is answered by the next step of that connection's
// script. Connections beyond the last script repeat it.
type scripted struct {
	t       *testing.T
	l       net.Listener
	scripts [][]reply
	wg      sync.WaitGroup

	mu       sync.Mutex
	conns    int
	requests []string // bodies, in order of arrival
	open     []net.Conn
}

// reply answers one request.
type reply struct {
	write string
	split int                       // bytes per write; 0 = all at once
	then  func(net.Conn, *scripted) // after the write; nil = go on with the next request
}

func closeConn(c net.Conn, _ *scripted) { c.Close() }

// resetConn closes so that the peer sees a reset.
func resetConn(c net.Conn, _ *scripted) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func serve(t *testing.T, scripts ...[]reply) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{t: t, l: l, scripts: scripts}
	s.wg.Go(s.accept)
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.open {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *scripted) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		script := s.scripts[min(s.conns, len(s.scripts)-1)]
		s.conns++
		s.open = append(s.open, c)
		s.mu.Unlock()
		s.wg.Go(func() { s.converse(c, script) })
	}
}

func (s *scripted) converse(c net.Conn, script []reply) {
	br := bufio.NewReader(c)
	for _, st := range script {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.requests = append(s.requests, string(body))
		s.mu.Unlock()
		for rest := st.write; rest != ""; {
			n := len(rest)
			if st.split > 0 {
				n = min(n, st.split)
			}
			if _, err := io.WriteString(c, rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		if st.then != nil {
			st.then(c, s)
		}
	}
}

func (s *scripted) counts() (conns, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, len(s.requests)
}

// client makes a client of the server.
func (s *scripted) client(o Options) *Client {
	s.t.Helper()
	return newClient(s.t, Target{URL: "http://" + s.l.Addr().String()}, o)
}

func newClient(t *testing.T, target Target, o Options) *Client {
	t.Helper()
	c, err := New(target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func post(body string) *Request {
	return &Request{Method: http.MethodPost, Path: "/v1/x", Body: []byte(body)}
}

// outcome is all of a response that a table can expect.
type outcome struct {
	Status  int
	Header  http.Header
	Body    string
	Trailer http.Header
	Fail    Kind
	Op      Op
}

// drains are the ways to take a body.
var drains = map[string]func(*Response) (string, error){
	"next": func(r *Response) (string, error) {
		var b strings.Builder
		for {
			p, err := r.Next()
			b.Write(p)
			if err != nil {
				return b.String(), err
			}
		}
	},
	"read": func(r *Response) (string, error) { return drainBy(r, 4096) },
	"read one byte": func(r *Response) (string, error) {
		return drainBy(r, 1)
	},
	"read and next in turn": func(r *Response) (string, error) {
		var b strings.Builder
		small := make([]byte, 3)
		for {
			n, err := r.Read(small)
			b.Write(small[:n])
			if err != nil {
				return b.String(), err
			}
			p, err := r.Next()
			b.Write(p)
			if err != nil {
				return b.String(), err
			}
		}
	},
}

func drainBy(r *Response, size int) (string, error) {
	var b strings.Builder
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		b.Write(p[:n])
		if err != nil {
			return b.String(), err
		}
	}
}

// exchange makes one exchange and sums it up.
func exchangeOnce(t *testing.T, c *Client, r *Request, drain func(*Response) (string, error)) outcome {
	t.Helper()
	r.HeadTimeout = 5 * time.Second
	res, err := c.Do(t.Context(), r)
	if err != nil {
		return failed(t, outcome{}, err)
	}
	defer res.Close()
	res.SetIdle(5 * time.Second)
	o := outcome{Status: res.Status, Header: res.Header}
	o.Body, err = drain(res)
	o.Trailer = res.Trailer
	if err == io.EOF {
		return o
	}
	return failed(t, o, err)
}

func failed(t *testing.T, o outcome, err error) outcome {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	o.Fail, o.Op = e.Kind, e.Op
	return o
}

const (
	okHead   = "HTTP/1.1 200 OK\r\n"
	inChunks = okHead + "Transfer-Encoding: chunked\r\n\r\n"
)

var wireTests = []struct {
	name   string
	method string // "" = POST
	write  string
	close  bool // the server closes after writing
	want   outcome
	reused bool // a second exchange uses the same connection
}{
	{name: "length", write: okHead + "Content-Length: 5\r\n\r\nhello", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"5"}}, Body: "hello"}, reused: true},
	{name: "length zero", write: okHead + "Content-Length: 0\r\n\r\n", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"0"}}}, reused: true},
	{name: "lone line feeds in the head", write: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"2"}}, Body: "hi"}, reused: true},
	{name: "same length twice", write: okHead + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"2"}}, Body: "hi"}, reused: true},
	{name: "no reason", write: "HTTP/1.1 429\r\nContent-Length: 1\r\n\r\nx", want: outcome{Status: 429, Header: http.Header{"Content-Length": {"1"}}, Body: "x"}, reused: true},
	{name: "lower-case and repeated headers", write: okHead + "content-length: 0\r\nx-request-id: a\r\nX-REQUEST-ID:b \r\nx-odd_name:\t c d\t\r\n\r\n", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"0"}, "X-Request-Id": {"a", "b"}, "X-Odd_name": {"c d"}}}, reused: true},
	{name: "fields of the connection left out", write: okHead + "Content-Length: 0\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"0"}, "X-End": {"2"}}}, reused: true},
	{name: "chunks", write: inChunks + "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n", want: outcome{Status: 200, Header: http.Header{}, Body: "abc0123456789"}, reused: true},
	{name: "chunk extensions", write: inChunks + "3;a=b;c=\"d\"\r\nabc\r\n1 ; x\r\nd\r\n0;last\r\n\r\n", want: outcome{Status: 200, Header: http.Header{}, Body: "abcd"}, reused: true},
	{name: "trailers", write: inChunks + "1\r\na\r\n0\r\nx-sum: 7\r\nContent-Length: 9\r\nX-Two: a\r\nX-Two: b\r\n\r\n", want: outcome{Status: 200, Header: http.Header{}, Body: "a", Trailer: http.Header{"X-Sum": {"7"}, "X-Two": {"a", "b"}}}, reused: true},
	{name: "until close", write: okHead + "\r\nall of it", close: true, want: outcome{Status: 200, Header: http.Header{}, Body: "all of it"}},
	{name: "HTTP/1.0", write: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"2"}}, Body: "hi"}},
	{name: "connection close", write: okHead + "Connection: Close\r\nContent-Length: 2\r\n\r\nhi", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"2"}}, Body: "hi"}},
	{name: "204", write: "HTTP/1.1 204 No Content\r\n\r\n", want: outcome{Status: 204, Header: http.Header{}}, reused: true},
	{name: "304 with a length", write: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", want: outcome{Status: 304, Header: http.Header{"Content-Length": {"9"}}}, reused: true},
	{name: "HEAD", method: "HEAD", write: okHead + "Content-Length: 9\r\n\r\n", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"9"}}}, reused: true},
	{name: "informational first", write: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okHead + "Content-Length: 2\r\n\r\nhi", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"2"}}, Body: "hi"}, reused: true},
	{name: "odd status", write: "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", want: outcome{Status: 999, Header: http.Header{"Content-Length": {"0"}}}, reused: true},
	{name: "large head", write: okHead + "Content-Length: 1\r\n" + strings.Repeat("X-Pad: "+strings.Repeat("p", 993)+"\r\n", 60)[:60*1002] + "\r\nz", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"1"}, "X-Pad": repeat(strings.Repeat("p", 993), 60)}, Body: "z"}, reused: true},

	{name: "garbage after the body", write: okHead + "Content-Length: 2\r\n\r\nhi" + okHead + "Content-Length: 4\r\n\r\nevil", want: outcome{Status: 200, Header: http.Header{"Content-Length": {"2"}}, Body: "hi"}},
	{name: "garbage after the last chunk", write: inChunks + "2\r\nhi\r\n0\r\n\r\n" + okHead, want: outcome{Status: 200, Header: http.Header{}, Body: "hi"}},
	{name: "body after 204", write: "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nbad", want: outcome{Status: 204, Header: http.Header{"Content-Length": {"3"}}}},

	{name: "length cut", write: okHead + "Content-Length: 5\r\n\r\nhel", close: true, want: outcome{Status: 200, Header: http.Header{"Content-Length": {"5"}}, Body: "hel", Fail: Reset, Op: OpBody}},
	{name: "chunk cut", write: inChunks + "5\r\nhel", close: true, want: outcome{Status: 200, Header: http.Header{}, Body: "hel", Fail: Reset, Op: OpBody}},
	{name: "last chunk missing", write: inChunks + "3\r\nhel\r\n", close: true, want: outcome{Status: 200, Header: http.Header{}, Body: "hel", Fail: Reset, Op: OpBody}},
	{name: "end of trailers missing", write: inChunks + "3\r\nhel\r\n0\r\n", close: true, want: outcome{Status: 200, Header: http.Header{}, Body: "hel", Fail: Reset, Op: OpBody}},
	{name: "head cut", write: okHead + "Content-Le", close: true, want: outcome{Fail: Reset, Op: OpHead}},
	{name: "no response", write: "", close: true, want: outcome{Fail: Reset, Op: OpHead}},

	{name: "length and chunked", write: okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "two lengths", write: okHead + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "list of lengths", write: okHead + "Content-Length: 5, 5\r\n\r\nhello", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "signed length", write: okHead + "Content-Length: +5\r\n\r\nhello", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "length over 63 bits", write: okHead + "Content-Length: 9223372036854775808\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "other coding", write: okHead + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "chunked twice", write: okHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "chunked in 1.0", write: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "space before the colon", write: okHead + "Transfer-Encoding : chunked\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "folded line", write: okHead + "X-A: b\r\n c\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "carriage return in a value", write: okHead + "X-A: b\rContent-Length: 3\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "NUL in a value", write: okHead + "X-A: b\x00\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "line without colon", write: okHead + "nonsense\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "no HTTP", write: "SSH-2.0-OpenSSH_9.6\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "HTTP/2 preface", write: "HTTP/2.0 200 OK\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "status of two digits", write: "HTTP/1.1 20 OK\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "status of four digits", write: "HTTP/1.1 2000 OK\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "status below 100", write: "HTTP/1.1 099 OK\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "switching protocols", write: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "endless informational", write: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "huge head", write: okHead + strings.Repeat("X-Pad: "+strings.Repeat("p", 993)+"\r\n", 80), want: outcome{Fail: Malformed, Op: OpHead}},
	{name: "chunk size missing", write: inChunks + "\r\nabc", want: outcome{Status: 200, Header: http.Header{}, Fail: Malformed, Op: OpBody}},
	{name: "chunk size no number", write: inChunks + "1\r\na\r\nxyz\r\n", want: outcome{Status: 200, Header: http.Header{}, Body: "a", Fail: Malformed, Op: OpBody}},
	{name: "chunk size in two", write: inChunks + "1 0\r\na\r\n", want: outcome{Status: 200, Header: http.Header{}, Fail: Malformed, Op: OpBody}},
	{name: "chunk size overflows", write: inChunks + "10000000000000005\r\nhello\r\n", want: outcome{Status: 200, Header: http.Header{}, Fail: Malformed, Op: OpBody}},
	{name: "chunk longer than its size", write: inChunks + "2\r\nhello\r\n", want: outcome{Status: 200, Header: http.Header{}, Body: "he", Fail: Malformed, Op: OpBody}},
	{name: "lone line feed in a chunk line", write: inChunks + "2;x\nhi\r\n0\r\n\r\n", want: outcome{Status: 200, Header: http.Header{}, Fail: Malformed, Op: OpBody}},
	{name: "endless chunk extension", write: inChunks + "2;" + strings.Repeat("x", 5000) + "\r\n", want: outcome{Status: 200, Header: http.Header{}, Fail: Malformed, Op: OpBody}},
	{name: "endless trailers", write: inChunks + "0\r\n" + strings.Repeat("X-T: "+strings.Repeat("t", 90)+"\r\n", 200), want: outcome{Status: 200, Header: http.Header{}, Fail: Malformed, Op: OpBody}},
	{name: "malformed trailer", write: inChunks + "1\r\na\r\n0\r\nno colon\r\n\r\n", want: outcome{Status: 200, Header: http.Header{}, Body: "a", Fail: Malformed, Op: OpBody}},
}

func repeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// TestWire runs every scripted response in several splits and every way to take it, and then sees whether the connection
// is used again exactly when it may be.
func TestWire(t *testing.T) {
	for _, tc := range wireTests {
		for _, split := range []int{0, 1, 7} {
			if split > 0 && len(tc.write) > 4096 {
				split *= 1024
			}
			for name, drain := range drains {
				t.Run(tc.name+"/"+name, func(t *testing.T) {
					method := tc.method
					if method == "" {
						method = "POST"
					}
					first := reply{write: tc.write, split: split}
					if tc.close {
						first.then = closeConn
					}
					s := serve(t, []reply{first, {write: okHead + "Content-Length: 0\r\n\r\n"}})
					c := s.client(Options{})
					got := exchangeOnce(t, c, &Request{Method: method, Path: "/"}, drain)
					if diff := cmp.Diff(tc.want, got); diff != "" {
						t.Fatalf("outcome (-want +got):\n%s", diff)
					}
					if tc.want.Fail != 0 || split > 0 {
						return
					}
					r := &Request{Method: method, Path: "/"}
					exchangeOnce(t, c, r, drains["next"])
					if r.Timing.Reused != tc.reused {
						t.Errorf("second exchange: connection reused %v, want %v", r.Timing.Reused, tc.reused)
					}
				})
			}
		}
	}
}

// TestWaitsWithoutTheRest sees that bytes are handed out when they come, not when the chunk or the buffer is full.
func TestWaitsWithoutTheRest(t *testing.T) {
	more := make(chan string)
	s := serve(t, []reply{{write: inChunks, then: func(c net.Conn, _ *scripted) {
		for p := range more {
			io.WriteString(c, p)
		}
	}}})
	defer close(more)
	res, err := s.client(Options{}).Do(t.Context(), post(""))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	for _, step := range []struct{ write, want string }{
		{"64\r\npart of a chunk", "part of a chunk"},
		{strings.Repeat("x", 85) + "\r\n3\r\nabc\r\n4\r\nde", strings.Repeat("x", 85) + "abcde"},
		{"fg\r\n1\r\nh\r\n0\r\n", "fgh"},
	} {
		more <- step.write
		got, err := res.Next()
		if string(got) != step.want || err != nil {
			t.Fatalf("Next = %q, %v, want %q", got, err, step.want)
		}
	}
	more <- "\r\n"
	if got, err := res.Next(); len(got) > 0 || err != io.EOF {
		t.Fatalf("Next = %q, %v, want EOF", got, err)
	}
}

// TestEndComesWithTheLastBytes: a whole unary response costs one call.
func TestEndComesWithTheLastBytes(t *testing.T) {
	for _, write := range []string{okHead + "Content-Length: 2\r\n\r\nhi", inChunks + "2\r\nhi\r\n0\r\n\r\n"} {
		s := serve(t, []reply{{write: write}})
		res, err := s.client(Options{}).Do(t.Context(), post(""))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := res.Next(); string(b) != "hi" || err != io.EOF {
			t.Errorf("Next = %q, %v, want hi and EOF", b, err)
		}
		if b, err := res.Next(); len(b) > 0 || err != io.EOF {
			t.Errorf("Next after the end = %q, %v, want EOF", b, err)
		}
		res.Close()
		if _, err := res.Next(); err != io.EOF {
			t.Errorf("Next after Close = %v, want EOF", err)
		}
	}
}

func TestRequestOnTheWire(t *testing.T) {
	got := make(chan string, 1)
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
		defer c.Close()
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		io.WriteString(c, okHead+"Content-Length: 0\r\n\r\n")
	})
	c := newClient(t, Target{URL: "http://" + l.Addr().String() + "/ignored?too"}, Options{})
	r := &Request{
		Method: "POST", Path: "/v1/a%2Fb", Query: "k=v&x", Host: "llm.example", Body: []byte("{}"),
		Header: http.Header{
			"X-Kept": {"1"}, "Connection": {"x-gone, close"}, "X-Gone": {"2"}, "transfer-encoding": {"chunked"},
			"Content-Length": {"99"}, "Te": {"trailers"}, "Host": {"evil"},
		},
	}
	res, err := c.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	res.Close()
	want := "POST /v1/a%2Fb?k=v&x HTTP/1.1\r\nHost: llm.example\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\n{}"
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestInvalidRequests(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled for an invalid request")
		return nil, errors.New("no")
	}
	c := newClient(t, Target{URL: "http://127.0.0.1:1"}, Options{Dial: dial})
	for name, r := range map[string]Request{
		"method":          {Method: "GE T", Path: "/"},
		"no method":       {Path: "/"},
		"connect":         {Method: "CONNECT", Path: "/"},
		"relative path":   {Method: "GET", Path: "x"},
		"no path":         {Method: "GET"},
		"space in path":   {Method: "GET", Path: "/a b"},
		"line in path":    {Method: "GET", Path: "/a\r\nX: y"},
		"query in path":   {Method: "GET", Path: "/a?b"},
		"line in query":   {Method: "GET", Path: "/", Query: "a\nb"},
		"fragment":        {Method: "GET", Path: "/", Query: "a#b"},
		"host":            {Method: "GET", Path: "/", Host: "a/b"},
		"line in a value": {Method: "GET", Path: "/", Header: http.Header{"A": {"b\r\nC: d"}}},
		"NUL in a value":  {Method: "GET", Path: "/", Header: http.Header{"A": {"\x00"}}},
		"line in a name":  {Method: "GET", Path: "/", Header: http.Header{"A\nB": {"c"}}},
		"empty name":      {Method: "GET", Path: "/", Header: http.Header{"": {"c"}}},
	} {
		if _, err := c.Do(t.Context(), &r); KindOf(err) != Invalid {
			t.Errorf("%s: %v, want kind invalid", name, err)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, bad := range []Target{
		{URL: "ftp://x"}, {URL: "http://"}, {URL: "http://u:p@x"}, {URL: "http://a b"}, {URL: "://"},
		{URL: "http://x", HTTP2: "h3"}, {URL: "https://x", HTTP2: "h2c"},
	} {
		if _, err := New(bad, Options{}); err == nil {
			t.Errorf("New(%+v) took it", bad)
		}
	}
	for url, want := range map[string][2]string{
		"http://h":             {"h:80", "h"},
		"http://h:80/p":        {"h:80", "h"},
		"http://h:8080":        {"h:8080", "h:8080"},
		"http://[::1]:80":      {"[::1]:80", "[::1]"},
		"http://[::1]":         {"[::1]:80", "[::1]"},
		"http://[fe80::1]:443": {"[fe80::1]:443", "[fe80::1]:443"},
	} {
		c := newClient(t, Target{URL: url}, Options{})
		h := c.plane.(*h1)
		if got := [2]string{h.address, h.authority}; got != want {
			t.Errorf("%s: address and authority %q, want %q", url, got, want)
		}
	}
}
