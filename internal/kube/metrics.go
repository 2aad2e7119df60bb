package kube

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/spanway/spanway/internal/control"
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

// planes adds the numbers of what data planes are told.
func (m *metrics) planes(read func() control.Metrics) {
	gauge := func(name, help string, value func(control.Metrics) int) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "spanway_control_" + name, Help: help},
			func() float64 { return float64(value(read())) }))
	}
	counter := func(name, help string, value func(control.Metrics) uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "spanway_control_" + name, Help: help},
			func() float64 { return float64(value(read())) }))
	}
	gauge("gateways", "Gateways with a configuration.", func(c control.Metrics) int { return c.Gateways })
	gauge("pods", "Pods of data planes that are connected to this replica.", func(c control.Metrics) int { return c.Pods })
	gauge("envoys", "Envoys that are connected to this replica.", func(c control.Metrics) int { return c.Envoys })
	gauge("sidecars", "Sidecars that are connected to this replica.", func(c control.Metrics) int { return c.Sidecars })
	gauge("pods_behind", "Pods that do not use the configuration that was published last.", func(c control.Metrics) int { return c.Behind })
	counter("versions_total", "Configurations that were published, by their content.", func(c control.Metrics) uint64 { return c.Publications })
	counter("refusals_total", "Configurations that an Envoy or a sidecar refused.", func(c control.Metrics) uint64 { return c.Refusals })
	counter("denied_total", "Streams that were turned away.", func(c control.Metrics) uint64 { return c.Denied })
	m.registry.MustRegister(latencies{read})
}

// latencies is how long pods take to use what was published.
type latencies struct{ read func() control.Metrics }

// latency describes it.
func (latencies) latency() *prometheus.Desc {
	return prometheus.NewDesc("spanway_control_latency_seconds", "From a publication, or a pod's beginning, until the pod uses it.", nil, nil)
}

// Describe implements prometheus.Collector.
func (l latencies) Describe(ch chan<- *prometheus.Desc) { ch <- l.latency() }

// Collect implements prometheus.Collector.
func (l latencies) Collect(ch chan<- prometheus.Metric) {
	h := l.read().Latency
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, n := range h.Counts {
		sum += n
		if i < len(control.LatencyBounds) {
			buckets[control.LatencyBounds[i].Seconds()] = sum
		}
	}
	ch <- prometheus.MustNewConstHistogram(l.latency(), sum, h.Sum.Seconds(), buckets)
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
