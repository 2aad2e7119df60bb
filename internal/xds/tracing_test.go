package xds_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/xds"
)

// run starts an Envoy with the static bootstrap of a configuration, in the folder dir. Its processor does not run.
func run(t *testing.T, dir, config string) {
	t.Helper()
	o := options
	o.Processor, o.Roots = "unix:"+dir+"/processor.sock", pki(t)+"/ca.pem"
	r, err := xds.Build(load(t, []byte(config)), o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := xds.Static(r, xds.Boot{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Start(&envoy.Options{Binary: envoyBinary(t), Bootstrap: printed(t, b), Dir: dir, Concurrency: 1, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	if err := p.Ready(within(t, patience)); err != nil {
		t.Fatal(err)
	}
}

// shortDir is a folder for sockets, whose paths have 107 bytes at most.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "xds")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestTracing: Envoy exports its SERVER span as the configuration says.
func TestTracing(t *testing.T) {
	got := make(chan *tracepb.ResourceSpans, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var export collectorpb.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &export) != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("not an export: %s %v", r.URL, err)
		}
		for _, rs := range export.GetResourceSpans() {
			got <- rs
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	listen := free(t)
	run(t, shortDir(t), fmt.Sprintf(`
listen: %s
backends: {a: {provider: openai, url: "http://127.0.0.1:1"}}
routes: [{to: a}]
envoy:
  tracing:
    endpoint: %s
    protocol: http
    serviceName: edge
    resource: {team: ai}
    attributes:
    - {name: fixed, literal: "yes"}
    - {name: tenant, requestHeader: {name: x-tenant, defaultValue: nobody}}
`, listen, collector.URL))
	if code, _ := status(t, "http://"+listen+"/v1/models?key=hidden"); code != http.StatusServiceUnavailable {
		t.Errorf("without a processor: %d", code)
	}
	var rs *tracepb.ResourceSpans
	select {
	case rs = <-got:
	case <-within(t, patience).Done():
		t.Fatal("no span came")
	}
	span := rs.GetScopeSpans()[0].GetSpans()[0]
	if span.GetKind() != tracepb.Span_SPAN_KIND_SERVER || len(span.GetParentSpanId()) > 0 {
		t.Errorf("%s of kind %s, want a SERVER span at the root", span.GetName(), span.GetKind())
	}
	for _, want := range []string{"service.name=edge", "team=ai"} {
		if all := attributes(rs.GetResource().GetAttributes()); !slices.Contains(all, want) {
			t.Errorf("the resource %v lacks %s", all, want)
		}
	}
	for _, want := range []string{"fixed=yes", "tenant=nobody", "http.status_code=503"} {
		if all := attributes(span.GetAttributes()); !slices.Contains(all, want) {
			t.Errorf("the span %v lacks %s", all, want)
		}
	}
	if all := strings.Join(attributes(span.GetAttributes()), "\n"); strings.Contains(all, "hidden") || !strings.Contains(all, "http.url=http://"+listen+"/v1/models\n") {
		t.Errorf("the span tells the key in the query, or not the path:\n%s", all)
	}
	if want := "GET"; span.GetName() != want {
		t.Errorf("the span is called %q, want %q", span.GetName(), want)
	}
}

func attributes(list []*commonpb.KeyValue) []string {
	var out []string
	for _, kv := range list {
		out = append(out, kv.GetKey()+"="+kv.GetValue().GetStringValue())
	}
	return out
}
