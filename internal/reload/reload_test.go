package reload

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configuration is one that can be applied. A trace that ends is told on ended.
func configuration(t *testing.T, ended chan<- string, name string) (*gateway.Snapshot, *telemetry.Pipeline) {
	t.Helper()
	g, err := ir.Load("test.yaml", []byte("telemetry: {traces: []}\nbackends: {a: {provider: openai}}\nroutes: [{match: {path: /}, to: a}]\n"), ir.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := gateway.Compile(g, &gateway.Env{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := telemetry.New(t.Context(), g.Telemetry, telemetry.Options{Logger: slog.New(slog.DiscardHandler), Console: func(*telemetry.Trace) { ended <- name }})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func open(t *testing.T, k *Keeper) *gateway.Call {
	t.Helper()
	return k.Engine().Open(t.Context(), &gateway.Incoming{Head: llm.Head{Method: http.MethodGet, Path: "/", Header: http.Header{}}, Received: time.Now()})
}

// TestReload lets calls end on the configuration that they began with, and waits for all of them, however often it is asked to.
func TestReload(t *testing.T) {
	traces, gone := make(chan string, 4), make(chan *gateway.Snapshot, 1)
	k := New(slog.New(slog.DiscardHandler))
	if k.Engine() != nil || !k.Wait(t.Context()) || k.Shutdown() != nil {
		t.Error("there is something before the first configuration")
	}
	first, p1 := configuration(t, traces, "first")
	k.Apply(first, p1, func(s *gateway.Snapshot) { gone <- s })
	old := open(t, k)
	second, p2 := configuration(t, traces, "second")
	k.Apply(second, p2, func(s *gateway.Snapshot) { gone <- s })
	fresh := open(t, k)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if k.Wait(ctx) {
			t.Error("a call runs, but nothing is waited for")
		}
		cancel()
	}
	select {
	case <-gone:
		t.Error("the old configuration is let go of while a call runs on it")
	default:
	}
	old.Close()
	if got := <-traces; got != "first" {
		t.Errorf("a call of the first configuration is recorded into the %s", got)
	}
	if <-gone != first {
		t.Error("another configuration is let go of")
	}
	fresh.Close()
	if got := <-traces; got != "second" || !k.Wait(t.Context()) {
		t.Errorf("a call of the second configuration is recorded into the %s", got)
	}
	if err := k.Shutdown(); err != nil {
		t.Error(err)
	}
}
