package telemetry

import (
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/ir"
)

// noEnv is an environment without variables.
func noEnv(string) string { return "" }

// newPipeline makes a pipeline that ends with the test.
func newPipeline(t testing.TB, cfg ir.Telemetry, o Options) *Pipeline {
	t.Helper()
	if o.Getenv == nil {
		o.Getenv = noEnv
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p, err := New(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return p
}

// request wraps encoded spans as an export does.
func request(t testing.TB, spans []byte) *collectorpb.ExportTraceServiceRequest {
	t.Helper()
	env := newEnvelope([]attribute.KeyValue{attribute.String("service.name", "test")}, "https://schema.example", "1.2.3")
	raw := env.wrap(append(make([]byte, env.room()), spans...))
	var m collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &m); err != nil {
		t.Fatalf("unmarshal: %v", err)
	}
	return &m
}

// decodeSpans decodes encoded spans.
func decodeSpans(t testing.TB, spans []byte) []*tracepb.Span {
	t.Helper()
	return spansOf(request(t, spans))
}

func spansOf(m *collectorpb.ExportTraceServiceRequest) (out []*tracepb.Span) {
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			out = append(out, ss.Spans...)
		}
	}
	return out
}

// sampleCall fills t with the spans of a usual call: SERVER, chat, one attempt.
func sampleCall(t *Trace, at time.Time) {
	root := t.StartSpan("POST /v1/chat/completions", KindServer, NoSpan, at)
	s := t.Span(root)
	s.String(HTTPRequestMethod, "POST")
	s.String(URLPath, "/v1/chat/completions")
	s.String(URLScheme, "http")
	s.String(ClientAddress, "10.1.2.3")
	s.String(UserAgentOriginal, "OpenAI/Python 1.2.3")
	s.String(HTTPRoute, "/v1")
	s.Int(HTTPResponseStatusCode, 200)
	chat := t.StartSpan("chat gpt-4o", KindClient, root, at.Add(time.Millisecond))
	s = t.Span(chat)
	s.String(GenAIOperationName, "chat")
	s.String(GenAIProviderName, "openai")
	s.String(GenAIRequestModel, "gpt-4o")
	s.String(GenAIResponseModel, "gpt-4o-2024-08-06")
	s.String(GenAIResponseID, "chatcmpl-123456789")
	s.Strings(GenAIResponseFinishReasons, stopReason)
	s.String(ServerAddress, "api.openai.com")
	s.Int(ServerPort, 443)
	s.Int(GenAIUsageInputTokens, 120)
	s.Int(GenAIUsageOutputTokens, 48)
	s.Float(GenAIRequestTemperature, 0.7)
	s.Float(SpanwayGatewayOverhead, 0.0002)
	attempt := t.StartSpan("POST", KindClient, chat, at.Add(2*time.Millisecond))
	s = t.Span(attempt)
	s.String(HTTPRequestMethod, "POST")
	s.String(URLFull, "https://api.openai.com/v1/chat/completions")
	s.Int(HTTPResponseStatusCode, 200)
	s.String(ServerAddress, "api.openai.com")
	s.Int(ServerPort, 443)
	s.String(SpanwayBackend, "gpt")
	t.EndSpan(attempt, at.Add(300*time.Millisecond))
	t.EndSpan(chat, at.Add(301*time.Millisecond))
	t.EndSpan(root, at.Add(302*time.Millisecond))
}

var stopReason = []string{"stop"}

func newTrace() *Trace {
	return &Trace{ID: newTraceID(), Sampled: true, base: time.Now()}
}

func mustState(t testing.TB, s string) trace.TraceState {
	t.Helper()
	ts, err := trace.ParseTraceState(s)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}
