package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// AIExtension is the container that handles requests for LLM providers.
type AIExtension struct {
	ContainerParameters `json:",inline"`

	// Enabled deploys the container.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// Env has more variables, such as LOG_LEVEL.
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// Ports are the container's ports, such as 9092 for metrics.
	// +optional
	Ports []corev1.ContainerPort `json:"ports,omitempty"`

	// Stats adds to the metrics.
	// +optional
	Stats *AIStats `json:"stats,omitempty"`

	// Tracing exports the traces of calls.
	// +optional
	Tracing *AITracing `json:"tracing,omitempty"`
}

// AIStats adds to the metrics of calls.
type AIStats struct {
	// CustomLabels are labels with values of Envoy's metadata.
	// +optional
	CustomLabels []CustomLabel `json:"customLabels,omitempty"`
}

// CustomLabel is a label of metrics with a value of Envoy's metadata.
type CustomLabel struct {
	// Name of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// MetadataNamespace is where the value is; envoy.filters.http.jwt_authn if absent.
	// +optional
	// +kubebuilder:validation:Enum=envoy.filters.http.jwt_authn;io.solo.transformation
	MetadataNamespace *string `json:"metadataNamespace,omitempty"`

	// MetadataKey leads to the value, such as "principal:sub".
	// +required
	// +kubebuilder:validation:MinLength=1
	MetadataKey string `json:"metadataKey"`

	// KeyDelimiter parts the key into steps; a colon if absent.
	// +optional
	KeyDelimiter *string `json:"keyDelimiter,omitempty"`
}

// OTLPProtocol is how traces travel.
//
// +kubebuilder:validation:Enum=grpc;http/protobuf;http/json
type OTLPProtocol string

// The protocols of OTLP.
const (
	OTLPGRPC         OTLPProtocol = "grpc"
	OTLPHTTPProtobuf OTLPProtocol = "http/protobuf"
	OTLPHTTPJSON     OTLPProtocol = "http/json"
)

// AITracing exports the traces of calls by OTLP.
type AITracing struct {
	// Endpoint is the collector, such as "http://collector.telemetry:4317": plain with http, TLS with https. With the HTTP
	// protocols, an endpoint without a path stands for its /v1/traces.
	// +required
	Endpoint gwv1.AbsoluteURI `json:"endpoint"`

	// Sampler decides which calls are exported.
	// +optional
	Sampler *AISampler `json:"sampler,omitempty"`

	// Timeout is the longest time of an export; 10s if absent.
	// +optional
	Timeout *Duration `json:"timeout,omitempty"`

	// Protocol is how traces travel; grpc if absent.
	// +optional
	Protocol *OTLPProtocol `json:"protocol,omitempty"`
}

// SamplerType is a sampler of OpenTelemetry.
//
// +kubebuilder:validation:Enum=alwaysOn;alwaysOff;traceidratio;parentbasedAlwaysOn;parentbasedAlwaysOff;parentbasedTraceidratio
type SamplerType string

// The samplers of OpenTelemetry.
const (
	SamplerAlwaysOn                SamplerType = "alwaysOn"
	SamplerAlwaysOff               SamplerType = "alwaysOff"
	SamplerTraceIDRatio            SamplerType = "traceidratio"
	SamplerParentBasedAlwaysOn     SamplerType = "parentbasedAlwaysOn"
	SamplerParentBasedAlwaysOff    SamplerType = "parentbasedAlwaysOff"
	SamplerParentBasedTraceIDRatio SamplerType = "parentbasedTraceidratio"
)

// AISampler decides which calls are exported.
type AISampler struct {
	// Type of the sampler; parentbasedAlwaysOn if absent.
	// +optional
	Type *SamplerType `json:"type,omitempty"`

	// Arg is the share of traces that ratio samplers take, "0" to "1"; "1.0" if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^(0(\.[0-9]+)?|1(\.0+)?)$`
	Arg *string `json:"arg,omitempty"`
}
