package kube

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/spanway/spanway/internal/translate"
)

// metrics are those of the controller, beside those of the client library.
type metrics struct {
	registry *prometheus.Registry

	rebuilds     prometheus.Histogram
	publications prometheus.Counter
	failures     prometheus.Counter
	count        *prometheus.GaugeVec
	problems     *prometheus.GaugeVec
	statuses     *prometheus.CounterVec
	applied      *prometheus.CounterVec
	leads        atomic.Bool
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		rebuilds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spanway_controller_rebuild_duration_seconds",
			Help: "How long it took to make all configurations of all objects.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		publications: prometheus.NewCounter(prometheus.CounterOpts{Name: "spanway_controller_publications_total",
			Help: "How often configurations were published to the data planes."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "spanway_controller_rebuild_failures_total",
			Help: "How often a rebuild was put off because something could not be read."}),
		count: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "spanway_controller_objects",
			Help: "Objects that the last rebuild took in, by kind."}, []string{"kind"}),
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "spanway_controller_problems",
			Help: "Problems of objects at the last rebuild, by severity."}, []string{"severity"}),
		statuses: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spanway_controller_status_writes_total",
			Help: "Statuses that were written, by resource."}, []string{"resource"}),
		applied: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spanway_controller_applied_total",
			Help: "Objects of data planes that were applied, by kind."}, []string{"kind"}),
	}
	leader := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "spanway_controller_leader", Help: "1 while this replica writes statuses and deploys, else 0."},
		func() float64 {
			if m.leads.Load() {
				return 1
			}
			return 0
		})
	m.registry.MustRegister(m.rebuilds, m.publications, m.failures, m.count, m.problems, m.statuses, m.applied, leader,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// gatherer has all metrics: ours and those of requests to the API server.
func (m *metrics) gatherer() prometheus.Gatherer {
	return prometheus.Gatherers{m.registry, ctrlmetrics.Registry}
}

// rebuilt takes note of a rebuild that was published.
func (m *metrics) rebuilt(took time.Duration, in *translate.Input, out *translate.Output) {
	m.rebuilds.Observe(took.Seconds())
	m.publications.Inc()
	for kind, n := range map[string]int{
		"GatewayClass": len(in.Classes), "Gateway": len(in.Gateways), "HTTPRoute": len(in.HTTPRoutes), "ReferenceGrant": len(in.Grants),
		"BackendTLSPolicy": len(in.BackendTLS), "Namespace": len(in.Namespaces), "Service": len(in.Services),
		"EndpointSlice": len(in.EndpointSlices), "Secret": len(in.Secrets), "ConfigMap": len(in.ConfigMaps),
		"GatewayParameters": len(in.Parameters), "Backend": len(in.Backends), "TrafficPolicy": len(in.TrafficPolicies),
		"HTTPListenerPolicy": len(in.HTTPListeners), "ListenerPolicy": len(in.ListenerPolicies),
		"GatewayExtension": len(in.Extensions), "DirectResponse": len(in.DirectResponses),
	} {
		m.count.WithLabelValues(kind).Set(float64(n))
	}
	count := map[translate.Severity]int{}
	for i := range out.Problems {
		count[out.Problems[i].Severity]++
	}
	for s, name := range severities() {
		m.problems.WithLabelValues(name).Set(float64(count[translate.Severity(s)]))
	}
}

// severities are the names of translate's, by number.
func severities() []string { return []string{"warning", "unsupported", "error"} }
