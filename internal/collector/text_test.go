package collector

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/scenario"
)

// collectorSinks are the traces of a configuration: to every protocol of c.
func collectorSinks(c *otelcol) string {
	var sinks []string
	for _, protocol := range []string{grpcProtocol, httpProtocol, jsonProtocol} {
		sinks = append(sinks, fmt.Sprintf("{otlp: {endpoint: %q, protocol: %s}}", "http://"+c.address(protocol), protocol))
	}
	return strings.Join(sinks, ", ")
}

// checkPrinted checks that c has printed every span once for each protocol, and returns those of the first.
func checkPrinted(t *testing.T, c *otelcol, g *scenario.Gateway) []span {
	t.Helper()
	times := map[string]int{}
	var first []span
	for _, s := range c.output()[0].spans {
		if times[s.id]++; times[s.id] == 1 {
			first = append(first, s)
		}
	}
	for id, n := range times {
		if n != 3 {
			t.Errorf("span %s was printed %d times, want once for each protocol", id, n)
		}
	}
	for _, st := range g.Pipeline.Stats() {
		if st.Exported != st.Accepted || st.Accepted > int64(len(times)) {
			t.Errorf("%+v, want all exported; %d spans were printed", st, len(times))
		}
	}
	return first
}

// Prompts of 128 KB, captured, reach a stock Collector, whose gRPC takes 4 MiB, over every protocol: no request is larger
// than 3 MiB.
func TestLargePrompts(t *testing.T) {
	const calls = 40
	c, r, p := startOtelcol(t, nil), &receiver{}, startProvider(t)
	at := r.serve(t, grpcProtocol, nil)
	g := scenario.Start(t, gatewayConf(p.URL, fmt.Sprintf("{capture: messages, traces: [%s, {otlp: %q, queue: 64MiB}]}", collectorSinks(c), "http://"+at)))
	block := strings.Repeat("lorem ipsum ", 64<<10/12)
	load(t, calls, chat(t, "llama3.2", block, block), func(int) {}, g.URL)
	exportAll(t, g, 3*calls)
	spans := checkPrinted(t, c, g)
	if len(spans) != 3*calls {
		t.Errorf("%d spans were printed, want %d", len(spans), 3*calls)
	}
	for _, s := range spans {
		if s.attrs["gen_ai.operation.name"] != "" && strings.Count(s.attrs["gen_ai.input.messages"], block) != 2 {
			t.Errorf("the prompt is not whole: %d bytes", len(s.attrs["gen_ai.input.messages"]))
		}
	}
	if a := r.account(); len(a.spans) != 3*calls || a.largest > 3<<20 || a.largest < 256<<10 {
		t.Errorf("%d spans arrived, the largest request has %d bytes", len(a.spans), a.largest)
	}
}

// A trace of more text than a request may hold arrives, cut and marked.
func TestHugeTraces(t *testing.T) {
	c, p := startOtelcol(t, nil), startProvider(t)
	g := scenario.Start(t, gatewayConf(p.URL, fmt.Sprintf("{capture: messages, traces: [%s]}", collectorSinks(c))))
	client := newClient(t)
	long := strings.Repeat("lorem ipsum ", 100)
	many := make([]string, 4<<20/len(long))
	for i := range many {
		many[i] = long
	}
	bodies := [][]byte{
		chat(t, "llama3.2", many...),
		chat(t, "llama3.2", strings.Repeat("x", 5<<20)),
		chat(t, strings.Repeat("m", 5<<20), "Hi"),
		bytes.Replace(chat(t, "llama3.2", "Hi"), []byte(`{`), []byte(`{"stop":["`+strings.Repeat("s", 5<<20)+`"],`), 1),
	}
	for i, body := range bodies {
		if status, err := post(t.Context(), client, g.URL+"/ollama", body); err != nil || status != http.StatusOK {
			t.Errorf("call %d: %d, %v", i, status, err)
		}
	}
	handedOver(t, g, int64(3*len(bodies)))
	// Of the first two, what is captured has a bound of its own, well below that of a request.
	if n := scrape(t, client, g.Admin).sum("spanway_telemetry_truncated_total"); n != 2 {
		t.Errorf("/metrics counts %v truncated traces, want the last two", n)
	}
	exportAll(t, g, int64(3*len(bodies)))
	spans := checkPrinted(t, c, g)
	if len(spans) != 3*len(bodies) {
		t.Errorf("%d spans were printed, want %d", len(spans), 3*len(bodies))
	}
	cut := map[string]bool{}
	for _, s := range spans {
		if s.attrs["spanway.truncated"] == "Bool(true)" {
			cut[s.trace] = true
		}
	}
	if len(cut) != len(bodies) {
		t.Errorf("%d traces say that they were cut, want %d", len(cut), len(bodies))
	}
}

// Text that is not UTF-8 costs no span, wherever a client or a provider puts it.
func TestInvalidText(t *testing.T) {
	const bad = "a\xff\xfe\xc3(b"
	c, p := startOtelcol(t, nil), startProvider(t)
	g := scenario.Start(t, gatewayConf(p.URL, fmt.Sprintf("{capture: messages, traces: [%s]}", collectorSinks(c))))
	client := newClient(t)
	raw := func(s string) []byte {
		return []byte(`{"model":"` + s + `","messages":[{"role":"user","content":"` + s + `"}]}`)
	}
	tests := []struct {
		target string
		body   []byte
		header []string
	}{
		{"/ollama", raw(bad), nil},
		{"/ollama", raw(`a\ud800b`), nil},
		{"/ollama", raw("m"), []string{"User-Agent", bad}},
		{"/ollama", raw("m"), []string{"Baggage", "k=" + bad, "Tracestate", "k=" + bad, "Traceparent", "00-" + callerTrace + "-" + callerSpan + "-01"}},
		{"/ollama?q=%ff%fe&key=" + bad, raw("m"), nil},
		{"/ollama/%ff%fe", raw("m"), nil},
		{"/%c3%28", raw("m"), nil},
		{"/ollama", []byte(bad), nil},
	}
	for _, tt := range tests {
		if _, err := post(t.Context(), client, g.URL+tt.target, tt.body, tt.header...); err != nil {
			t.Errorf("%q: %v", tt.target, err)
		}
	}
	g.Traces(t, len(tests))
	// What comes after must arrive too: a Collector refuses a whole request for one bad string.
	if status, err := post(t.Context(), client, g.URL+"/ollama", raw("m")); err != nil || status != http.StatusOK {
		t.Errorf("the last call: %d, %v", status, err)
	}
	exportAll(t, g, int64(len(tests)+1))
	servers := 0
	for _, s := range checkPrinted(t, c, g) {
		if s.kind == "Server" {
			servers++
		}
	}
	if servers != len(tests)+1 {
		t.Errorf("%d calls were printed, want %d", servers, len(tests)+1)
	}
}
