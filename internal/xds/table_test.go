package xds_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// plainGateway has a listener, whose address it returns, and a plain server, app, that answers with what it was asked.
func plainGateway(t *testing.T) (g *ir.Gateway, listen string) {
	t.Helper()
	listen = free(t)
	g = load(t, []byte(fmt.Sprintf("listen: %s\nbackends: {app: {provider: http, url: %q, key: passthrough}}\nroutes: [{to: app}]\n", listen, asked(t))))
	g.Routes = nil
	return g, listen
}

// asked is the URL of a server that answers with the first line and the host of requests.
func asked(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s for %s, %q", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-For"))
	})}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + ln.Addr().String()
}

// answers is a route that answers with its name.
func answers(name string, m ir.Match, listeners ...string) ir.Route {
	r := ir.Route{Name: name, Match: m, Direct: &ir.Direct{Status: http.StatusOK, Body: name}}
	if len(listeners) > 0 {
		r.Listeners = listeners
	}
	return r
}

// say sends the lines of a head as they are, and returns the status, the header and the body of the answer.
func say(t *testing.T, address string, lines ...string) (int, http.Header, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(strings.Join(lines, "\r\n") + "\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body.String()
}

// TestPrecedence: the most specific host's routes are tried first, then those of less specific ones, in each the most specific match;
// each listener has its own. It holds for virtual hosts, and for the one list that there is in their place where they would be too large.
func TestPrecedence(t *testing.T) {
	g, one := plainGateway(t)
	two := free(t)
	g.Listeners[0].Name = "one"
	g.Listeners = append(g.Listeners, ir.Listener{Name: "a.b/ü 100%", Address: two, Protocol: "http"})
	long := strings.Repeat("n/ä.%", 50)
	g.Routes = []ir.Route{
		answers("rest", ir.Match{}),
		answers("wide", ir.Match{Hosts: []string{"*.example"}, Prefix: "/wide"}),
		answers("narrow", ir.Match{Hosts: []string{"*.b.example"}, Prefix: "/narrow/"}),
		answers("exact", ir.Match{Hosts: []string{"A.b.example", "*.example"}, Prefix: "/exact"}),
		answers("method", ir.Match{Prefix: "/exact", Methods: []string{"PUT"}, Hosts: []string{"a.b.example"}}),
		answers("header", ir.Match{Prefix: "/exact", Headers: []ir.HeaderMatch{{Name: "X-A", Exact: "1"}}}),
		answers("query", ir.Match{Prefix: "/q", Query: []ir.HeaderMatch{{Name: "a", Exact: "1"}}}),
		answers("query regex", ir.Match{Prefix: "/q", Query: []ir.HeaderMatch{{Name: "a", Regex: "x+"}, {Name: "b"}}}),
		answers("first", ir.Match{Exact: "/same"}),
		answers("second", ir.Match{Exact: "/same"}),
		answers("two", ir.Match{Prefix: "/two"}, "a.b/ü 100%"),
		answers(long, ir.Match{Prefix: "/long"}),
	}
	asks := []struct{ address, host, target, want string }{
		{one, "x", "/", "rest"},
		{one, "x.example", "/wide/1", "wide"},
		{one, "x.example", "/narrow", "rest"},
		{one, "x.b.example", "/narrow", "narrow"},
		{one, "x.b.example:81", "/wide", "wide"},
		{one, "x.b.example", "/exact", "exact"},
		{one, "A.B.Example:81", "/exact/", "exact"},
		{one, "a.b.example", "/narrow", "narrow"},
		{one, "a.b.example", "/wide", "wide"},
		{one, "a.b.example", "/other", "rest"},
		{one, "example", "/wide", "rest"},
		{one, "a.b.example", "PUT /exact", "method"},
		{one, "c.b.example", "PUT /exact", "exact"},
		{one, "x", "/q?a=1&a=2", "query"},
		{one, "x", "/q?b&a=xx", "query regex"},
		{one, "x", "/q?a=2", "rest"},
		{one, "x", "/qq?a=1", "rest"},
		{one, "x", "/same", "first"},
		{one, "x", "/two", "rest"},
		{two, "x", "/two", "two"},
		{two, "a.b.example", "/exact", "exact"},
		{one, "x", "/long", long},
	}
	f := startFleet(t)
	for _, form := range []string{"virtual hosts", "a list"} {
		if form == "a list" {
			for i := range 40 { // each with all that is below it
				g.Routes = append(g.Routes, answers("more", ir.Match{Hosts: []string{fmt.Sprintf("h%d.example", i)}}), answers("more", ir.Match{Prefix: fmt.Sprintf("/p%d", i)}))
			}
		}
		f.publish(t, g, xds.Options{})
		if r, err := xds.Build(g, xds.Options{ADS: true}); err != nil || (len(r.Routes[0].GetVirtualHosts()) == 1) != (form == "a list") {
			t.Errorf("%s: %d virtual hosts (%v)", form, len(r.Routes[0].GetVirtualHosts()), err)
		}
		for _, a := range asks {
			if !strings.Contains(a.target, " ") {
				a.target = "GET " + a.target
			}
			if code, _, body := say(t, a.address, a.target+" HTTP/1.1", "Host: "+a.host); code != http.StatusOK || body != a.want {
				t.Errorf("%s: %s for %s: %d %s, want %s", form, a.target, a.host, code, body, a.want)
			}
		}
	}
	if code, _, body := say(t, one, "GET /wide/%2e%2e/x HTTP/1.1", "Host: a.example"); code != http.StatusBadRequest || !strings.Contains(body, "invalid_path") {
		t.Errorf("a climbing path: %d %s", code, body)
	}
	g.Routes = g.Routes[1:]
	f.publish(t, g, xds.Options{})
	if code, _, body := say(t, one, "GET / HTTP/1.1", "Host: x"); code != http.StatusNotFound || !strings.Contains(body, "route_not_found") {
		t.Errorf("no route: %d %s", code, body)
	}
}

// TestRedirect: clients are sent where the Gateway API says.
func TestRedirect(t *testing.T) {
	g, listen := plainGateway(t)
	_, port, _ := net.SplitHostPort(listen)
	yes := func(s string) ir.Opt[string] { return ir.Opt[string]{V: s, Set: true} }
	for _, r := range []struct {
		m ir.Match
		d ir.Redirect
	}{
		{ir.Match{Prefix: "/scheme"}, ir.Redirect{Scheme: "https", Status: 301}},
		{ir.Match{Prefix: "/host"}, ir.Redirect{Host: "h.example", Status: 302}},
		{ir.Match{Prefix: "/port"}, ir.Redirect{Port: 8443, Scheme: "https", Status: 303}},
		{ir.Match{Prefix: "/known"}, ir.Redirect{Port: 80, Status: 307}},
		{ir.Match{Prefix: "/whole"}, ir.Redirect{Path: yes(`/new'%"\1`), Status: 308}},
		{ir.Match{Prefix: "/p.(x)'"}, ir.Redirect{Prefix: yes("/new/"), Scheme: "http", Status: 302}},
		{ir.Match{Prefix: "/cut"}, ir.Redirect{Prefix: yes("/"), Scheme: "http", Status: 302}},
		{ir.Match{Prefix: "/"}, ir.Redirect{Prefix: yes("/below"), Scheme: "http", Host: "100%", Status: 302}},
		{ir.Match{Exact: "/exact"}, ir.Redirect{Prefix: yes("/new"), Scheme: "http", Status: 302}},
	} {
		g.Routes = append(g.Routes, ir.Route{Name: r.m.Prefix + r.m.Exact, Match: r.m, Redirect: &r.d,
			ResponseHeaders: ir.HeaderEdits{Set: []ir.Header{{Name: "X-Set", Value: "1%"}}}})
	}
	f := startFleet(t)
	f.publish(t, g, xds.Options{})
	for _, a := range []struct{ host, target, want string }{
		{"x.example", "/scheme/a%20b?q=1&r", "301 https://x.example/scheme/a%20b?q=1&r"},
		{"X.example:8080", "/scheme", "301 https://X.example/scheme"},
		{"[::1]:8080", "/scheme", "301 https://[::1]/scheme"},
		{"x", "/host/", "302 http://h.example:" + port + "/host/"},
		{"x:1", "/port?", "303 https://x:8443/port?"},
		{"x:1", "/known", "307 http://x/known"},
		{"x", "/whole/all?q=/whole", "308 http://x:" + port + `/new'%"\1?q=/whole`},
		{"x", "/p.(x)'/a?b", "302 http://x/new/a?b"},
		{"x", "/p.(x)'", "302 http://x/new"},
		{"x", "/cut/a/b?c/d", "302 http://x/a/b?c/d"},
		{"x", "/cut", "302 http://x/"},
		{"x", "/cut/", "302 http://x/"},
		{"x", "/other?q", "302 http://100%/below/other?q"},
		{"x", "/exact?q", "302 http://x/new?q"},
	} {
		code, h, body := say(t, listen, "GET "+a.target+" HTTP/1.1", "Host: "+a.host)
		if got := fmt.Sprint(code, " ", h.Get("Location")); got != a.want || body != "" || h.Get("X-Set") != "1%" {
			t.Errorf("%s for %s: %s (%v %q), want %s", a.target, a.host, got, h, body, a.want)
		}
	}
}

// TestAnswer: a route's own answer comes as it is.
func TestAnswer(t *testing.T) {
	g, listen := plainGateway(t)
	long := strings.Repeat("100% ", 5000)
	g.Routes = []ir.Route{
		{Name: "long", Match: ir.Match{Prefix: "/long"}, Direct: &ir.Direct{Status: 200, Body: long}},
		{Name: "error", Match: ir.Match{Prefix: "/error"}, Direct: &ir.Direct{Status: 500, Body: "mine"},
			ResponseHeaders: ir.HeaderEdits{Set: []ir.Header{{Name: "Content-Type", Value: "application/problem+json"}}}},
		{Name: "bare", Match: ir.Match{Prefix: "/bare"}, Direct: &ir.Direct{Status: 404}},
		{Name: "few", Match: ir.Match{Prefix: "/few"}, Direct: &ir.Direct{Status: 204}, RateLimit: ir.RateLimit{Burst: 1, Fill: 1, Every: 3600e9}},
	}
	f := startFleet(t)
	f.publish(t, g, xds.Options{})
	for _, a := range []struct {
		path, kind, body string
		code             int
	}{
		{"/long", "text/plain", long, 200}, {"/error", "application/problem+json", "mine", 500}, {"/bare", "", "", 404}, {"/few", "", "", 204},
	} {
		code, h, body := say(t, listen, "GET "+a.path+" HTTP/1.1", "Host: x")
		if code != a.code || h.Get("Content-Type") != a.kind || body != a.body {
			t.Errorf("%s: %d %v %.100q, want %d %s %.100q", a.path, code, h, body, a.code, a.kind, a.body)
		}
	}
	if code, _, body := say(t, listen, "GET /few HTTP/1.1", "Host: x"); code != 429 || !strings.Contains(body, "rate_limit_exceeded") {
		t.Errorf("beyond the limit: %d %s", code, body)
	}
}

// TestRewrite: what a plain server is asked for.
func TestRewrite(t *testing.T) {
	g, listen := plainGateway(t)
	app := strings.TrimPrefix(g.Backends[0].URL, "http://")
	yes := func(s string) ir.Opt[string] { return ir.Opt[string]{V: s, Set: true} }
	for _, r := range []struct {
		m  ir.Match
		rw ir.Rewrite
	}{
		{ir.Match{Prefix: "/strip"}, ir.Rewrite{}},
		{ir.Match{Prefix: "/keep"}, ir.Rewrite{KeepPath: true, KeepHost: true}},
		{ir.Match{Prefix: "/whole"}, ir.Rewrite{Path: yes("/new"), Host: "h.example"}},
		{ir.Match{Prefix: "/prefix"}, ir.Rewrite{Prefix: yes("/new/")}},
		{ir.Match{Prefix: "/cut/"}, ir.Rewrite{Prefix: yes("/")}},
		{ir.Match{Prefix: "/cutempty"}, ir.Rewrite{Prefix: yes("")}},
		{ir.Match{Exact: "/exact"}, ir.Rewrite{Prefix: yes("/new")}},
		{ir.Match{Exact: "/exactkept"}, ir.Rewrite{KeepPath: true}},
		{ir.Match{Regex: "/r[0-9]+/.*"}, ir.Rewrite{}},
	} {
		g.Routes = append(g.Routes, ir.Route{Name: r.m.Prefix + r.m.Exact + r.m.Regex, Match: r.m, Rewrite: r.rw, Groups: [][]ir.Target{{{Backend: "app", Weight: 1}}}})
	}
	f := startFleet(t)
	f.publish(t, g, xds.Options{})
	for _, a := range []struct{ target, want string }{
		{"/strip/a%20b?q=/strip", "/a%20b?q=/strip for " + app},
		{"/strip", "/ for " + app},
		{"/keep/a//b?q", "/keep/a//b?q for x:1"},
		{"/whole/a?q=1", "/new?q=1 for h.example"},
		{"/prefix/a?q", "/new/a?q for " + app},
		{"/prefix", "/new for " + app},
		{"/prefix/", "/new/ for " + app},
		{"/cut/a", "/a for " + app},
		{"/cut", "/ for " + app},
		{"/cutempty/a/b", "/a/b for " + app},
		{"/exact?q", "/new?q for " + app},
		{"/exactkept?q", "/exactkept?q for " + app},
		{"/r1/x?q", "/r1/x?q for " + app},
	} {
		if code, _, body := say(t, listen, "GET "+a.target+" HTTP/1.1", "Host: x:1"); code != http.StatusOK || body != "GET "+a.want+`, ""` {
			t.Errorf("%s: %d %s, want %s", a.target, code, body, a.want)
		}
	}
}

// TestBroken: a broken backend's share of calls gets status 500, with a reason.
func TestBroken(t *testing.T) {
	g, listen := plainGateway(t)
	g.Backends = append(g.Backends, ir.Backend{Name: "gone", Provider: "http", Broken: "BackendNotFound"})
	g.Routes = []ir.Route{
		{Name: "half", Match: ir.Match{Prefix: "/half"}, Groups: [][]ir.Target{{{Backend: "gone", Weight: 1}, {Backend: "app", Weight: 1}}}},
		{Name: "all", Match: ir.Match{Prefix: "/all"}, Groups: [][]ir.Target{{{Backend: "gone", Weight: 1}}}},
	}
	f := startFleet(t)
	f.publish(t, g, xds.Options{})
	want := `{"error":{"message":"the backend gone cannot be used: BackendNotFound","type":"server_error","param":null,"code":"BackendNotFound"}}`
	if code, h, body := say(t, listen, "GET /all HTTP/1.1", "Host: x"); code != http.StatusInternalServerError || body != want || h.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s, want 500 %s", code, h, body, want)
	}
	seen := map[int]int{}
	for range 40 {
		code, _, _ := say(t, listen, "GET /half HTTP/1.1", "Host: x")
		seen[code]++
	}
	if len(seen) != 2 || seen[200] < 5 || seen[500] < 5 {
		t.Errorf("of two equal shares, one of them broken: %v", seen)
	}
}
