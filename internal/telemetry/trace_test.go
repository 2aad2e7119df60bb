package telemetry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

func validJSON(s string) error {
	var v any
	return json.Unmarshal([]byte(s), &v)
}

func TestSpansOfATrace(t *testing.T) {
	tr := newTrace()
	root := tr.StartSpan("root", KindServer, NoSpan, tr.base)
	child := tr.StartSpan("child", KindClient, root, tr.base)
	if got := tr.Span(child); got.Parent != tr.Spans[root].ID || got.remoteParent {
		t.Errorf("child's parent is %v, want %v", got.Parent, tr.Spans[root].ID)
	}
	if tr.Span(root).Parent.IsValid() {
		t.Error("a root has a parent")
	}
	for range MaxSpans {
		tr.StartSpan("more", KindInternal, root, tr.base)
	}
	if len(tr.Spans) != MaxSpans || tr.Lost != 2 {
		t.Errorf("%d spans and %d lost, want %d and 2", len(tr.Spans), tr.Lost, MaxSpans)
	}
	over := tr.StartSpan("over", KindInternal, root, tr.base)
	if over != NoSpan {
		t.Fatalf("span %d past the bound", over)
	}
	tr.Span(over).String(ErrorType, "nowhere")
	tr.EndSpan(over, tr.base)
	if tr.Span(over).Get(ErrorType) != nil {
		t.Error("NoSpan keeps attributes")
	}
	end := tr.base.Add(time.Second)
	tr.EndSpan(child, end)
	tr.EndSpan(child, end.Add(time.Hour))
	tr.endOpen(end.Add(time.Minute))
	if got := tr.Spans[child].End; !got.Equal(end) {
		t.Errorf("child ends at %v, want its first end %v", got, end)
	}
	if got := tr.Spans[root].End; !got.Equal(end.Add(time.Minute)) {
		t.Errorf("root ends at %v", got)
	}
}

func TestAttributes(t *testing.T) {
	var s Span
	s.String(ErrorType, "first")
	s.Int(ServerPort, 1)
	s.Strings(GenAIRequestStopSequences, []string{"x"})
	s.String(ErrorType, "second")
	s.String(URLFull, "")
	s.Strings(GenAIRequestEncodingFormats, nil)
	if len(s.Attrs) != 3 || s.Get(ErrorType).Str != "second" {
		t.Errorf("attributes %+v", s.Attrs)
	}
	s.Int(ErrorType, 5)
	if a := s.Get(ErrorType); a.Type != TypeInt || a.Str != "" || a.Int() != 5 {
		t.Errorf("replaced attribute is %+v", a)
	}
	s.Unset(ErrorType)
	s.Unset(URLFull)
	if len(s.Attrs) != 2 || s.Get(ErrorType) != nil || s.Get(ServerPort).Int() != 1 {
		t.Errorf("attributes after Unset %+v", s.Attrs)
	}
	s.Fail("")
	if !s.Failed || s.Get(ErrorType).Str != "_OTHER" {
		t.Errorf("failed without a type: %+v", s.Get(ErrorType))
	}
	for range MaxEvents + 3 {
		e := s.Event("e", time.Now())
		e.String(ErrorType, "x")
		e.Int(ServerPort, 1)
		e.Float(SpanwayBackoff, 1)
	}
	if len(s.Events) != MaxEvents || s.lostEvents != 3 {
		t.Errorf("%d events, %d lost", len(s.Events), s.lostEvents)
	}
}

func TestNamesAreComplete(t *testing.T) {
	seen := map[string]Key{}
	for k := range numKeys {
		name := k.String()
		if name == "" || len(name) > 127 {
			t.Errorf("key %d is named %q", k, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("keys %d and %d are both %q", other, k, name)
		}
		seen[name] = k
	}
}

// A record that is used again must not show anything of the call before.
func TestRecycledRecordsAreEmpty(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{}, Options{})
	h := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"}, "Baggage": {"a=1"}}
	tr := p.Start(h)
	sampleCall(tr, time.Now())
	tr.Spans[0].Event("e", time.Now()).String(ErrorType, "x")
	tr.Span(NoSpan).String(ErrorType, "x")
	tr.Lost = 3
	tr.reset()
	if tr.ID.IsValid() || tr.Parent.IsValid() || tr.baggage != "" || tr.random || tr.Sampled || tr.Lost != 0 || len(tr.Spans) != 0 {
		t.Errorf("after reset: %+v", tr)
	}
	r := tr.StartSpan("next", KindServer, NoSpan, time.Now())
	s := tr.Span(r)
	if len(s.Attrs) != 0 || len(s.Events) != 0 || !s.End.IsZero() || s.Failed {
		t.Errorf("recycled span: %+v", s)
	}
	for _, a := range s.Attrs[:cap(s.Attrs)] {
		if a.Str != "" || a.Strs != nil {
			t.Errorf("recycled slot holds on to %+v", a)
		}
	}
	if e := s.Event("e2", time.Now()); len(e.Attrs) != 0 {
		t.Errorf("recycled event: %+v", e)
	}
}

// A root that another process records is not sent a second time.
func TestServerSpanOfAnotherIsNotExported(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{}, Options{})
	tr := p.StartUnder(nil, ParseServer("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", true))
	sampleCall(tr, time.Now())
	spans := decodeSpans(t, appendTrace(nil, tr))
	if len(spans) != 2 || spans[0].Name != "chat gpt-4o" {
		t.Fatalf("exported %v", spans)
	}
	if got := fmt.Sprintf("%x %x", spans[0].TraceId, spans[0].ParentSpanId); got != "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331" {
		t.Errorf("chat is in %s", got)
	}
	if remote := spans[0].Flags & flagIsRemote; remote == 0 || spans[1].Flags&flagIsRemote != 0 {
		t.Error("only the parent of chat is in another process")
	}
}

func TestConsoleSeesEveryFinishedTrace(t *testing.T) {
	var seen []string
	p := newPipeline(t, ir.Telemetry{Sampler: ir.Sampler{Type: "always_off"}}, Options{Console: func(tr *Trace) {
		for i := range tr.Spans {
			if tr.Spans[i].End.IsZero() {
				t.Error("an open span was finished")
			}
			seen = append(seen, tr.Spans[i].Name)
		}
	}})
	tr := p.Start(nil)
	tr.StartSpan("open", KindServer, NoSpan, time.Now())
	p.Finish(tr)
	if len(seen) != 1 || seen[0] != "open" {
		t.Errorf("the console saw %q", seen)
	}
}

func benchmarkCall(b *testing.B, cfg ir.Telemetry) {
	p := newPipeline(b, cfg, Options{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tr := p.Start(nil)
			sampleCall(tr, tr.base)
			p.Finish(tr)
		}
	})
}

func BenchmarkSampledOut(b *testing.B) {
	benchmarkCall(b, ir.Telemetry{Sampler: ir.Sampler{Type: "always_off"}})
}
