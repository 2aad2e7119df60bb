package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DirectResponse is an answer that the gateway gives itself. An HTTPRoute's ExtensionRef names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories={kgateway,spanway},shortName=dr
// +kubebuilder:printcolumn:name="Status",type=integer,JSONPath=".spec.status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type DirectResponse struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the answer.
	// +required
	Spec DirectResponseSpec `json:"spec"`

	// Status has no fields.
	// +optional
	Status DirectResponseStatus `json:"status,omitempty"`
}

// DirectResponseList is a list of DirectResponses.
//
// +kubebuilder:object:root=true
type DirectResponseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DirectResponse `json:"items"`
}

// DirectResponseSpec is an answer.
type DirectResponseSpec struct {
	// StatusCode is the HTTP status, 200 to 599.
	// +required
	// +kubebuilder:validation:Minimum=200
	// +kubebuilder:validation:Maximum=599
	StatusCode int32 `json:"status"`

	// Body is the text, 1 to 4096 characters; none if absent.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Body *string `json:"body,omitempty"`
}

// DirectResponseStatus has no fields.
type DirectResponseStatus struct{}
