package telemetry

import (
	"maps"
	"os"
	"slices"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"github.com/spanway/spanway/internal/ir"
)

// schemaURL is the version of the semantic conventions that names come from.
const schemaURL = semconv.SchemaURL

// defaultService is service.name where neither the configuration nor the environment names one.
const defaultService = "spanway"

// podVariables are what Kubernetes' downward API is commonly given to a container as, and the attributes that they are.
var podVariables = []struct {
	variable  string
	attribute attribute.Key
}{
	{"POD_NAME", semconv.K8SPodNameKey},
	{"POD_NAMESPACE", semconv.K8SNamespaceNameKey},
	{"POD_UID", semconv.K8SPodUIDKey},
	{"NODE_NAME", semconv.K8SNodeNameKey},
}

// resourceAttributes describes this process (semantic conventions, Resource), sorted by name. The configuration stands before
// OTEL_SERVICE_NAME, that before OTEL_RESOURCE_ATTRIBUTES, and that before what is detected.
func resourceAttributes(cfg ir.Telemetry, env environment, version string) []attribute.KeyValue {
	kv := []attribute.KeyValue{
		semconv.ServiceName(defaultService),
		semconv.ServiceInstanceID(uuid.NewString()),
		semconv.TelemetrySDKName("spanway"),
		semconv.TelemetrySDKLanguageGo,
		semconv.ProcessPID(os.Getpid()),
	}
	if version != "" {
		kv = append(kv, semconv.ServiceVersion(version), semconv.TelemetrySDKVersion(version))
	}
	if host, err := os.Hostname(); err == nil {
		kv = append(kv, semconv.HostName(host))
	}
	for _, v := range podVariables {
		if s := env.get(v.variable); s != "" {
			kv = append(kv, v.attribute.String(s))
		}
	}
	kv = appendPairs(kv, env.pairs("OTEL_RESOURCE_ATTRIBUTES"))
	if s := env.get("OTEL_SERVICE_NAME"); s != "" {
		kv = append(kv, semconv.ServiceName(s))
	}
	kv = appendPairs(kv, cfg.Resource)
	if cfg.Service != "" {
		kv = append(kv, semconv.ServiceName(cfg.Service))
	}
	set := attribute.NewSet(kv...) // the last of a name counts
	return set.ToSlice()
}

func appendPairs(kv []attribute.KeyValue, m map[string]string) []attribute.KeyValue {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		kv = append(kv, attribute.String(name, m[name]))
	}
	return kv
}
