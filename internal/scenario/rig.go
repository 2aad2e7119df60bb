// Package scenario is the test harness of whole calls: it runs the pipeline in a data plane between a scripted provider and a
// real client, and keeps every trace. Only tests import it.
package scenario

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/telemetry"
)

// Span is a finished span as tests look at it.
type Span struct {
	Name       string
	Kind       telemetry.Kind
	Failed     bool
	Parent     string // the parent's name; "" for the root
	Attrs      map[string]any
	Events     []string
	ID, Trace  string
	ParentID   string // all zeros for the root of the whole trace
	Start, End time.Time
}

// Gateway is a running native data plane.
type Gateway struct {
	URL   string // http://host:port
	Admin string // host:port
	*proxy.Server
	Pipeline *telemetry.Pipeline

	mu     sync.Mutex
	traces [][]Span
	notify chan struct{}
}

// Start runs the configuration conf, whose listener should be 127.0.0.1:0, until the test ends.
func Start(t testing.TB, conf string) *Gateway {
	t.Helper()
	return StartWith(t, conf, gateway.Env{})
}

// StartWith is Start with the process's facts.
func StartWith(t testing.TB, conf string, env gateway.Env) *Gateway {
	t.Helper()
	return StartLogging(t, conf, env, t.Output())
}

// StartLogging is StartWith with a place for the log, debugging included.
func StartLogging(t testing.TB, conf string, env gateway.Env, logs io.Writer) *Gateway {
	t.Helper()
	w := &Gateway{notify: make(chan struct{}, 1)}
	w.Server = proxy.New(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := w.Load(t.Context(), conf, env); err != nil {
		t.Fatal(err)
	}
	w.URL, w.Admin = w.URLs()[0], w.AdminAddress()
	t.Cleanup(func() {
		if err := w.Shutdown(time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return w
}

// Load puts another configuration in place.
func (w *Gateway) Load(ctx context.Context, conf string, env gateway.Env) error {
	g, err := ir.Load("test.yaml", []byte(conf), ir.LoadOptions{Getenv: os.LookupEnv, ReadFile: os.ReadFile, Providers: provider.Names(),
		CheckMatch: telemetry.CheckMatch})
	if err != nil {
		return err
	}
	snapshot, err := gateway.Compile(g, &env)
	if err != nil {
		return err
	}
	traces, err := telemetry.New(ctx, g.Telemetry, telemetry.Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Console: w.keep})
	if err != nil {
		return err
	}
	w.Pipeline = traces
	return w.Apply(ctx, g, snapshot, traces)
}

// keep copies a trace: it is recycled when this returns.
func (w *Gateway) keep(t *telemetry.Trace) {
	names := map[string]string{}
	for i := range t.Spans {
		names[t.Spans[i].ID.String()] = t.Spans[i].Name
	}
	spans := make([]Span, len(t.Spans))
	for i := range t.Spans {
		s := &t.Spans[i]
		spans[i] = Span{Name: s.Name, Kind: s.Kind, Failed: s.Failed, Parent: names[s.Parent.String()], Attrs: map[string]any{},
			ID: s.ID.String(), ParentID: s.Parent.String(), Trace: t.ID.String(), Start: s.Start, End: s.End}
		for j := range s.Attrs {
			spans[i].Attrs[s.Attrs[j].Key.String()] = value(&s.Attrs[j])
		}
		for j := range s.Named {
			spans[i].Attrs[s.Named[j].Name] = s.Named[j].Value
		}
		for j := range s.Events {
			spans[i].Events = append(spans[i].Events, s.Events[j].Name)
		}
	}
	w.mu.Lock()
	w.traces = append(w.traces, spans)
	w.mu.Unlock()
	select {
	case w.notify <- struct{}{}:
	default: // somebody is told already
	}
}

func value(a *telemetry.Attr) any {
	switch a.Type {
	case telemetry.TypeInt:
		return a.Int()
	case telemetry.TypeFloat:
		return a.Float()
	case telemetry.TypeBool:
		return a.Bool()
	case telemetry.TypeStrings:
		return append([]string(nil), a.Strs...)
	}
	return a.Str
}

// Traces waits until n traces have ended since the last call and takes them.
func (w *Gateway) Traces(t testing.TB, n int) [][]Span {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		if len(w.traces) >= n {
			out := w.traces
			w.traces = nil
			w.mu.Unlock()
			return out
		}
		have := len(w.traces)
		w.mu.Unlock()
		select {
		case <-w.notify:
		case <-deadline:
			t.Fatalf("%d traces ended, want %d", have, n)
		}
	}
}

// Trace waits for the one trace that has ended since the last call.
func (w *Gateway) Trace(t testing.TB) []Span {
	t.Helper()
	all := w.Traces(t, 1)
	if len(all) != 1 {
		t.Fatalf("%d traces ended, want 1", len(all))
	}
	return all[0]
}

// Find returns the first span that has the attribute key, nil if none has.
func Find(spans []Span, key string) *Span {
	for i := range spans {
		if _, ok := spans[i].Attrs[key]; ok {
			return &spans[i]
		}
	}
	return nil
}

// Unused returns an address of the loopback interface at which nothing listens until the test ends: its port is taken, so that
// no other test's listener gets it.
func Unused(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", addr.(*syscall.SockaddrInet4).Port)
}

// Free returns an address of the loopback interface at which the test may listen.
func Free(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
