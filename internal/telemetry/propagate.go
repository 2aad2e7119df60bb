package telemetry

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header names in the canonical form of net/http, by which the fast path finds them without a conversion.
const (
	traceparentHeader = "Traceparent"
	tracestateHeader  = "Tracestate"
	baggageHeader     = "Baggage"
)

const (
	traceparentLen = 55   // version 00: 00-{32}-{16}-{2}
	maxBaggage     = 8192 // bytes; W3C Baggage, Limits
)

// propagationSet says which formats of trace context are understood. The formats of the W3C have a path of their own that
// allocates next to nothing; any other set is OpenTelemetry's own propagators.
type propagationSet struct {
	tracecontext bool
	baggage      bool
	other        propagation.TextMapPropagator // nil on the fast path
	through      bool                          // pass the caller's context on as it is (OTEL_SDK_DISABLED)
}

// newPropagation takes the names of OTEL_PROPAGATORS; none at all is tracecontext and baggage.
func newPropagation(names []string) (propagationSet, error) {
	if len(names) == 0 {
		names = []string{"tracecontext", "baggage"}
	}
	if slices.Contains(names, "none") {
		return propagationSet{}, nil
	}
	var s propagationSet
	fast := true
	for _, n := range names {
		switch n {
		case "tracecontext":
			s.tracecontext = true
		case "baggage":
			s.baggage = true
		default:
			fast = false
		}
	}
	if fast {
		return s, nil
	}
	other, err := autoprop.TextMapPropagator(names...)
	if err != nil {
		return propagationSet{}, fmt.Errorf("propagators %q: %w", names, err)
	}
	return propagationSet{other: other}, nil
}

// extract sets t's parent and baggage from h.
func (s *propagationSet) extract(t *Trace, h http.Header) {
	if s.other != nil {
		t.remote = s.other.Extract(context.Background(), propagation.HeaderCarrier(h))
		t.Parent = trace.SpanContextFromContext(t.remote)
		return
	}
	// Several traceparent headers are none (W3C Trace Context, 3.3.1): which is true cannot be known.
	if v := h[traceparentHeader]; s.tracecontext && len(v) == 1 {
		if c, ok := parseTraceparent(v[0]); ok {
			c.TraceState = parseTracestate(h[tracestateHeader])
			t.Parent = trace.NewSpanContext(c)
		}
	}
	if v := h[baggageHeader]; s.baggage && len(v) > 0 {
		if b := strings.Join(v, ","); len(b) <= maxBaggage {
			t.baggage = b
		}
	}
}

// parseTracestate joins the header's lines (W3C Trace Context, 3.3.2). What cannot be parsed is left out whole.
func parseTracestate(lines []string) trace.TraceState {
	if len(lines) == 0 {
		return trace.TraceState{}
	}
	ts, err := trace.ParseTraceState(strings.Join(lines, ","))
	if err != nil {
		return trace.TraceState{}
	}
	return ts
}

// parseTraceparent reads a traceparent header (W3C Trace Context, 3.2): version 00, or a later one whose beginning is read
// as 00.
func parseTraceparent(v string) (c trace.SpanContextConfig, ok bool) {
	if len(v) < traceparentLen || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !decodeHex(version[:], v[:2]) || version[0] == 0xff {
		return c, false
	}
	if len(v) > traceparentLen && (version[0] == 0 || v[traceparentLen] != '-') {
		return c, false
	}
	if !decodeHex(c.TraceID[:], v[3:35]) || !decodeHex(c.SpanID[:], v[36:52]) || !decodeHex(flags[:], v[53:55]) {
		return c, false
	}
	c.TraceFlags = trace.TraceFlags(flags[0]) & (trace.FlagsSampled | trace.FlagsRandom)
	c.Remote = true
	return c, c.TraceID.IsValid() && c.SpanID.IsValid()
}

// decodeHex decodes lower-case hexadecimal digits, the only ones that the specification allows.
func decodeHex(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi|lo > 0xf {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// AppendTraceparent appends the traceparent header (W3C Trace Context, 3.2) that names the span as parent.
func (t *Trace) AppendTraceparent(dst []byte, span SpanRef) []byte {
	id := t.Span(span).ID
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, t.ID[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[:])
	return append(dst, '-', '0', '0'+byte(t.flags()))
}

// flags are the trace flags that go upstream.
func (t *Trace) flags() trace.TraceFlags {
	var f trace.TraceFlags
	if t.Sampled {
		f |= trace.FlagsSampled
	}
	if t.random {
		f |= trace.FlagsRandom
	}
	return f
}

// Inject writes the trace context that makes the span the parent of what the upstream records into h, over what the caller
// sent: traceparent, tracestate and baggage, or what the configured propagators write. NoSpan writes nothing.
func (p *Pipeline) Inject(t *Trace, span SpanRef, h http.Header) {
	if span < 0 || int(span) >= len(t.Spans) {
		return
	}
	s := &p.propagation
	if s.other != nil {
		sc := t.Parent
		if !s.through {
			sc = trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: t.ID, SpanID: t.Spans[span].ID, TraceFlags: t.flags(), TraceState: t.State,
			})
		}
		s.other.Inject(trace.ContextWithSpanContext(t.remote, sc), propagation.HeaderCarrier(h))
		return
	}
	if s.tracecontext {
		s.injectTraceparent(t, span, h)
	}
	if s.baggage && t.baggage != "" {
		h[baggageHeader] = []string{t.baggage}
	}
}

// Strip removes from h the trace context that a caller sent, for a provider that is not to see any: the W3C's headers, and
// those of the configured propagators.
func (p *Pipeline) Strip(h http.Header) {
	delete(h, traceparentHeader)
	delete(h, tracestateHeader)
	delete(h, baggageHeader)
	if other := p.propagation.other; other != nil {
		for _, field := range other.Fields() {
			h.Del(field)
		}
	}
}

func (s *propagationSet) injectTraceparent(t *Trace, span SpanRef, h http.Header) {
	if s.through {
		if t.Parent.IsValid() {
			propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), t.Parent),
				propagation.HeaderCarrier(h))
		}
		return
	}
	var b [traceparentLen]byte
	h[traceparentHeader] = []string{string(t.AppendTraceparent(b[:0], span))}
	delete(h, tracestateHeader)
	if state := t.State.String(); state != "" {
		h[tracestateHeader] = []string{state}
	}
}
