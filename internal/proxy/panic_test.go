package proxy

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/telemetry"
)

// brokenWriter panics where a handler's own mistake would.
type brokenWriter struct {
	*httptest.ResponseRecorder

	inHeader bool
}

func (b *brokenWriter) WriteHeader(status int) {
	if b.inHeader {
		b.inHeader = false
		panic("broken")
	}
	b.ResponseRecorder.WriteHeader(status)
}

// brokenBody panics when it is read.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { panic("broken") }
func (brokenBody) Close() error             { return nil }

// newHandler returns a handler of the configuration conf, and where its traces go.
func newHandler(t *testing.T, conf string, logs io.Writer) (*handler, *[]string) {
	t.Helper()
	g, err := ir.Load("test.yaml", []byte(conf), ir.LoadOptions{Providers: provider.Names()})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := gateway.Compile(g, &gateway.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var ended []string
	traces, err := telemetry.New(t.Context(), g.Telemetry, telemetry.Options{Logger: slog.New(slog.DiscardHandler), Console: func(tr *telemetry.Trace) {
		outcome := tr.Spans[0].Get(telemetry.SpanwayOutcome).Str
		if a := tr.Spans[0].Get(telemetry.HTTPResponseStatusCode); a != nil {
			outcome += " " + http.StatusText(int(a.Int()))
		}
		ended = append(ended, outcome)
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := &clients{}
	if err := c.add(compiled); err != nil {
		t.Fatal(err)
	}
	return &handler{engine: gateway.New(compiled, traces), clients: c, log: slog.New(slog.NewTextHandler(logs, nil)), scheme: "http", patience: time.Minute}, &ended
}

const oneRoute = "telemetry: {traces: []}\nbackends: {a: {provider: openai, url: 'http://127.0.0.1:1'}}\nroutes: [{match: {path: /r}, to: a}]\n"

// TestPanic makes a call panic: it is answered where nothing went out yet, else broken off, and its trace is whole.
func TestPanic(t *testing.T) {
	for _, x := range []struct {
		name    string
		w       *brokenWriter
		body    io.ReadCloser
		aborts  bool
		outcome string
		status  int
	}{
		{"before the response", &brokenWriter{}, brokenBody{}, false, "upstream_error Internal Server Error", 500},
		{"within the response", &brokenWriter{inHeader: true}, io.NopCloser(strings.NewReader("{")), true, "client_error Bad Request", 200},
	} {
		t.Run(x.name, func(t *testing.T) {
			var logs bytes.Buffer
			h, ended := newHandler(t, oneRoute, &logs)
			x.w.ResponseRecorder = httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/r/v1/chat/completions", x.body)
			r.ContentLength = 1
			func() {
				defer func() {
					if got := recover(); (got == http.ErrAbortHandler) != x.aborts || got != nil && !x.aborts {
						t.Errorf("panicked with %v, want the abort of net/http: %v", got, x.aborts)
					}
				}()
				h.ServeHTTP(x.w, r)
			}()
			if len(*ended) != 1 || (*ended)[0] != x.outcome {
				t.Errorf("traces %q, want one: %q", *ended, x.outcome)
			}
			if x.w.Code != x.status {
				t.Errorf("status %d, want %d", x.w.Code, x.status)
			}
			if n := h.engine.Running(); n != 0 {
				t.Errorf("%d calls are still counted", n)
			}
			if !strings.Contains(logs.String(), "call panicked") {
				t.Errorf("the log says nothing of it: %s", logs.String())
			}
		})
	}
}

// TestSlowBody has a client that sends its body too slowly.
func TestSlowBody(t *testing.T) {
	h, ended := newHandler(t, oneRoute, io.Discard)
	h.patience = 50 * time.Millisecond
	server := httptest.NewServer(h)
	defer server.Close()
	body, feed := io.Pipe()
	defer feed.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/r/v1/chat/completions", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 100
	go func() { _, _ = io.WriteString(feed, `{"model":`) }()
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(got), `"type":"invalid_request_error"`) {
		t.Errorf("got %d %s (%v), want 408 in the client's dialect", resp.StatusCode, got, err)
	}
	server.Close() // waits for the handler
	if len(*ended) != 1 || (*ended)[0] != "client_error Request Timeout" {
		t.Errorf("traces %q", *ended)
	}
}
