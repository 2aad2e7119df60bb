package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MCPBackend is a set of MCP servers behind one address.
//
// +kubebuilder:validation:XValidation:rule="has(self.name) || self.targets.all(t, has(t.name))",message="name must be set, or every one of targets must have a name of its own"
type MCPBackend struct {
	// Name of the set. Releases from 2.1 on name each target instead.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`

	// Targets are the servers, 1 to 64.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Targets []MCPTarget `json:"targets"`
}

// MCPTarget is one MCP server, or those that labels choose.
//
// +kubebuilder:validation:ExactlyOneOf=static;selector;selectors
type MCPTarget struct {
	// Name of the target (releases from 2.1 on).
	// +optional
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`

	// Static is one server.
	// +optional
	Static *MCPServer `json:"static,omitempty"`

	// Selector chooses Services by label (releases from 2.1 on).
	// +optional
	Selector *MCPSelector `json:"selector,omitempty"`

	// Selectors chooses Services by label (releases before 2.1).
	// +optional
	Selectors *MCPSelector `json:"selectors,omitempty"`
}

// MCPServer is the address of an MCP server.
type MCPServer struct {
	// Name of the server (releases before 2.1).
	// +optional
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`

	// Host is a DNS name or an IP address.
	// +required
	// +kubebuilder:validation:MinLength=1
	Host string `json:"host"`

	// Port to connect to, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// Path of the server's endpoint.
	// +optional
	Path *string `json:"path,omitempty"`

	// Protocol is how messages travel.
	// +optional
	// +kubebuilder:validation:Enum=StreamableHTTP;SSE
	Protocol *string `json:"protocol,omitempty"`
}

// MCPSelector chooses Services by label.
//
// +kubebuilder:validation:XValidation:rule="has(self.namespace) || has(self.service) || has(self.namespaces) || has(self.services) || has(self.namespaceSelector) || has(self.serviceSelector)",message="at least one of namespace and service must be set"
type MCPSelector struct {
	// Namespace has the labels of the namespaces to look in.
	// +optional
	Namespace *metav1.LabelSelector `json:"namespace,omitempty"`

	// Service has the labels of the Services to take.
	// +optional
	Service *metav1.LabelSelector `json:"service,omitempty"`

	// Namespaces is Namespace under the name of release 2.1.
	// +optional
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`

	// Services is Service under the name of release 2.1.
	// +optional
	Services *metav1.LabelSelector `json:"services,omitempty"`

	// NamespaceSelector is Namespace under the name of releases before 2.1.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// ServiceSelector is Service under the name of releases before 2.1.
	// +optional
	ServiceSelector *metav1.LabelSelector `json:"serviceSelector,omitempty"`
}
