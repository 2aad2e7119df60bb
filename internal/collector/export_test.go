package collector

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/scenario"
)

// caller is the trace context that a client sends (W3C Trace Context, traceparent).
const (
	callerTrace = "0af7651916cd43dd8448eb211c80319c"
	callerSpan  = "b7ad6b7169203331"
)

// gatewayConf is a gateway with the route of the first example and this telemetry, an inline YAML mapping.
func gatewayConf(provider, telemetry string) string {
	return fmt.Sprintf(`listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  local: {provider: ollama, url: %q}
routes:
  - {name: ollama, match: {path: /ollama}, to: local}
telemetry: %s
`, provider, telemetry)
}

// The Collector prints one whole trace of a call and its metrics, over every protocol and however they get there. The export
// interval is so long that all of it comes when the gateway stops.
func TestCollectorShowsTheCall(t *testing.T) {
	tls := newAuthority(t)
	plain, secure := startOtelcol(t, nil), startOtelcol(t, tls)
	withTLS := fmt.Sprintf(", tls: {ca: %q, cert: %q, key: %q}", tls.ca, tls.clientCert, tls.clientKey)
	for _, protocol := range []string{grpcProtocol, httpProtocol, jsonProtocol} {
		sink := func(scheme, address, more string) string {
			return fmt.Sprintf("{endpoint: %q, protocol: %s%s}", scheme+address, protocol, more)
		}
		name := strings.ReplaceAll(protocol, "/", "-")
		for how, otlp := range map[string]string{
			"plain": sink("http://", plain.address(protocol), ""),
			"gzip":  sink("http://", plain.address(protocol), ", compression: gzip"),
			"tls":   sink("https://", secure.address(protocol), withTLS+", compression: gzip"),
		} {
			t.Run(protocol+" "+how, func(t *testing.T) {
				service := name + "-" + how
				conf := fmt.Sprintf("{service: %s, traces: [{otlp: %s, interval: 1h}], metrics: {otlp: %s}}", service, otlp, otlp)
				c := plain
				if how == "tls" {
					c = secure
				}
				checkCall(t, c, service, conf)
			})
		}
		t.Run(protocol+" environment", func(t *testing.T) {
			service := name + "-environment"
			checkCall(t, plain, service, "{}", "OTEL_SERVICE_NAME="+service, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+plain.address(protocol))
		})
	}
	t.Run("environment tls", func(t *testing.T) {
		checkCall(t, secure, "environment-tls", "{}", "OTEL_SERVICE_NAME=environment-tls",
			"OTEL_EXPORTER_OTLP_ENDPOINT=https://"+secure.HTTP, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
			"OTEL_EXPORTER_OTLP_CERTIFICATE="+tls.ca, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="+tls.clientCert,
			"OTEL_EXPORTER_OTLP_CLIENT_KEY="+tls.clientKey)
	})
}

// checkCall runs a gateway for one call, and checks what c printed of it.
func checkCall(t *testing.T, c *otelcol, service, telemetry string, env ...string) {
	t.Parallel()
	p := startProvider(t)
	g := startGateway(t, gatewayConf(p.URL, telemetry), env...)
	status, err := post(t.Context(), newClient(t), g.URL+"/ollama", chat(t, "llama3.2", "Hi"),
		"Traceparent", "00-"+callerTrace+"-"+callerSpan+"-01")
	if err != nil || status != http.StatusOK {
		t.Fatalf("the call: %d, %v", status, err)
	}
	g.stop()
	if !strings.Contains(g.traces, c.GRPC) && !strings.Contains(g.traces, c.HTTP) {
		t.Errorf("the gateway says that traces go to %q", g.traces)
	}
	out := c.output()[0].of(service)
	if len(out.spans) != 3 {
		t.Fatalf("the Collector printed %d spans, want 3: %+v", len(out.spans), out.spans)
	}
	byKind := func(kind, operation string) *span {
		for i := range out.spans {
			if s := &out.spans[i]; s.kind == kind && s.attrs["gen_ai.operation.name"] == operation {
				return s
			}
		}
		t.Fatalf("no %s span in %+v", kind, out.spans)
		return nil
	}
	server, call, attempt := byKind("Server", ""), byKind("Client", "Str(chat)"), byKind("Client", "")
	for what, pair := range map[string][2]string{
		"name of the call":       {call.name, "chat llama3.2"},
		"name of the server":     {server.name, "POST /ollama"},
		"name of the attempt":    {attempt.name, "POST"},
		"request model":          {call.attrs["gen_ai.request.model"], "Str(llama3.2)"},
		"response model":         {call.attrs["gen_ai.response.model"], "Str(llama3.2)"},
		"input tokens":           {call.attrs["gen_ai.usage.input_tokens"], "Int(1)"},
		"finish reasons":         {call.attrs["gen_ai.response.finish_reasons"], `Slice(["stop"])`},
		"parent of the server":   {server.parent, callerSpan},
		"parent of the call":     {call.parent, server.id},
		"parent of the attempt":  {attempt.parent, call.id},
		"what goes upstream":     {p.header().Get("Traceparent"), "00-" + callerTrace + "-" + attempt.id + "-01"},
		"attempt, status code":   {attempt.attrs["http.response.status_code"], "Int(200)"},
		"server's response code": {server.attrs["http.response.status_code"], "Int(200)"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
	for _, s := range out.spans {
		if s.trace != callerTrace || s.scope != "spanway" || s.status != "Unset" || s.id == "" {
			t.Errorf("span %+v: want the caller's trace, scope spanway and status Unset", s)
		}
	}
	checkMetrics(t, out)
}

// checkMetrics checks the metrics of one call.
func checkMetrics(t *testing.T, out *printed) {
	t.Helper()
	for _, m := range []string{"gen_ai.client.operation.duration", "spanway.gateway.overhead"} {
		if p := out.with(m, "", ""); len(p) != 1 || p[0].count != 1 || p[0].sum <= 0 {
			t.Errorf("%s: %+v, want one call", m, p)
		}
	}
	for kind, sum := range map[string]float64{"input": 1, "output": outputTokens} {
		p := out.with("gen_ai.client.token.usage", "gen_ai.token.type", "Str("+kind+")")
		if len(p) != 1 || p[0].count != 1 || p[0].sum != sum || p[0].attrs["gen_ai.request.model"] != "Str(llama3.2)" {
			t.Errorf("%s tokens: %+v, want %v once", kind, p, sum)
		}
	}
	for state, n := range map[string]int64{"exported": 3, "dropped": 0, "failed": 0} {
		if p := out.with("spanway.telemetry.spans", "state", "Str("+state+")"); len(p) != 1 || p[0].value != n {
			t.Errorf("spans %s: %+v, want %d", state, p, n)
		}
	}
}

// Headers reach the receiver, those of the configuration and those of the environment, which no sink of the configuration
// gets.
func TestHeaders(t *testing.T) {
	p := startProvider(t)
	call := func(t *testing.T, telemetry string, env ...string) {
		t.Helper()
		g := startGateway(t, gatewayConf(p.URL, telemetry), env...)
		status, err := post(t.Context(), newClient(t), g.URL+"/ollama", chat(t, "llama3.2", "Hi"))
		if err != nil || status != http.StatusOK {
			t.Fatalf("the call: %d, %v", status, err)
		}
		g.stop()
	}
	check := func(t *testing.T, r *receiver, name, value string) {
		t.Helper()
		a := r.account()
		if len(a.spans) != 3 {
			t.Errorf("%d spans arrived, want 3", len(a.spans))
		}
		got := append(a.header[name], a.header[http.CanonicalHeaderKey(name)]...)
		if strings.Join(got, ", ") != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	t.Run("configuration", func(t *testing.T) {
		var sinks []string
		receivers := map[string]*receiver{}
		for _, protocol := range []string{grpcProtocol, httpProtocol, jsonProtocol} {
			r := &receiver{}
			receivers[protocol] = r
			sinks = append(sinks, fmt.Sprintf("{otlp: {endpoint: %q, protocol: %s, headers: {x-tenant: %q}}, interval: 1h}",
				"http://"+r.serve(t, protocol, nil), protocol, "of "+protocol))
		}
		call(t, "{traces: ["+strings.Join(sinks, ", ")+"]}", "OTEL_EXPORTER_OTLP_HEADERS=x-secret=1")
		for protocol, r := range receivers {
			check(t, r, "x-tenant", "of "+protocol)
			check(t, r, "x-secret", "")
		}
	})
	t.Run("environment", func(t *testing.T) {
		r := &receiver{}
		call(t, "{}", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://"+r.serve(t, httpProtocol, nil)+"/v1/traces",
			"OTEL_EXPORTER_OTLP_HEADERS=x-tenant=a%20b,x-other=c")
		check(t, r, "x-tenant", "a b")
		check(t, r, "x-other", "c")
	})
}

// A call that is not sampled is measured and not exported.
func TestSampledOut(t *testing.T) {
	r := &receiver{}
	p := startProvider(t)
	g := scenario.Start(t, gatewayConf(p.URL, fmt.Sprintf("{traces: [{otlp: %q}]}", "http://"+r.serve(t, grpcProtocol, nil))))
	client := newClient(t)
	for _, flags := range []string{"00", "01"} {
		status, err := post(t.Context(), client, g.URL+"/ollama", chat(t, "llama3.2", "Hi"),
			"Traceparent", "00-"+callerTrace+"-"+callerSpan+"-"+flags)
		if err != nil || status != http.StatusOK {
			t.Fatalf("the call: %d, %v", status, err)
		}
	}
	g.Traces(t, 2)
	handedOver(t, g, 3)
	if n := scrape(t, client, g.Admin).sum("gen_ai_client_operation_duration_seconds_count"); n != 2 {
		t.Errorf("%v calls are measured, want 2", n)
	}
	if st := exportAll(t, g, 3)[0]; st.Accepted != 3 || st.Exported != 3 || len(r.account().spans) != 3 {
		t.Errorf("%+v, %d arrived; want the 3 spans of one call", st, len(r.account().spans))
	}
}
