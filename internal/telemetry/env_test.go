package telemetry

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
)

func testEnv(vars map[string]string) (environment, *[]string) {
	var ignored []string
	return environment{
		get:  func(k string) string { return vars[k] },
		warn: func(variable, value, _ string) { ignored = append(ignored, strings.TrimSpace(variable+" "+value)) },
	}, &ignored
}

func TestEnvironment(t *testing.T) {
	file := ir.Telemetry{
		Sampler: ir.Sampler{Type: "always_off"}, Propagators: []string{"b3"}, Capture: captureOff,
		Traces:  []ir.OTLP{{Endpoint: "http://file:4317"}},
		Metrics: ir.Metrics{OTLP: &ir.OTLP{Endpoint: "http://file:4317"}, Interval: time.Second},
	}
	loud := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://env:4317", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret",
		"OTEL_TRACES_SAMPLER": "always_on", "OTEL_PROPAGATORS": "jaeger", "OTEL_METRIC_EXPORT_INTERVAL": "5000",
		"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
	}
	both := func(o ir.OTLP, metricsPath string) ir.Telemetry {
		m := o
		m.Endpoint = strings.Replace(m.Endpoint, "/v1/traces", metricsPath, 1)
		return ir.Telemetry{Capture: captureOff, Traces: []ir.OTLP{o}, Metrics: ir.Metrics{OTLP: &m}}
	}
	tests := map[string]struct {
		vars    map[string]string
		cfg     ir.Telemetry
		want    ir.Telemetry
		ignored []string
	}{
		"nothing":               {want: ir.Telemetry{Capture: captureOff}},
		"the file stands first": {vars: loud, cfg: file, want: file},
		"an empty list is a list": {vars: loud, cfg: ir.Telemetry{Traces: []ir.OTLP{}, Metrics: file.Metrics}, want: ir.Telemetry{
			Sampler: ir.Sampler{Type: "always_on", Ratio: 1}, Propagators: []string{"jaeger"}, Capture: captureMessages,
			Traces: []ir.OTLP{}, Metrics: file.Metrics}},
		"grpc by its port": {
			vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"},
			want: both(ir.OTLP{Endpoint: "http://c:4317", Protocol: protocolGRPC}, ""),
		},
		"http with a base path": {
			vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/otlp/"},
			want: both(ir.OTLP{Endpoint: "https://c/otlp/v1/traces", Protocol: protocolHTTP}, "/v1/metrics"),
		},
		"no scheme": {
			vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317", "OTEL_EXPORTER_OTLP_INSECURE": "true",
				"OTEL_METRICS_EXPORTER": "none"},
			want: ir.Telemetry{Capture: captureOff, Traces: []ir.OTLP{{Endpoint: "http://c:4317", Protocol: protocolGRPC}}},
		},
		"no scheme is secure": {
			vars: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "c:4317"},
			want: ir.Telemetry{Capture: captureOff, Traces: []ir.OTLP{{Endpoint: "https://c:4317", Protocol: protocolGRPC}}},
		},
		"asked for without an endpoint": {
			vars: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp",
				"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"},
			want: ir.Telemetry{Capture: captureOff,
				Traces:  []ir.OTLP{{Endpoint: "http://localhost:4317", Protocol: protocolGRPC}},
				Metrics: ir.Metrics{OTLP: &ir.OTLP{Endpoint: "http://localhost:4318", Protocol: protocolHTTP}}},
		},
		"a signal's own variables": {
			vars: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:9/p",
				"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
				"OTEL_EXPORTER_OTLP_TIMEOUT": "2000", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1m40s",
				"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
				"OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20x , b = 2",
				"OTEL_EXPORTER_OTLP_CERTIFICATE": "ca", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "cert",
				"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": "key",
			},
			want: ir.Telemetry{Capture: captureOff,
				Traces: []ir.OTLP{{Endpoint: "http://t:9/p", Protocol: protocolJSON, Timeout: 100 * time.Second,
					Compression: "gzip", Headers: map[string]ir.Secret{"authorization": "Bearer x", "b": "2"},
					TLS: ir.ClientTLS{CAFile: "ca", CertFile: "cert", KeyFile: "key"}}},
				Metrics: ir.Metrics{OTLP: &ir.OTLP{Endpoint: "http://c:4318/v1/metrics", Protocol: protocolHTTP,
					Timeout: 2 * time.Second, Compression: "none", Headers: map[string]ir.Secret{"a": "1"},
					TLS: ir.ClientTLS{CAFile: "ca", CertFile: "cert"}}}},
		},
		"none": {
			vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_TRACES_EXPORTER": "none",
				"OTEL_METRICS_EXPORTER": "none"},
			want: ir.Telemetry{Capture: captureOff},
		},
		"disabled": {
			vars: map[string]string{"OTEL_SDK_DISABLED": "TRUE"}, cfg: file,
			want: ir.Telemetry{Sampler: file.Sampler, Propagators: file.Propagators, Capture: captureOff,
				Metrics: ir.Metrics{Interval: time.Second}},
		},
		"sampler, propagators, capture": {
			vars: map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25",
				"OTEL_PROPAGATORS": "tracecontext, b3", "OTEL_METRIC_EXPORT_INTERVAL": "1500",
				"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"},
			want: ir.Telemetry{Sampler: ir.Sampler{Type: "parentbased_traceidratio", Ratio: 0.25},
				Propagators: []string{"tracecontext", "b3"}, Capture: captureMessages,
				Metrics: ir.Metrics{Interval: 1500 * time.Millisecond}},
		},
		"nonsense is ignored": {
			vars: map[string]string{"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_PROPAGATORS": "pigeon",
				"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_METRIC_EXPORT_INTERVAL": "soon", "OTEL_TRACES_SAMPLER_ARG": "x",
				"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY"},
			want: ir.Telemetry{Capture: captureOff},
			ignored: []string{"OTEL_TRACES_SAMPLER_ARG x", "OTEL_TRACES_SAMPLER jaeger_remote", "OTEL_PROPAGATORS pigeon",
				"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT EVENT_ONLY", "OTEL_TRACES_EXPORTER zipkin",
				"OTEL_METRIC_EXPORT_INTERVAL soon"},
		},
		"credentials are not named": {
			vars: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": "secret,a=1"},
			want: ir.Telemetry{Capture: captureOff, Traces: []ir.OTLP{{Endpoint: "http://localhost:4317",
				Protocol: protocolGRPC, Headers: map[string]ir.Secret{"a": "1"}}}},
			ignored: []string{"OTEL_EXPORTER_OTLP_HEADERS"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env, ignored := testEnv(tt.vars)
			if diff := cmp.Diff(tt.want, env.apply(tt.cfg)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.ignored, *ignored); diff != "" {
				t.Errorf("ignored: -want +got:\n%s", diff)
			}
		})
	}
}

// TestBadDestination: an endpoint that nobody can mean ends the start, and the error says where it stands.
func TestBadDestination(t *testing.T) {
	const environment = "OTEL_EXPORTER_OTLP_"
	bad := ir.OTLP{Endpoint: "nonsense://x"}
	for name, tt := range map[string]struct {
		vars map[string]string
		cfg  ir.Telemetry
		from bool
	}{
		"environment":            {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "nonsense://x"}, ir.Telemetry{}, true},
		"environment's metrics":  {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "nonsense://x"}, ir.Telemetry{}, true},
		"configuration":          {nil, ir.Telemetry{Traces: []ir.OTLP{bad}}, false},
		"configuration, metrics": {nil, ir.Telemetry{Metrics: ir.Metrics{OTLP: &bad}}, false},
	} {
		_, err := New(t.Context(), tt.cfg, Options{Getenv: func(name string) string { return tt.vars[name] }})
		if err == nil || !strings.Contains(err.Error(), "nonsense") || strings.Contains(err.Error(), environment) != tt.from {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResource(t *testing.T) {
	env, _ := testEnv(map[string]string{
		"OTEL_SERVICE_NAME":        "from-env",
		"OTEL_RESOURCE_ATTRIBUTES": "service.name=overridden,deployment.environment.name=a%2Cb,k8s.pod.name=given,team=x",
		"POD_NAME":                 "pod-1", "POD_NAMESPACE": "ns", "NODE_NAME": "node",
	})
	cfg := ir.Telemetry{Resource: map[string]string{"team": "llm"}}
	get := func(cfg ir.Telemetry, env environment) map[string]string {
		out := map[string]string{}
		for _, kv := range resourceAttributes(cfg, env, "1.2.3") {
			out[string(kv.Key)] = kv.Value.String()
		}
		return out
	}
	got := get(cfg, env)
	for name, want := range map[string]string{
		"service.name": "from-env", "service.version": "1.2.3", "deployment.environment.name": "a,b", "team": "llm",
		"k8s.pod.name": "given", "k8s.namespace.name": "ns", "k8s.node.name": "node", "telemetry.sdk.language": "go",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"service.instance.id", "process.pid", "host.name"} {
		if got[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	if other := get(cfg, env)["service.instance.id"]; other == got["service.instance.id"] {
		t.Error("two pipelines have one service.instance.id")
	}
	cfg.Service = "from-file"
	if got := get(cfg, env)["service.name"]; got != "from-file" {
		t.Errorf("service.name %q", got)
	}
	bare, _ := testEnv(nil)
	if got := get(ir.Telemetry{}, bare)["service.name"]; got != "spanway" {
		t.Errorf("service.name %q", got)
	}
}
