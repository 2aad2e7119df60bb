package xds_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// TestPagesWithoutProcessor: with the processor dead from the start preflights are answered as ever, and a page can read Envoy's own
// errors.
func TestPagesWithoutProcessor(t *testing.T) {
	listen := free(t)
	run(t, shortDir(t), fmt.Sprintf(`
listen: %s
backends:
  ai: {provider: openai, url: %q, key: sk-%s}
  own: {provider: openai, url: %[2]q, key: passthrough}
  app: {provider: http, url: %[2]q}
  empty: {provider: http, url: "http://empty.example", endpoints: []}
  broken: {provider: http, broken: unused}
routes:
- {name: chat, match: {path: /chat, methods: POST}, to: ai, cors: {allowOrigins: "https://a.com", allowHeaders: authorization}}
- {name: open, match: {path: /open}, to: own, failOpen: true, cors: {allowOrigins: "https://a.com"}}
- {name: few, match: {path: /few}, to: app, rateLimit: {burst: 1, every: 1h}, cors: {allowOrigins: "https://a.com"}}
- {name: empty, match: {path: /empty}, to: empty, cors: {allowOrigins: "https://a.com"}}
- {name: broken, match: {path: /broken}, to: broken, cors: {allowOrigins: "https://a.com"}}
`, listen, asked(t), secret))
	preflight := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"}
	for _, x := range []struct {
		line   string
		more   []string
		status int
	}{
		{"OPTIONS /chat/v1/chat/completions", preflight, 200},
		{"POST /chat/v1/chat/completions", nil, 503},
		{"OPTIONS /open", preflight, 200},
		{"GET /open", nil, 200},
		{"OPTIONS /few", preflight, 200},
		{"OPTIONS /few", preflight, 200},
		{"GET /few", nil, 200},
		{"GET /few", nil, 429},
		{"GET /empty", nil, 503},
		{"GET /broken", nil, 500},
	} {
		for _, origin := range []string{"https://b.com", "https://a.com"} {
			if origin == "https://b.com" && strings.HasPrefix(x.line, "GET /few") {
				continue
			}
			status, header, body := say(t, listen, append([]string{x.line + " HTTP/1.1", "Host: x", "Origin: " + origin, "Content-Length: 0"}, x.more...)...)
			want := []string(nil)
			if origin == "https://a.com" {
				want = []string{origin}
			}
			if got := header.Values("Access-Control-Allow-Origin"); status != x.status || !slices.Equal(got, want) {
				t.Errorf("%s from %s: %d, open to %q, want %d and %q: %s", x.line, origin, status, got, x.status, want, body)
			}
		}
	}
}

// TestPagesInAList: preflights find their host's route also where a table has one virtual host.
func TestPagesInAList(t *testing.T) {
	g, listen := plainGateway(t)
	g.Routes = nil
	for i := range 40 {
		r := answers("host", ir.Match{Hosts: []string{fmt.Sprintf("h%d.example", i)}, Methods: []string{"PUT"}})
		r.CORS = &ir.CORS{AllowOrigins: []string{fmt.Sprintf("https://p%d.example", i)}, MaxAge: 5}
		g.Routes = append(g.Routes, r, answers("more", ir.Match{Prefix: fmt.Sprintf("/p%d", i)}))
	}
	f := startFleet(t)
	f.publish(t, g, xds.Options{})
	if r, err := xds.Build(g, xds.Options{ADS: true}); err != nil || len(r.Routes[0].GetVirtualHosts()) != 1 {
		t.Fatalf("%d virtual hosts (%v), want one", len(r.Routes[0].GetVirtualHosts()), err)
	}
	for _, x := range []struct {
		host, method string
		status       int
		want         string
	}{{"h7.example", "PUT", http.StatusOK, "https://p7.example"}, {"h8.example", "PUT", http.StatusOK, ""}, {"h7.example", "GET", http.StatusNotFound, ""}} {
		status, header, _ := say(t, listen, "OPTIONS / HTTP/1.1", "Host: "+x.host, "Origin: https://p7.example", "Access-Control-Request-Method: "+x.method)
		if got := header.Get("Access-Control-Allow-Origin"); status != x.status || got != x.want {
			t.Errorf("%s of %s: %d, open to %q, want %d and %q", x.method, x.host, status, got, x.status, x.want)
		}
	}
}
