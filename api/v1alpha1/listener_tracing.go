package v1alpha1

// Tracing exports a span of Envoy's own for each request.
type Tracing struct {
	// Provider is where the spans go.
	// +required
	Provider TracingProvider `json:"provider"`

	// ClientSampling is the share of requests that are traced because the client asks for it, in percent; 100 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	ClientSampling *int32 `json:"clientSampling,omitempty"`

	// RandomSampling is the share of requests that are traced by chance, in percent; 100 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	RandomSampling *int32 `json:"randomSampling,omitempty"`

	// OverallSampling is the share of requests that are traced at most, in percent; 100 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	OverallSampling *int32 `json:"overallSampling,omitempty"`

	// Verbose adds an event to the span for each step.
	// +optional
	Verbose *bool `json:"verbose,omitempty"`

	// MaxPathTagLength is how much of the path a span has; 256 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	MaxPathTagLength *int64 `json:"maxPathTagLength,omitempty"`

	// Attributes are added to each span, each with a name of its own, 256 at most.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	Attributes []TracingAttribute `json:"attributes,omitempty"`

	// SpawnUpstreamSpan adds a CLIENT span for each request to an upstream.
	// +optional
	SpawnUpstreamSpan *bool `json:"spawnUpstreamSpan,omitempty"`
}

// TracingProvider is where Envoy's spans go.
//
// +kubebuilder:validation:ExactlyOneOf=openTelemetry
type TracingProvider struct {
	// OpenTelemetry sends them by OTLP.
	// +optional
	OpenTelemetry *OpenTelemetryTracing `json:"openTelemetry,omitempty"`
}

// OpenTelemetryTracing sends Envoy's spans by OTLP.
type OpenTelemetryTracing struct {
	// GRPCService is the collector.
	// +required
	GRPCService GRPCService `json:"grpcService"`

	// ServiceName is the resource's service.name; "<gateway>.<namespace>" if absent.
	// +optional
	ServiceName *string `json:"serviceName,omitempty"`

	// ResourceDetectors add to the resource.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	ResourceDetectors []ResourceDetector `json:"resourceDetectors,omitempty"`

	// Sampler decides in place of Envoy's own decision.
	// +optional
	Sampler *TracingSampler `json:"sampler,omitempty"`
}

// ResourceDetector adds to the resource of spans.
//
// +kubebuilder:validation:ExactlyOneOf=environmentResourceDetector
type ResourceDetector struct {
	// EnvironmentResourceDetector reads OTEL_RESOURCE_ATTRIBUTES.
	// +optional
	EnvironmentResourceDetector *EnvironmentResourceDetector `json:"environmentResourceDetector,omitempty"`
}

// EnvironmentResourceDetector has no fields: being there is what counts.
type EnvironmentResourceDetector struct{}

// TracingSampler decides which requests are traced.
//
// +kubebuilder:validation:ExactlyOneOf=alwaysOnConfig
type TracingSampler struct {
	// AlwaysOnConfig traces all.
	// +optional
	AlwaysOnConfig *AlwaysOnSampler `json:"alwaysOnConfig,omitempty"`
}

// AlwaysOnSampler has no fields: being there is what counts.
type AlwaysOnSampler struct{}

// TracingAttribute is added to each span: a name, and one source of the value.
//
// +kubebuilder:validation:AtMostOneOf=literal;environment;requestHeader;metadata
type TracingAttribute struct {
	// Name of the attribute.
	// +required
	Name string `json:"name"`

	// Literal is a fixed value.
	// +optional
	Literal *LiteralAttribute `json:"literal,omitempty"`

	// Environment is a variable of Envoy's environment.
	// +optional
	Environment *DefaultedAttribute `json:"environment,omitempty"`

	// RequestHeader is a header of the request.
	// +optional
	RequestHeader *DefaultedAttribute `json:"requestHeader,omitempty"`

	// Metadata is a value of Envoy's metadata.
	// +optional
	Metadata *MetadataAttribute `json:"metadata,omitempty"`
}

// LiteralAttribute is a fixed value.
type LiteralAttribute struct {
	// Value of the attribute.
	// +required
	Value string `json:"value"`
}

// DefaultedAttribute is a value that is found by a name.
type DefaultedAttribute struct {
	// Name of the variable or the header.
	// +required
	Name string `json:"name"`

	// DefaultValue is for when there is none; without it the attribute is left out then.
	// +optional
	DefaultValue *string `json:"defaultValue,omitempty"`
}

// MetadataKind tells whose metadata is meant.
//
// +kubebuilder:validation:Enum=Request;Route;Cluster;Host
type MetadataKind string

// Whose metadata is meant.
const (
	MetadataRequest MetadataKind = "Request"
	MetadataRoute   MetadataKind = "Route"
	MetadataCluster MetadataKind = "Cluster"
	MetadataHost    MetadataKind = "Host"
)

// MetadataAttribute is a value of Envoy's metadata.
type MetadataAttribute struct {
	// Kind tells whose metadata is meant.
	// +required
	Kind MetadataKind `json:"kind"`

	// MetadataKey leads to the value.
	// +required
	MetadataKey MetadataKey `json:"metadataKey"`

	// DefaultValue is for when there is none; without it the attribute is left out then.
	// +optional
	DefaultValue *string `json:"defaultValue,omitempty"`
}

// MetadataKey leads to a value of Envoy's metadata.
type MetadataKey struct {
	// Key is the namespace.
	// +required
	Key string `json:"key"`

	// Path leads from there to the value.
	// +required
	Path []MetadataPathSegment `json:"path"`
}

// MetadataPathSegment is one step to a value.
type MetadataPathSegment struct {
	// Key of the step.
	// +required
	Key string `json:"key"`
}
