package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listen starts a net/http server; configure may change it before it starts. It returns the URL.
func listen(t *testing.T, h http.Handler, configure func(*httptest.Server)) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if configure == nil {
		s.Start()
	} else {
		configure(s)
	}
	t.Cleanup(s.Close)
	return s.URL
}

// plainConn hides the socket, so that a client reads without the system's help.
type plainConn struct{ net.Conn }

func dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return plainConn{c}, nil
}

// planes are the ways to reach a server: one suite for all.
func planes(t *testing.T, h http.Handler) map[string]struct {
	client *Client
	proto  string
} {
	t.Helper()
	secure := func(h2 bool) *Client {
		var conf *tls.Config
		url := listen(t, h, func(s *httptest.Server) {
			s.EnableHTTP2 = h2
			s.StartTLS()
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			conf = &tls.Config{RootCAs: roots}
		})
		return newClient(t, Target{URL: url, TLS: conf}, Options{})
	}
	plain := listen(t, h, nil)
	h2c := listen(t, h, func(s *httptest.Server) {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	})
	return map[string]struct {
		client *Client
		proto  string
	}{
		"h1":               {newClient(t, Target{URL: plain}, Options{}), "HTTP/1.1"},
		"h1 without a fd":  {newClient(t, Target{URL: plain}, Options{Dial: dialPlain}), "HTTP/1.1"},
		"h1 over TLS":      {secure(false), "HTTP/1.1"},
		"h2":               {secure(true), "HTTP/2.0"},
		"h2c":              {newClient(t, Target{URL: h2c, HTTP2: "h2c"}, Options{}), "HTTP/2.0"},
		"h2c, own dialler": {newClient(t, Target{URL: h2c, HTTP2: "h2c"}, Options{Dial: dialPlain}), "HTTP/2.0"},
	}
}

// provider answers by path, as the tests below want it.
type provider struct {
	hangs chan struct{} // told when a request begins to hang; buffered
}

func (p provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	flush := func() { http.NewResponseController(w).Flush() }
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Header().Set("X-Saw", fmt.Sprintf("%s %s?%s host=%s ua=%q len=%d ae=%q", r.Method, r.URL.EscapedPath(), r.URL.RawQuery,
			r.Host, r.Header["User-Agent"], r.ContentLength, r.Header["Accept-Encoding"]))
		w.Write(body)
	case "/stream":
		for i := range 20 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			flush()
		}
	case "/trailer":
		w.Header().Set("Trailer", "X-Sum")
		w.Write([]byte("body"))
		flush()
		w.Header().Set("X-Sum", "7")
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		w.Write([]byte("not really"))
	case "/redirect":
		http.Redirect(w, r, "/echo", http.StatusFound)
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/hints":
		w.Header().Set("Link", "x")
		w.WriteHeader(http.StatusEarlyHints)
		w.Write([]byte("after"))
	case "/cut":
		w.Write([]byte("some"))
		flush()
		panic(http.ErrAbortHandler)
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/hang":
		p.hangs <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // a good end could still arrive
	case "/hang-body":
		w.Write([]byte("some"))
		flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // a good end could still arrive
	}
}

func TestConformance(t *testing.T) {
	h := provider{hangs: make(chan struct{}, 10)}
	for name, p := range planes(t, h) {
		t.Run(name, func(t *testing.T) { conform(t, p.client, p.proto, h.hangs) })
	}
}

func conform(t *testing.T, c *Client, proto string, hangs chan struct{}) {
	do := func(t *testing.T, r *Request) (*Response, string) {
		t.Helper()
		res, err := c.Do(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Close() })
		body, err := drains["next"](res)
		if err != io.EOF {
			t.Fatalf("body: %v", err)
		}
		return res, body
	}
	for _, size := range []int{0, 1, 1000, inlineBody, inlineBody + 1, 3 << 20} {
		t.Run(fmt.Sprintf("echo %d", size), func(t *testing.T) {
			body := strings.Repeat("b", size)
			r := &Request{Method: "POST", Path: "/echo", Query: "q=%20", Host: "llm.example", Body: []byte(body)}
			res, got := do(t, r)
			if got != body || res.ContentLength != int64(size) || res.Status != 200 || res.Proto != proto {
				t.Errorf("%d bytes, length %d, status %d, %s", len(got), res.ContentLength, res.Status, res.Proto)
			}
			want := fmt.Sprintf("POST /echo?q=%%20 host=llm.example ua=[] len=%d ae=[]", size)
			if diff := cmp.Diff(want, res.Header.Get("X-Saw")); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			checkTiming(t, &r.Timing)
		})
	}
	t.Run("read", func(t *testing.T) {
		res, err := c.Do(t.Context(), &Request{Method: "POST", Path: "/echo", Body: bytes.Repeat([]byte("r"), 100<<10)})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Close()
		if b, err := io.ReadAll(res); len(b) != 100<<10 || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	})
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/stream", streamBody(), 200},
		{"GET", "/trailer", "body", 200},
		{"GET", "/gzip", "not really", 200},
		{"POST", "/redirect", "", 302},
		{"GET", "/none", "", 204},
		{"HEAD", "/echo", "", 200},
		{"GET", "/hints", "after", 200},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			res, got := do(t, &Request{Method: tc.method, Path: tc.path})
			if res.Status != tc.status || got != tc.body {
				t.Errorf("status %d, body %q, want %d, %q", res.Status, got, tc.status, tc.body)
			}
			if want := map[bool]string{true: "7"}[tc.path == "/trailer"]; res.Trailer.Get("X-Sum") != want {
				t.Errorf("trailer %v, want X-Sum %q", res.Trailer, want)
			}
			for _, hop := range []string{"Connection", "Transfer-Encoding", "Trailer", "Keep-Alive"} {
				if v, ok := res.Header[hop]; ok {
					t.Errorf("header has %s: %q", hop, v)
				}
			}
		})
	}
	t.Run("reuse", func(t *testing.T) {
		r := &Request{Method: "POST", Path: "/stream"}
		do(t, r)
		do(t, r)
		if !r.Timing.Reused || r.Timing.Dial != 0 || r.Timing.Resent {
			t.Errorf("timing %+v, want a reused connection", r.Timing)
		}
	})
	t.Run("failures", func(t *testing.T) { conformFailures(t, c, hangs) })
}

func streamBody() string {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "data: %d\n\n", i)
	}
	return b.String()
}

func checkTiming(t *testing.T, tm *Timing) {
	t.Helper()
	now := time.Now()
	if tm.Start.IsZero() || tm.Wrote.Before(tm.Start) || tm.FirstByte.Before(tm.Start) || now.Before(tm.Wrote) || now.Before(tm.FirstByte) {
		t.Errorf("times out of order: %+v", tm)
	}
	if tm.Reused == (tm.Dial > 0) {
		t.Errorf("reused %v, dial took %v", tm.Reused, tm.Dial)
	}
}

func conformFailures(t *testing.T, c *Client, hangs chan struct{}) {
	for _, tc := range []struct {
		name, path string
		head, idle time.Duration
		cancel     bool
		kind       Kind
		op         Op
	}{
		{name: "cut", path: "/cut", kind: Reset, op: OpBody},
		{name: "no answer", path: "/abort", kind: Reset, op: OpHead},
		{name: "head timeout", path: "/hang", head: 300 * time.Millisecond, kind: Timeout, op: OpHead},
		{name: "idle timeout", path: "/hang-body", idle: 30 * time.Millisecond, kind: Timeout, op: OpBody},
		{name: "canceled at the head", path: "/hang", cancel: true, kind: Canceled, op: OpHead},
		{name: "canceled at the body", path: "/hang-body", cancel: true, kind: Canceled, op: OpBody},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			defer wg.Wait()
			reading := func() {}
			if tc.cancel && tc.op == OpBody {
				reading = cancel
			} else if tc.cancel {
				wg.Go(func() { <-hangs; cancel() })
			}
			r := &Request{Method: "POST", Path: tc.path, HeadTimeout: tc.head, Body: []byte("x")}
			err := drive(ctx, c, r, tc.idle, reading)
			var e *Error
			if !errors.As(err, &e) || e.Kind != tc.kind || e.Op != tc.op {
				t.Errorf("error %v (%+v), want %v at %q", err, e, tc.kind, tc.op)
			}
			if tc.path == "/hang" && !tc.cancel {
				<-hangs
			}
		})
	}
}

// TestTLSRefused: a certificate that does not verify is a failure to connect.
func TestTLSRefused(t *testing.T) {
	quiet := func(s *httptest.Server) {
		s.StartTLS()
	}
	c := newClient(t, Target{URL: listen(t, provider{}, quiet)}, Options{})
	_, err := c.Do(t.Context(), post("x"))
	var unknown x509.UnknownAuthorityError
	if KindOf(err) != Connect || !errors.As(err, &unknown) {
		t.Errorf("error %v, want a failure to connect by an unknown authority", err)
	}
}
