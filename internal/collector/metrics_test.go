package collector

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/scenario"
	"github.com/spanway/spanway/internal/telemetry"
)

// samples are the lines of /metrics.
type samples []sample

type sample struct {
	name, labels string // labels as written: a="b",c="d"
	value        float64
}

// scrape reads /metrics of the admin listener at address.
func scrape(t *testing.T, c *http.Client, address string) (out samples) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		s := sample{}
		at := strings.LastIndexByte(lines.Text(), ' ')
		s.name, s.labels, _ = strings.Cut(strings.TrimSuffix(lines.Text()[:max(at, 0)], "}"), "{")
		if s.value, err = strconv.ParseFloat(lines.Text()[at+1:], 64); err != nil {
			t.Errorf("%s: %v", lines.Text(), err)
		}
		out = append(out, s)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// sum adds the series of a name that have these labels, each name="value".
func (ss samples) sum(name string, labels ...string) (total float64) {
next:
	for _, s := range ss {
		if s.name != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(","+s.labels+",", ","+l+",") {
				continue next
			}
		}
		total += s.value
	}
	return total
}

// await waits until nothing is left to wait for; left says what is.
func await(t *testing.T, left func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		what := left()
		if what == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// exact checks that every span is counted once.
func exact(t *testing.T, st telemetry.SinkStats) {
	t.Helper()
	if st.Accepted != st.Exported+st.Dropped+st.Failed {
		t.Errorf("%s: %d spans came, %d are counted: %+v", st.Sink, st.Accepted, st.Exported+st.Dropped+st.Failed, st)
	}
}

// handedOver waits until the calls have handed over so many spans: a client has its answer a moment earlier.
func handedOver(t *testing.T, g *scenario.Gateway, spans int64) {
	t.Helper()
	await(t, func() string {
		for _, st := range g.Pipeline.Stats() {
			if st.Accepted < spans {
				return fmt.Sprintf("%+v, want %d accepted", st, spans)
			}
		}
		return ""
	})
}

// settle waits until the calls have handed over so many spans and it is known what became of each.
func settle(t *testing.T, g *scenario.Gateway, spans int64) {
	t.Helper()
	handedOver(t, g, spans)
	await(t, func() (open string) {
		for _, st := range g.Pipeline.Stats() {
			if st.Accepted != st.Exported+st.Dropped+st.Failed {
				open += fmt.Sprintf("%+v\n", st)
			}
		}
		return open
	})
}

// exportAll ends the gateway once its calls have handed over so many spans, and returns what became of them.
func exportAll(t *testing.T, g *scenario.Gateway, spans int64) []telemetry.SinkStats {
	t.Helper()
	settle(t, g, spans)
	if err := g.Shutdown(patience); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	all := g.Pipeline.Stats()
	for _, st := range all {
		exact(t, st)
	}
	return all
}

// usage is what a model was used for.
type usage struct {
	calls                int64
	input, output        float64
	inputCalls, outCalls int64
}

// What /metrics and the metrics over OTLP say is what the traces say.
func TestMetricsAgreeWithTraces(t *testing.T) {
	c, p := startOtelcol(t, nil), startProvider(t)
	otlp := fmt.Sprintf("{endpoint: %q}", "http://"+c.GRPC)
	g := startGateway(t, gatewayConf(p.URL, fmt.Sprintf("{traces: [{otlp: %s, interval: 50ms}], metrics: {otlp: %s}}", otlp, otlp)))
	client := newClient(t)
	calls := 0
	call := func(path string, want int, body []byte) {
		t.Helper()
		calls++
		if status, err := post(t.Context(), client, g.URL+path, body); err != nil || status != want {
			t.Fatalf("call %d: %d, %v; want %d", calls, status, err, want)
		}
	}
	for range 7 {
		call("/ollama", http.StatusOK, chat(t, "llama3.2", "Hi"))
	}
	for range 5 {
		call("/ollama", http.StatusOK, chat(t, "mistral", "Hi"))
	}
	call("/ollama", http.StatusInternalServerError, chat(t, "broken", "Hi"))
	call("/ollama", http.StatusBadRequest, []byte(`{"model":`))
	call("/nowhere", http.StatusNotFound, chat(t, "llama3.2", "Hi"))

	admin := strings.TrimPrefix(g.Admin, "http://")
	const operations = 13
	var page samples
	// Of every call the SERVER span; and of operations the call and its attempts, of which the broken one has three.
	spans := float64(calls + 2*operations + 2)
	await(t, func() string {
		page = scrape(t, client, admin)
		if n := page.sum("spanway_telemetry_spans_total", `state="exported"`); n != spans {
			return fmt.Sprintf("%v spans are exported, want %v", n, spans)
		}
		return ""
	})
	g.stop()
	out := c.output()[0].of("spanway")
	traced, measured, scraped := map[string]usage{}, map[string]usage{}, map[string]usage{}
	for i := range out.spans {
		if s := &out.spans[i]; s.attrs["gen_ai.operation.name"] != "" {
			model := plain(s.attrs["gen_ai.request.model"])
			u := traced[model]
			u.calls++
			if v, ok := s.attrs["gen_ai.usage.input_tokens"]; ok {
				u.input += number(t, v)
				u.inputCalls++
			}
			if v, ok := s.attrs["gen_ai.usage.output_tokens"]; ok {
				u.output += number(t, v)
				u.outCalls++
			}
			traced[model] = u
		}
	}
	for model := range traced {
		var u usage
		for _, p := range out.with("gen_ai.client.operation.duration", "gen_ai.request.model", "Str("+model+")") {
			u.calls += p.count
		}
		for _, p := range out.with("gen_ai.client.token.usage", "gen_ai.request.model", "Str("+model+")") {
			if p.attrs["gen_ai.token.type"] == "Str(input)" {
				u.input, u.inputCalls = u.input+p.sum, u.inputCalls+p.count
			} else {
				u.output, u.outCalls = u.output+p.sum, u.outCalls+p.count
			}
		}
		measured[model] = u
		of, in, out := fmt.Sprintf("gen_ai_request_model=%q", model), `gen_ai_token_type="input"`, `gen_ai_token_type="output"`
		const tokens = "gen_ai_client_token_usage"
		scraped[model] = usage{
			calls: int64(page.sum("gen_ai_client_operation_duration_seconds_count", of)),
			input: page.sum(tokens+"_sum", of, in), inputCalls: int64(page.sum(tokens+"_count", of, in)),
			output: page.sum(tokens+"_sum", of, out), outCalls: int64(page.sum(tokens+"_count", of, out)),
		}
	}
	want := map[string]usage{
		"llama3.2": {7, 1 + 2 + 3 + 4 + 5 + 6 + 7, 7 * outputTokens, 7, 7},
		"mistral":  {5, 8 + 9 + 10 + 11 + 12, 5 * outputTokens, 5, 5},
		"broken":   {calls: 1},
	}
	for what, got := range map[string]map[string]usage{"traces": traced, "OTLP metrics": measured, "/metrics": scraped} {
		if d := cmp.Diff(want, got, cmp.AllowUnexported(usage{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	var exported int64
	for _, p := range out.with("spanway.telemetry.spans", "state", "Str(exported)") {
		exported += p.value
	}
	if exported != int64(len(out.spans)) {
		t.Errorf("the metric says that %d spans were exported, the Collector printed %d", exported, len(out.spans))
	}
	for _, p := range out.with("gen_ai.client.operation.duration", "gen_ai.request.model", "Str(broken)") {
		if p.attrs["error.type"] == "" {
			t.Errorf("the failed call's duration has no error.type: %v", p.attrs)
		}
	}
}

// plain is a printed string's text.
func plain(v string) string { return strings.TrimSuffix(strings.TrimPrefix(v, "Str("), ")") }

// number is a printed integer.
func number(t *testing.T, v string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(v, "Int("), ")"), 64)
	if err != nil {
		t.Error(err)
	}
	return n
}
