package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/spanway/spanway/internal/ir"
)

// recordLatest measures a call, or an embedding.
func recordLatest(p *Pipeline, op, failure string) {
	tr := newTrace()
	sampleCall(tr, tr.base)
	s := &tr.Spans[1]
	s.String(GenAIOperationName, op)
	s.Int(GenAIUsageCacheRead, 64)
	s.Int(GenAIUsageCacheCreation, 8)
	s.Int(GenAIUsageReasoning, 5)
	s.Float(GenAIResponseTimeToFirstChunk, 0.25)
	if failure != "" {
		s.Fail(failure)
	}
	p.meter.record(tr)
}

func TestLatestMetrics(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{Conventions: []string{"genai-latest"}, Metrics: ir.Metrics{Prometheus: true}}, Options{})
	cumulative := p.meter.producer(metricdata.CumulativeTemporality).(*producer)
	delta := p.meter.producer(metricdata.DeltaTemporality).(*producer)
	recordLatest(p, "chat", "")
	recordLatest(p, "chat", "client_gone")
	recordLatest(p, "embeddings", "")
	const (
		rest = "gen_ai.provider.name=openai,gen_ai.request.model=gpt-4o,gen_ai.response.model=gpt-4o-2024-08-06,"
		end  = "server.address=api.openai.com,server.port=443}"
		base = "{gen_ai.operation.name=chat," + rest + end
		used = "{gen_ai.operation.name=chat," + rest + "gen_ai.token.modality=unknown," + end
		embs = "{gen_ai.operation.name=embeddings," + rest + end
		inf  = "gen_ai.client.inference."
	)
	want := map[string]string{
		inf + "duration" + base: "1 0.3",
		inf + "duration{error.type=client_gone,gen_ai.operation.name=chat," + rest + end: "1 0.3",
		inf + "time_to_first_chunk" + base:                                               "2 0.5",
		inf + "operation.input_tokens" + base:                                            "2 240",
		inf + "operation.output_tokens" + base:                                           "2 96",
		inf + "usage.input_tokens" + used:                                                "240",
		inf + "usage.output_tokens" + used:                                               "96",
		inf + "usage.cache_read.input_tokens" + used:                                     "128",
		inf + "usage.cache_write.input_tokens" + used:                                    "16",
		inf + "usage.reasoning.output_tokens" + used:                                     "10",
		"gen_ai.client.embeddings.duration" + embs:                                       "1 0.3",
		"gen_ai.client.embeddings.operation.input_tokens" + embs:                         "1 120",
		"spanway.gateway.overhead{}":                                                     "3 0.0006",
	}
	if diff := cmp.Diff(want, points(t, cumulative)); diff != "" {
		t.Errorf("cumulative: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, points(t, delta)); diff != "" {
		t.Errorf("delta: -want +got:\n%s", diff)
	}
	recordLatest(p, "chat", "")
	if got := points(t, delta); got[inf+"usage.input_tokens"+used] != "120" || got[inf+"usage.cache_read.input_tokens"+used] != "64" ||
		got[inf+"usage.reasoning.output_tokens"+used] != "5" {
		t.Errorf("the next delta: %v", got)
	}
	if got := points(t, cumulative); got[inf+"usage.cache_write.input_tokens"+used] != "24" {
		t.Errorf("the next cumulative: %v", got)
	}
	w := httptest.NewRecorder()
	p.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	for _, name := range []string{"gen_ai_client_inference_duration_seconds_count", "gen_ai_client_inference_usage_input_tokens_total",
		"gen_ai_client_inference_operation_input_tokens_sum", "gen_ai_client_embeddings_duration_seconds_count"} {
		if !strings.Contains(w.Body.String(), "\n"+name+"{") {
			t.Errorf("/metrics has no %s: %d", name, w.Code)
		}
	}
	if strings.Contains(w.Body.String(), "gen_ai_client_operation") || strings.Contains(w.Body.String(), "gen_ai_client_token") {
		t.Error("/metrics has names of 1.41")
	}
}

func TestLatestNames(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{Conventions: []string{"genai-latest"}}, Options{})
	_, got := exported(t, p, func(tr *Trace) { tr.Spans[1].Int(GenAIUsageCacheCreation, 8) })
	if got["gen_ai.usage.cache_write.input_tokens"] != int64(8) || got["gen_ai.usage.cache_creation.input_tokens"] != nil ||
		got["gen_ai.usage.input_tokens"] != int64(120) {
		t.Errorf("%v", got)
	}
	if left := only(got, openInferencePrefixes...); len(left) > 0 {
		t.Errorf("names of OpenInference: %v", left)
	}
}
