package scenario

import (
	"sync"
	"testing"
	"time"

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

// recorder keeps the traces that end. It is safe for concurrent use.
type recorder struct {
	mu     sync.Mutex
	traces [][]Span
	notify chan struct{}
}

func newRecorder() recorder { return recorder{notify: make(chan struct{}, 1)} }

// keep copies a trace: it is recycled when this returns.
func (w *recorder) keep(t *telemetry.Trace) {
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
func (w *recorder) Traces(t testing.TB, n int) [][]Span {
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
func (w *recorder) Trace(t testing.TB) []Span {
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

// left is how many traces were not taken.
func (w *recorder) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.traces)
}
