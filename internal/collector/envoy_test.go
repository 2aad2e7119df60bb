package collector

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestEnvoyAndSpanwayShareATrace has Envoy carry a call and record its SERVER span: the Collector prints it above Spanway's spans,
// once, over every protocol that Envoy has. Where Envoy does not trace, Spanway's own SERVER span is there.
func TestEnvoyAndSpanwayShareATrace(t *testing.T) {
	c := startOtelcol(t, nil)
	for _, tt := range []struct{ name, tracing string }{
		{"grpc", fmt.Sprintf("tracing: {endpoint: %q, serviceName: edge-grpc, attributes: [{name: team, literal: blue}]}", "http://"+c.GRPC)},
		{"http", fmt.Sprintf("tracing: {endpoint: %q, protocol: http, serviceName: edge-http}", "http://"+c.HTTP)},
		{"upstream", fmt.Sprintf("tracing: {endpoint: %q, serviceName: edge-upstream, spawnUpstreamSpan: true}", "http://"+c.GRPC)},
		{"none", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startProvider(t)
			conf := gatewayConf(p.URL, fmt.Sprintf("{service: ours-%s, traces: [{otlp: {endpoint: %q}, interval: 1h}]}", tt.name, "http://"+c.GRPC)) +
				"envoy: {" + tt.tracing + "}\n"
			g := startGatewayAs(t, []string{"--data-plane", "envoy"}, conf, "ENVOY="+programs.envoy)
			callThrough(t, g, "01")
			g.stop()
			out := c.output()[0]
			ours, edge := out.of("ours-"+tt.name), out.of("edge-"+tt.name)
			if tt.tracing == "" {
				edge = ours
			}
			server := only(t, edge, "Server", "")
			call, attempt := only(t, ours, "Client", "chat llama3.2"), only(t, ours, "Client", "POST")
			for what, pair := range map[string][2]string{
				"parent of the server":  {server.parent, callerSpan},
				"parent of the call":    {call.parent, server.id},
				"parent of the attempt": {attempt.parent, call.id},
				"traces":                {server.trace + call.trace + attempt.trace, strings.Repeat(callerTrace, 3)},
				"what goes upstream":    {p.header().Get("Traceparent"), "00-" + callerTrace + "-" + attempt.id + "-01"},
				"output tokens":         {call.attrs["gen_ai.usage.output_tokens"], "Int(3)"},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
				}
			}
			want := map[string]int{"grpc": 2, "http": 2, "upstream": 2, "none": 3}[tt.name]
			if len(ours.spans) != want {
				t.Errorf("Spanway exported %d spans, want %d: %+v", len(ours.spans), want, ours.spans)
			}
			if tt.name == "grpc" && server.attrs["team"] != "Str(blue)" {
				t.Errorf("Envoy's span has the attributes %v", server.attrs)
			}
			if tt.name == "upstream" && len(edge.spans) != 2 {
				t.Errorf("Envoy exported %d spans, want its SERVER and its upstream span", len(edge.spans))
			}
		})
	}
}

// TestEnvoyFollowsTheCaller exports nothing of a call whose caller did not sample it.
func TestEnvoyFollowsTheCaller(t *testing.T) {
	c, p := startOtelcol(t, nil), startProvider(t)
	conf := gatewayConf(p.URL, fmt.Sprintf("{service: ours, traces: [{otlp: %q}]}", "http://"+c.GRPC)) +
		fmt.Sprintf("envoy: {tracing: {endpoint: %q, serviceName: edge}}\n", "http://"+c.GRPC)
	g := startGatewayAs(t, []string{"--data-plane", "envoy"}, conf, "ENVOY="+programs.envoy)
	callThrough(t, g, "00")
	g.stop()
	if out := c.output()[0]; len(out.spans) != 0 {
		t.Errorf("the Collector printed %+v", out.spans)
	}
	if sent := p.header().Get("Traceparent"); !strings.HasPrefix(sent, "00-"+callerTrace) || !strings.HasSuffix(sent, "-00") {
		t.Errorf("the provider got %q", sent)
	}
}

// callThrough makes one call with the caller's context and these trace flags.
func callThrough(t *testing.T, g *gateway, flags string) {
	t.Helper()
	status, err := post(t.Context(), newClient(t), g.URL+"/ollama", chat(t, "llama3.2", "Hi"),
		"Traceparent", "00-"+callerTrace+"-"+callerSpan+"-"+flags)
	if err != nil || status != http.StatusOK {
		t.Fatalf("the call: %d, %v", status, err)
	}
}

// only is the one span of a kind, and of a name unless that is "".
func only(t *testing.T, out *printed, kind, name string) *span {
	t.Helper()
	var found *span
	for i := range out.spans {
		s := &out.spans[i]
		if s.kind != kind || name != "" && s.name != name {
			continue
		}
		if found != nil {
			t.Fatalf("two %s spans %s in %+v", kind, name, out.spans)
		}
		found = s
	}
	if found == nil {
		t.Fatalf("no %s span %s in %+v", kind, name, out.spans)
	}
	return found
}
