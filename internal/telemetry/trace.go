package telemetry

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Bounds of what a recycled record keeps.
const (
	inlineSpans = 8        // capacity for spans of a new record
	inlineAttrs = 24       // capacity for attributes of a new span
	keptScratch = 64 << 10 // bytes of the encoder's scratch
)

// Start begins the record of a call that came with h: it extracts the caller's trace context, makes the trace's id where
// there is none, and takes the head sampler's decision. The record has no span yet. It is safe for concurrent use.
func (p *Pipeline) Start(h http.Header) *Trace {
	t := p.begin(h)
	if !t.Parent.IsValid() {
		t.ID = newTraceID()
	}
	t.Sampled = p.sampler.sample(t.ID, t.Parent)
	return t
}

// StartUnder is Start for a call whose SERVER span, server, is recorded by another process, which stands in front of this one.
// The record has that span all the same, as its root and with its ids, but it is not exported. Where the sampler follows its
// parent's decision, it is server's.
func (p *Pipeline) StartUnder(h http.Header, server trace.SpanContext) *Trace {
	t := p.begin(h)
	if t.Parent.TraceID() != server.TraceID() { // in a format that the other process does not read
		t.Parent, t.State, t.random = trace.SpanContext{}, trace.TraceState{}, false
	}
	t.ID, t.server = server.TraceID(), server.SpanID()
	t.Sampled = p.sampler.sample(t.ID, server)
	return t
}

func (p *Pipeline) begin(h http.Header) *Trace {
	t := p.records.Get().(*Trace)
	t.base = time.Now()
	p.propagation.extract(t, h)
	if t.Parent.IsValid() {
		t.ID = t.Parent.TraceID()
		t.State = t.Parent.TraceState()
		t.random = t.Parent.TraceFlags()&trace.FlagsRandom != 0
	}
	return t
}

// ParseServer reads the ids of a SERVER span that another process records, as lower-case hexadecimal digits with a dash
// between them: trace id, span id. The result is not valid when s is not.
func ParseServer(s string, sampled bool) trace.SpanContext {
	const dash = 2 * len(trace.TraceID{})
	c := trace.SpanContextConfig{Remote: true}
	if len(s) != dash+1+2*len(trace.SpanID{}) || s[dash] != '-' || !decodeHex(c.TraceID[:], s[:dash]) || !decodeHex(c.SpanID[:], s[dash+1:]) {
		return trace.SpanContext{}
	}
	if sampled {
		c.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(c)
}

// StartSpan adds a span that began at at, as a child of parent; with NoSpan as a child of the caller's span, or as a root
// where there is none. Past MaxSpans it returns NoSpan.
func (t *Trace) StartSpan(name string, k Kind, parent SpanRef, at time.Time) SpanRef {
	n := len(t.Spans)
	if n >= MaxSpans {
		t.Lost++
		return NoSpan
	}
	if n < cap(t.Spans) {
		t.Spans = t.Spans[:n+1]
	} else {
		t.Spans = append(t.Spans, Span{})
	}
	s := &t.Spans[n]
	if s.Attrs == nil {
		s.Attrs = make([]Attr, 0, inlineAttrs)
	}
	s.ID, s.Name, s.Kind, s.Start = newSpanID(), name, k, at
	if parent >= 0 && int(parent) < n {
		s.Parent, s.remoteParent = t.Spans[parent].ID, parent == Root && t.server.IsValid()
	} else {
		s.Parent, s.remoteParent = t.Parent.SpanID(), t.Parent.IsValid()
	}
	if n == 0 && t.server.IsValid() {
		s.ID = t.server
	}
	return SpanRef(n)
}

// Span returns the span that r names, for its attributes. It is valid until the next StartSpan. For NoSpan it is a span that
// goes nowhere.
func (t *Trace) Span(r SpanRef) *Span {
	if r < 0 || int(r) >= len(t.Spans) {
		t.void.reset()
		return &t.void
	}
	return &t.Spans[r]
}

// EndSpan ends the span that r names at at, unless it ended before.
func (t *Trace) EndSpan(r SpanRef, at time.Time) {
	if s := t.Span(r); s.End.IsZero() {
		s.End = at
	}
}

// ours are the spans that this process exports.
func (t *Trace) ours() []Span {
	if t.server.IsValid() && len(t.Spans) > 0 {
		return t.Spans[1:]
	}
	return t.Spans
}

// endOpen ends every open span at at.
func (t *Trace) endOpen(at time.Time) {
	for i := range t.Spans {
		if t.Spans[i].End.IsZero() {
			t.Spans[i].End = at
		}
	}
}

// reset empties t for its next use.
func (t *Trace) reset() {
	for i := range t.Spans {
		t.Spans[i].reset()
	}
	t.void.reset()
	buf := t.buf[:0]
	if cap(buf) > keptScratch {
		buf = nil
	}
	*t = Trace{Spans: t.Spans[:0], void: t.void, buf: buf}
}

// newTraceID returns a random id, never zero.
func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.LittleEndian.PutUint64(id[:8], random64())
		binary.LittleEndian.PutUint64(id[8:], random64())
	}
	return id
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.LittleEndian.PutUint64(id[:], random64())
	}
	return id
}

// random64 has no lock and is seeded by the operating system.
func random64() uint64 {
	return rand.Uint64() //nolint:gosec // Ids have to be unique, not secret.
}
