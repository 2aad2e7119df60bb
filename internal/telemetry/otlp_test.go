package telemetry

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func text(k, v string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: k, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}}
}

func integer(k string, v int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: k, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v}}}
}

func TestEncodeEveryField(t *testing.T) {
	base := time.Now()
	parent := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{9}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	tr := &Trace{
		ID: parent.TraceID(), Parent: parent, State: mustState(t, "a=1,b=2"), Sampled: true, random: true, base: base,
	}
	root := tr.StartSpan("POST /x", KindServer, NoSpan, base)
	child := tr.StartSpan("chat m", KindClient, root, base.Add(time.Second))
	s := tr.Span(child)
	s.String(GenAIRequestModel, "m")
	s.Int(ServerPort, 443)
	s.Int(GenAIRequestSeed, -7)
	s.Float(GenAIRequestTemperature, 0.5)
	s.Bool(GenAIRequestStream, true)
	s.Bool(SpanwayTruncated, false)
	s.Strings(GenAIResponseFinishReasons, []string{"stop", "", "length"})
	s.Strings(GenAIRequestStopSequences, []string{})
	e := s.Event("gen_ai.first_chunk", base.Add(1500*time.Millisecond))
	e.String(SpanwayRetryReason, "429")
	e.Int(SpanwayAttempt, 2)
	e.Float(SpanwayBackoff, 0.25)
	s.Fail("rate_limit")
	s.lostEvents = 300
	tr.EndSpan(child, base.Add(2*time.Second))
	tr.EndSpan(root, base.Add(3*time.Second))

	at := func(d time.Duration) uint64 { return uint64(base.UnixNano() + int64(d)) }
	rootID, childID := tr.Spans[root].ID, tr.Spans[child].ID
	want := &collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "test")}},
		SchemaUrl: "https://schema.example",
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: "spanway", Version: "1.2.3"},
			Spans: []*tracepb.Span{{
				TraceId: tr.ID[:], SpanId: rootID[:], ParentSpanId: []byte{9, 0, 0, 0, 0, 0, 0, 0}, TraceState: "a=1,b=2",
				Name: "POST /x", Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: at(0),
				EndTimeUnixNano: at(3 * time.Second), Flags: 0x303,
			}, {
				TraceId: tr.ID[:], SpanId: childID[:], ParentSpanId: rootID[:], TraceState: "a=1,b=2",
				Name: "chat m", Kind: tracepb.Span_SPAN_KIND_CLIENT, StartTimeUnixNano: at(time.Second),
				EndTimeUnixNano: at(2 * time.Second), Flags: 0x103,
				Attributes: []*commonpb.KeyValue{
					text("gen_ai.request.model", "m"),
					integer("server.port", 443),
					integer("gen_ai.request.seed", -7),
					{Key: "gen_ai.request.temperature", Value: &commonpb.AnyValue{
						Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}}},
					{Key: "gen_ai.request.stream", Value: &commonpb.AnyValue{
						Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}},
					{Key: "spanway.truncated", Value: &commonpb.AnyValue{
						Value: &commonpb.AnyValue_BoolValue{BoolValue: false}}},
					{Key: "gen_ai.response.finish_reasons", Value: stringArray("stop", "", "length")},
					{Key: "gen_ai.request.stop_sequences", Value: stringArray()},
					text("error.type", "rate_limit"),
				},
				Events: []*tracepb.Span_Event{{
					TimeUnixNano: at(1500 * time.Millisecond), Name: "gen_ai.first_chunk",
					Attributes: []*commonpb.KeyValue{
						text("spanway.retry.reason", "429"),
						integer("spanway.attempt", 2),
						{Key: "spanway.retry.backoff", Value: &commonpb.AnyValue{
							Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.25}}},
					},
				}},
				DroppedEventsCount: 300,
				Status:             &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR},
			}},
		}},
	}}}
	got := request(t, appendTrace(nil, tr))
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func stringArray(v ...string) *commonpb.AnyValue {
	a := &commonpb.ArrayValue{}
	for _, s := range v {
		a.Values = append(a.Values, &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}})
	}
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: a}}
}

// The encoding must be the canonical one: the same length as protobuf's own, at every size of length prefix.
func TestEncodeLengths(t *testing.T) {
	for _, n := range []int{0, 1, 60, 100, 126, 127, 128, 129, 16000, 16300, 16383, 16384, 16385, 1 << 20, 2<<20 + 1} {
		tr := newTrace()
		r := tr.StartSpan("x", KindInternal, NoSpan, tr.base)
		tr.Span(r).String(URLFull, strings.Repeat("a", n))
		tr.Span(r).Strings(GenAIRequestStopSequences, []string{strings.Repeat("b", n)})
		tr.EndSpan(r, tr.base)
		raw := appendTrace([]byte("before"), tr)[6:]
		m := request(t, raw)
		again, err := proto.Marshal(m.ResourceSpans[0].ScopeSpans[0].Spans[0])
		if err != nil {
			t.Fatal(err)
		}
		if want := 1 + varintSize(uint64(len(again))) + len(again); len(raw) != want {
			t.Errorf("%d bytes of text: encoded in %d bytes, protobuf takes %d", n, len(raw), want)
		}
		got := spansOf(m)[0].Attributes
		if list := got[len(got)-1].Value.GetArrayValue().Values; list[0].GetStringValue() != strings.Repeat("b", n) {
			t.Errorf("%d bytes of text: list differs", n)
		}
	}
}

func TestEnvelopeSizes(t *testing.T) {
	for _, n := range []int{1, 50, 100, 127, 200, 16000, 17000, 1 << 20, 3 << 20} {
		tr := newTrace()
		r := tr.StartSpan(strings.Repeat("n", n), KindInternal, NoSpan, tr.base)
		tr.EndSpan(r, tr.base)
		env := newEnvelope([]attribute.KeyValue{attribute.Int("process.pid", 7)}, schemaURL, "")
		buf := appendTrace(make([]byte, env.room()), tr)
		for range 2 { // the second time over the first
			var m collectorpb.ExportTraceServiceRequest
			if err := proto.Unmarshal(env.wrap(buf), &m); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			if got := spansOf(&m); len(got) != 1 || len(got[0].Name) != n {
				t.Errorf("%d bytes: span lost", n)
			}
			if got := m.ResourceSpans[0].Resource.Attributes[0].Value.GetIntValue(); got != 7 {
				t.Errorf("process.pid = %d", got)
			}
		}
	}
}

// A clock that is set back in the middle of a call must not give negative durations.
func TestTimesNeverGoBack(t *testing.T) {
	base := time.Now()
	tr := &Trace{ID: newTraceID(), base: base}
	r := tr.StartSpan("x", KindInternal, NoSpan, base.Add(time.Second))
	tr.EndSpan(r, base)
	s := decodeSpans(t, appendTrace(nil, tr))[0]
	if s.EndTimeUnixNano < s.StartTimeUnixNano {
		t.Errorf("the span ends %d ns before it starts", s.StartTimeUnixNano-s.EndTimeUnixNano)
	}
}

func TestShrink(t *testing.T) {
	big := strings.Repeat("é", 2<<20)
	jsonText := `[{"role":"user","parts":[{"type":"text","content":"` + strings.Repeat("a", 4<<20) + `"}]}]`
	manyTexts := `["` + strings.Repeat(`x","`, 800_000) + `"]`
	tests := map[string]func(s *Span){
		"text":         func(s *Span) { s.String(URLFull, big) },
		"json":         func(s *Span) { s.String(GenAIInputMessages, jsonText) },
		"short texts":  func(s *Span) { s.String(GenAIInputMessages, manyTexts) },
		"not json":     func(s *Span) { s.String(GenAIInputMessages, big) },
		"list of many": func(s *Span) { s.Strings(GenAIRequestStopSequences, make([]string, 4<<20)) },
		"list of long": func(s *Span) { s.Strings(GenAIRequestStopSequences, []string{big}) },
		"name":         func(s *Span) { s.Name = big },
		"events": func(s *Span) {
			for range MaxEvents {
				e := s.Event(big[:16<<10], time.Now())
				e.String(SpanwayRetryReason, big[:16<<10])
			}
		},
	}
	for name, fill := range tests {
		t.Run(name, func(t *testing.T) {
			tr := newTrace()
			sampleCall(tr, tr.base)
			fill(&tr.Spans[1])
			if n := len(appendTrace(nil, tr)); n <= maxTrace {
				t.Fatalf("%d bytes are not too large to begin with", n)
			}
			raw := tr.shrink(nil)
			if len(raw) > maxTrace {
				t.Fatalf("%d bytes after shrinking", len(raw))
			}
			spans := decodeSpans(t, raw)
			if len(spans) != 3 {
				t.Fatalf("%d spans of 3", len(spans))
			}
			attrs := map[string]*commonpb.AnyValue{}
			for _, s := range spans {
				for _, kv := range s.Attributes {
					attrs[kv.Key] = kv.Value
				}
			}
			if attrs["gen_ai.response.id"].GetStringValue() != "chatcmpl-123456789" {
				t.Error("a short text was cut")
			}
			if !attrs["spanway.truncated"].GetBoolValue() {
				t.Error("not marked as truncated")
			}
			if v := attrs["gen_ai.input.messages"]; v != nil {
				if err := validJSON(v.GetStringValue()); err != nil {
					t.Errorf("content is no JSON any more: %v", err)
				}
			}
		})
	}
}

// 64 spans, full of events, all with long texts: nothing that a trace can hold is too large.
func TestShrinkLargestTrace(t *testing.T) {
	tr := newTrace()
	tr.State = mustState(t, "k="+strings.Repeat("v", 256))
	long := strings.Repeat("x", 64<<10)
	for range MaxSpans {
		s := tr.Span(tr.StartSpan(long, KindInternal, NoSpan, tr.base))
		for k := range numKeys {
			s.String(k, long)
		}
		for range MaxEvents {
			e := s.Event(long, tr.base)
			for k := range numKeys {
				e.String(k, long)
			}
		}
	}
	tr.endOpen(tr.base)
	raw := tr.shrink(nil)
	if len(raw) > maxTrace {
		t.Fatalf("%d bytes after shrinking", len(raw))
	}
	spans := decodeSpans(t, raw)
	if len(spans) != MaxSpans || spans[0].DroppedEventsCount != MaxEvents {
		t.Errorf("%d spans, %d dropped events", len(spans), spans[0].DroppedEventsCount)
	}
}

func TestTranscodeJSON(t *testing.T) {
	tr := newTrace()
	sampleCall(tr, tr.base)
	tr.Spans[1].Fail("x")
	env := newEnvelope(nil, schemaURL, "1")
	raw := env.wrap(appendTrace(make([]byte, env.room()), tr))
	got, err := transcodeJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	chat := tr.Spans[1]
	for _, want := range []string{
		`"traceId":"` + tr.ID.String() + `"`, `"spanId":"` + chat.ID.String() + `"`,
		`"parentSpanId":"` + chat.Parent.String() + `"`, `"kind":3`, `"code":2`, `"startTimeUnixNano":"`,
		`"intValue":"120"`, `"doubleValue":0.7`, `"scopeSpans":`,
	} {
		if !strings.Contains(strings.ReplaceAll(string(got), `": `, `":`), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	var m collectorpb.ExportTraceServiceRequest
	if err := protojson.Unmarshal(got, &m); err != nil {
		t.Error(err)
	}
}

// Any bytes in a text become valid protobuf that says the same where it was valid.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\xff", "a\xc3", "é\xed\xa0\x80", strings.Repeat("\xf0\x9f", 200)} {
		f.Add(s, 0.5, int64(-1))
	}
	f.Fuzz(func(t *testing.T, s string, x float64, n int64) {
		tr := newTrace()
		sp := tr.Span(tr.StartSpan(s, KindInternal, NoSpan, tr.base))
		sp.String(URLFull, s)
		sp.Strings(GenAIRequestStopSequences, []string{s, s})
		sp.Float(GenAIRequestTopP, x)
		sp.Int(GenAIRequestSeed, n)
		sp.Event(s, tr.base).String(SpanwayRetryReason, s)
		tr.endOpen(tr.base)
		got := decodeSpans(t, appendTrace(nil, tr))[0]
		if !utf8.ValidString(got.Name) {
			t.Errorf("name %q is not valid", got.Name)
		}
		if utf8.ValidString(s) && got.Name != s {
			t.Errorf("name %q, want %q", got.Name, s)
		}
		want := map[string]bool{"gen_ai.request.top_p": true, "gen_ai.request.seed": true}
		for _, kv := range got.Attributes {
			switch kv.Key {
			case "gen_ai.request.top_p":
				if math.Float64bits(kv.Value.GetDoubleValue()) != math.Float64bits(x) {
					t.Errorf("top_p %v, want %v", kv.Value, x)
				}
			case "gen_ai.request.seed":
				if kv.Value.GetIntValue() != n {
					t.Errorf("seed %v, want %v", kv.Value, n)
				}
			}
			delete(want, kv.Key)
		}
		if len(want) > 0 {
			t.Errorf("missing: %v", want)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	tr := newTrace()
	sampleCall(tr, tr.base)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendTrace(buf[:0], tr)
	}
	b.SetBytes(int64(len(buf)))
}
