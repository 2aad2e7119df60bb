package gateway

import (
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// TestOrigins: which origins a list allows.
func TestOrigins(t *testing.T) {
	for _, x := range []struct {
		list    []string
		allowed []string
		not     []string
	}{
		{nil, nil, []string{"https://a.com", "", "null"}},
		{[]string{"*"}, []string{"https://a.com", "http://[::1]:8", "null"}, nil},
		{[]string{"https://a.com", "http://b.com:80"}, []string{"https://a.com", "https://a.com:443", "http://b.com", "http://b.com:80"},
			[]string{"http://a.com", "https://a.com:80", "https://a.com.evil", "https://evil-a.com", "https://aXcom", "https://a.com/", " https://a.com", "https://b.com"}},
		{[]string{"https://*.a.com"}, []string{"https://x.a.com", "https://x.y.a.com"}, []string{"https://a.com", "https://xa.com", "https://x.a.com:8", "https://evil/x.a.com", "https://evil:1.a.com"}},
		{[]string{"https://*"}, []string{"https://a", "https://a.b:443", "https://[::1]"}, []string{"http://a", "https://a:444", "https://"}},
		{[]string{"http://*:8080", "http://[::1]:1"}, []string{"http://a:8080", "http://[::2]:8080", "http://[::1]:1"}, []string{"http://a", "http://[::1]"}},
		{[]string{"chrome-extension://abc"}, []string{"chrome-extension://abc"}, []string{"chrome-extension://abd", "chrome-extension://abc:80"}},
	} {
		c, err := compileCORS(&ir.CORS{AllowOrigins: x.list})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range x.allowed {
			if !c.allows(o) {
				t.Errorf("%q does not allow %q", x.list, o)
			}
		}
		for _, o := range x.not {
			if c.allows(o) {
				t.Errorf("%q allows %q", x.list, o)
			}
		}
	}
}

// TestPreflightMatch: a route takes preflights for its methods where it says which pages may call, and nothing else.
func TestPreflightMatch(t *testing.T) {
	preflight := func(method, origin, asks string) *llm.Head {
		return &llm.Head{Method: method, Path: "/", Header: http.Header{originField: {origin}, requestMethod: {asks}}}
	}
	for _, x := range []struct {
		name    string
		methods []string
		shared  bool
		head    *llm.Head
		want    bool
	}{
		{"its method", []string{"POST"}, true, preflight("OPTIONS", "https://a.com", "POST"), true},
		{"another", []string{"POST"}, true, preflight("OPTIONS", "https://a.com", "GET"), false},
		{"without cors", []string{"POST"}, false, preflight("OPTIONS", "https://a.com", "POST"), false},
		{"any method", nil, false, preflight("OPTIONS", "https://a.com", "POST"), true},
		{"no preflight", []string{"POST"}, true, preflight("PUT", "https://a.com", "POST"), false},
		{"no origin", []string{"POST"}, true, &llm.Head{Method: "OPTIONS", Header: http.Header{requestMethod: {"POST"}}}, false},
		{"asks nothing", []string{"POST"}, true, &llm.Head{Method: "OPTIONS", Header: http.Header{originField: {"https://a.com"}}}, false},
	} {
		if m := (&matcher{methods: x.methods, shared: x.shared}); m.head(x.head) != x.want {
			t.Errorf("%s: %v, want %v", x.name, !x.want, x.want)
		}
	}
}
