package scenario

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// stage is a scenario that is being played, and what came of it.
type stage struct {
	script    *script
	providers [2]*Upstream
	run       Running
	client    *http.Client
	given     []response
	sent      []string // the bodies of the last answers, as the provider gave them
	traces    [][]Span
	asked     []int // per provider's request, in order of arrival: the client's request
}

// exchange sends r and waits for its trace, on which every rule of Check must hold.
func (w *stage) exchange(t *testing.T, r *request) {
	base := w.run.ClientURL()
	switch {
	case r.admin:
		base = "http://" + w.run.AdminAddress()
	case r.listener != "":
		base = w.run.ListenerURL(r.listener)
	}
	w.given = append(w.given, r.send(t, w.client, base))
	if !r.admin && !w.script.untraced {
		traces := w.run.Traces(t, 1)
		if len(traces) != 1 {
			t.Fatalf("%d traces ended, want 1", len(traces))
		}
		w.traces = append(w.traces, traces[0])
		for _, problem := range check(traces[0], w.run.slack()) {
			t.Errorf("trace of %s %s: %s", r.method, r.target, problem)
		}
	}
	received := w.received()
	body := ""
	if n := len(received); n > len(w.asked) {
		last := received[n-1]
		if answers := w.script.answers[last.provider]; len(answers) > 0 {
			body = answers[min(last.n, len(answers)-1)].body
		}
	}
	w.sent = append(w.sent, body)
	for len(w.asked) < len(received) {
		w.asked = append(w.asked, len(w.given)-1)
	}
}

// arrival is a request that a provider received.
type arrival struct {
	*Received
	provider, n int // n-th of the provider
}

// received lists what the providers received, in order.
func (w *stage) received() []arrival {
	var out []arrival
	for i, u := range w.providers {
		for n, r := range u.Requests() {
			out = append(out, arrival{r, i, n})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].At.Before(out[j].At) })
	return out
}

// names replaces what differs from run to run.
func (w *stage) names(vars []string) *strings.Replacer {
	var pairs []string
	for i := len(vars) - 2; i >= 0; i -= 2 {
		_, addr, ok := strings.Cut(vars[i+1], "://")
		if !ok {
			continue
		}
		_, port, _ := net.SplitHostPort(addr)
		pairs = append(pairs, vars[i+1], vars[i], addr, vars[i], `server_port="`+port+`"`, `server_port="`+vars[i]+`"`)
	}
	pairs = append(pairs, w.run.ClientURL(), "${GATEWAY}")
	known := ""
	for i := range w.script.requests {
		for _, v := range w.script.requests[i].header {
			known += strings.Join(v, " ") + " "
		}
	}
	for i, spans := range w.traces {
		suffix, of := "", ""
		if len(w.traces) > 1 {
			suffix = " " + strconv.Itoa(i+1)
			of = " of trace" + suffix
		}
		id := spans[0].Trace
		dashed := id[:8] + "-" + id[8:] // X-Ray's way to write it
		if !strings.Contains(known, id) && !strings.Contains(known, dashed) {
			pairs = append(pairs, id, "{trace"+suffix+"}", dashed, "{trace"+suffix+"}")
		}
		for j := range spans {
			name := spans[j].Name
			if n, ok := spans[j].Attrs["spanway.attempt"]; ok {
				name = fmt.Sprint("attempt ", n)
			}
			pairs = append(pairs, spans[j].ID, "{"+name+of+"}")
		}
	}
	return strings.NewReplacer(pairs...)
}

// Headers that every message of their direction has, with the value that says nothing; "" stands for any.
var (
	plainUpstream = map[string]string{"Content-Length": "", "Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": clientName}
	plainClient   = map[string]string{"Content-Length": "", "Date": ""}
)

// What is made up for a response of the gateway's own making: when it was made, how long it took, and ids, of which the prefix
// stays.
var (
	created   = regexp.MustCompile(`"(created|created_at)":1[0-9]{9}`)
	createdAt = regexp.MustCompile(`"created_at":"[-0-9]{10}T[0-9:]{8}\.[0-9]+Z"`)
	made      = regexp.MustCompile(`"((?:call_)?(?:chatcmpl|cmpl|msg|resp|call|toolu|tooluse|gen)[-_])(?:[0-9a-f]{16,32}|[A-Z2-7]{26})(_[0-9]+)?"`)
	latency   = regexp.MustCompile(`("totalTokens":[0-9]+},"metrics":{"latencyMs":)[0-9]+`) // Bedrock has them in another order
	madeBare  = regexp.MustCompile(`"id":"[0-9a-f]{16}"`)                                   // Cohere's have no prefix
)

func headerText(b *strings.Builder, h http.Header, plain map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[k] {
			if usual, ok := plain[k]; !ok || usual != "" && usual != v {
				fmt.Fprintf(b, "%s: %s\n", k, v)
			}
		}
	}
}

func bodyText(b *strings.Builder, body, sent, same string) {
	switch body {
	case "":
	case sent:
		fmt.Fprintf(b, "\n= %s\n", same)
	default:
		body = created.ReplaceAllString(body, `"$1":{now}`)
		body = createdAt.ReplaceAllString(body, `"created_at":{now}`)
		body = made.ReplaceAllString(body, `"$1{id}$2"`)
		body = latency.ReplaceAllString(body, `$1{ms}`)
		body = madeBare.ReplaceAllString(body, `"id":"{id}"`)
		b.WriteString("\n" + strings.TrimSuffix(strings.ReplaceAll(body, "\r\n", "\n"), "\n") + "\n")
	}
}

func (w *stage) upstreamText() string {
	var b strings.Builder
	for i, r := range w.received() {
		if i > 0 {
			b.WriteString("\n")
		}
		u := w.providers[r.provider]
		if r.Over != "" {
			fmt.Fprintf(&b, "%s https://%s%s %s\n", r.Method, r.Host, r.Target, r.Over)
		} else {
			fmt.Fprintf(&b, "%s %s%s\n", r.Method, u.URL, r.Target)
		}
		if r.Host != u.Address && r.Over == "" {
			fmt.Fprintf(&b, "Host: %s\n", r.Host)
		}
		headerText(&b, r.Header, plainUpstream)
		bodyText(&b, string(r.Body), w.script.requests[w.asked[i]].body, sectionRequest)
	}
	return b.String()
}

func (w *stage) clientText() string {
	var b strings.Builder
	for i, r := range w.given {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintln(&b, r.status)
		headerText(&b, r.header, plainClient)
		body := r.body
		if r.header.Get("Content-Type") == eventStreamType && body != w.sent[i] {
			body = messagesText(body)
		}
		bodyText(&b, body, w.sent[i], sectionUpstream)
		if r.broken {
			b.WriteString("#cut\n")
		}
	}
	return b.String()
}

func (w *stage) spansText() string {
	var b strings.Builder
	for i, spans := range w.traces {
		if i > 0 {
			b.WriteString("\n")
		}
		for j := range spans {
			if spans[j].Kind == kindServer {
				spanText(&b, spans, j, 0)
			}
		}
	}
	return b.String()
}

// quiet are the attributes that Check asks of every span of a role.
var quiet = map[role][]string{
	roleServer: {"client.address", "client.port", "http.request.method", "http.route", "network.protocol.version", "server.address",
		"server.port", "spanway.request.read", "url.path", "url.scheme", "user_agent.original"},
	roleCall:    {"server.address", "server.port", "spanway.gateway.overhead"},
	roleAttempt: {"http.request.method", "network.protocol.version", "server.address", "server.port", "spanway.attempt"},
}

func spanText(b *strings.Builder, spans []Span, i, depth int) {
	s := &spans[i]
	indent := strings.Repeat("    ", depth)
	status := ""
	if s.Failed {
		status = "  ERROR"
	}
	fmt.Fprintf(b, "%s%s %s%s\n", indent, kindNames[s.Kind], s.Name, status)
	if s.Kind == kindServer && strings.Trim(s.ParentID, "0") != "" {
		fmt.Fprintf(b, "%s  parent %s of %s\n", indent, s.ParentID, s.Trace)
	}
	hidden := quiet[roleOf(s)]
	for _, k := range slices.Sorted(maps.Keys(s.Attrs)) {
		if !slices.Contains(hidden, k) {
			fmt.Fprintf(b, "%s  %s=%s\n", indent, k, valueText(k, s.Attrs[k]))
		}
	}
	for _, e := range s.Events {
		fmt.Fprintf(b, "%s  @%s\n", indent, e)
	}
	for j := range spans {
		if j != i && spans[j].ParentID == s.ID {
			spanText(b, spans, j, depth+1)
		}
	}
}

func valueText(k string, v any) string {
	if k == "gen_ai.response.time_to_first_chunk" || k == "spanway.retry.backoff" {
		return "{s}"
	}
	switch v := v.(type) {
	case string:
		if strings.ContainsAny(v, "\n\r") {
			return strconv.Quote(v)
		}
		return v
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case []string:
		b, _ := json.Marshal(v) // strings always encode
		return string(b)
	}
	return fmt.Sprint(v)
}

// metricsText is the series of calls: counts, and sums where they do not depend on time.
func (w *stage) metricsText(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.run.AdminAddress()+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "{")
		ours := strings.HasPrefix(name, "gen_ai_") || strings.HasPrefix(name, "spanway_gateway_")
		counter := strings.HasPrefix(name, "spanway_cost_") || name == "spanway_telemetry_traces_total"
		if counter || ours && (strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "token_usage_sum")) {
			out = append(out, unscoped(line))
		}
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

// unscoped removes the labels of the instrumentation scope.
func unscoped(line string) string {
	name, rest, _ := strings.Cut(line, "{")
	labels, value, _ := strings.Cut(rest, "}")
	var kept []string
	for l := range strings.SplitSeq(labels, ",") {
		if !strings.HasPrefix(l, "otel_scope_") {
			kept = append(kept, l)
		}
	}
	return name + "{" + strings.Join(kept, ",") + "}" + value
}
