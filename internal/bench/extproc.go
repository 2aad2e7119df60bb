package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spanway/spanway/internal/extproc"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/telemetry"
)

// playExtproc is the gateway as `spanway extproc` wires it, with one route.
func playExtproc(f *roleFlags) error {
	g, err := gatewayOf(f)
	if err != nil {
		return err
	}
	snapshot, err := gateway.Compile(g, &gateway.Env{})
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var ended endings
	traces, err := telemetry.New(context.Background(), g.Telemetry, telemetry.Options{Version: "bench", Logger: logger, Console: ended.observer(f)})
	if err != nil {
		return err
	}
	server := extproc.New(logger)
	if err := server.Apply(context.Background(), g, snapshot, traces); err != nil {
		return err
	}
	ln, err := net.Listen("unix", f.socket)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	ctl, err := control(func(m *memory) { m.Running, m.Traces = server.Running(), ended.counts() })
	if err != nil {
		return err
	}
	if err := announce(f.socket, ctl); err != nil {
		return err
	}
	if err := server.Shutdown(time.Second); err != nil {
		return err
	}
	return <-served
}

// endings counts the traces that ended, by outcome. It is safe for concurrent use.
type endings struct {
	mu sync.Mutex
	of map[string]int
}

// incomplete counts traces that lack a span, or a span's end.
const incomplete = "incomplete"

// observer is what sees every trace: nothing, unless they are to be counted.
func (e *endings) observer(f *roleFlags) func(*telemetry.Trace) {
	if f.count {
		return e.add
	}
	return nil
}

// wholeTrace is how many spans a call of one attempt has: SERVER, chat, attempt.
const wholeTrace = 3

func (e *endings) add(t *telemetry.Trace) {
	outcome := incomplete
	if a := t.Spans[0].Get(telemetry.SpanwayOutcome); a != nil && len(t.Spans) == wholeTrace {
		outcome = a.Str
	}
	for i := range t.Spans {
		if t.Spans[i].End.IsZero() || t.Spans[i].End.Before(t.Spans[i].Start) {
			outcome = incomplete
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = map[string]int{}
	}
	e.of[outcome]++
}

func (e *endings) counts() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]int{}
	for k, v := range e.of {
		out[k] = v
	}
	return out
}
