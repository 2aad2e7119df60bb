package telemetry

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/ir"
)

const (
	someTrace  = "0af7651916cd43dd8448eb211c80319c"
	someSpan   = "b7ad6b7169203331"
	someParent = "00-" + someTrace + "-" + someSpan + "-01"
)

// What the fast path accepts is what the SDK accepts, and means the same.
func TestTraceparentAgreesWithTheSDK(t *testing.T) {
	for _, h := range []string{
		someParent, "", "00", "00-" + someTrace + "-" + someSpan + "-00", "00-" + someTrace + "-" + someSpan + "-03",
		"01-" + someTrace + "-" + someSpan + "-01", "01-" + someTrace + "-" + someSpan + "-01-more",
		"cc-" + someTrace + "-" + someSpan + "-09", "ff-" + someTrace + "-" + someSpan + "-01",
		someParent + "-more", someParent + "x", "00-" + strings.ToUpper(someTrace) + "-" + someSpan + "-01",
		"00-" + strings.Repeat("0", 32) + "-" + someSpan + "-01", "00-" + someTrace + "-" + strings.Repeat("0", 16) + "-01",
		"00-" + someTrace + "_" + someSpan + "-01", "00-" + someTrace[1:] + "g-" + someSpan + "-01", "0" + someParent,
	} {
		checkTraceparent(t, h)
	}
}

func checkTraceparent(t *testing.T, h string) {
	t.Helper()
	header := http.Header{"Traceparent": {h}}
	want := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(),
		propagation.HeaderCarrier(header)))
	var got trace.SpanContext
	if c, ok := parseTraceparent(h); ok {
		got = trace.NewSpanContext(c)
	}
	if !got.Equal(want) {
		t.Errorf("%q is %+v, the SDK says %+v", h, got, want)
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add(someParent)
	f.Add("01-" + someTrace + "-" + someSpan + "-ff-more")
	f.Fuzz(func(t *testing.T, h string) {
		if strings.HasPrefix(h, "00-") && len(h) == traceparentLen && h[53:] > "03" {
			return // the SDK refuses flags that it does not know; the specification ignores them
		}
		if len(h) > traceparentLen && !strings.HasPrefix(h, "00-") && h[traceparentLen] != '-' {
			return // the SDK does not look at what follows a later version's flags
		}
		checkTraceparent(t, h)
	})
}

func TestPropagation(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{}, Options{})
	tests := map[string]struct {
		in      http.Header
		state   string
		baggage string
		parent  bool
	}{
		"nothing": {in: http.Header{}},
		"all": {in: http.Header{"Traceparent": {someParent}, "Tracestate": {"a=1", "b=2"}, "Baggage": {"k=v", "l=w;p"}},
			state: "a=1,b=2", baggage: "k=v,l=w;p", parent: true},
		"two parents":       {in: http.Header{"Traceparent": {someParent, someParent}, "Tracestate": {"a=1"}}},
		"state alone":       {in: http.Header{"Tracestate": {"a=1"}}},
		"bad state":         {in: http.Header{"Traceparent": {someParent}, "Tracestate": {"=,="}}, parent: true},
		"oversized baggage": {in: http.Header{"Baggage": {"k=" + strings.Repeat("v", maxBaggage)}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tr := p.Start(tt.in)
			defer p.Finish(tr)
			s := tr.StartSpan("x", KindClient, NoSpan, tr.base)
			out := http.Header{"Traceparent": {"old"}, "Tracestate": {"old=1"}}
			p.Inject(tr, s, out)
			want := http.Header{"Traceparent": {"00-" + tr.ID.String() + "-" + tr.Spans[s].ID.String() + "-01"}}
			if tt.state != "" {
				want["Tracestate"] = []string{tt.state}
			}
			if tt.baggage != "" {
				want["Baggage"] = []string{tt.baggage}
			}
			if diff := cmp.Diff(want, out); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := tr.ID.String() == someTrace; got != tt.parent {
				t.Errorf("continues the caller's trace: %v", got)
			}
			p.Inject(tr, NoSpan, nil)
		})
	}
}

func TestPropagationFlags(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{}, Options{})
	for in, want := range map[string]string{"00": "00", "01": "01", "02": "02", "03": "03"} {
		tr := p.Start(http.Header{"Traceparent": {"00-" + someTrace + "-" + someSpan + "-" + in}})
		s := tr.StartSpan("x", KindClient, NoSpan, tr.base)
		if got := string(tr.AppendTraceparent(nil, s)); got[53:] != want {
			t.Errorf("flags %s go on as %s", in, got[53:])
		}
		p.Finish(tr)
	}
}

// Every format carries the context from one pipeline to another.
func TestOtherPropagators(t *testing.T) {
	for _, name := range []string{"tracecontext", "b3", "b3multi", "jaeger", "xray"} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, ir.Telemetry{Propagators: []string{name, "baggage"}}, Options{})
			first := p.Start(http.Header{"Baggage": {"k=v"}})
			s := first.StartSpan("x", KindClient, NoSpan, first.base)
			h := http.Header{}
			p.Inject(first, s, h)
			second := p.Start(h)
			if second.ID != first.ID || second.Parent.SpanID() != first.Spans[s].ID || !second.Sampled {
				t.Errorf("%v → %v → %+v", first.Spans[s].ID, h, second.Parent)
			}
			if got := h.Get("Baggage"); got != "k=v" {
				t.Errorf("baggage %q", got)
			}
			p.Finish(first)
			p.Finish(second)
		})
	}
	if _, err := newPropagation([]string{"carrier-pigeon"}); err == nil {
		t.Error("an unknown propagator is accepted")
	}
	none := newPipeline(t, ir.Telemetry{Propagators: []string{"none"}}, Options{})
	tr := none.Start(http.Header{"Traceparent": {someParent}})
	h := http.Header{}
	none.Inject(tr, tr.StartSpan("x", KindClient, NoSpan, tr.base), h)
	if tr.Parent.IsValid() || len(h) != 0 {
		t.Errorf("none: parent %v, headers %v", tr.Parent, h)
	}
}

// With OTEL_SDK_DISABLED nothing is recorded that the upstream could be a child of: the caller's span stays the parent.
func TestPropagationThrough(t *testing.T) {
	for _, propagators := range [][]string{nil, {"tracecontext", "b3"}} {
		p := newPipeline(t, ir.Telemetry{Propagators: propagators}, Options{Getenv: func(k string) string {
			if k == "OTEL_SDK_DISABLED" {
				return "true"
			}
			return ""
		}})
		tr := p.Start(http.Header{"Traceparent": {someParent}, "Tracestate": {"a=1"}})
		h := http.Header{}
		p.Inject(tr, tr.StartSpan("x", KindClient, NoSpan, tr.base), h)
		if h.Get("Traceparent") != someParent || h.Get("Tracestate") != "a=1" {
			t.Errorf("headers %v", h)
		}
		p.Finish(tr)
	}
}

func TestStrip(t *testing.T) {
	for _, propagators := range [][]string{nil, {"b3multi", "jaeger", "xray"}} {
		p := newPipeline(t, ir.Telemetry{Propagators: propagators}, Options{})
		h := http.Header{"Traceparent": {someParent}, "Tracestate": {"a=1"}, "Baggage": {"k=v"}, "Accept": {"x"}}
		tr := p.Start(h)
		p.Inject(tr, tr.StartSpan("x", KindClient, NoSpan, tr.base), h)
		p.Strip(h)
		if diff := cmp.Diff(http.Header{"Accept": {"x"}}, h); diff != "" {
			t.Errorf("%q: -want +got:\n%s", propagators, diff)
		}
		p.Finish(tr)
	}
}

func BenchmarkInject(b *testing.B) {
	p := newPipeline(b, ir.Telemetry{}, Options{})
	tr := p.Start(http.Header{"Traceparent": {someParent}})
	s := tr.StartSpan("x", KindClient, NoSpan, tr.base)
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		p.Inject(tr, s, h)
	}
}
