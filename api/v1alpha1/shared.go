package v1alpha1

import gwv1 "sigs.k8s.io/gateway-api/apis/v1"

// Duration is a length of time: one to four groups of one to five digits with a unit (h, m, s or ms), such as "1m30s".
//
// +kubebuilder:validation:MaxLength=28
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s|ms)){1,4}$`
type Duration string

// TargetSelector chooses the objects that a policy applies to by their labels, in the policy's own namespace.
type TargetSelector struct {
	// Group of the targets, such as "gateway.networking.k8s.io".
	// +required
	Group gwv1.Group `json:"group"`

	// Kind of the targets, such as "Gateway".
	// +required
	Kind gwv1.Kind `json:"kind"`

	// MatchLabels are the labels that a target has, all of them.
	// +required
	MatchLabels map[string]string `json:"matchLabels"`
}

// TargetSectionSelector is a TargetSelector that may choose a part of its targets.
type TargetSectionSelector struct {
	TargetSelector `json:",inline"`

	// SectionName is the listener of a Gateway or the rule of an HTTPRoute that the policy applies to; without it the policy
	// applies to the whole object.
	// +optional
	SectionName *gwv1.SectionName `json:"sectionName,omitempty"`
}

// NamespacedName refers to an object of a kind that its place determines.
type NamespacedName struct {
	// Name of the object.
	// +required
	Name gwv1.ObjectName `json:"name"`

	// Namespace of the object; the referring object's own if absent.
	// +optional
	Namespace *gwv1.Namespace `json:"namespace,omitempty"`
}

// Disable switches off what a policy higher up sets. It has no fields: being there is what counts.
type Disable struct{}

// Host is a network address.
type Host struct {
	// Host is a DNS name or an IP address.
	// +required
	// +kubebuilder:validation:MinLength=1
	Host string `json:"host"`

	// Port to connect to, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// StringMatcher compares a text in one of several ways.
//
// +kubebuilder:validation:ExactlyOneOf=exact;prefix;suffix;contains;safeRegex
type StringMatcher struct {
	// Exact is the whole text.
	// +optional
	Exact *string `json:"exact,omitempty"`

	// Prefix is what the text begins with.
	// +optional
	Prefix *string `json:"prefix,omitempty"`

	// Suffix is what the text ends with.
	// +optional
	Suffix *string `json:"suffix,omitempty"`

	// Contains is what occurs in the text.
	// +optional
	Contains *string `json:"contains,omitempty"`

	// SafeRegex is an RE2 expression that matches the whole text.
	// +optional
	SafeRegex *string `json:"safeRegex,omitempty"`

	// IgnoreCase compares without regard to case; a regular expression has its own flag for that.
	// +optional
	// +kubebuilder:default=false
	IgnoreCase bool `json:"ignoreCase,omitempty"`
}
