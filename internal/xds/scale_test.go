package xds_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// large is a configuration as Kubernetes objects make it: n routes to a quarter as many backends, every tenth of a model. A third
// of the routes have a host of their own, a third one that they share, the others none.
func large(listen string, n int) *ir.Gateway {
	g := &ir.Gateway{Listeners: []ir.Listener{{Name: "http-80", Address: listen, Protocol: "http"}, {Name: "http-81", Address: "127.0.0.1:0", Protocol: "http"}},
		Limits: ir.Limits{Body: 10 << 20, Headers: 64 << 10, Connections: 10000}, Envoy: ir.Envoy{MessageTimeout: time.Minute}}
	backends := max(n/4, 1)
	for i := range backends {
		b := ir.Backend{Name: fmt.Sprintf("kube_default_app-%d_80", i), Provider: "http", URL: fmt.Sprintf("http://app-%d.default.svc.cluster.local:80", i),
			Endpoints: []string{"127.0.0.1:1", "127.0.0.1:2"}, Key: ir.Credential{Passthrough: true}, HTTP2: "auto"}
		if i%10 == 0 {
			b = ir.Backend{Name: fmt.Sprintf("ai/model-%d/0.a", i), Provider: "openai", URL: fmt.Sprintf("http://127.0.0.1:%d", 1+i), Key: ir.Credential{Value: "sk"}, HTTP2: "auto"}
		}
		g.Backends = append(g.Backends, b)
	}
	for i := range n {
		r := ir.Route{Name: fmt.Sprintf("default/route-%d/0", i), Match: ir.Match{Prefix: fmt.Sprintf("/app/%d", i)}, Groups: [][]ir.Target{{{Backend: g.Backends[i%backends].Name, Weight: 1}}},
			Rewrite: ir.Rewrite{KeepPath: true, KeepHost: true}, Retry: ir.Retry{Attempts: 3, On: []string{"429", "5xx", "connect", "reset", "timeout"}, BackoffBase: 5e7, BackoffMax: 2e9},
			Timeout: ir.Timeout{FirstByte: time.Minute, Idle: 2 * time.Minute}}
		switch i % 3 {
		case 0:
			r.Match.Hosts = []string{fmt.Sprintf("host-%d.example", i)}
		case 1:
			r.Match.Hosts = []string{"*.shared.example"}
		}
		g.Routes = append(g.Routes, r)
	}
	return g
}

// scaled are the options of large's configurations.
var scaled = xds.Options{Processor: "unix:processor.sock", ADS: true}

// BenchmarkBuild tells what a configuration of so many routes costs, and how many bytes Envoy is told.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{250, 500, 1000, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := large("127.0.0.1:80", n)
			b.ReportAllocs()
			var r *xds.Resources
			for b.Loop() {
				var err error
				if r, err = xds.Build(g, scaled); err != nil {
					b.Fatal(err)
				}
			}
			size := 0
			for _, t := range r.Routes {
				size += proto.Size(t)
			}
			b.ReportMetric(float64(size), "route-bytes")
		})
	}
}

// TestManyRoutes: Envoy takes one change in 2,000 routes to 500 backends at once.
func TestManyRoutes(t *testing.T) {
	f := startFleet(t)
	listen := free(t)
	g := large(listen, 2000)
	var whole, told []time.Duration
	for i := range 4 {
		g.Routes[1999] = answers("last", ir.Match{Exact: fmt.Sprintf("/last/%d", i)})
		start := time.Now()
		r, err := xds.Build(g, scaled)
		if err != nil {
			t.Fatal(err)
		}
		built := time.Now()
		if err := f.Publish(within(t, 2*patience), r); err != nil {
			t.Fatal(err)
		}
		whole, told = append(whole, time.Since(start)), append(told, time.Since(built))
		if code, body := status(t, fmt.Sprintf("http://%s/last/%d", listen, i)); code != http.StatusOK || body != "last" {
			t.Errorf("after change %d: %d %s", i, code, body)
		}
		if err := f.Prune(within(t, 2*patience)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("from the configuration to Envoy's answer by it: %v, of that from the resources on: %v (the first is Envoy's first)", whole, told)
}
