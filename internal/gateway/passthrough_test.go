package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

// nativeEngine serves OpenAI's clients from an OpenAI backend.
func nativeEngine(tb testing.TB) *Engine {
	tb.Helper()
	return engineOf(tb, `backends: {a: {provider: openai, url: "http://127.0.0.1:1", key: k}}
routes: [{match: {path: /}, to: a}]
`, telemetry.Options{})
}

// engineOf serves conf, recording as o says.
func engineOf(tb testing.TB, conf string, o telemetry.Options) *Engine {
	tb.Helper()
	g, err := ir.Load("test.yaml", []byte("telemetry: {traces: []}\n"+conf), ir.LoadOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return engineFor(tb, g, o)
}

// engineFor serves g, recording as o says.
func engineFor(tb testing.TB, g *ir.Gateway, o telemetry.Options) *Engine {
	tb.Helper()
	s, err := Compile(g, &Env{})
	if err != nil {
		tb.Fatal(err)
	}
	o.Version, o.Logger = "test", slog.New(slog.DiscardHandler)
	traces, err := telemetry.New(tb.Context(), g.Telemetry, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = traces.Shutdown(context.Background()) })
	return New(s, traces)
}

// pass carries one streamed call through e, its answer in so many chunks.
func pass(tb testing.TB, e *Engine, body []byte, chunks int) {
	tb.Helper()
	c := e.Open(tb.Context(), &Incoming{Head: llm.Head{Method: http.MethodPost, Path: "/v1/chat/completions", Header: http.Header{}}, Received: time.Now()})
	defer c.Close()
	if r := c.Request(body); r != nil {
		tb.Fatalf("refused: %s", r.Body)
	}
	a, r := c.Attempt()
	if r != nil || &a.Outgoing().Body[0] != &body[0] {
		tb.Fatal("the provider is not sent the client's own bytes")
	}
	v := a.Head(&llm.Head{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}}, "1.1")
	if v.Retry || v.Reply != nil {
		tb.Fatal("the answer is not taken")
	}
	c.Response(http.Header{})
	for range chunks {
		if out := c.Body(chunk, false).Out; &out[0] != &chunk[0] {
			tb.Fatal("the client is not sent the provider's own bytes")
		}
	}
	c.Body([]byte("data: [DONE]\n\n"), true)
}

var chunk = []byte(`data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}` + "\n\n")

func messages(n int) []byte {
	return []byte(`{"model":"m","stream":true,"messages":[` + strings.Repeat(`{"role":"user","content":"a word"},`, n) + `{"role":"user","content":"end"}]}`)
}

// TestPassthroughIsFree shows that a call within one dialect pays for no decoding, translating or guarding: both sides get the
// other's own bytes, and neither the messages of a request nor the chunks of its answer cost an allocation.
func TestPassthroughIsFree(t *testing.T) {
	e := nativeEngine(t)
	few, many := messages(1), messages(1000)
	count := func(body []byte, chunks int) float64 {
		return testing.AllocsPerRun(50, func() { pass(t, e, body, chunks) })
	}
	least := count(few, 1)
	if n := count(many, 1); n > least+1 { // what else runs may allocate now and then
		t.Errorf("%v allocations for 2 messages, %v for 1001", least, n)
	}
	if n := count(few, 1000); n > least+1 {
		t.Errorf("%v allocations for a chunk, %v for 1000", least, n)
	}
}

// BenchmarkPassthrough is a call within one dialect, per byte of its request and of its answer.
func BenchmarkPassthrough(b *testing.B) {
	e := nativeEngine(b)
	body := messages(1000)
	b.SetBytes(int64(len(body) + 100*len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		pass(b, e, body, 100)
	}
}
