package xds_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestDirect: what goes on without the processor, here dead from the start, and as what it arrives.
func TestDirect(t *testing.T) {
	var failures atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Up", "1")
		if r.Header.Get("X-Fail") != "" && failures.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Host)
		_ = r.Header.Write(w)
		fmt.Fprintf(w, "%s", body)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	listen := free(t)
	run(t, shortDir(t), fmt.Sprintf(`
listen: %s
backends:
  ai: {provider: openai, url: "http://%[2]s", key: sk-%[3]s}
  own: {provider: openai, url: "http://%[2]s/base", key: passthrough}
  bare: {provider: openai, url: "http://%[2]s/base"}
  app: {provider: http, url: "http://%[2]s"}
  below: {provider: http, url: "http://%[2]s/below", key: passthrough}
  keyed: {provider: http, url: "http://%[2]s", key: %[3]s}
routes:
- {name: chat, match: {path: /v1}, to: ai}
- {name: open, match: {path: /open}, to: own, failOpen: true}
- {name: bare, match: {path: /bare}, to: bare, failOpen: true}
- {name: app, to: app, headers: {request: {set: {x-a: "50%%"}, remove: [x-b]}, response: {add: {x-c: d}, remove: [x-up]}}}
- {name: few, match: {path: /few}, to: app, rateLimit: {burst: 1, every: 1h}}
- {name: health, match: {exact: /v1/health}, to: app}
- {name: below, match: {path: /below}, to: below}
- {name: keyed, match: {path: /keyed}, to: keyed}
`, listen, host, secret))
	for _, x := range []struct {
		name, path string
		header     http.Header
		status     int
		want       []string // in the body
		not        []string
	}{
		{"a plain server", "/a//b%2Fc?x=1&key=k", http.Header{"Authorization": {"Bearer x"}, "X-Request-Id": {"mine"}, "X-B": {"b"}, "X-Spanway-Route": {"chat"}, "X-Forwarded-For": {"1.2.3.4"}, "Proxy-Authorization": {"Bearer y"}}, 200,
			[]string{"POST /a//b%2Fc?x=1&key=k " + host + "\n", "X-Request-Id: mine\r\n", "X-A: 50%\r\n", "{}"},
			[]string{"Bearer", "X-B:", "X-Spanway", "X-Envoy", "X-Forwarded"}},
		{"an exact path", "/v1/health", nil, 200, []string{"POST / "}, nil},
		{"below a base", "/below/x/", http.Header{"Authorization": {"Bearer x"}}, 200, []string{"POST /below/x/ ", "Bearer x"}, nil},
		{"below a base, bare", "/below", nil, 200, []string{"POST /below "}, nil},
		{"a climbing path", "/below/%2e%2E/x", nil, 503, []string{"gateway_unavailable"}, nil},
		{"a route of models", "/v1/chat/completions", nil, 503, []string{"gateway_unavailable"}, nil},
		{"a plain server with a key of ours", "/keyed", nil, 503, []string{"gateway_unavailable"}, nil},
		{"fails open", "/open/v1/chat/completions?a=b", http.Header{"Authorization": {"Bearer x"}}, 200, []string{"POST /base/chat/completions?a=b ", "Bearer x", "{}"}, nil},
		{"fails open without a version", "/open/chat/completions", nil, 200, []string{"POST /base/chat/completions "}, nil},
		{"fails open without a credential", "/bare/v1/chat/completions", http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {"x"}}, 200, []string{"POST /base/chat/completions "}, []string{"Bearer", "Api-Key"}},
		{"tries again", "/x", http.Header{"X-Fail": {"1"}}, 200, []string{"POST /x "}, nil},
		{"within the limit", "/few", nil, 200, []string{"POST / "}, nil},
		{"over the limit", "/few", nil, 429, []string{"rate_limit_exceeded"}, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			failures.Store(2)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listen, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = "//" + listen + x.path // as it is
			if x.header != nil {
				req.Header = x.header
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != x.status {
				t.Errorf("status %d, want %d", resp.StatusCode, x.status)
			}
			for _, want := range x.want {
				if !strings.Contains(string(b), want) {
					t.Errorf("lacks %q:\n%s", want, b)
				}
			}
			for _, not := range x.not {
				if strings.Contains(string(b), not) {
					t.Errorf("holds %q:\n%s", not, b)
				}
			}
			if x.name == "a plain server" && (resp.Header.Get("X-C") != "d" || resp.Header.Get("X-Up") != "") {
				t.Errorf("response's header %v, want x-c, and x-up gone", resp.Header)
			}
		})
	}
}

// TestChangeUnderLoad: configurations change while calls run, and no call is lost.
func TestChangeUnderLoad(t *testing.T) {
	server := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		t.Cleanup(s.Close)
		return s
	}
	a, b := server(), server()
	f := startFleet(t)
	listen := free(t)
	b.URL = strings.Replace(b.URL, "127.0.0.1", "localhost", 1) // a name has to be looked up
	config := func(s *httptest.Server, name string) string {
		return fmt.Sprintf("listen: %s\nbackends: {%s: {provider: http, url: %q}}\nroutes: [{name: %[2]s, to: %[2]s}]\n", listen, name, s.URL)
	}
	if err := f.Publish(within(t, patience), f.resources(t, config(a, "first"))); err != nil {
		t.Fatal(err)
	}
	underLoad(t, listen, func(i int) {
		s, name := a, "first"
		if i%2 == 0 {
			s, name = b, "second"
		}
		if err := f.Publish(within(t, patience), f.resources(t, config(s, name))); err != nil {
			t.Error(err)
		}
		if err := f.Prune(within(t, patience)); err != nil {
			t.Error(err)
		}
	})
}

// underLoad has 20 changes made, or more, while 200 calls run, or more, of which none may be lost.
func underLoad(t *testing.T, listen string, change func(i int)) {
	t.Helper()
	if _, err := net.Dial("tcp", listen); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var calls, lost atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := http.Get("http://" + listen + "/")
				if calls.Add(1); err != nil {
					lost.Add(1)
					continue
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					lost.Add(1)
				}
				_ = resp.Body.Close()
			}
		})
	}
	for i := 0; i < 20 || calls.Load() < 200; i++ {
		change(i)
	}
	close(stop)
	wg.Wait()
	if lost.Load() > 0 {
		t.Errorf("%d of %d calls lost", lost.Load(), calls.Load())
	}
	t.Logf("%d calls", calls.Load())
}
