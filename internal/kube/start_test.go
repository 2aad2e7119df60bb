package kube

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/cluster"
)

// TestWithoutBackendTLSPolicy begins where that kind is not installed, and has it installed later.
func TestWithoutBackendTLSPolicy(t *testing.T) {
	c := shared.Start(t)
	ns := c.Namespace(t, "without")
	const name = "backendtlspolicies.gateway.networking.k8s.io"
	crd := &apiext.CustomResourceDefinition{}
	if err := get(t, c, crd, "", name); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	again := &apiext.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: crd.Annotations}, Spec: crd.Spec}
	cluster.Eventually(t, func() error {
		if err := get(t, c, crd, "", name); err == nil {
			return fmt.Errorf("%s is still there", name)
		}
		return nil
	})
	begin(t, options(t, c, ns))
	c.Apply(t, in(ns, gatewayAndRoute))
	g := &gwv1.Gateway{}
	cluster.Eventually(t, func() error {
		if err := get(t, c, g, ns, "web"); err != nil {
			return err
		}
		return is(g.Status.Conditions, "Accepted", "True", g.Generation)
	})
	if err := c.Client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	policy := in(ns, `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: app, namespace: NS}
spec:
  targetRefs: [{group: "", kind: Service, name: app}]
  validation: {hostname: app.example.com, wellKnownCACertificates: System}
`)
	cluster.Eventually(t, func() error {
		all, err := cluster.Objects(policy)
		if err != nil {
			return err
		}
		p := &gwv1.BackendTLSPolicy{}
		if get(t, c, p, ns, "app") != nil {
			_ = c.Client.Create(t.Context(), all[0]) // as soon as the API server knows the kind
		}
		if err := get(t, c, p, ns, "app"); err != nil {
			return err
		}
		if len(p.Status.Ancestors) != 1 {
			return fmt.Errorf("status %+v", p.Status)
		}
		return is(p.Status.Ancestors[0].Conditions, "Accepted", "True", p.Generation)
	})
}

// TestTraces looks at what the controller's own traces have.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]*tracepb.Span{} // by id
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		m := &coltracepb.ExportTraceServiceRequest{}
		if err != nil || proto.Unmarshal(body, m) != nil {
			t.Errorf("%s: not a trace", r.URL)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					spans[string(s.SpanId)] = s
				}
			}
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	c := shared.Start(t)
	ns := c.Namespace(t, "traces")
	end := begin(t, options(t, c, ns))
	c.Apply(t, in(ns, gatewayAndRoute))
	cluster.Eventually(t, func() error {
		g := &gwv1.Gateway{}
		if err := get(t, c, g, ns, "web"); err != nil {
			return err
		}
		return is(g.Status.Conditions, "Accepted", "True", g.Generation)
	})
	end()
	mu.Lock()
	defer mu.Unlock()
	under := map[string]int{}
	for _, s := range spans {
		parent := ""
		if p := spans[string(s.ParentSpanId)]; p != nil {
			parent = p.Name
		}
		under[parent+"/"+s.Name]++
	}
	for _, want := range []string{"/rebuild", "rebuild/read", "rebuild/translate", "rebuild/publish", "rebuild/deploy", "rebuild/status"} {
		if under[want] == 0 {
			t.Errorf("no span %s in %v", want, under)
		}
	}
}
