// Package sdk calls providers with their official client libraries, once directly and once through the gateway, and holds
// what the library sees, what the provider receives and what the trace says to one another. It has tests only.
package sdk

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/scenario"
	"github.com/spanway/spanway/internal/telemetry"
)

// answer is what the imitated provider answers one request with.
type answer struct {
	status int
	header http.Header
	body   string
	cut    bool // break the connection off after the body
	hold   bool // leave the response open after the body, until the client hangs up
}

// script reads an answer from testdata/{name}.http: the status, a header field a line, an empty line, the body.
func script(t *testing.T, name string) answer {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)+".http"))
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(b), "\n\n")
	lines := strings.Split(head, "\n")
	status, err := strconv.Atoi(lines[0])
	if err != nil || !ok {
		t.Fatalf("%s: want a status, header fields, an empty line and a body", name)
	}
	a := answer{status: status, header: http.Header{}, body: body}
	for _, l := range lines[1:] {
		k, v, _ := strings.Cut(l, ": ")
		a.header.Set(k, v)
	}
	if !a.streams() {
		a.body = strings.TrimSuffix(body, "\n")
	}
	return a
}

// streams reports whether the body goes out frame by frame.
func (a *answer) streams() bool {
	ct := a.header.Get("Content-Type")
	return strings.HasPrefix(ct, "text/event-stream") || ct == "application/x-ndjson"
}

// frames cuts the body where a flush follows.
func (a *answer) frames() []string {
	switch {
	case !a.streams():
		return []string{a.body}
	case strings.Contains(a.body, "\n\n"):
		return strings.SplitAfter(a.body, "\n\n")
	}
	return strings.SplitAfter(a.body, "\n")
}

// request is what the provider received.
type request struct {
	Method, Target, Body string
	Header               http.Header
}

// upstream imitates a provider: it gives the answers that it is told, in turn, and keeps the requests.
type upstream struct {
	*httptest.Server
	mu      sync.Mutex
	answers []answer
	got     []request
}

// ServeHTTP implements http.Handler.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	u.got = append(u.got, request{Method: r.Method, Target: r.URL.RequestURI(), Body: string(body), Header: r.Header.Clone()})
	a := answer{status: http.StatusTeapot}
	if len(u.answers) > 0 {
		a, u.answers = u.answers[0], u.answers[1:]
	}
	u.mu.Unlock()
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	for _, f := range a.frames() {
		_, _ = io.WriteString(w, f) // a client may have gone
		if a.streams() || a.cut {
			_ = http.NewResponseController(w).Flush()
		}
	}
	if a.hold {
		<-r.Context().Done()
	}
	if a.cut {
		panic(http.ErrAbortHandler) // net/http's way to break a response off
	}
}

// tell sets the next answers; take returns the requests that came since and forgets answers that nobody fetched.
func (u *upstream) tell(answers []answer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers, u.got = slices.Clone(answers), nil
}

func (u *upstream) take() []request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got
}

// rig is an imitated provider with a gateway before it.
type rig struct {
	up *upstream
	gw *scenario.Gateway
}

// config has a backend of each provider at UPSTREAM. Retries are the client library's, as they are without a gateway.
const config = `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  openai: {provider: openai, url: "UPSTREAM", key: passthrough}
  azure: {provider: azure, url: "UPSTREAM", key: passthrough}
  anthropic: {provider: anthropic, url: "UPSTREAM", key: passthrough}
  gemini: {provider: gemini, url: "UPSTREAM", key: passthrough}
  vertex: {provider: vertexai, url: "UPSTREAM", key: passthrough, project: proj, location: europe-west4}
  ollama: {provider: ollama, url: "UPSTREAM", key: passthrough}
  cohere: {provider: cohere, url: "UPSTREAM", key: passthrough}
  bedrock: {provider: bedrock, url: "UPSTREAM", key: bedrock-api-key}
routes:
  - {name: openai, match: {path: /openai}, to: openai, lossy: allow, retry: {attempts: 1}}
  - {name: usage, match: {path: /usage}, to: openai, retry: {attempts: 1}, streamUsage: true}
  - {name: azure, match: {path: /azure}, to: azure, retry: {attempts: 1}}
  - {name: anthropic, match: {path: /anthropic}, to: anthropic, retry: {attempts: 1}}
  - {name: renamed, match: {path: /renamed}, targets: [[{backend: anthropic, model: claude-sonnet-4-5}]], retry: {attempts: 1}}
  - {name: failover, match: {path: /failover}, targets: [[{backend: azure}], [{backend: anthropic, model: claude-sonnet-4-5}]]}
  - {name: back, match: {path: /back}, targets: [[{backend: anthropic, model: claude-sonnet-4-5}], [{backend: openai}]]}
  - {name: gemini, match: {path: /gemini}, to: gemini, retry: {attempts: 1}}
  - {name: vertex, match: {path: /vertex}, to: vertex, lossy: allow, retry: {attempts: 1}}
  - {name: flash, match: {path: /flash}, targets: [[{backend: vertex, model: gemini-2.5-flash}]], lossy: allow, retry: {attempts: 1}}
  - {name: ollama, match: {path: /ollama}, to: ollama, retry: {attempts: 1}}
  - {name: cohere, match: {path: /cohere}, to: cohere, retry: {attempts: 1}}
  - {name: bedrock, match: {path: /bedrock}, to: bedrock, retry: {attempts: 1}}
`

func newRig(t *testing.T) *rig {
	t.Helper()
	up := &upstream{}
	up.Server = httptest.NewServer(up)
	t.Cleanup(up.Close)
	return &rig{up: up, gw: scenario.Start(t, strings.ReplaceAll(config, "UPSTREAM", up.URL))}
}

// seen is what a client library made of one call: the values that it returned one after the other, its error, the head
// of the response.
type seen struct {
	Values  []any
	Failure failure
	Status  int
	Header  http.Header
}

// failure is an error of a client library, in its own words. The zero value is none.
type failure struct {
	Kind    string // the error's Go type
	Status  int
	Type    string
	Code    string
	Param   string
	Message string
	Raw     string
}

// otherFailure is an error that is none of the library's own. Text that names the server's address is made equal.
func otherFailure(err error, base string) failure {
	return failure{Kind: reflect.TypeOf(err).String(), Message: strings.ReplaceAll(err.Error(), base, "BASE")}
}

// head keeps resp's head, nil when none came.
func (s *seen) head(resp *http.Response) {
	if resp != nil {
		s.Status, s.Header = resp.StatusCode, resp.Header
	}
}

// whole compares everything, unexported fields too: a library keeps the raw JSON of each field there. Dates differ.
var whole = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.IgnoreMapEntries(func(k string, _ []string) bool { return k == "Date" }),
	cmpopts.EquateNaNs(),
}

// trip is one call of a client library.
type trip struct {
	name    string
	answers []string                                    // scripts
	do      func(ctx context.Context, base string) seen // against the server at base
	fails   failure                                     // what must be in seen.Failure, where set; zero = the call succeeds
	spans   []want                                      // of each request, the client library's retries included
}

// want is what a trace must say.
type want struct {
	name   string         // of the logical span; "" = there is none, for the path passes through
	attrs  map[string]any // of the logical span; nil = must be absent
	failed string         // error.type of the logical span
}

// same makes the trips directly, below direct, and through the gateway, below route, and compares all that can be seen.
func (r *rig) same(t *testing.T, direct, route string, trips []trip) {
	for _, x := range trips {
		t.Run(x.name, func(t *testing.T) {
			var answers []answer
			for _, name := range x.answers {
				answers = append(answers, script(t, name))
			}
			r.up.tell(answers)
			plain := x.do(t.Context(), r.up.URL+direct)
			sent := r.up.take()
			r.up.tell(answers)
			through := x.do(t.Context(), r.gw.URL+route+direct)
			if d := cmp.Diff(plain, through, whole); d != "" {
				t.Errorf("the client sees something else (-direct +gateway):\n%s", d)
			}
			if len(sent) != len(answers) {
				t.Errorf("%d requests were made directly, want %d", len(sent), len(answers))
			}
			if d := cmp.Diff(sent, r.up.take(), asSent()); d != "" {
				t.Errorf("the provider receives something else (-direct +gateway):\n%s", d)
			}
			x.outcome(t, plain)
			for i, spans := range r.gw.Traces(t, len(x.spans)) {
				x.spans[i].check(t, spans)
			}
		})
	}
}

// asSent ignores what a gateway may change of a request: its own trace context, and the codings that it accepts.
func asSent() cmp.Option {
	return cmpopts.IgnoreMapEntries(func(k string, _ []string) bool {
		return slices.Contains([]string{"Traceparent", "Tracestate", "Accept-Encoding"}, k)
	})
}

// outcome holds what the library saw to what the trip is meant to show, so that two equal failures do not pass for success.
func (x *trip) outcome(t *testing.T, got seen) {
	t.Helper()
	if x.fails == (failure{}) {
		if got.Failure != (failure{}) || len(got.Values) == 0 {
			t.Errorf("the library returned %d values and failed with %+v", len(got.Values), got.Failure)
		}
		return
	}
	if !x.fails.in(got.Failure) {
		t.Errorf("the library failed with %+v, want %+v", got.Failure, x.fails)
	}
}

// in reports whether g has each field that f has; its texts may say more.
func (f failure) in(g failure) bool {
	return (f.Kind == "" || f.Kind == g.Kind) && (f.Status == 0 || f.Status == g.Status) &&
		(f.Type == "" || f.Type == g.Type) && (f.Code == "" || f.Code == g.Code) && (f.Param == "" || f.Param == g.Param) &&
		strings.Contains(g.Message, f.Message) && strings.Contains(g.Raw, f.Raw)
}

// check holds a trace to w: a SERVER span, in it one logical span, in that one attempt; passed through, the attempt stands
// below SERVER.
func (w *want) check(t *testing.T, spans []scenario.Span) {
	t.Helper()
	var chat, attempt []scenario.Span
	for _, s := range spans {
		switch {
		case s.Attrs["gen_ai.operation.name"] != nil:
			chat = append(chat, s)
		case s.Attrs["spanway.attempt"] != nil:
			attempt = append(attempt, s)
		case s.Kind != telemetry.KindServer || s.Parent != "":
			t.Errorf("unexpected span %q below %q", s.Name, s.Parent)
		}
		if s.End.Before(s.Start) {
			t.Errorf("span %q has not ended", s.Name)
		}
	}
	parent := spans[0].Name
	if w.name == "" {
		if len(chat) != 0 {
			t.Errorf("a call that passes through has the logical span %q", chat[0].Name)
		}
	} else if len(chat) != 1 || chat[0].Name != w.name || chat[0].Kind != telemetry.KindClient || chat[0].Parent != parent {
		t.Fatalf("logical spans %+v, want one CLIENT %q below %q", chat, w.name, parent)
	} else {
		parent = w.name
		w.logical(t, &chat[0])
	}
	if len(attempt) != 1 || attempt[0].Parent != parent || attempt[0].Attrs["http.response.status_code"] == nil {
		t.Errorf("attempts %+v, want one below %q with a status", attempt, parent)
	}
}

func (w *want) logical(t *testing.T, s *scenario.Span) {
	t.Helper()
	got, expected := map[string]any{}, map[string]any{"error.type": nil}
	if w.failed != "" {
		expected["error.type"] = w.failed
	}
	maps.Copy(expected, w.attrs)
	for k := range expected {
		got[k] = s.Attrs[k]
	}
	if d := cmp.Diff(expected, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", s.Name, d)
	}
	if s.Failed != (w.failed != "") {
		t.Errorf("%s: its status is failed = %v, error.type %q", s.Name, s.Failed, w.failed)
	}
}

// answered are the attributes of a call that the provider answered.
func answered(provider, model, response, id string, in, out int64, finish ...string) map[string]any {
	a := map[string]any{
		"gen_ai.provider.name": provider, "gen_ai.request.model": model, "gen_ai.response.model": response,
		"gen_ai.response.id": id, "gen_ai.usage.input_tokens": in, "gen_ai.usage.output_tokens": out, "spanway.outcome": "ok",
	}
	if len(finish) > 0 {
		a["gen_ai.response.finish_reasons"] = finish
	}
	return a
}

// with adds members to a, given as key and value in turn.
func with(a map[string]any, pairs ...any) map[string]any {
	a = maps.Clone(a)
	for i := 0; i < len(pairs); i += 2 {
		a[pairs[i].(string)] = pairs[i+1]
	}
	return a
}
