package xds

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/ir"
)

// TestUnionPlanned: a call for a host that was planned before finds its route where Envoy looks for it after a change, wherever the host's
// routes have gone.
func TestUnionPlanned(t *testing.T) {
	build := func(routes ...string) *Resources {
		t.Helper()
		g := &ir.Gateway{Listeners: []ir.Listener{{Name: "l", Address: "127.0.0.1:1"}},
			Backends: []ir.Backend{{Name: "ai", Provider: "openai"}, {Name: "app", Provider: "http", URL: "http://app"}}}
		for _, r := range routes {
			name, hosts, _ := strings.Cut(r, "@")
			c := ir.Route{Name: name, Groups: [][]ir.Target{{{Backend: "ai", Weight: 1}}}}
			if hosts != "" {
				c.Match.Hosts = strings.Split(hosts, ",")
			}
			if strings.HasPrefix(name, "app") {
				c.Groups[0][0].Backend = "app"
			}
			g.Routes = append(g.Routes, c)
		}
		r, err := Build(g, Options{Processor: "unix:p", Roots: "ca.pem", ADS: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// Where a host's calls look, the names there.
	seen := func(table *routev3.RouteConfiguration, domain string) string {
		v := find(byDomain(table), domain)
		var names []string
		for name := range planned(v) {
			names = append(names, name)
		}
		slices.Sort(names)
		return fmt.Sprint(v.GetName(), names)
	}
	for _, x := range []struct {
		old, now []string
		want     map[string]string
	}{
		{[]string{"a"}, []string{"b"}, map[string]string{"x": "*[a b]"}},
		{[]string{"a", "app@app.x"}, []string{"a", "app@app.x"}, map[string]string{"x": "*[a]", "app.x": "app.x[a app]"}},
		{[]string{"a@a.x", "app@*.x"}, []string{"b@b.x", "app@*.x"}, map[string]string{
			"a.x": "*.x[a app]", "b.x": "b.x[app b]", "d": "*[]"}},
		{[]string{"a", "b"}, []string{"app@a.x", "b@*.x"}, map[string]string{"a.x": "a.x[a app b]", "y.x": "*.x[a b]", "d": "*[a b]"}},
		{[]string{"app@a.x", "b@*.x"}, []string{"a", "b"}, map[string]string{"a.x": "*[a app b]"}},
		{[]string{"a@a.x", "b@B.x", "c@*.x", "d@y", "e"}, []string{"a@a.x", "b@b.x", "c@*.x", "d@y", "e", "app@app.x"}, map[string]string{
			"a.x": "a.x[a c e]", "b.x": "b.x[b c e]", "app.x": "app.x[app c e]", "z.x": "*.x[a b c e]", "y": "y[d e]", "z": "*[a b c d e]"}},
	} {
		got := union(build(x.now...), build(x.old...)).Routes[0]
		for domain, want := range x.want {
			if at := seen(got, domain); at != want {
				t.Errorf("from %v to %v: calls for %s find %s, want %s", x.old, x.now, domain, at, want)
			}
		}
	}
}

// TestUnionSize: routes of many hosts, of which one is not the pipeline's only for a while, take no more than twice their room.
func TestUnionSize(t *testing.T) {
	build := func(backend string) *Resources {
		g := &ir.Gateway{Listeners: []ir.Listener{{Name: "l", Address: "127.0.0.1:1"}},
			Backends: []ir.Backend{{Name: "ai", Provider: "openai"}, {Name: "app", Provider: "http", URL: "http://app"}}}
		for i := range 1000 {
			g.Routes = append(g.Routes, ir.Route{Name: fmt.Sprint("r", i), Match: ir.Match{Hosts: []string{fmt.Sprintf("r%d.x", i)}},
				Groups: [][]ir.Target{{{Backend: "ai", Weight: 1}}}})
		}
		g.Routes[7].Groups[0][0].Backend = backend
		r, err := Build(g, Options{Processor: "unix:p", Roots: "ca.pem", ADS: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	together, apart := build("ai"), build("app")
	both := proto.Size(together.Routes[0]) + proto.Size(apart.Routes[0])
	for name, u := range map[string]*Resources{"together, then apart": union(apart, together), "apart, then together": union(together, apart)} {
		if size := proto.Size(u.Routes[0]); size > both {
			t.Errorf("%s: %d bytes, more than the %d of both", name, size, both)
		}
	}
}
