package gateway

import (
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// compiled makes the routes of matches, each named by its place.
func compiled(t testing.TB, matches ...ir.Match) *routes {
	t.Helper()
	list := make([]*Route, len(matches))
	for i := range matches {
		list[i] = routeOf(t, string(rune('a'+i)), ir.Route{Match: matches[i]})
	}
	return newRoutes(list, nil)
}

func routeOf(t testing.TB, name string, c ir.Route) *Route {
	t.Helper()
	m, path, err := compileMatch(&c.Match)
	if err != nil {
		t.Fatal(err)
	}
	return &Route{Name: name, Path: path, match: m, conf: c}
}

// found are the names of the routes that take a call, in their order.
func found(rs *routes, h *llm.Head, listener, host string) string {
	got := ""
	for _, r := range rs.find(nil, h, listener, host) {
		got += r.Name
	}
	return got
}

// TestFind checks the order in which routes are tried: exact path, longest prefix, regex; then what asks for more; then the
// file's order. Routes that ask for a model are candidates until one follows that asks for none.
func TestFind(t *testing.T) {
	rs := compiled(t,
		ir.Match{Prefix: "/"},                                                               // a
		ir.Match{Prefix: "/v1"},                                                             // b
		ir.Match{Prefix: "/v1/chat"},                                                        // c
		ir.Match{Exact: "/v1/chat/completions"},                                             // d
		ir.Match{Regex: "/r/[0-9]+"},                                                        // e
		ir.Match{Prefix: "/v1", Hosts: []string{"*.example.com"}},                           // f
		ir.Match{Prefix: "/v1", Models: []string{"smart-*"}},                                // g
		ir.Match{Prefix: "/v1", Headers: []ir.HeaderMatch{{Name: "x-team", Exact: "x"}}},    // h
		ir.Match{Prefix: "/only", Methods: []string{"GET"}},                                 // i
		ir.Match{Regex: "/zz.*", Headers: []ir.HeaderMatch{{Name: "X-N", Regex: "[0-9]+"}}}, // j
	)
	for _, c := range []struct{ method, path, host, header, want string }{
		{"POST", "/v1/chat/completions", "h", "", "d"},
		{"POST", "/v1/chat/x", "h", "", "c"},
		{"POST", "/v1/chatter", "h", "", "gb"},
		{"POST", "/v1", "h", "", "gb"},
		{"POST", "/v1/", "h", "", "gb"},
		{"POST", "/v1/x", "a.example.com:8080", "", "f"},
		{"POST", "/v1/x", "EXAMPLE.com", "", "gb"},
		{"POST", "/v1/x", "h", "x", "h"},
		{"POST", "/v10", "h", "", "a"},
		{"GET", "/only/x", "h", "", "i"},
		{"POST", "/only/x", "h", "", "a"},
		{"POST", "/", "h", "", "a"},
		{"POST", "/r/7", "h", "", "a"}, // the prefix / comes before any regex
	} {
		h := llm.Head{Method: c.method, Path: c.path, Header: http.Header{}}
		if c.header != "" {
			h.Header.Set("X-Team", c.header)
		}
		if got := found(rs, &h, "", c.host); got != c.want {
			t.Errorf("%s %s host %q header %q: routes %q, want %q", c.method, c.path, c.host, c.header, got, c.want)
		}
	}
}

func TestFindRegex(t *testing.T) {
	rs := compiled(t, ir.Match{Regex: "/r/[0-9]+"}, ir.Match{Regex: "/zz.*", Headers: []ir.HeaderMatch{{Name: "X-N", Regex: "[0-9]+"}}})
	for path, want := range map[string]int{"/r/12": 1, "/r/12/x": 0, "/x/r/12": 0, "/zzz": 0} {
		h := llm.Head{Method: "GET", Path: path, Header: http.Header{}}
		if got := rs.find(nil, &h, "", ""); len(got) != want {
			t.Errorf("%s: %d routes, want %d", path, len(got), want)
		}
	}
	h := llm.Head{Method: "GET", Path: "/zzz", Header: http.Header{"X-N": {"a", "12"}}}
	if got := rs.find(nil, &h, "", ""); len(got) != 1 {
		t.Errorf("a header's second value: %d routes, want 1", len(got))
	}
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"gpt-4o", "gpt-4o", true}, {"gpt-4o", "gpt-4", false}, {"*", "", true}, {"*", "x", true}, {"gpt-*", "gpt-", true},
		{"gpt-*", "gp", false}, {"*-mini", "gpt-4o-mini", true}, {"*-mini", "-min", false}, {"a*b*c", "a12b34c", true},
		{"a*b*c", "abc", true}, {"a*b*c", "ac", false}, {"a*a", "a", false}, {"", "", true}, {"", "x", false},
	} {
		if got := wildcard(c.pattern, c.s); got != c.want {
			t.Errorf("wildcard(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}
