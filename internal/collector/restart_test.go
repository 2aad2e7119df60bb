package collector

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/scenario"
)

// A Collector that is killed in the middle and started again gets every span: what it has printed, it was sent; what it was
// sent and did not answer, it gets again.
func TestCollectorKilled(t *testing.T) {
	const before, after = 300, 100
	const calls = before + after
	protocols := []string{grpcProtocol, httpProtocol, jsonProtocol}
	var collectors []*otelcol
	var sinks []string
	for _, protocol := range protocols {
		c := startOtelcol(t, nil)
		collectors = append(collectors, c)
		sinks = append(sinks, fmt.Sprintf("{otlp: {endpoint: %q, protocol: %s}, interval: 50ms}", "http://"+c.address(protocol), protocol))
	}
	provider := startProvider(t)
	g := scenario.Start(t, gatewayConf(provider.URL, "{traces: ["+strings.Join(sinks, ", ")+"]}"))
	body := chat(t, "llama3.2", "Hi")
	load(t, before, body, func(i int) {
		if i == before/2 {
			for _, c := range collectors {
				c.kill()
			}
		}
	}, g.URL)
	for _, c := range collectors {
		c.run()
	}
	load(t, after, body, func(int) {}, g.URL)
	all := exportAll(t, g, 3*calls)
	for i, c := range collectors {
		t.Run(protocols[i], func(t *testing.T) {
			if st := all[i]; st.Exported != 3*calls {
				t.Errorf("%+v, want all of %d exported", st, 3*calls)
			}
			runs := c.output()
			printed := map[string]bool{}
			for _, s := range runs[0].spans {
				printed[s.id] = true
			}
			first, again := len(printed), 0
			for _, s := range runs[1].spans {
				if printed[s.id] && s.batch != 1 {
					t.Errorf("span %s was printed twice, and not because its answer was lost", s.id)
				}
				if printed[s.id] {
					again++
				}
				printed[s.id] = true
			}
			t.Logf("printed before %d, in all %d, twice %d", first, len(printed), again)
			if len(printed) != 3*calls || first == 0 || first == 3*calls {
				t.Errorf("%d spans were printed before and %d in all, want some and then all of %d", first, len(printed), 3*calls)
			}
		})
	}
}

// A Collector whose memory limiter refuses what comes gets all of it once it has memory.
func TestCollectorShortOfMemory(t *testing.T) {
	const calls = 100
	for _, protocol := range []string{grpcProtocol, httpProtocol} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := &otelcol{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", t: t, limited: true}
			c.run()
			provider := startProvider(t)
			g := scenario.Start(t, gatewayConf(provider.URL, fmt.Sprintf("{traces: [{otlp: {endpoint: %q, protocol: %s}, interval: 20ms}]}",
				"http://"+c.address(protocol), protocol)))
			load(t, calls, chat(t, "llama3.2", "Hi"), func(int) {}, g.URL)
			handedOver(t, g, 3*calls)
			if st := g.Pipeline.Stats()[0]; st.Exported != 0 || st.Failed != 0 || st.Dropped != 0 {
				t.Errorf("while the Collector has no memory: %+v, want all to wait", st)
			}
			c.kill()
			c.limited = false
			c.run()
			if st := exportAll(t, g, 3*calls)[0]; st.Exported != 3*calls {
				t.Errorf("%+v, want all of %d exported", st, 3*calls)
			}
			if runs := c.output(); len(runs[0].spans) != 0 || len(runs[1].spans) != 3*calls {
				t.Errorf("%d and %d spans were printed, want none and then %d", len(runs[0].spans), len(runs[1].spans), 3*calls)
			}
		})
	}
}

// What is lost because the receiver of traces hangs to the end is told to that of metrics.
func TestLossIsReported(t *testing.T) {
	c, provider := startOtelcol(t, nil), startProvider(t)
	hung := startLink(t, scenario.Free(t), hanging)
	g := scenario.Start(t, gatewayConf(provider.URL, fmt.Sprintf("{traces: [{otlp: %q}], metrics: {otlp: %q}}",
		"http://"+hung.address, "http://"+c.GRPC)))
	load(t, 10, chat(t, "llama3.2", "Hi"), func(int) {}, g.URL)
	handedOver(t, g, 30)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := g.Pipeline.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	for state, n := range map[string]int64{"exported": 0, "dropped": 30, "failed": 0} {
		p := c.output()[0].with("spanway.telemetry.spans", "state", "Str("+state+")")
		if len(p) != 1 || p[0].value != n {
			t.Errorf("spans %s: %+v, want %d", state, p, n)
		}
	}
}

// Telemetry that ends while its receiver is slow exports what it can within its bound, and counts the rest.
func TestSlowShutdown(t *testing.T) {
	for _, protocol := range []string{grpcProtocol, httpProtocol} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			const (
				calls = 40
				bound = 2500 * time.Millisecond
			)
			r := &receiver{}
			r.become(second)
			provider := startProvider(t)
			g := scenario.Start(t, gatewayConf(provider.URL, fmt.Sprintf("{capture: messages, traces: [{otlp: {endpoint: %q, protocol: %s}, interval: 1h}]}",
				"http://"+r.serve(t, protocol, nil), protocol)))
			block := strings.Repeat("x", 60<<10)
			load(t, calls, chat(t, "llama3.2", block, block), func(int) {}, g.URL)
			handedOver(t, g, 3*calls)
			ctx, cancel := context.WithTimeout(t.Context(), bound)
			defer cancel()
			begin := time.Now()
			_ = g.Pipeline.Shutdown(ctx) // the metrics reader may say that the time is over
			if d := time.Since(begin); d > bound+2*time.Second {
				t.Errorf("it took %v of %v", d, bound)
			}
			st := g.Pipeline.Stats()[0]
			exact(t, st)
			if st.Exported == 0 || st.Dropped == 0 {
				t.Errorf("%+v, want some exported and some not", st)
			}
			// The answer to the last export may have been on its way.
			if n := int64(len(r.account().spans)); n < st.Exported {
				t.Errorf("%d spans arrived, %+v", n, st)
			}
		})
	}
}
