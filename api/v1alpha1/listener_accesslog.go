package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// AccessLog writes a line, or sends a record, for each request that its filter lets through.
type AccessLog struct {
	// FileSink writes to a file.
	// +optional
	FileSink *FileSink `json:"fileSink,omitempty"`

	// GRPCService sends to a service that speaks Envoy's access log protocol.
	// +optional
	GRPCService *AccessLogGRPCService `json:"grpcService,omitempty"`

	// OpenTelemetry sends by OTLP.
	// +optional
	OpenTelemetry *OpenTelemetryAccessLog `json:"openTelemetry,omitempty"`

	// Filter chooses the requests; all if absent.
	// +optional
	Filter *AccessLogFilter `json:"filter,omitempty"`
}

// FileSink writes an access log to a file.
//
// +kubebuilder:validation:ExactlyOneOf=stringFormat;jsonFormat
type FileSink struct {
	// Path of the file, such as "/dev/stdout".
	// +required
	Path string `json:"path"`

	// StringFormat is a line with Envoy's command operators.
	// +optional
	StringFormat *string `json:"stringFormat,omitempty"`

	// JSONFormat is an object whose values have Envoy's command operators.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	JSONFormat *runtime.RawExtension `json:"jsonFormat,omitempty"`
}

// AccessLogStream is a service to which access logs are sent, and the log's name.
type AccessLogStream struct {
	GRPCService `json:",inline"`

	// LogName tells the service which log it is.
	// +required
	LogName string `json:"logName"`
}

// AccessLogGRPCService sends to a service that speaks Envoy's access log protocol.
type AccessLogGRPCService struct {
	AccessLogStream `json:",inline"`

	// AdditionalRequestHeadersToLog are headers of the request that are sent too.
	// +optional
	AdditionalRequestHeadersToLog []string `json:"additionalRequestHeadersToLog,omitempty"`

	// AdditionalResponseHeadersToLog are headers of the response that are sent too.
	// +optional
	AdditionalResponseHeadersToLog []string `json:"additionalResponseHeadersToLog,omitempty"`

	// AdditionalResponseTrailersToLog are trailers of the response that are sent too.
	// +optional
	AdditionalResponseTrailersToLog []string `json:"additionalResponseTrailersToLog,omitempty"`
}

// OpenTelemetryAccessLog sends access logs by OTLP.
type OpenTelemetryAccessLog struct {
	// GRPCService is the collector.
	// +required
	GRPCService AccessLogStream `json:"grpcService"`

	// Body of each record, with Envoy's command operators.
	// +optional
	Body *string `json:"body,omitempty"`

	// DisableBuiltinLabels leaves out what Envoy says of itself in the resource.
	// +optional
	DisableBuiltinLabels *bool `json:"disableBuiltinLabels,omitempty"`

	// Attributes of each record.
	// +optional
	Attributes *KeyAnyValueList `json:"attributes,omitempty"`

	// ResourceAttributes are added to the resource.
	// +optional
	ResourceAttributes *KeyAnyValueList `json:"resourceAttributes,omitempty"`
}

// KeyAnyValueList has attributes.
type KeyAnyValueList struct {
	// Values are the attributes, each with a key of its own.
	// +optional
	Values []KeyAnyValue `json:"values,omitempty"`
}

// KeyAnyValue is an attribute.
type KeyAnyValue struct {
	// Key of the attribute.
	// +required
	Key string `json:"key"`

	// Value of the attribute.
	// +required
	Value AnyValue `json:"value"`
}

// AnyValue is a text, a list or a set of attributes. A schema cannot contain itself: what is in lists and sets is checked by
// the controller.
//
// +kubebuilder:validation:ExactlyOneOf=stringValue;arrayValue;kvListValue
type AnyValue struct {
	// StringValue is a text, with Envoy's command operators.
	// +optional
	StringValue *string `json:"stringValue,omitempty"`

	// ArrayValue is a list of values, each as this one.
	// +optional
	ArrayValue []NestedValue `json:"arrayValue,omitempty"`

	// KvListValue is a set of attributes, as KeyAnyValueList has them.
	// +optional
	KvListValue *NestedValue `json:"kvListValue,omitempty"`
}

// NestedValue is a value within a value, as JSON: an AnyValue in a list, a KeyAnyValueList for a set.
//
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type NestedValue struct {
	runtime.RawExtension `json:",inline"`
}

// AccessLogFilter chooses requests by one condition, by all of several, or by any of several.
//
// +kubebuilder:validation:ExactlyOneOf=statusCodeFilter;durationFilter;notHealthCheckFilter;traceableFilter;headerFilter;responseFlagFilter;grpcStatusFilter;celFilter;andFilter;orFilter
type AccessLogFilter struct {
	AccessLogConditions `json:",inline"`

	// AndFilter has conditions that all hold, at least 2.
	// +optional
	// +kubebuilder:validation:MinItems=2
	// +kubebuilder:validation:MaxItems=64
	AndFilter []AccessLogCondition `json:"andFilter,omitempty"`

	// OrFilter has conditions of which one holds, at least 2.
	// +optional
	// +kubebuilder:validation:MinItems=2
	// +kubebuilder:validation:MaxItems=64
	OrFilter []AccessLogCondition `json:"orFilter,omitempty"`
}

// AccessLogCondition chooses requests by exactly one condition.
//
// +kubebuilder:validation:ExactlyOneOf=statusCodeFilter;durationFilter;notHealthCheckFilter;traceableFilter;headerFilter;responseFlagFilter;grpcStatusFilter;celFilter
type AccessLogCondition struct {
	AccessLogConditions `json:",inline"`
}

// AccessLogConditions has a field for each condition, of which one is set.
type AccessLogConditions struct {
	// StatusCodeFilter compares the response's status.
	// +optional
	StatusCodeFilter *ComparisonFilter `json:"statusCodeFilter,omitempty"`

	// DurationFilter compares how long the request took, in milliseconds.
	// +optional
	DurationFilter *ComparisonFilter `json:"durationFilter,omitempty"`

	// NotHealthCheckFilter leaves out health checks.
	// +optional
	NotHealthCheckFilter *bool `json:"notHealthCheckFilter,omitempty"`

	// TraceableFilter takes requests that are traced.
	// +optional
	TraceableFilter *bool `json:"traceableFilter,omitempty"`

	// HeaderFilter matches a header of the request.
	// +optional
	HeaderFilter *HeaderFilter `json:"headerFilter,omitempty"`

	// ResponseFlagFilter takes requests with one of Envoy's response flags.
	// +optional
	ResponseFlagFilter *ResponseFlagFilter `json:"responseFlagFilter,omitempty"`

	// GRPCStatusFilter takes requests with one of some gRPC statuses.
	// +optional
	GRPCStatusFilter *GRPCStatusFilter `json:"grpcStatusFilter,omitempty"`

	// CELFilter takes requests for which an expression is true.
	// +optional
	CELFilter *CELFilter `json:"celFilter,omitempty"`
}

// ComparisonOp compares two numbers: equal, at least, at most.
//
// +kubebuilder:validation:Enum=EQ;GE;LE
type ComparisonOp string

// The comparisons.
const (
	ComparisonEQ ComparisonOp = "EQ"
	ComparisonGE ComparisonOp = "GE"
	ComparisonLE ComparisonOp = "LE"
)

// ComparisonFilter compares with a number.
type ComparisonFilter struct {
	// Op is the comparison.
	// +required
	Op ComparisonOp `json:"op"`

	// Value is the number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	Value int64 `json:"value,omitempty"`
}

// HeaderFilter matches a header of the request.
type HeaderFilter struct {
	// Header is the header, and how its value is compared.
	// +required
	Header gwv1.HTTPHeaderMatch `json:"header"`
}

// ResponseFlagFilter takes requests with one of Envoy's response flags.
type ResponseFlagFilter struct {
	// Flags are the short names, such as "UF".
	// +required
	// +kubebuilder:validation:MinItems=1
	Flags []string `json:"flags"`
}

// GRPCStatus is a status of gRPC.
//
// +kubebuilder:validation:Enum=OK;CANCELED;UNKNOWN;INVALID_ARGUMENT;DEADLINE_EXCEEDED;NOT_FOUND;ALREADY_EXISTS;PERMISSION_DENIED;RESOURCE_EXHAUSTED;FAILED_PRECONDITION;ABORTED;OUT_OF_RANGE;UNIMPLEMENTED;INTERNAL;UNAVAILABLE;DATA_LOSS;UNAUTHENTICATED
type GRPCStatus string

// GRPCStatusFilter takes requests with one of some gRPC statuses.
type GRPCStatusFilter struct {
	// Statuses are the statuses.
	// +optional
	// +kubebuilder:validation:MinItems=1
	Statuses []GRPCStatus `json:"statuses,omitempty"`

	// Exclude takes all others instead.
	// +optional
	Exclude bool `json:"exclude,omitempty"`
}

// CELFilter takes requests for which an expression is true.
type CELFilter struct {
	// Match is the expression, in CEL with Envoy's attributes.
	// +required
	Match string `json:"match"`
}
