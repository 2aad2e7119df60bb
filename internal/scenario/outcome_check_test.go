package scenario

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/telemetry"
)

// wire data of the scripted providers.
const (
	jsonMedia   = "application/json"
	sseMedia    = "text/event-stream"
	ndjsonMedia = "application/x-ndjson"

	chatBody   = `{"model":"m-1","messages":[{"role":"user","content":"hi"}]}`
	streamBody = `{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	chatAnswer = `{"id":"c-1","object":"chat.completion","model":"m-1-large","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}`

	frame1    = `data: {"id":"c-1","object":"chat.completion.chunk","model":"m-1-large","choices":[{"index":0,"delta":{"role":"assistant","content":"hel"},"finish_reason":null}],"usage":{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8}}` + "\n\n"
	frame2    = `data: {"id":"c-1","object":"chat.completion.chunk","model":"m-1-large","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}` + "\n\n"
	frame3    = `data: {"id":"c-1","object":"chat.completion.chunk","model":"m-1-large","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}` + "\n\n"
	frameDone = "data: [DONE]\n\n"

	claudeAnswer = `{"id":"msg-1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":7,"output_tokens":3}}`
	claudeStart  = "event: message_start\ndata: " + `{"type":"message_start","message":{"id":"msg-1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}}` + "\n\n" +
		"event: content_block_start\ndata: " + `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
		"event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}` + "\n\n"
	claudeEnd = "event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":0}` + "\n\n" +
		"event: message_delta\ndata: " + `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}` + "\n\n" +
		"event: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n"
)

// outcome is what one call is expected to leave behind.
type outcome struct {
	status    int      // that the client sees; 0 = no response head
	broken    bool     // the client sees that the response, or the connection, broke off
	body      string   // exact; "" = not compared
	contains  []string // of the body
	excludes  []string
	calls     int // of all providers together
	outcome   string
	errorType string   // of the logical span; "" = it did not fail
	noChat    bool     // there is no logical span
	attempts  []string // error.type of each attempt's span, "" = it did not fail
	reasons   []string // spanway.retry.reason of each attempt but the first
	provider  string   // gen_ai.provider.name in the end
	usage     [2]int64 // input, output; 0 = absent
	server    int64    // http.response.status_code of SERVER; 0 = absent, -1 = the client's status
}

// answer is what a client got.
type answer struct {
	status  int
	header  http.Header
	body    string
	err     error // of sending, or of reading the body
	elapsed time.Duration
}

// newClient returns a client whose connections are the test's own.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func send(ctx context.Context, c *http.Client, method, url, body string, header http.Header) (out answer) {
	start := time.Now()
	defer func() { out.elapsed = time.Since(start) }()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

// checkAnswer compares what the client saw.
func (want *outcome) checkAnswer(t testing.TB, got *answer) {
	t.Helper()
	if got.status != want.status {
		t.Errorf("client got status %d, want %d: %v %s", got.status, want.status, got.err, got.body)
	}
	if broken := got.err != nil; broken != want.broken {
		t.Errorf("client saw a broken response: %v (%v), want %v", broken, got.err, want.broken)
	}
	if want.body != "" && got.body != want.body {
		t.Errorf("client got\n%q\nwant\n%q", got.body, want.body)
	}
	for _, s := range want.contains {
		if !strings.Contains(got.body, s) {
			t.Errorf("client got %q, want it to contain %q", got.body, s)
		}
	}
	for _, s := range want.excludes {
		if strings.Contains(got.body, s) {
			t.Errorf("client got %q, which must not contain %q", got.body, s)
		}
	}
}

// checkTrace compares the one trace.
func (want *outcome) checkTrace(t testing.TB, spans []Span) {
	t.Helper()
	checkTree(t, spans)
	server := &spans[0]
	equal(t, "SERVER outcome", server.Attrs["spanway.outcome"], any(want.outcome))
	status := want.server
	if status == -1 {
		status = int64(want.status)
	}
	if got, _ := server.Attrs["http.response.status_code"].(int64); got != status {
		t.Errorf("SERVER http.response.status_code = %d, want %d", got, status)
	}
	want.checkChat(t, Find(spans, "gen_ai.operation.name"))
	var failures, reasons []string
	for i := range spans {
		if _, ok := spans[i].Attrs["spanway.attempt"]; !ok {
			continue
		}
		typ, _ := spans[i].Attrs["error.type"].(string)
		equal(t, "spanway.attempt", spans[i].Attrs["spanway.attempt"], any(int64(len(failures)+1)))
		if len(failures) > 0 {
			reason, _ := spans[i].Attrs["spanway.retry.reason"].(string)
			reasons = append(reasons, reason)
			equal(t, "http.request.resend_count", spans[i].Attrs["http.request.resend_count"], any(int64(len(failures))))
		}
		failures = append(failures, typ)
	}
	if !slices.Equal(failures, want.attempts) {
		t.Errorf("error.type of attempts %q, want %q", failures, want.attempts)
	}
	if want.reasons != nil && !slices.Equal(reasons, want.reasons) {
		t.Errorf("retry reasons %q, want %q", reasons, want.reasons)
	}
}

func (want *outcome) checkChat(t testing.TB, chat *Span) {
	t.Helper()
	if want.noChat {
		if chat != nil {
			t.Errorf("there is a logical span %q", chat.Name)
		}
		return
	}
	if chat == nil {
		t.Error("there is no logical span")
		return
	}
	typ, _ := chat.Attrs["error.type"].(string)
	equal(t, "error.type", typ, want.errorType)
	equal(t, "chat outcome", chat.Attrs["spanway.outcome"], any(want.outcome))
	if want.provider != "" {
		equal(t, "gen_ai.provider.name", chat.Attrs["gen_ai.provider.name"], any(want.provider))
	}
	if chat.Attrs["gen_ai.provider.name"] == nil {
		t.Error("gen_ai.provider.name is missing")
	}
	attempts, _ := chat.Attrs["spanway.attempts"].(int64)
	equal(t, "spanway.attempts", attempts, int64(len(want.attempts)))
	in, _ := chat.Attrs["gen_ai.usage.input_tokens"].(int64)
	out, _ := chat.Attrs["gen_ai.usage.output_tokens"].(int64)
	equal(t, "usage", [2]int64{in, out}, want.usage)
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// checkTree holds every trace to the contract: one SERVER root, every span ended, and within its parent, and error.type where,
// and only where, the status is Error.
func checkTree(t testing.TB, spans []Span) {
	t.Helper()
	byID := map[string]*Span{}
	for i := range spans {
		byID[spans[i].ID] = &spans[i]
	}
	for i := range spans {
		s := &spans[i]
		if s.End.IsZero() || s.End.Before(s.Start) {
			t.Errorf("%s: ends at %v, began at %v", s.Name, s.End, s.Start)
		}
		p := byID[s.ParentID]
		switch {
		case i == 0 && s.Kind != telemetry.KindServer:
			t.Errorf("the first span, %q, is of kind %d, want SERVER", s.Name, s.Kind)
		case i > 0 && p == nil:
			t.Errorf("%s: has no parent in its trace", s.Name)
		case p != nil && (s.Start.Before(p.Start) || s.End.After(p.End)):
			t.Errorf("%s [%v, %v] is not within %s [%v, %v]", s.Name, s.Start, s.End, p.Name, p.Start, p.End)
		}
		if typ, ok := s.Attrs["error.type"]; ok != s.Failed || typ == "" {
			t.Errorf("%s: failed is %v but error.type is %v", s.Name, s.Failed, typ)
		}
	}
	if code, _ := spans[0].Attrs["http.response.status_code"].(int64); spans[0].Failed != (code >= 500) {
		t.Errorf("SERVER failed is %v with status %d", spans[0].Failed, code)
	}
}

// planes are all data planes.
func planes() []Plane { return []Plane{Native{}, Envoy{}} }

// onPlanes runs f for each data plane.
func onPlanes(t *testing.T, f func(t *testing.T, p Plane)) {
	t.Helper()
	for _, p := range planes() {
		t.Run(p.Name(), func(t *testing.T) { f(t, p) })
	}
}

// startOn starts a gateway on p that must not record more than what the test takes.
func startOn(t testing.TB, p Plane, conf string) Running {
	t.Helper()
	var gw Running
	t.Cleanup(func() {
		if gw == nil {
			return
		}
		if n := gw.left(); n > 0 {
			t.Errorf("%d further traces", n)
		}
	})
	gw = p.Start(t, conf)
	return gw
}

// startOne is startOn the native data plane.
func startOne(t testing.TB, conf string) *Gateway {
	t.Helper()
	return startOn(t, Native{}, conf).(*Gateway)
}

// config is a configuration around backends and the settings of its one route, /r unless they have a match, one line each.
func config(backends, route string) string {
	if !strings.Contains(route, "match:") {
		route = "match: {path: /r}\n" + route
	}
	return fmt.Sprintf("listen: 127.0.0.1:0\nadmin: off\ntelemetry: {traces: []}\nbackends:\n%s\nroutes:\n  - name: r\n%s\n", indent(backends, "  "), indent(route, "    "))
}

func indent(s, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n"+by)
}
