package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// HTTPListenerPolicy says how the HTTP listeners of a Gateway work: Envoy's tracing, access logs, limits. Several policies of
// one Gateway add up; for a field that more than one sets, the oldest policy decides.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="gateway.networking.k8s.io/policy=Direct"
// +kubebuilder:resource:categories={kgateway,spanway},shortName=hlp
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Accepted')].status"
// +kubebuilder:printcolumn:name="Attached",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Attached')].status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type HTTPListenerPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	// +optional
	Spec HTTPListenerPolicySpec `json:"spec,omitempty"`

	// Status is what the controller made of it, for each Gateway.
	// +optional
	Status gwv1.PolicyStatus `json:"status,omitempty"`
}

// HTTPListenerPolicyList is a list of HTTPListenerPolicies.
//
// +kubebuilder:object:root=true
type HTTPListenerPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HTTPListenerPolicy `json:"items"`
}

// HTTPListenerPolicySpec is the Gateways, and how their HTTP listeners work.
type HTTPListenerPolicySpec struct {
	// TargetRefs are the Gateways that the policy applies to, 1 to 16 of its namespace.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.kind == 'Gateway' && r.group == 'gateway.networking.k8s.io')",message="targetRefs may only reference Gateway resources"
	TargetRefs []gwv1.LocalPolicyTargetReference `json:"targetRefs,omitempty"`

	// TargetSelectors choose, by their labels, Gateways that the policy applies to.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.kind == 'Gateway' && r.group == 'gateway.networking.k8s.io')",message="targetSelectors may only reference Gateway resources"
	TargetSelectors []TargetSelector `json:"targetSelectors,omitempty"`

	HTTPSettings `json:",inline"`
}

// ListenerPolicy says how the listeners of a Gateway work, all of them or those on one port (releases after 2.1). Its
// httpSettings are the fields of an HTTPListenerPolicy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="gateway.networking.k8s.io/policy=Direct"
// +kubebuilder:resource:categories={kgateway,spanway},shortName=lp
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Accepted')].status"
// +kubebuilder:printcolumn:name="Attached",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Attached')].status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type ListenerPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	// +required
	Spec ListenerPolicySpec `json:"spec"`

	// Status is what the controller made of it, for each Gateway.
	// +optional
	Status gwv1.PolicyStatus `json:"status,omitempty"`
}

// ListenerPolicyList is a list of ListenerPolicies.
//
// +kubebuilder:object:root=true
type ListenerPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ListenerPolicy `json:"items"`
}

// ListenerPolicySpec is the Gateways, and how their listeners work.
type ListenerPolicySpec struct {
	// TargetRefs are the Gateways that the policy applies to, 1 to 16 of its namespace.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.kind == 'Gateway' && r.group == 'gateway.networking.k8s.io')",message="targetRefs may only reference Gateway resources"
	TargetRefs []gwv1.LocalPolicyTargetReference `json:"targetRefs,omitempty"`

	// TargetSelectors choose, by their labels, Gateways that the policy applies to.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.kind == 'Gateway' && r.group == 'gateway.networking.k8s.io')",message="targetSelectors may only reference Gateway resources"
	TargetSelectors []TargetSelector `json:"targetSelectors,omitempty"`

	// Default is for listeners on ports that perPort does not name.
	// +optional
	Default *ListenerConfig `json:"default,omitempty"`

	// PerPort is for listeners on one port, in place of the default: nothing is taken over from there.
	// +optional
	// +listType=map
	// +listMapKey=port
	// +kubebuilder:validation:MaxItems=64
	PerPort []ListenerPortConfig `json:"perPort,omitempty"`
}

// ListenerPortConfig says how the listeners on one port work.
type ListenerPortConfig struct {
	// Port of the listeners, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// Listener is how they work.
	// +required
	Listener ListenerConfig `json:"listener"`
}

// ListenerConfig says how a listener works.
type ListenerConfig struct {
	// ProxyProtocol expects the PROXY protocol at the beginning of each connection.
	// +optional
	ProxyProtocol *ProxyProtocol `json:"proxyProtocol,omitempty"`

	// PerConnectionBufferLimitBytes is how much is kept of each connection's bytes in either direction.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PerConnectionBufferLimitBytes *int32 `json:"perConnectionBufferLimitBytes,omitempty"`

	// HTTPSettings is how HTTP is spoken.
	// +optional
	HTTPSettings *HTTPSettings `json:"httpSettings,omitempty"`
}

// ProxyProtocol has no fields: being there is what counts.
type ProxyProtocol struct{}

// ServerHeader tells what becomes of a response's server header.
//
// +kubebuilder:validation:Enum=Overwrite;AppendIfAbsent;PassThrough
type ServerHeader string

// What becomes of a response's server header.
const (
	ServerHeaderOverwrite      ServerHeader = "Overwrite"
	ServerHeaderAppendIfAbsent ServerHeader = "AppendIfAbsent"
	ServerHeaderPassThrough    ServerHeader = "PassThrough"
)

// HTTPSettings is how listeners speak HTTP.
type HTTPSettings struct {
	// Tracing exports a span of Envoy's own for each request.
	// +optional
	Tracing *Tracing `json:"tracing,omitempty"`

	// AccessLog writes a line, or sends a record, for each request; 16 logs at most.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	AccessLog []AccessLog `json:"accessLog,omitempty"`

	// UpgradeConfig lets connections change to other protocols.
	// +optional
	UpgradeConfig *UpgradeConfig `json:"upgradeConfig,omitempty"`

	// UseRemoteAddress takes the connection's address for the client's (true, as if absent) or trusts X-Forwarded-For (false).
	// +optional
	UseRemoteAddress *bool `json:"useRemoteAddress,omitempty"`

	// XffNumTrustedHops is how many proxies before the gateway are trusted in X-Forwarded-For.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	XffNumTrustedHops *int64 `json:"xffNumTrustedHops,omitempty"`

	// ServerHeaderTransformation tells what becomes of a response's server header; Overwrite if absent.
	// +optional
	ServerHeaderTransformation *ServerHeader `json:"serverHeaderTransformation,omitempty"`

	// StreamIdleTimeout is the longest time that a request may pass without a byte.
	// +optional
	StreamIdleTimeout *Duration `json:"streamIdleTimeout,omitempty"`

	// IdleTimeout is the longest time that a connection may be without a request.
	// +optional
	IdleTimeout *Duration `json:"idleTimeout,omitempty"`

	// HealthCheck answers health checks.
	// +optional
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`

	// PreserveHTTP1HeaderCase keeps header names as HTTP/1 clients write them.
	// +optional
	PreserveHTTP1HeaderCase *bool `json:"preserveHttp1HeaderCase,omitempty"`

	// AcceptHTTP10 serves HTTP/1.0 clients.
	// +optional
	AcceptHTTP10 *bool `json:"acceptHttp10,omitempty"`

	// DefaultHostForHTTP10 stands for the Host that HTTP/1.0 clients leave out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	DefaultHostForHTTP10 *string `json:"defaultHostForHttp10,omitempty"`

	// EarlyRequestHeaderModifier changes a request's headers before its route is chosen (releases after 2.1).
	// +optional
	EarlyRequestHeaderModifier *gwv1.HTTPHeaderFilter `json:"earlyRequestHeaderModifier,omitempty"`

	// MaxRequestHeadersKb is how large all headers of a request together may be, in KiB (releases after 2.1).
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxRequestHeadersKb *int32 `json:"maxRequestHeadersKb,omitempty"`
}

// UpgradeConfig lets connections change to other protocols.
type UpgradeConfig struct {
	// EnabledUpgrades are the protocols, such as "websocket".
	// +optional
	// +kubebuilder:validation:MinItems=1
	EnabledUpgrades []string `json:"enabledUpgrades,omitempty"`
}

// HealthCheck answers health checks.
type HealthCheck struct {
	// Path of the checks. The gateway answers it itself.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern="^/[-a-zA-Z0-9@:%.+~#?&/=_]+$"
	Path string `json:"path"`
}

// GRPCService is a service that is spoken to with gRPC.
type GRPCService struct {
	// BackendRef is the Service, or the Backend.
	// +required
	BackendRef gwv1.BackendRef `json:"backendRef"`

	// Authority is the :authority header; the service's own name if absent.
	// +optional
	Authority *string `json:"authority,omitempty"`

	// MaxReceiveMessageLength is the largest message that is taken from the service; 0 sets no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	MaxReceiveMessageLength *int64 `json:"maxReceiveMessageLength,omitempty"`

	// SkipEnvoyHeaders leaves out the headers that Envoy adds.
	// +optional
	SkipEnvoyHeaders *bool `json:"skipEnvoyHeaders,omitempty"`

	// Timeout is the longest time of a request.
	// +optional
	Timeout *Duration `json:"timeout,omitempty"`

	// InitialMetadata are headers that are sent along.
	// +optional
	InitialMetadata []MetadataEntry `json:"initialMetadata,omitempty"`

	// RetryPolicy opens a stream again that failed.
	// +optional
	RetryPolicy *GRPCRetryPolicy `json:"retryPolicy,omitempty"`
}

// MetadataEntry is a header that is sent to a gRPC service.
type MetadataEntry struct {
	// Key is the header's name.
	// +required
	Key string `json:"key"`

	// Value is the header's value.
	// +optional
	Value *string `json:"value,omitempty"`
}

// GRPCRetryPolicy opens a gRPC stream again that failed.
type GRPCRetryPolicy struct {
	// NumRetries is how often; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	NumRetries *int64 `json:"numRetries,omitempty"`

	// RetryBackOff is the wait before each; 1s at first if absent.
	// +optional
	RetryBackOff *GRPCBackoff `json:"retryBackOff,omitempty"`
}

// GRPCBackoff is a wait that grows with each attempt.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxInterval) || duration(self.maxInterval) >= duration(self.baseInterval)",message="maxInterval must be greater than or equal to baseInterval",fieldPath=".maxInterval"
type GRPCBackoff struct {
	// BaseInterval is the first wait, at least 1ms.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="baseInterval must be at least 1ms"
	BaseInterval Duration `json:"baseInterval"`

	// MaxInterval is the longest wait; ten times the first if absent.
	// +optional
	MaxInterval *Duration `json:"maxInterval,omitempty"`
}
