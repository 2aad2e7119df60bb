package v1alpha1

import gwv1 "sigs.k8s.io/gateway-api/apis/v1"

// RouteType tells how the answers of a route come where the request itself does not say so (Gemini and Vertex AI).
//
// +kubebuilder:validation:Enum=CHAT;CHAT_STREAMING
type RouteType string

// The types of routes.
const (
	RouteChat          RouteType = "CHAT"
	RouteChatStreaming RouteType = "CHAT_STREAMING"
)

// AIPolicy is what happens to requests for LLM providers.
type AIPolicy struct {
	// PromptEnrichment adds messages to the client's.
	// +optional
	PromptEnrichment *PromptEnrichment `json:"promptEnrichment,omitempty"`

	// PromptGuard inspects what is asked and what is answered.
	// +optional
	PromptGuard *PromptGuard `json:"promptGuard,omitempty"`

	// Defaults are fields of the request's JSON that are filled in, or set always.
	// +optional
	Defaults []FieldDefault `json:"defaults,omitempty"`

	// RouteType tells whether the answers are streamed where the request itself does not say so.
	// +optional
	// +kubebuilder:default=CHAT
	RouteType *RouteType `json:"routeType,omitempty"`
}

// PromptEnrichment adds messages to the client's.
type PromptEnrichment struct {
	// Prepend are messages before the client's.
	// +optional
	Prepend []Message `json:"prepend,omitempty"`

	// Append are messages after the client's.
	// +optional
	Append []Message `json:"append,omitempty"`
}

// Message is one message of a conversation.
type Message struct {
	// Role of the one who speaks, such as "system" or "user", in any case.
	// +required
	Role string `json:"role"`

	// Content is the text.
	// +required
	Content string `json:"content"`
}

// FieldDefault is a field of the request's JSON.
type FieldDefault struct {
	// Field is the name.
	// +required
	// +kubebuilder:validation:MinLength=1
	Field string `json:"field"`

	// Value is a JSON literal, or else a text. One that begins with a bracket or ends with one must be JSON.
	// +required
	// +kubebuilder:validation:MinLength=1
	Value string `json:"value"`

	// Override sets the field although the client did.
	// +optional
	// +kubebuilder:default=false
	Override *bool `json:"override,omitempty"`
}

// PromptGuard inspects what is asked and what is answered.
type PromptGuard struct {
	// Request inspects what is asked.
	// +optional
	Request *PromptGuardRequest `json:"request,omitempty"`

	// Response inspects what is answered.
	// +optional
	Response *PromptGuardResponse `json:"response,omitempty"`
}

// PromptGuardRequest inspects what is asked: by webhook, then by patterns, then by moderation. The first refusal ends it.
type PromptGuardRequest struct {
	// CustomResponse is what the client gets when its request is refused.
	// +optional
	CustomResponse *CustomResponse `json:"customResponse,omitempty"`

	// Regex looks for patterns.
	// +optional
	Regex *Regex `json:"regex,omitempty"`

	// Webhook asks a service of your own.
	// +optional
	Webhook *Webhook `json:"webhook,omitempty"`

	// Moderation asks a provider's moderation endpoint.
	// +optional
	Moderation *Moderation `json:"moderation,omitempty"`
}

// PromptGuardResponse inspects what is answered: by webhook, then by patterns.
type PromptGuardResponse struct {
	// Regex looks for patterns. What matches is masked, whatever the action.
	// +optional
	Regex *Regex `json:"regex,omitempty"`

	// Webhook asks a service of your own.
	// +optional
	Webhook *Webhook `json:"webhook,omitempty"`
}

// CustomResponse is what a client gets when its request is refused.
type CustomResponse struct {
	// Message is the text.
	// +optional
	// +kubebuilder:default="The request was rejected due to inappropriate content"
	Message *string `json:"message,omitempty"`

	// StatusCode is the HTTP status, 200 to 599.
	// +optional
	// +kubebuilder:default=403
	// +kubebuilder:validation:Minimum=200
	// +kubebuilder:validation:Maximum=599
	StatusCode *int32 `json:"statusCode,omitempty"`
}

// BuiltInPattern is a pattern that the gateway knows.
//
// +kubebuilder:validation:Enum=SSN;CREDIT_CARD;PHONE_NUMBER;EMAIL
type BuiltInPattern string

// The patterns that the gateway knows.
const (
	BuiltInSSN         BuiltInPattern = "SSN"
	BuiltInCreditCard  BuiltInPattern = "CREDIT_CARD"
	BuiltInPhoneNumber BuiltInPattern = "PHONE_NUMBER"
	BuiltInEmail       BuiltInPattern = "EMAIL"
)

// RegexAction is what happens to text that a pattern matches.
//
// +kubebuilder:validation:Enum=MASK;REJECT
type RegexAction string

// The actions of patterns.
const (
	RegexMask   RegexAction = "MASK"
	RegexReject RegexAction = "REJECT"
)

// Regex looks for patterns in the text of messages.
type Regex struct {
	// Matches are patterns of your own.
	// +optional
	Matches []RegexMatch `json:"matches,omitempty"`

	// Builtins are patterns that the gateway knows.
	// +optional
	Builtins []BuiltInPattern `json:"builtins,omitempty"`

	// Action puts a placeholder for what matches (MASK) or refuses the request (REJECT).
	// +optional
	// +kubebuilder:default=MASK
	Action *RegexAction `json:"action,omitempty"`
}

// RegexMatch is a pattern of your own.
type RegexMatch struct {
	// Pattern is a regular expression, without regard to case.
	// +optional
	Pattern *string `json:"pattern,omitempty"`

	// Name labels the pattern in traces and metrics.
	// +optional
	Name *string `json:"name,omitempty"`
}

// Webhook asks a service of your own, by HTTP, about the text of messages.
//
// +kubebuilder:validation:AtMostOneOf=host;endpoint
// +kubebuilder:validation:XValidation:rule="has(self.host) || has(self.endpoint)",message="host must be set",fieldPath=".host",reason=FieldValueRequired
// +kubebuilder:validation:AtMostOneOf=forwardHeaders;forwardHeaderMatches
type Webhook struct {
	// Host is the service's address.
	// +optional
	Host *Host `json:"host,omitempty"`

	// Endpoint is Host under the name that builds between 2.0 and 2.1 gave it.
	// +optional
	Endpoint *Host `json:"endpoint,omitempty"`

	// ForwardHeaders are headers of the client's request that go to the service (releases before 2.1).
	// +optional
	ForwardHeaders []gwv1.HTTPHeaderMatch `json:"forwardHeaders,omitempty"`

	// ForwardHeaderMatches are headers of the client's request that go to the service (releases from 2.1 on).
	// +optional
	ForwardHeaderMatches []gwv1.HTTPHeaderMatch `json:"forwardHeaderMatches,omitempty"`
}

// Moderation asks a provider's moderation endpoint about the text of messages.
type Moderation struct {
	// OpenAIModeration is OpenAI's endpoint.
	// +optional
	OpenAIModeration *OpenAIModeration `json:"openAIModeration,omitempty"`
}

// OpenAIModeration is OpenAI's moderation endpoint.
type OpenAIModeration struct {
	// AuthToken goes into the Authorization header, after "Bearer ".
	// +required
	AuthToken AuthToken `json:"authToken"`

	// Model of the moderation; omni-moderation-latest if absent.
	// +optional
	Model *string `json:"model,omitempty"`
}
