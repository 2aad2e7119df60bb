package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/ir"
)

// points renders what p produces, one line a point: name{attributes} count sum.
func points(t *testing.T, p *producer) map[string]string {
	t.Helper()
	sm, err := p.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range sm[0].Metrics {
		switch d := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, pt := range d.DataPoints {
				out[m.Name+"{"+pt.Attributes.Encoded(attribute.DefaultEncoder())+"}"] = fmt.Sprintf("%d %.4g", pt.Count, pt.Sum)
			}
		case metricdata.Sum[int64]:
			for _, pt := range d.DataPoints {
				out[m.Name+"{"+pt.Attributes.Encoded(attribute.DefaultEncoder())+"}"] = fmt.Sprint(pt.Value)
			}
		}
	}
	return out
}

func newTestMeter() *meter { return &meter{start: time.Now()} }

func TestMetricsOfACall(t *testing.T) {
	m := newTestMeter()
	tr := newTrace()
	sampleCall(tr, tr.base)
	chat := &tr.Spans[1]
	chat.Float(GenAIResponseTimeToFirstChunk, 0.1)
	chat.Int(SpanwayStreamChunks, 11)
	chat.Event(EventFirstChunk, chat.End.Add(-200*time.Millisecond))
	tr.Spans[0].String(SpanwayRoute, "smart")
	m.record(tr)

	failed := newTrace()
	sampleCall(failed, failed.base)
	failed.Spans[1].Fail("rate_limit_exceeded")
	failed.Spans[1].Unset(GenAIUsageInputTokens)
	failed.Spans[1].Unset(GenAIUsageOutputTokens)
	failed.Spans[1].Unset(SpanwayGatewayOverhead)
	m.record(failed)

	unparsed := newTrace()
	unparsed.StartSpan("POST", KindServer, NoSpan, unparsed.base)
	m.record(unparsed)

	const call = "gen_ai.operation.name=chat,gen_ai.provider.name=openai,gen_ai.request.model=gpt-4o," +
		"gen_ai.response.model=gpt-4o-2024-08-06"
	const server = "server.address=api.openai.com,server.port=443"
	want := map[string]string{
		"gen_ai.client.operation.duration{" + call + "," + server + "}":                                "1 0.3",
		"gen_ai.client.operation.duration{error.type=rate_limit_exceeded," + call + "," + server + "}": "1 0.3",
		"gen_ai.client.token.usage{" + call + ",gen_ai.token.type=input," + server + "}":               "1 120",
		"gen_ai.client.token.usage{" + call + ",gen_ai.token.type=output," + server + "}":              "1 48",
		"gen_ai.client.operation.time_to_first_chunk{" + call + "," + server + "}":                     "1 0.1",
		"gen_ai.client.operation.time_per_output_chunk{" + call + "," + server + "}":                   "1 0.02",
		"spanway.gateway.overhead{spanway.route=smart}":                                                "1 0.0002",
	}
	if diff := cmp.Diff(want, points(t, m.producer(metricdata.CumulativeTemporality).(*producer))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMetricsOfCallsThatDifferByErrorOnly: most metrics do not tell errors apart, and two points of the same name would make
// a whole collection invalid.
func TestMetricsOfCallsThatDifferByErrorOnly(t *testing.T) {
	p, err := New(t.Context(), ir.Telemetry{Metrics: ir.Metrics{Prometheus: true}}, Options{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Shutdown(context.WithoutCancel(t.Context())) }()
	cumulative := p.meter.producer(metricdata.CumulativeTemporality).(*producer)
	delta := p.meter.producer(metricdata.DeltaTemporality).(*producer)
	for i, end := range []string{"", "client_gone", "upstream_cut"} {
		tr := newTrace()
		sampleCall(tr, tr.base)
		chat := &tr.Spans[1]
		chat.Float(GenAIResponseTimeToFirstChunk, 0.1)
		if end != "" {
			chat.Fail(end)
		}
		p.meter.record(tr)
		for _, c := range []struct {
			of   *producer
			want string
		}{
			{cumulative, fmt.Sprintf("%d %.4g", i+1, 0.1*float64(i+1))},
			{delta, "1 0.1"},
		} {
			found := 0
			for name, got := range points(t, c.of) {
				if strings.HasPrefix(name, "gen_ai.client.operation.time_to_first_chunk{") {
					if found++; got != c.want {
						t.Errorf("%s after %d calls: %s, want %s", name, i+1, got, c.want)
					}
				}
			}
			if found != 1 {
				t.Errorf("%d points of one name after %d calls", found, i+1)
			}
		}
	}
	w := httptest.NewRecorder()
	p.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "gen_ai_client_token_usage") {
		t.Errorf("/metrics: %d\n%s", w.Code, w.Body)
	}
}

func TestMetricBuckets(t *testing.T) {
	h := newHistogram(attribute.NewSet(), tokenBuckets)
	for _, v := range []float64{0, 1, 1.5, 4, 5, 1e12} {
		h.record(v)
	}
	c := h.load()
	if c.count != 6 || c.counts[0] != 2 || c.counts[1] != 2 || c.counts[2] != 1 || c.counts[len(tokenBuckets)] != 1 {
		t.Errorf("%+v", c)
	}
	for i := 1; i < len(tokenBuckets); i++ {
		if tokenBuckets[i] != 4*tokenBuckets[i-1] {
			t.Errorf("token bucket %v is no power of four", tokenBuckets[i])
		}
	}
	for i := 1; i < len(durationBuckets); i++ {
		if d := durationBuckets[i] - 2*durationBuckets[i-1]; d > 1e-9 || d < -1e-9 {
			t.Errorf("duration bucket %v is not twice the one before", durationBuckets[i])
		}
	}
}

func TestMetricTemporality(t *testing.T) {
	m := newTestMeter()
	s := &sink{name: "x"}
	m.sinks = []*sink{s}
	cumulative := m.producer(metricdata.CumulativeTemporality).(*producer)
	delta := m.producer(metricdata.DeltaTemporality).(*producer)
	const overhead, exported = "spanway.gateway.overhead{}", "spanway.telemetry.spans{sink=x,state=exported}"
	for i := 1; i <= 3; i++ {
		m.routes.get("").record(0.5)
		s.exported.Add(10)
		if got := points(t, cumulative); got[overhead] != fmt.Sprintf("%d %.4g", i, 0.5*float64(i)) ||
			got[exported] != fmt.Sprint(10*i) {
			t.Errorf("cumulative, round %d: %v", i, got)
		}
		if got := points(t, delta); got[overhead] != "1 0.5" || got[exported] != "10" {
			t.Errorf("delta, round %d: %v", i, got)
		}
	}
	if got := points(t, delta); got[overhead] != "" || got[exported] != "0" {
		t.Errorf("delta, nothing new: %v", got)
	}
}

// A client that makes up models must not fill the memory, and models known before keep their series.
func TestMetricCardinality(t *testing.T) {
	m := newTestMeter()
	call := func(model, errorType string) {
		tr := newTrace()
		s := tr.Span(tr.StartSpan("chat", KindClient, NoSpan, tr.base))
		s.String(GenAIOperationName, "chat")
		s.String(GenAIProviderName, "openai")
		s.String(GenAIRequestModel, model)
		if errorType != "" {
			s.Fail(errorType)
		}
		tr.endOpen(tr.base)
		m.record(tr)
	}
	for i := range 3 * maxSeries {
		call(fmt.Sprint("model-", i), "")
	}
	for i := range 3 * maxSeries {
		call("m", fmt.Sprint("error-", i))
	}
	call(strings.Repeat("x", maxModelName+1), "")
	call("model-1", "")
	got := points(t, m.producer(metricdata.CumulativeTemporality).(*producer))
	if len(got) > maxSeries+maxOtherSeries+8 {
		t.Errorf("%d series", len(got))
	}
	const prefix = "gen_ai.client.operation.duration{gen_ai.operation.name=chat,gen_ai.provider.name=openai,gen_ai.request.model="
	if got[prefix+"model-1}"] != "2 0" {
		t.Errorf("model-1 counts %q", got[prefix+"model-1}"])
	}
	if want := fmt.Sprintf("%d 0", 2*maxSeries+1); got[prefix+"_other}"] != want {
		t.Errorf("_other counts %q, want %q", got[prefix+"_other}"], want)
	}
	total := 0
	for _, v := range got {
		var n int
		_, _ = fmt.Sscan(v, &n)
		total += n
	}
	if total != 6*maxSeries+2 {
		t.Errorf("%d calls are counted of %d", total, 6*maxSeries+2)
	}
}

func TestMetricExemplars(t *testing.T) {
	m := newTestMeter()
	tr := newTrace()
	sampleCall(tr, tr.base)
	m.record(tr)
	unsampled := newTrace()
	unsampled.Sampled = false
	sampleCall(unsampled, unsampled.base.Add(2*exemplarAge))
	m.record(unsampled)
	for s := range m.calls.table.values() {
		p := s.duration.point(s.duration.load(), m.start, time.Now())
		if len(p.Exemplars) != 1 || string(p.Exemplars[0].TraceID) != string(tr.ID[:]) ||
			string(p.Exemplars[0].SpanID) != string(tr.Spans[1].ID[:]) {
			t.Errorf("exemplars %+v", p.Exemplars)
		}
	}
}

func TestPrometheus(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{Metrics: ir.Metrics{Prometheus: true}}, Options{Version: "1.2.3"})
	send(p, 2)
	w := httptest.NewRecorder()
	p.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`gen_ai_client_operation_duration_seconds_count{`, `gen_ai_request_model="gpt-4o"`,
		`gen_ai_client_token_usage_bucket{`, `gen_ai_token_type="input"`, `le="6.7108864e+07"} 2`,
		`spanway_gateway_overhead_seconds_sum`, `go_goroutines`, `target_info{`, `service_name="spanway"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	off := newPipeline(t, ir.Telemetry{}, Options{})
	w = httptest.NewRecorder()
	off.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d with Prometheus off", w.Code)
	}
}

// metricReceiver takes OTLP metrics over gRPC and HTTP.
type metricReceiver struct {
	metricspb.UnimplementedMetricsServiceServer
	mu    sync.Mutex
	names map[string]bool
}

func (r *metricReceiver) Export(_ context.Context, req *metricspb.ExportMetricsServiceRequest) (
	*metricspb.ExportMetricsServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range req.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				r.names[sm.Scope.Name+" "+m.Name] = true
			}
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func (r *metricReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	raw, err := io.ReadAll(req.Body)
	var m metricspb.ExportMetricsServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &m)
	}
	if err != nil || req.URL.Path != "/v1/metrics" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	_, _ = r.Export(req.Context(), &m)
}

// What was counted is pushed at the latest by Shutdown.
func TestMetricPush(t *testing.T) {
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			r := &metricReceiver{names: map[string]bool{}}
			var endpoint string
			if protocol == protocolGRPC {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s := grpc.NewServer()
				metricspb.RegisterMetricsServiceServer(s, r)
				var wg sync.WaitGroup
				wg.Go(func() { _ = s.Serve(l) })
				t.Cleanup(func() { s.Stop(); wg.Wait() })
				endpoint = "http://" + l.Addr().String()
			} else {
				s := httptest.NewServer(r)
				t.Cleanup(s.Close)
				endpoint = s.URL
			}
			o := ir.OTLP{Endpoint: endpoint, Protocol: protocol}
			p, err := New(t.Context(), ir.Telemetry{Metrics: ir.Metrics{OTLP: &o}},
				Options{Getenv: noEnv, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			send(p, 1)
			if err := p.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{
				"spanway gen_ai.client.operation.duration": true, "spanway gen_ai.client.token.usage": true,
				"spanway spanway.gateway.overhead": true,
			}
			if diff := cmp.Diff(want, r.names); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
