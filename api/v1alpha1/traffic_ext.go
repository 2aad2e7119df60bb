package v1alpha1

// HeaderName is the name of a header, or of one of HTTP/2's pseudo headers, which begin with a colon.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:Pattern=`^:?[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$`
type HeaderName string

// TransformationPolicy changes requests and responses by templates.
type TransformationPolicy struct {
	// Request is what happens to the request.
	// +optional
	Request *Transform `json:"request,omitempty"`

	// Response is what happens to the response.
	// +optional
	Response *Transform `json:"response,omitempty"`
}

// Transform changes a message by templates in Inja.
type Transform struct {
	// Set are headers that get a value, 16 at most.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Set []HeaderTemplate `json:"set,omitempty"`

	// Add are headers that get one value more, 16 at most.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Add []HeaderTemplate `json:"add,omitempty"`

	// Remove are headers that are taken away, 16 at most.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Remove []string `json:"remove,omitempty"`

	// Body is what happens to the body; without it the body is not touched.
	// +optional
	Body *BodyTemplate `json:"body,omitempty"`
}

// HeaderTemplate is a header whose value a template makes.
type HeaderTemplate struct {
	// Name of the header.
	// +required
	Name HeaderName `json:"name"`

	// Value is the template.
	// +optional
	Value string `json:"value,omitempty"`
}

// BodyTemplate is a body that a template makes.
type BodyTemplate struct {
	// ParseAs reads the present body as a text or as JSON, for the template.
	// +optional
	// +kubebuilder:default=AsString
	// +kubebuilder:validation:Enum=AsString;AsJson
	ParseAs string `json:"parseAs,omitempty"`

	// Value is the template.
	// +optional
	Value *string `json:"value,omitempty"`
}

// RateLimit limits how many requests there may be.
type RateLimit struct {
	// Local counts within each gateway process.
	// +optional
	Local *LocalRateLimit `json:"local,omitempty"`

	// Global asks a service that counts for all.
	// +optional
	Global *GlobalRateLimit `json:"global,omitempty"`
}

// LocalRateLimit counts within each gateway process. Without a bucket nothing is limited.
type LocalRateLimit struct {
	// TokenBucket is what requests take tokens from.
	// +optional
	TokenBucket *TokenBucket `json:"tokenBucket,omitempty"`
}

// TokenBucket is filled at a steady rate; each request takes a token, or is refused.
type TokenBucket struct {
	// MaxTokens is what the bucket holds, at least 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	MaxTokens int64 `json:"maxTokens"`

	// TokensPerFill is what is added each time, at least 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	TokensPerFill *int64 `json:"tokensPerFill,omitempty"`

	// FillInterval is the time between two fillings, at least 50ms.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('50ms')",message="fillInterval must be at least 50ms"
	FillInterval Duration `json:"fillInterval"`
}

// GlobalRateLimit asks a service that counts for all.
type GlobalRateLimit struct {
	// ExtensionRef is a GatewayExtension with the service.
	// +required
	ExtensionRef NamespacedName `json:"extensionRef"`

	// Descriptors are what the service is asked about, one limit each.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Descriptors []RateLimitDescriptor `json:"descriptors"`
}

// RateLimitDescriptor describes a request by what its entries say, all together.
type RateLimitDescriptor struct {
	// Entries are the parts.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Entries []RateLimitEntry `json:"entries"`
}

// RateLimitEntryType tells what an entry is about.
//
// +kubebuilder:validation:Enum=Generic;Header;RemoteAddress;Path
type RateLimitEntryType string

// The types of entries.
const (
	RateLimitGeneric       RateLimitEntryType = "Generic"
	RateLimitHeader        RateLimitEntryType = "Header"
	RateLimitRemoteAddress RateLimitEntryType = "RemoteAddress"
	RateLimitPath          RateLimitEntryType = "Path"
)

// RateLimitEntry is one part of a descriptor: a type, and what that type needs.
//
// +kubebuilder:validation:XValidation:rule="has(self.generic) == (self.type == 'Generic')",message="exactly one entry type must be specified: generic must be set when type is Generic, and only then"
// +kubebuilder:validation:XValidation:rule="has(self.header) == (self.type == 'Header')",message="exactly one entry type must be specified: header must be set when type is Header, and only then"
type RateLimitEntry struct {
	// Type tells what the entry is about.
	// +required
	Type RateLimitEntryType `json:"type"`

	// Generic is a fixed key and value.
	// +optional
	Generic *RateLimitKeyValue `json:"generic,omitempty"`

	// Header is the request's header whose value counts.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Header *string `json:"header,omitempty"`
}

// RateLimitKeyValue is a fixed key and value.
type RateLimitKeyValue struct {
	// Key of the entry.
	// +required
	// +kubebuilder:validation:MinLength=1
	Key string `json:"key"`

	// Value of the entry.
	// +required
	// +kubebuilder:validation:MinLength=1
	Value string `json:"value"`
}

// ExtAuthEnablement switches external authorization off, in the manner of releases before 2.1.
//
// +kubebuilder:validation:Enum=DisableAll
type ExtAuthEnablement string

// ExtAuthDisableAll switches off what a policy higher up sets.
const ExtAuthDisableAll ExtAuthEnablement = "DisableAll"

// ExtAuthPolicy asks a service whether a request is allowed.
//
// +kubebuilder:validation:ExactlyOneOf=extensionRef;disable;enablement
type ExtAuthPolicy struct {
	// ExtensionRef is a GatewayExtension with the service.
	// +optional
	ExtensionRef *NamespacedName `json:"extensionRef,omitempty"`

	// Disable switches off what a policy higher up sets.
	// +optional
	Disable *Disable `json:"disable,omitempty"`

	// Enablement is Disable in the shape of releases before 2.1.
	// +optional
	Enablement *ExtAuthEnablement `json:"enablement,omitempty"`

	// WithRequestBody shows the service the request's body too.
	// +optional
	WithRequestBody *ExtAuthBody `json:"withRequestBody,omitempty"`

	// ContextExtensions are told to the service with each request.
	// +optional
	ContextExtensions map[string]string `json:"contextExtensions,omitempty"`
}

// ExtAuthBody shows an authorization service the request's body.
type ExtAuthBody struct {
	// MaxRequestBytes is how much of the body is kept for that, at least 1; a larger body is answered with 413.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	MaxRequestBytes int64 `json:"maxRequestBytes"`

	// AllowPartialMessage shows the beginning of a larger body instead.
	// +optional
	// +kubebuilder:default=false
	AllowPartialMessage bool `json:"allowPartialMessage,omitempty"`

	// PackAsBytes shows the body as bytes, not as UTF-8 text.
	// +optional
	// +kubebuilder:default=false
	PackAsBytes bool `json:"packAsBytes,omitempty"`
}

// ExtProcPolicy lets a service look at requests and responses, and change them.
//
// +kubebuilder:validation:ExactlyOneOf=extensionRef;disable
type ExtProcPolicy struct {
	// ExtensionRef is a GatewayExtension with the service.
	// +optional
	ExtensionRef *NamespacedName `json:"extensionRef,omitempty"`

	// Disable switches off what a policy higher up sets.
	// +optional
	Disable *Disable `json:"disable,omitempty"`

	// ProcessingMode tells which parts of a message the service is shown.
	// +optional
	ProcessingMode *ProcessingMode `json:"processingMode,omitempty"`
}

// ProcessingHeaders tells whether headers, or trailers, are shown to a service.
//
// +kubebuilder:validation:Enum=DEFAULT;SEND;SKIP
type ProcessingHeaders string

// ProcessingBody tells how a body is shown to a service.
//
// +kubebuilder:validation:Enum=NONE;STREAMED;BUFFERED;BUFFERED_PARTIAL;FULL_DUPLEX_STREAMED
type ProcessingBody string

// ProcessingMode tells which parts of a message a service is shown.
type ProcessingMode struct {
	// RequestHeaderMode is for the request's headers.
	// +optional
	// +kubebuilder:default=SEND
	RequestHeaderMode *ProcessingHeaders `json:"requestHeaderMode,omitempty"`

	// ResponseHeaderMode is for the response's headers.
	// +optional
	// +kubebuilder:default=SEND
	ResponseHeaderMode *ProcessingHeaders `json:"responseHeaderMode,omitempty"`

	// RequestBodyMode is for the request's body.
	// +optional
	// +kubebuilder:default=NONE
	RequestBodyMode *ProcessingBody `json:"requestBodyMode,omitempty"`

	// ResponseBodyMode is for the response's body.
	// +optional
	// +kubebuilder:default=NONE
	ResponseBodyMode *ProcessingBody `json:"responseBodyMode,omitempty"`

	// RequestTrailerMode is for the request's trailers.
	// +optional
	// +kubebuilder:default=SKIP
	RequestTrailerMode *ProcessingHeaders `json:"requestTrailerMode,omitempty"`

	// ResponseTrailerMode is for the response's trailers.
	// +optional
	// +kubebuilder:default=SKIP
	ResponseTrailerMode *ProcessingHeaders `json:"responseTrailerMode,omitempty"`
}
