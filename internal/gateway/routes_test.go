package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// TestFindHost: the most specific host goes first, whatever the paths; where nothing holds under it, the next one has its turn.
func TestFindHost(t *testing.T) {
	on := func(path string, hosts ...string) ir.Match { return ir.Match{Prefix: path, Hosts: hosts} }
	rs := compiled(t,
		on("/", "*.com"),                      // a
		on("/", "*.example.com"),              // b
		on("/", "api.example.com"),            // c
		ir.Match{Exact: "/v1/deep"},           // d
		on("/any"),                            // e
		on("/b", "*.Example.com", "*.com"),    // f
		on("/", "x.example.com", "y.test"),    // g
		on("/only", "z.test"),                 // h
		on("/star", "*"),                      // i
		on("/two", "*.deep.test", "a.b.test"), // j
		on("/two", "*.test"),                  // k
		ir.Match{Prefix: "/m", Hosts: []string{"m.test"}, Models: []string{"x"}}, // l
		on("/m"),                           // m
		on("/dup", "dup.test", "dup.test"), // n
	)
	for _, c := range []struct{ host, path, want string }{
		{"api.example.com", "/v1/deep", "c"},
		{"API.Example.com:8080", "/any", "c"},
		{"b.example.com", "/any", "b"},
		{"b.example.com", "/b/x", "f"},
		{"a.b.example.com", "/", "b"},
		{"example.com", "/any", "a"},
		{"example.com", "/b", "f"},
		{"com", "/any", "e"},
		{".com", "/any", "e"},
		{"y.test", "/any", "g"},
		{"z.test", "/only/x", "h"},
		{"z.test", "/any/x", "e"},
		{"z.test", "/star", "i"},
		{"z.test", "/none", ""},
		{"a.b.test", "/two", "j"},
		{"c.deep.test", "/two", "j"},
		{"deep.test", "/two", "k"},
		{"m.test", "/m", "lm"},
		{"dup.test", "/dup", "n"},
		{"", "/v1/deep", "d"},
		{"[::1]:8080", "/any", "e"},
	} {
		h := llm.Head{Method: "GET", Path: c.path, Header: http.Header{}}
		if got := found(rs, &h, "", c.host); got != c.want {
			t.Errorf("%s%s: routes %q, want %q", c.host, c.path, got, c.want)
		}
	}
}

// TestFindListener: a route of some listeners takes no call of another one.
func TestFindListener(t *testing.T) {
	list := []*Route{
		routeOf(t, "a", ir.Route{Match: ir.Match{Prefix: "/"}}),
		routeOf(t, "b", ir.Route{Match: ir.Match{Prefix: "/x"}, Listeners: []string{"one"}}),
		routeOf(t, "c", ir.Route{Match: ir.Match{Prefix: "/x"}, Listeners: []string{"two", "three"}}),
		routeOf(t, "d", ir.Route{Match: ir.Match{Prefix: "/y"}, Listeners: []string{}}),
	}
	rs := newRoutes(list, []ir.Listener{{Name: "one", Address: ":1"}, {Name: "two", Address: ":2"}, {Name: "four", Address: ":4"}})
	for _, c := range []struct{ listener, path, want string }{
		{"one", "/x", "b"}, {":1", "/x", "b"}, {"two", "/x", "c"}, {":2", "/x/y", "c"}, {"three", "/x", "c"}, {"four", "/x", "a"}, {":4", "/x", "a"}, {"", "/x", "a"},
		{"one", "/", "a"}, {"one", "/y", "a"}, {"four", "/y", "a"},
	} {
		if got := found(rs, &llm.Head{Method: "GET", Path: c.path}, c.listener, "h"); got != c.want {
			t.Errorf("%s %s: routes %q, want %q", c.listener, c.path, got, c.want)
		}
	}
}

// TestFindQuery: parameters are compared as they stand in the query; of several of one name the first counts.
func TestFindQuery(t *testing.T) {
	rs := compiled(t,
		ir.Match{Prefix: "/"}, // a
		ir.Match{Prefix: "/", Query: []ir.HeaderMatch{{Name: "v", Exact: "1"}}},                // b
		ir.Match{Prefix: "/", Query: []ir.HeaderMatch{{Name: "v", Exact: "1"}, {Name: "w"}}},   // c
		ir.Match{Prefix: "/", Query: []ir.HeaderMatch{{Name: "r", Regex: "[0-9]+"}}},           // d
		ir.Match{Prefix: "/", Headers: []ir.HeaderMatch{{Name: "x-h", Exact: "1"}}},            // e
		ir.Match{Prefix: "/", Methods: []string{"PUT"}},                                        // f
		ir.Match{Prefix: "/", Query: []ir.HeaderMatch{{Name: "model"}}, Models: []string{"x"}}, // g
	)
	for _, c := range []struct{ method, query, header, want string }{
		{"GET", "", "", "a"}, {"GET", "v=1", "", "b"}, {"GET", "v=2", "", "a"}, {"GET", "a&v=1&v=2", "", "b"}, {"GET", "v=2&v=1", "", "a"},
		{"GET", "V=1", "", "a"}, {"GET", "v=%31", "", "a"}, {"GET", "vv=1&v1", "", "a"}, {"GET", "v=1&w", "", "c"}, {"GET", "w=&v=1", "", "c"},
		{"GET", "r=12", "", "d"}, {"GET", "r=12x", "", "a"}, {"GET", "v=1&w", "1", "e"}, {"PUT", "v=1&w", "1", "f"}, {"GET", "&&=&v", "", "a"},
		{"GET", "model=", "", "ga"},
	} {
		h := llm.Head{Method: c.method, Path: "/p", Query: c.query, Header: http.Header{}}
		if c.header != "" {
			h.Header.Set("X-H", c.header)
		}
		if got := found(rs, &h, "", ""); got != c.want {
			t.Errorf("%s ?%s header %q: routes %q, want %q", c.method, c.query, c.header, got, c.want)
		}
	}
}

// manyRoutes are n routes that differ in kind, and a call for the last of them.
func manyRoutes(t testing.TB, kind string, n int) (*routes, *llm.Head, string) {
	t.Helper()
	matches := make([]ir.Match, n)
	path, host := "", ""
	for i := range matches {
		m := &matches[i]
		path, host = "/v1/chat/completions", fmt.Sprintf("a.host-%d.example.com", i)
		switch kind {
		case "hosts":
			*m = ir.Match{Hosts: []string{host}, Prefix: "/v1"}
		case "wildcards":
			*m = ir.Match{Hosts: []string{"*" + host[1:]}, Prefix: "/v1"}
		case "prefixes":
			m.Prefix = fmt.Sprintf("/team-%d/v1", i)
			path = m.Prefix + "/chat/completions"
		}
	}
	return compiled(t, matches...), &llm.Head{Method: "POST", Path: path}, host + ":8080"
}

// TestFindManyRoutes holds finding a route to a look-up per part of host and path, however many routes there are.
func TestFindManyRoutes(t *testing.T) {
	for _, kind := range []string{"hosts", "wildcards", "prefixes"} {
		rs, h, host := manyRoutes(t, kind, 5000)
		var buf [4]*Route
		if got := rs.find(buf[:0], h, "", host); len(got) != 1 || got[0].Name != string(rune('a'+4999)) {
			t.Fatalf("%s: found %v", kind, got)
		}
		if n := testing.AllocsPerRun(100, func() { rs.find(buf[:0], h, "", host) }); n > 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

// BenchmarkFind shows that a call's route is found in the time of its own parts: 2,000 routes cost what 20 do.
func BenchmarkFind(b *testing.B) {
	for _, kind := range []string{"hosts", "wildcards", "prefixes"} {
		for _, n := range []int{20, 2000} {
			b.Run(fmt.Sprintf("%s-%d", kind, n), func(b *testing.B) {
				rs, h, host := manyRoutes(b, kind, n)
				var buf [4]*Route
				b.ReportAllocs()
				for b.Loop() {
					if len(rs.find(buf[:0], h, "", host)) != 1 {
						b.Fatal("not found")
					}
				}
			})
		}
	}
}
