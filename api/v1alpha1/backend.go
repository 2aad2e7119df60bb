package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Backend is a destination of routes that is no Service of the cluster: an LLM provider, a list of hosts, a function.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories={kgateway,spanway},shortName=be
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.conditions[?(@.type=='Accepted')].status"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=".status.conditions[?(@.type=='Accepted')].message",priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type Backend struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	// +required
	Spec BackendSpec `json:"spec"`

	// Status is what the controller made of it.
	// +optional
	Status BackendStatus `json:"status,omitempty"`
}

// BackendList is a list of Backends.
//
// +kubebuilder:object:root=true
type BackendList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Backend `json:"items"`
}

// BackendStatus is what the controller made of a Backend.
type BackendStatus struct {
	// Conditions has "Accepted": True with reason Accepted, or False with reason Invalid and the fault as its message.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// BackendType tells which kind of destination a Backend is.
//
// +kubebuilder:validation:Enum=AI;AWS;Static;DynamicForwardProxy;MCP
type BackendType string

// The types of backends.
const (
	BackendAI                  BackendType = "AI"
	BackendAWS                 BackendType = "AWS"
	BackendStatic              BackendType = "Static"
	BackendDynamicForwardProxy BackendType = "DynamicForwardProxy"
	BackendMCP                 BackendType = "MCP"
)

// BackendSpec is a destination: a type, and the field of that type's name.
//
// +kubebuilder:validation:ExactlyOneOf=ai;aws;static;dynamicForwardProxy;mcp
// +kubebuilder:validation:XValidation:rule="self.type != 'AI' || has(self.ai)",message="ai must be set when type is AI",fieldPath=".ai",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'AWS' || has(self.aws)",message="aws must be set when type is AWS",fieldPath=".aws",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'Static' || has(self.static)",message="static must be set when type is Static",fieldPath=".static",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'DynamicForwardProxy' || has(self.dynamicForwardProxy)",message="dynamicForwardProxy must be set when type is DynamicForwardProxy",fieldPath=".dynamicForwardProxy",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.type != 'MCP' || has(self.mcp)",message="mcp must be set when type is MCP",fieldPath=".mcp",reason=FieldValueRequired
type BackendSpec struct {
	// Type is the kind of destination; the field of that name is set and no other.
	// +required
	Type BackendType `json:"type"`

	// AI is one LLM provider, or several with priorities.
	// +optional
	AI *AIBackend `json:"ai,omitempty"`

	// AWS is a service of AWS.
	// +optional
	AWS *AWSBackend `json:"aws,omitempty"`

	// Static is a list of hosts.
	// +optional
	Static *StaticBackend `json:"static,omitempty"`

	// DynamicForwardProxy sends a request to the host that the request itself names.
	// +optional
	DynamicForwardProxy *DynamicForwardProxyBackend `json:"dynamicForwardProxy,omitempty"`

	// MCP is a set of MCP servers.
	// +optional
	MCP *MCPBackend `json:"mcp,omitempty"`
}

// AppProtocol is what is spoken with a static backend; HTTP/1.1 if absent.
//
// +kubebuilder:validation:Enum=http2;grpc;grpc-web;kubernetes.io/h2c;kubernetes.io/ws
type AppProtocol string

// The application protocols.
const (
	AppProtocolHTTP2   AppProtocol = "http2"
	AppProtocolGRPC    AppProtocol = "grpc"
	AppProtocolGRPCWeb AppProtocol = "grpc-web"
	AppProtocolH2C     AppProtocol = "kubernetes.io/h2c"
	AppProtocolWS      AppProtocol = "kubernetes.io/ws"
)

// StaticBackend is a list of hosts that share the load.
type StaticBackend struct {
	// Hosts are the addresses, at least one.
	// +required
	// +kubebuilder:validation:MinItems=1
	Hosts []Host `json:"hosts"`

	// AppProtocol is what is spoken with the hosts.
	// +optional
	AppProtocol *AppProtocol `json:"appProtocol,omitempty"`
}

// DynamicForwardProxyBackend sends a request to the host that the request itself names.
type DynamicForwardProxyBackend struct {
	// EnableTLS connects with TLS, verified with the system's roots and the request's host.
	// +optional
	EnableTLS *bool `json:"enableTls,omitempty"`
}

// AWSBackend is a service of AWS, in one account and region.
type AWSBackend struct {
	// AccountID has the account's 12 digits.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=12
	// +kubebuilder:validation:Pattern="^[0-9]{12}$"
	AccountID string `json:"accountId"`

	// Region of the service.
	// +optional
	// +kubebuilder:default=us-east-1
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern="^[a-z0-9-]+$"
	Region string `json:"region,omitempty"`

	// Auth has the credentials; without it they come from where AWS' own tools find them.
	// +optional
	Auth *AWSAuth `json:"auth,omitempty"`

	// Lambda is the function to call.
	// +required
	Lambda AWSLambda `json:"lambda"`
}

// AWSAuthType tells where credentials for AWS come from.
//
// +kubebuilder:validation:Enum=Secret
type AWSAuthType string

// AWSAuthSecret takes the credentials from a Secret.
const AWSAuthSecret AWSAuthType = "Secret"

// AWSAuth tells where credentials for AWS come from.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) == (self.type == 'Secret')",message="secretRef must be set when type is Secret, and only then"
type AWSAuth struct {
	// Type is where the credentials come from.
	// +required
	Type AWSAuthType `json:"type"`

	// SecretRef is a Secret of the Backend's namespace with the keys accessKey, secretKey and, if need be, sessionToken.
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`
}

// AWSLambda is a function of AWS Lambda.
type AWSLambda struct {
	// FunctionName has 1 to 140 letters, digits, hyphens and underscores.
	// +required
	// +kubebuilder:validation:Pattern="^[A-Za-z0-9-_]{1,140}$"
	FunctionName string `json:"functionName"`

	// Qualifier is a version's number, an alias, or "$LATEST".
	// +optional
	// +kubebuilder:default=$LATEST
	// +kubebuilder:validation:Pattern="^(\\$LATEST|[0-9]+|[A-Za-z0-9-_]{1,128})$"
	Qualifier string `json:"qualifier,omitempty"`

	// InvocationMode waits for the answer (Sync) or does not (Async).
	// +optional
	// +kubebuilder:default=Sync
	// +kubebuilder:validation:Enum=Sync;Async
	InvocationMode string `json:"invocationMode,omitempty"`

	// PayloadTransformMode wraps the request in the JSON that Envoy makes of it (Envoy) or hands on the body alone (None).
	// +optional
	// +kubebuilder:default=Envoy
	// +kubebuilder:validation:Enum=None;Envoy
	PayloadTransformMode string `json:"payloadTransformMode,omitempty"`

	// EndpointURL stands for AWS' own address, in tests for instance.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern="^https?://[-a-zA-Z0-9@:%.+~#?&/=]+$"
	EndpointURL string `json:"endpointURL,omitempty"`
}
