package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

func opt(s string) ir.Opt[string] { return ir.Opt[string]{V: s, Set: true} }

// modified are the Gateway API's examples of a replaced prefix (HTTPPathModifier), and some more.
var modified = []struct{ path, prefix, by, want string }{
	{"/foo/bar", "/foo", "/xyz", "/xyz/bar"}, {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"}, {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
	{"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"}, {"/foo", "/foo", "/xyz", "/xyz"}, {"/foo/", "/foo", "/xyz", "/xyz/"}, {"/foo/bar", "/foo", "", "/bar"},
	{"/foo/", "/foo", "", "/"}, {"/foo", "/foo", "", "/"}, {"/foo/", "/foo", "/", "/"}, {"/foo", "/foo", "/", "/"},
	{"/foo/bar", "/", "/xyz", "/xyz/foo/bar"}, {"/", "/", "/xyz", "/xyz/"}, {"/foo%2Fbar/%20", "/", "/", "/foo%2Fbar/%20"},
}

// plainGateway sends everything below prefix to a server without an API, at a base path, as rw says.
func plainGateway(prefix, base string, rw ir.Rewrite) *ir.Gateway {
	return &ir.Gateway{
		Backends: []ir.Backend{{Name: "app", Provider: "http", URL: "http://app.test:3000" + base}},
		Routes: []ir.Route{{Name: "r", Match: ir.Match{Prefix: prefix}, Rewrite: rw,
			Groups: [][]ir.Target{{{Backend: "app", Weight: 1}}}}},
	}
}

// sent is what a call for target, a path with or without a query, is sent upstream.
func sent(t *testing.T, e *Engine, method, target string) *Outgoing {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	c := e.Open(t.Context(), &Incoming{Head: llm.Head{Method: method, Path: path, Query: query, Header: http.Header{}}, Host: "client.test:8080", Received: time.Now()})
	defer c.Close()
	if r := c.Request([]byte(`{"model":"m","messages":[]}`)); r != nil {
		t.Fatalf("%s: refused: %s", target, r.Body)
	}
	a, r := c.Attempt()
	if r != nil {
		t.Fatalf("%s: refused: %s", target, r.Body)
	}
	o := *a.Outgoing()
	return &o
}

func TestRewrite(t *testing.T) {
	for _, m := range modified {
		e := engineFor(t, plainGateway(m.prefix, "", ir.Rewrite{Prefix: opt(m.by)}), telemetry.Options{})
		if o := sent(t, e, "GET", m.path+"?a=b%20c"); o.Path != m.want || o.Query != "a=b%20c" || o.Host != "app.test:3000" {
			t.Errorf("%s, %s by %s: %s?%s at %s, want %s", m.path, m.prefix, m.by, o.Path, o.Query, o.Host, m.want)
		}
	}
	for name, c := range map[string]struct {
		prefix, base string
		rw           ir.Rewrite
		path, want   string
		host         string
	}{
		"stripped":         {"/foo", "/base", ir.Rewrite{}, "/foo/bar", "/base/bar", "app.test:3000"},
		"kept":             {"/foo", "", ir.Rewrite{KeepPath: true}, "/foo/bar/", "/foo/bar/", "app.test:3000"},
		"kept below":       {"/foo", "/base", ir.Rewrite{KeepPath: true, KeepHost: true}, "/foo/bar", "/base/foo/bar", "client.test:8080"},
		"whole":            {"/foo", "", ir.Rewrite{Path: opt("/one/two"), Host: "other.test"}, "/foo/bar", "/one/two", "other.test"},
		"whole, empty":     {"/foo", "", ir.Rewrite{Path: opt("")}, "/foo/bar", "/", "app.test:3000"},
		"host before kept": {"/", "", ir.Rewrite{Host: "other.test", KeepHost: true}, "/x", "/x", "other.test"},
	} {
		e := engineFor(t, plainGateway(c.prefix, c.base, c.rw), telemetry.Options{})
		if o := sent(t, e, "PUT", c.path); o.Path != c.want || o.Host != c.host {
			t.Errorf("%s: %s at %s, want %s at %s", name, o.Path, o.Host, c.want, c.host)
		}
	}
}

// TestRewriteOfAnAPI: a backend with an API of models takes of a rewrite the path, where it is one of an API, and nothing else.
func TestRewriteOfAnAPI(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		rw       ir.Rewrite
		path     string
		want     string
	}{
		"whole":            {"openai", ir.Rewrite{Path: opt("/v1/chat/completions"), Host: "other.test"}, "/ai/talk", "/v1/chat/completions"},
		"prefix":           {"openai", ir.Rewrite{Prefix: opt("/v1")}, "/ai/chat/completions", "/v1/chat/completions"},
		"no API":           {"openai", ir.Rewrite{Path: opt("/some/where"), KeepHost: true}, "/ai/v1/chat/completions", "/v1/chat/completions"},
		"another provider": {"anthropic", ir.Rewrite{Path: opt("/v1/messages")}, "/ai", "/v1/messages"},
		"kept is nothing":  {"openai", ir.Rewrite{KeepPath: true}, "/ai/v1/chat/completions", "/v1/chat/completions"},
	} {
		g := &ir.Gateway{
			Backends: []ir.Backend{{Name: "b", Provider: c.provider, URL: "http://b.test"}},
			Routes: []ir.Route{{Name: "r", Match: ir.Match{Prefix: "/ai"}, Rewrite: c.rw, Lossy: true,
				Groups: [][]ir.Target{{{Backend: "b", Weight: 1}}}}},
		}
		if o := sent(t, engineFor(t, g, telemetry.Options{}), "POST", c.path); o.Path != c.want || o.Host != "b.test" {
			t.Errorf("%s: %s at %s, want %s at b.test", name, o.Path, o.Host, c.want)
		}
	}
}

func TestRedirect(t *testing.T) {
	listeners := []ir.Listener{{Name: "web", Address: "[::]:8080"}, {Name: "plain", Address: ":80"}, {Name: "any", Address: "127.0.0.1:0"}}
	for name, c := range map[string]struct {
		d                      ir.Redirect
		listener, scheme, host string
		want                   string
	}{
		"nothing":                    {ir.Redirect{}, "plain", "http", "a.test", "http://a.test/foo/bar?q=1"},
		"the listener's port":        {ir.Redirect{Host: "b.test"}, "web", "http", "a.test", "http://b.test:8080/foo/bar?q=1"},
		"not the client's":           {ir.Redirect{}, "[::]:8080", "http", "a.test:31000", "http://a.test:8080/foo/bar?q=1"},
		"no port configured":         {ir.Redirect{}, "any", "http", "a.test:31000", "http://a.test:31000/foo/bar?q=1"},
		"an unknown listener":        {ir.Redirect{}, "", "http", "a.test", "http://a.test/foo/bar?q=1"},
		"scheme":                     {ir.Redirect{Scheme: "https"}, "web", "http", "a.test:8080", "https://a.test/foo/bar?q=1"},
		"scheme and port":            {ir.Redirect{Scheme: "https", Port: 8443}, "web", "http", "a.test", "https://a.test:8443/foo/bar?q=1"},
		"the scheme's own port":      {ir.Redirect{Scheme: "https", Port: 443}, "web", "http", "a.test", "https://a.test/foo/bar?q=1"},
		"another's own port":         {ir.Redirect{Scheme: "http", Port: 443}, "web", "http", "a.test", "http://a.test:443/foo/bar?q=1"},
		"the own port of the scheme": {ir.Redirect{Port: 80}, "web", "http", "a.test:8080", "http://a.test/foo/bar?q=1"},
		"an address":                 {ir.Redirect{}, "web", "http", "[::1]:8080", "http://[::1]:8080/foo/bar?q=1"},
		"whole path":                 {ir.Redirect{Path: opt("/new")}, "plain", "http", "a.test", "http://a.test/new?q=1"},
		"prefix":                     {ir.Redirect{Prefix: opt("/new/")}, "plain", "http", "a.test", "http://a.test/new/bar?q=1"},
	} {
		c.d.Status = http.StatusMovedPermanently
		g := &ir.Gateway{Listeners: listeners, Routes: []ir.Route{{Name: "r", Match: ir.Match{Prefix: "/foo"}, Redirect: &c.d}}}
		e := engineFor(t, g, telemetry.Options{})
		call := e.Open(t.Context(), &Incoming{Head: llm.Head{Method: "GET", Path: "/foo/bar", Query: "q=1", Header: http.Header{}},
			Host: c.host, Listener: c.listener, Scheme: c.scheme, Received: time.Now()})
		r := call.Request(nil)
		call.Close()
		if r == nil || r.Status != http.StatusMovedPermanently || r.Header.Get("Location") != c.want || len(r.Body) > 0 {
			t.Errorf("%s: %+v, want %s", name, r, c.want)
		}
	}
	for _, m := range modified {
		d := &ir.Redirect{Prefix: opt(m.by), Status: http.StatusFound}
		e := engineFor(t, &ir.Gateway{Routes: []ir.Route{{Name: "r", Match: ir.Match{Prefix: m.prefix}, Redirect: d}}}, telemetry.Options{})
		call := e.Open(t.Context(), &Incoming{Head: llm.Head{Method: "GET", Path: m.path, Header: http.Header{}}, Host: "a.test", Scheme: "http", Received: time.Now()})
		r := call.Request(nil)
		call.Close()
		if u, err := url.Parse(r.Header.Get("Location")); err != nil || u.EscapedPath() != m.want {
			t.Errorf("%s, %s by %s: %v, want %s", m.path, m.prefix, m.by, u, m.want)
		}
	}
}

// TestDirect: the answer is the route's, with its changes of header fields; the trace has one span.
func TestDirect(t *testing.T) {
	var trace []string
	var outcome string
	g := &ir.Gateway{Routes: []ir.Route{{Name: "r", Match: ir.Match{Prefix: "/"}, Direct: &ir.Direct{Status: 418, Body: "short and stout"},
		ResponseHeaders: ir.HeaderEdits{Set: []ir.Header{{Name: "X-Kind", Value: "pot"}}}}}}
	e := engineFor(t, g, telemetry.Options{Console: func(tr *telemetry.Trace) {
		for i := range tr.Spans {
			trace = append(trace, tr.Spans[i].Name)
			outcome = tr.Spans[i].Get(telemetry.SpanwayOutcome).Str
		}
	}})
	c := e.Open(t.Context(), &Incoming{Head: llm.Head{Method: "POST", Path: "/v1/chat/completions", Header: http.Header{}}, Received: time.Now()})
	if !c.Answered() {
		t.Error("the body is wanted")
	}
	r := c.Request([]byte("not read"))
	c.Close()
	want := &Reply{Status: 418, Header: http.Header{"Content-Type": {"text/plain"}, "X-Kind": {"pot"}}, Body: []byte("short and stout")}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"POST /"}, trace); d != "" || outcome != string(OutcomeOK) {
		t.Errorf("outcome %q, spans %s", outcome, d)
	}
}

// TestDirectAfterModels: where the model decides, a route that answers itself has its turn after the body was read.
func TestDirectAfterModels(t *testing.T) {
	g := plainGateway("/none", "", ir.Rewrite{})
	g.Backends = append(g.Backends, ir.Backend{Name: "ai", Provider: "openai", URL: "http://ai.test"})
	g.Routes = append(g.Routes,
		ir.Route{Name: "ai", Match: ir.Match{Prefix: "/v1", Models: []string{"m"}}, Groups: [][]ir.Target{{{Backend: "ai", Weight: 1}}}},
		ir.Route{Name: "else", Match: ir.Match{Prefix: "/v1"}, Direct: &ir.Direct{Status: http.StatusGone}})
	e := engineFor(t, g, telemetry.Options{})
	if o := sent(t, e, "POST", "/v1/chat/completions"); o.Host != "ai.test" {
		t.Errorf("sent to %s", o.Host)
	}
	c := e.Open(t.Context(), &Incoming{Head: llm.Head{Method: "POST", Path: "/v1/chat/completions", Header: http.Header{}}, Received: time.Now()})
	defer c.Close()
	if c.Answered() {
		t.Error("the body is not wanted")
	}
	if r := c.Request([]byte(`{"model":"other","messages":[]}`)); r == nil || r.Status != http.StatusGone || len(r.Header) > 0 {
		t.Errorf("got %+v", r)
	}
}

// TestUnusable: the share of a backend that cannot be asked is refused, whatever the retries, unless there is another group.
func TestUnusable(t *testing.T) {
	target := func(name string, weight int) ir.Target { return ir.Target{Backend: name, Weight: weight} }
	for name, c := range map[string]struct {
		groups [][]ir.Target
		dead   string         // the error.type
		want   map[string]int // how often of 1000 a call begins at a backend, or is refused with a status
	}{
		"alone":        {[][]ir.Target{{target("broken", 1)}}, "BackendNotFound", map[string]int{"500": 1000}},
		"nobody there": {[][]ir.Target{{target("empty", 1)}}, noEndpoints, map[string]int{"503": 1000}},
		"its share":    {[][]ir.Target{{target("ok", 3), target("broken", 1)}}, "BackendNotFound", map[string]int{"500": 250, "ok": 750}},
		"never":        {[][]ir.Target{{target("ok", 3), target("broken", 0)}}, "", map[string]int{"ok": 1000}},
		"next group":   {[][]ir.Target{{target("broken", 1)}, {target("ok", 1)}}, "", map[string]int{"ok": 1000}},
		"after it":     {[][]ir.Target{{target("ok", 1)}, {target("broken", 1)}}, "", map[string]int{"ok": 1000}},
	} {
		for _, provider := range []string{"http", "openai"} {
			var failure, last string
			g := &ir.Gateway{
				Backends: []ir.Backend{{Name: "ok", Provider: provider, URL: "http://ok.test"}, {Name: "broken", Provider: provider, Broken: "BackendNotFound"},
					{Name: "empty", Provider: provider, URL: "http://empty.test", Endpoints: []string{}}},
				Routes: []ir.Route{{Name: "r", Match: ir.Match{Prefix: "/"}, Groups: c.groups, Retry: ir.Retry{Attempts: 3}}},
			}
			e := engineFor(t, g, telemetry.Options{Console: func(tr *telemetry.Trace) {
				if a := tr.Spans[min(1, len(tr.Spans)-1)].Get(telemetry.ErrorType); a != nil {
					last = a.Str
				}
			}})
			got := map[string]int{}
			for range 1000 {
				c := e.Open(t.Context(), &Incoming{Head: llm.Head{Method: "POST", Path: "/v1/chat/completions", Header: http.Header{}}, Received: time.Now()})
				refused := c.Request([]byte(`{"model":"m","messages":[]}`))
				if refused != nil {
					got[statusText(refused.Status)]++
				} else if a, r := c.Attempt(); r == nil {
					got[a.Backend.Name]++
				}
				if c.Close(); refused != nil {
					failure = last
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%s, %s: %v, want %v", name, provider, got, c.want)
			}
			for k, n := range c.want {
				if d := got[k] - n; d < -100 || d > 100 {
					t.Errorf("%s, %s: %v, want about %v", name, provider, got, c.want)
				}
			}
			if failure != c.dead {
				t.Errorf("%s, %s: error.type %q, want %q", name, provider, failure, c.dead)
			}
		}
	}
}
