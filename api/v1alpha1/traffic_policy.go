package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// TrafficPolicy says what happens to the requests of a Gateway, of one of its listeners, of an HTTPRoute or of one of its
// rules. Where several apply, the nearest decides, field by field of the spec.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels="gateway.networking.k8s.io/policy=Direct"
// +kubebuilder:resource:categories={kgateway,spanway},shortName=tp
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Accepted')].status"
// +kubebuilder:printcolumn:name="Attached",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Attached')].status"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type TrafficPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	// +optional
	Spec TrafficPolicySpec `json:"spec,omitempty"`

	// Status is what the controller made of it, for each Gateway.
	// +optional
	Status gwv1.PolicyStatus `json:"status,omitempty"`
}

// TrafficPolicyList is a list of TrafficPolicies.
//
// +kubebuilder:object:root=true
type TrafficPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrafficPolicy `json:"items"`
}

// TrafficPolicySpec is what a policy applies to, and what it does. A policy without targets applies where an HTTPRoute's
// ExtensionRef names it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.autoHostRewrite) || (has(self.targetRefs) && self.targetRefs.all(r, r.kind == 'HTTPRoute')) || (has(self.targetSelectors) && self.targetSelectors.all(r, r.kind == 'HTTPRoute'))",message="autoHostRewrite can only be used when targeting HTTPRoute resources",fieldPath=".autoHostRewrite"
// +kubebuilder:validation:XValidation:rule="!has(self.retry) || !has(self.retry.perTryTimeout) || !has(self.timeouts) || !has(self.timeouts.request) || duration(self.retry.perTryTimeout) < duration(self.timeouts.request)",message="retry.perTryTimeout must be less than timeouts.request",fieldPath=".retry"
// +kubebuilder:validation:XValidation:rule="!has(self.retry) || !has(self.targetRefs) || self.targetRefs.all(r, r.kind != 'Gateway' || has(r.sectionName))",message="targetRefs[].sectionName must be set when targeting Gateway resources with retry policy",fieldPath=".targetRefs"
// +kubebuilder:validation:XValidation:rule="!has(self.retry) || !has(self.targetSelectors) || self.targetSelectors.all(r, r.kind != 'Gateway' || has(r.sectionName))",message="targetSelectors[].sectionName must be set when targeting Gateway resources with retry policy",fieldPath=".targetSelectors"
type TrafficPolicySpec struct {
	// TargetRefs are the objects that the policy applies to, 1 to 16: Gateways, HTTPRoutes, XListenerSets and Backends of its
	// namespace. A policy of a Backend applies where routes lead there (releases from 2.1 on).
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.group == 'gateway.networking.k8s.io' && (r.kind == 'Gateway' || r.kind == 'HTTPRoute') || r.group == 'gateway.networking.x-k8s.io' && r.kind == 'XListenerSet' || r.group == 'gateway.kgateway.dev' && r.kind == 'Backend')",message="targetRefs may only reference Gateway, HTTPRoute, XListenerSet, or Backend resources"
	TargetRefs []gwv1.LocalPolicyTargetReferenceWithSectionName `json:"targetRefs,omitempty"`

	// TargetSelectors choose, by their labels, objects that the policy applies to.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.group == 'gateway.networking.k8s.io' && (r.kind == 'Gateway' || r.kind == 'HTTPRoute') || r.group == 'gateway.networking.x-k8s.io' && r.kind == 'XListenerSet')",message="targetSelectors may only reference Gateway, HTTPRoute, or XListenerSet resources"
	TargetSelectors []TargetSectionSelector `json:"targetSelectors,omitempty"`

	// AI is what happens to requests for LLM providers.
	// +optional
	AI *AIPolicy `json:"ai,omitempty"`

	// Timeouts end requests that take too long.
	// +optional
	Timeouts *Timeouts `json:"timeouts,omitempty"`

	// Retry sends requests again that failed.
	// +optional
	Retry *Retry `json:"retry,omitempty"`

	// RateLimit limits how many requests there may be.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// Transformation changes requests and responses by templates.
	// +optional
	Transformation *TransformationPolicy `json:"transformation,omitempty"`

	// ExtAuth asks a service whether a request is allowed.
	// +optional
	ExtAuth *ExtAuthPolicy `json:"extAuth,omitempty"`

	// ExtProc lets a service look at requests and responses, and change them.
	// +optional
	ExtProc *ExtProcPolicy `json:"extProc,omitempty"`

	// CORS answers browsers that ask whether another site may send requests.
	// +optional
	CORS *CORSPolicy `json:"cors,omitempty"`

	// CSRF refuses requests that another site made a browser send.
	// +optional
	CSRF *CSRFPolicy `json:"csrf,omitempty"`

	// HeaderModifiers set, add and remove headers.
	// +optional
	HeaderModifiers *HeaderModifiers `json:"headerModifiers,omitempty"`

	// AutoHostRewrite sends the upstream's own name as Host. It applies to HTTPRoutes.
	// +optional
	AutoHostRewrite *bool `json:"autoHostRewrite,omitempty"`

	// Buffer limits how large a request may be.
	// +optional
	Buffer *Buffer `json:"buffer,omitempty"`

	// RBAC allows or denies requests by expressions (releases from 2.1 on).
	// +optional
	RBAC *RBAC `json:"rbac,omitempty"`
}

// Timeouts end requests that take too long. A value of 0s sets no limit.
type Timeouts struct {
	// Request is the longest time from the end of the client's request to the end of the response.
	// +optional
	Request *Duration `json:"request,omitempty"`

	// StreamIdle is the longest time without a byte in either direction.
	// +optional
	StreamIdle *Duration `json:"streamIdle,omitempty"`
}

// RetryCondition is a failure after which a request is sent again, by Envoy's name.
//
// +kubebuilder:validation:Enum={"5xx",gateway-error,reset,reset-before-request,connect-failure,envoy-ratelimited,retriable-4xx,refused-stream,retriable-status-codes,http3-post-connect-failure,cancelled,deadline-exceeded,internal,resource-exhausted,unavailable}
type RetryCondition string

// Retry sends requests again that failed.
//
// +kubebuilder:validation:AtLeastOneOf=retryOn;statusCodes
type Retry struct {
	// RetryOn are the failures after which a request is sent again.
	// +optional
	// +kubebuilder:validation:MinItems=1
	RetryOn []RetryCondition `json:"retryOn,omitempty"`

	// StatusCodes are the responses after which a request is sent again, 400 to 599.
	// +optional
	// +kubebuilder:validation:MinItems=1
	StatusCodes []gwv1.HTTPRouteRetryStatusCode `json:"statusCodes,omitempty"`

	// Attempts is how often at most a request is sent again; 0 is never.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	Attempts *int32 `json:"attempts,omitempty"`

	// PerTryTimeout is the longest time of each attempt, at least 1ms and less than timeouts.request.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="retry.perTryTimeout must be at least 1ms"
	PerTryTimeout *Duration `json:"perTryTimeout,omitempty"`

	// BackoffBaseInterval is the wait before the first repetition, at least 1ms; it grows with each, up to ten times as much.
	// +optional
	// +kubebuilder:default="25ms"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="retry.backoffBaseInterval must be at least 1ms"
	BackoffBaseInterval *Duration `json:"backoffBaseInterval,omitempty"`
}

// CORSOrigin is a site, such as "https://example.com" or "https://*.example.com", or "*".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^(\*|[A-Za-z][-+.A-Za-z0-9]*:.*)$`
type CORSOrigin string

// CORSPolicy answers browsers that ask whether another site may send requests. Its fields are those of Gateway API's filter.
type CORSPolicy struct {
	// AllowOrigins are the sites.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	AllowOrigins []CORSOrigin `json:"allowOrigins,omitempty"`

	// AllowCredentials lets the other site send cookies and credentials.
	// +optional
	AllowCredentials *bool `json:"allowCredentials,omitempty"`

	// AllowMethods are the methods that the other site may use.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=9
	AllowMethods []gwv1.HTTPMethodWithWildcard `json:"allowMethods,omitempty"`

	// AllowHeaders are the headers that the other site may send.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	AllowHeaders []gwv1.HTTPHeaderName `json:"allowHeaders,omitempty"`

	// ExposeHeaders are the response's headers that the other site may read.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	ExposeHeaders []gwv1.HTTPHeaderName `json:"exposeHeaders,omitempty"`

	// MaxAge is how many seconds a browser may remember the answer.
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	MaxAge int32 `json:"maxAge,omitempty"`

	// Disable switches off what a policy higher up sets.
	// +optional
	Disable *Disable `json:"disable,omitempty"`
}

// CSRFPolicy refuses requests that another site made a browser send.
//
// +kubebuilder:validation:AtMostOneOf=percentageEnabled;percentageShadowed
type CSRFPolicy struct {
	// PercentageEnabled is the share of requests that are checked, 0 to 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	PercentageEnabled *int32 `json:"percentageEnabled,omitempty"`

	// PercentageShadowed is the share of requests that are checked and counted, but let through, 0 to 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	PercentageShadowed *int32 `json:"percentageShadowed,omitempty"`

	// AdditionalOrigins are sites that may send requests beside the destination itself.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	AdditionalOrigins []StringMatcher `json:"additionalOrigins,omitempty"`
}

// HeaderModifiers set, add and remove headers.
//
// +kubebuilder:validation:AtLeastOneOf=request;response
type HeaderModifiers struct {
	// Request is what happens to the request's headers.
	// +optional
	Request *gwv1.HTTPHeaderFilter `json:"request,omitempty"`

	// Response is what happens to the response's headers.
	// +optional
	Response *gwv1.HTTPHeaderFilter `json:"response,omitempty"`
}

// Buffer limits how large a request may be.
//
// +kubebuilder:validation:ExactlyOneOf=maxRequestSize;disable
type Buffer struct {
	// MaxRequestSize is the largest body, such as "1Mi"; a larger one is answered with 413.
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (int(self) > 0 && int(self) < 4294967296) : (isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).isLessThan(quantity('4Gi')))",message="maxRequestSize must be greater than 0 and less than 4Gi"
	MaxRequestSize *resource.Quantity `json:"maxRequestSize,omitempty"`

	// Disable switches off what a policy higher up sets.
	// +optional
	Disable *Disable `json:"disable,omitempty"`
}

// RBACAction is what happens to a request that a policy matches.
//
// +kubebuilder:validation:Enum=Allow;Deny
type RBACAction string

// The actions of RBAC.
const (
	RBACAllow RBACAction = "Allow"
	RBACDeny  RBACAction = "Deny"
)

// RBAC allows or denies requests by expressions.
type RBAC struct {
	// Policy has the expressions.
	// +required
	Policy RBACPolicy `json:"policy"`

	// Action is what happens to a request that one of the expressions matches.
	// +optional
	// +kubebuilder:default=Allow
	Action RBACAction `json:"action,omitempty"`
}

// CELExpression is an expression in CEL, the Common Expression Language.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=16384
type CELExpression string

// RBACPolicy has the expressions of RBAC.
type RBACPolicy struct {
	// MatchExpressions are the expressions, 1 to 256.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	MatchExpressions []CELExpression `json:"matchExpressions"`
}
