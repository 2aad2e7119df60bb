package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// GatewayExtension is a service beside the gateway that policies ask: for authorization, processing or rate limits.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories={kgateway,spanway},shortName=gwext
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.conditions[?(@.type=='Accepted')].status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type GatewayExtension struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service.
	// +required
	Spec GatewayExtensionSpec `json:"spec"`

	// Status is what the controller made of it.
	// +optional
	Status GatewayExtensionStatus `json:"status,omitempty"`
}

// GatewayExtensionList is a list of GatewayExtensions.
//
// +kubebuilder:object:root=true
type GatewayExtensionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GatewayExtension `json:"items"`
}

// GatewayExtensionStatus is what the controller made of a GatewayExtension.
type GatewayExtensionStatus struct {
	// Conditions has "Accepted": True with reason Accepted, or False with reason Invalid and the fault as its message.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ExtensionType tells what a service is asked for.
//
// +kubebuilder:validation:Enum=ExtAuth;ExtProc;RateLimit
type ExtensionType string

// The types of extensions.
const (
	ExtensionExtAuth   ExtensionType = "ExtAuth"
	ExtensionExtProc   ExtensionType = "ExtProc"
	ExtensionRateLimit ExtensionType = "RateLimit"
)

// GatewayExtensionSpec is a service: a type, and the field of that type's name.
//
// +kubebuilder:validation:ExactlyOneOf=extAuth;extProc;rateLimit
// +kubebuilder:validation:XValidation:rule="self.type != 'ExtAuth' || has(self.extAuth)",message="extAuth must be set when type is ExtAuth",fieldPath=".extAuth",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'ExtProc' || has(self.extProc)",message="extProc must be set when type is ExtProc",fieldPath=".extProc",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'RateLimit' || has(self.rateLimit)",message="rateLimit must be set when type is RateLimit",fieldPath=".rateLimit",reason=FieldValueRequired
type GatewayExtensionSpec struct {
	// Type is what the service is asked for; the field of that name is set and no other.
	// +required
	Type ExtensionType `json:"type"`

	// ExtAuth decides whether a request is allowed.
	// +optional
	ExtAuth *ExtAuthProvider `json:"extAuth,omitempty"`

	// ExtProc looks at requests and responses, and changes them.
	// +optional
	ExtProc *ExtProcProvider `json:"extProc,omitempty"`

	// RateLimit counts requests.
	// +optional
	RateLimit *RateLimitProvider `json:"rateLimit,omitempty"`
}

// ExtensionService is a service that an extension speaks gRPC with.
type ExtensionService struct {
	// BackendRef is the Service, or the Backend.
	// +required
	BackendRef gwv1.BackendRef `json:"backendRef"`

	// Authority is the :authority header; the service's own name if absent.
	// +optional
	Authority *string `json:"authority,omitempty"`

	// RequestTimeout is the longest time of a request, at least 1ms.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="requestTimeout must be at least 1ms"
	RequestTimeout *Duration `json:"requestTimeout,omitempty"`

	// Retry opens a stream again that failed.
	// +optional
	Retry *ExtensionRetry `json:"retry,omitempty"`
}

// ExtensionRetry opens an extension's stream again that failed.
type ExtensionRetry struct {
	// Attempts is how often at most; 0 is never.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	Attempts *int32 `json:"attempts,omitempty"`

	// Backoff is the wait before each; 1s at first if absent.
	// +optional
	Backoff *GRPCBackoff `json:"backoff,omitempty"`
}

// ExtAuthProvider decides whether a request is allowed.
type ExtAuthProvider struct {
	// GRPCService is the service.
	// +required
	GRPCService ExtensionService `json:"grpcService"`

	// HeadersToForward are headers of the request that the service is shown.
	// +optional
	HeadersToForward []string `json:"headersToForward,omitempty"`

	// FailOpen allows requests while the service cannot be reached.
	// +optional
	// +kubebuilder:default=false
	FailOpen bool `json:"failOpen,omitempty"`

	// ClearRouteCache chooses the route again after the service's answer.
	// +optional
	// +kubebuilder:default=false
	ClearRouteCache bool `json:"clearRouteCache,omitempty"`

	// WithRequestBody shows the service the request's body too.
	// +optional
	WithRequestBody *ExtAuthBody `json:"withRequestBody,omitempty"`

	// StatusOnError is the HTTP status while the service cannot be reached, 100 to 511.
	// +optional
	// +kubebuilder:default=403
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=511
	StatusOnError *int32 `json:"statusOnError,omitempty"`

	// StatPrefix is part of the names of the service's metrics.
	// +optional
	// +kubebuilder:validation:MinLength=1
	StatPrefix *string `json:"statPrefix,omitempty"`
}

// ExtProcProvider looks at requests and responses, and changes them.
type ExtProcProvider struct {
	// GRPCService is the service.
	// +required
	GRPCService ExtensionService `json:"grpcService"`

	// FailOpen lets requests pass while the service cannot be reached.
	// +optional
	// +kubebuilder:default=true
	FailOpen *bool `json:"failOpen,omitempty"`

	// ProcessingMode tells which parts of a message the service is shown.
	// +optional
	ProcessingMode *ProcessingMode `json:"processingMode,omitempty"`

	// MessageTimeout is the longest time that the service may take for a message, at least 1ms.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="messageTimeout must be at least 1ms"
	MessageTimeout *Duration `json:"messageTimeout,omitempty"`

	// MaxMessageTimeout is how much more time the service may ask for, at least 1ms; none if absent.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="maxMessageTimeout must be at least 1ms"
	MaxMessageTimeout *Duration `json:"maxMessageTimeout,omitempty"`

	// StatPrefix is part of the names of the service's metrics.
	// +optional
	// +kubebuilder:validation:MinLength=1
	StatPrefix *string `json:"statPrefix,omitempty"`

	// RouteCacheAction tells whether the route is chosen again after the service's answer: as it says, always, or never.
	// +optional
	// +kubebuilder:default=Default
	// +kubebuilder:validation:Enum=Default;Clear;Retain
	RouteCacheAction string `json:"routeCacheAction,omitempty"`

	// MetadataOptions tells which of Envoy's metadata the service is shown.
	// +optional
	MetadataOptions *MetadataOptions `json:"metadataOptions,omitempty"`
}

// MetadataOptions tells which of Envoy's metadata a service is shown.
type MetadataOptions struct {
	// Forwarding are the namespaces that are shown.
	// +optional
	Forwarding *MetadataNamespaces `json:"forwarding,omitempty"`
}

// MetadataNamespaces are namespaces of Envoy's metadata.
type MetadataNamespaces struct {
	// Typed are those of typed metadata.
	// +optional
	// +kubebuilder:validation:MinItems=1
	Typed []string `json:"typed,omitempty"`

	// Untyped are those of plain metadata.
	// +optional
	// +kubebuilder:validation:MinItems=1
	Untyped []string `json:"untyped,omitempty"`
}

// RateLimitProvider counts requests.
type RateLimitProvider struct {
	// GRPCService is the service.
	// +required
	GRPCService ExtensionService `json:"grpcService"`

	// Domain is whose limits apply, within the service.
	// +required
	Domain string `json:"domain"`

	// FailOpen lets requests pass while the service cannot be reached.
	// +optional
	// +kubebuilder:default=true
	FailOpen *bool `json:"failOpen,omitempty"`

	// Timeout is the longest time that the service may take.
	// +optional
	// +kubebuilder:default="100ms"
	Timeout *Duration `json:"timeout,omitempty"`

	// XRateLimitHeaders adds X-RateLimit headers to responses, as the third draft of their specification has them.
	// +optional
	// +kubebuilder:default="Off"
	// +kubebuilder:validation:Enum=Off;DraftVersion03
	XRateLimitHeaders string `json:"xRateLimitHeaders,omitempty"`
}
