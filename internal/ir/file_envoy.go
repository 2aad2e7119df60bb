package ir

import "time"

// envoyFile is what Envoy does for itself, where it carries the calls: traces of its own and access logs. Whoever reaches
// Envoy's administration interface can read all of it, so it has no place for secrets: where a collector wants a credential,
// have Envoy send to one of yours that adds it.
type envoyFile struct {
	// Envoy's own traces: its SERVER span becomes the parent of Spanway's spans.
	Tracing *envoyTracingFile `conf:"tracing" unset:"Envoy does not trace; Spanway's own SERVER span stands in"`
	// Access logs that Envoy writes, at most 16.
	AccessLog []envoyLogFile `conf:"accessLog,accessLogs"`
	// How long the processor may take to answer one message before the call fails. Where guards and pauses between attempts may
	// take longer by their own settings, it is raised above that.
	MessageTimeout time.Duration `conf:"messageTimeout" default:"60s" min:"100ms" max:"1h"`
	// Protocols to which the connections of calls may be upgraded that go without the processor.
	UpgradeConfig envoyUpgradeFile `conf:"upgradeConfig"`
	// Whether the client's address is the connection's, and is told to plain HTTP servers in X-Forwarded-For. false trusts what
	// X-Forwarded-For says.
	UseRemoteAddress *bool `conf:"useRemoteAddress" unset:"the connection's, and nobody is told"`
	// How many proxies before Envoy are trusted in X-Forwarded-For.
	XFFNumTrustedHops int `conf:"xffNumTrustedHops" default:"0" min:"0" max:"65535"`
	// The Server header of responses: Envoy's own, Envoy's own where the server sends none, or the server's.
	ServerHeaderTransformation string `conf:"serverHeaderTransformation" enum:"Overwrite,AppendIfAbsent,PassThrough" unset:"PassThrough"`
	// How long a call may be without a byte in either direction, in place of the routes' timeout.idle for calls that go without the
	// processor, and beside it for others.
	StreamIdleTimeout time.Duration `conf:"streamIdleTimeout" unset:"the routes' timeout.idle" max:"24h"`
	// How long a client's connection may be without a call.
	IdleTimeout time.Duration `conf:"idleTimeout" unset:"120s" max:"24h"`
	// A path that Envoy answers itself.
	HealthCheck envoyHealthFile `conf:"healthCheck"`
	// Keep the letters of header names in HTTP/1 as they came; else names are written As-Net-Http-Does.
	PreserveHTTP1HeaderCase bool `conf:"preserveHttp1HeaderCase" default:"false"`
	// Take requests of HTTP/1.0.
	AcceptHTTP10 *bool `conf:"acceptHttp10" unset:"true"`
	// The host of requests of HTTP/1.0 that name none.
	DefaultHostForHTTP10 string `conf:"defaultHostForHttp10" unset:"localhost"`
}

// envoyUpgradeFile says which upgrades there are.
type envoyUpgradeFile struct {
	// Names of protocols, such as websocket. A request for another one is refused with status 403 then; without any, what requests
	// ask for is ignored.
	EnabledUpgrades []string `conf:"enabledUpgrades"`
}

// envoyHealthFile is a health check that load balancers ask for.
type envoyHealthFile struct {
	// The path, which is exact: 200 while Envoy takes calls, 503 while it drains.
	Path string `conf:"path" short:"true" unset:"there is none"`
}

// envoyTracingFile is Envoy's OpenTelemetry tracing. Percentages are of calls, and decided one after the other.
type envoyTracingFile struct {
	// An OTLP receiver, such as an OpenTelemetry Collector: http://host:port or https://host:port. With http it may have a path.
	Endpoint string `conf:"endpoint" short:"true" unset:"http://localhost:4317 for grpc, else http://localhost:4318"`
	// http is http/protobuf.
	Protocol string `conf:"protocol" enum:"grpc,http,http/protobuf" default:"grpc"`
	// Bound of one export.
	Timeout time.Duration `conf:"timeout" default:"10s" min:"1ms" max:"1h"`
	// How an https endpoint is verified.
	TLS clientTLSFile `conf:"tls"`
	// service.name.
	ServiceName string `conf:"serviceName" unset:"telemetry.service, else spanway"`
	// Where Envoy finds attributes of the resource: environment is OTEL_RESOURCE_ATTRIBUTES.
	ResourceDetectors []string `conf:"resourceDetectors" enum:"environment"`
	// Further attributes of the resource.
	Resource map[string]string `conf:"resource"`
	// alwaysOn samples all that the percentages let through, whatever the caller decided.
	Sampler string `conf:"sampler" enum:"alwaysOn" unset:"a caller's decision is kept"`
	// Of the calls whose client asks Envoy for a trace (x-client-trace-id).
	ClientSampling float64 `conf:"clientSampling" default:"100" min:"0" max:"100"`
	// Of all calls.
	RandomSampling float64 `conf:"randomSampling" default:"100" min:"0" max:"100"`
	// Of the calls that are to be traced after all.
	OverallSampling float64 `conf:"overallSampling" default:"100" min:"0" max:"100"`
	// Have spans tell of what happens to their streams.
	Verbose bool `conf:"verbose" default:"false"`
	// The longest path that a span tells, in bytes.
	MaxPathTagLength int `conf:"maxPathTagLength" default:"256" min:"1" max:"65536"`
	// A CLIENT span of Envoy's for each attempt, beside that of Spanway.
	SpawnUpstreamSpan bool `conf:"spawnUpstreamSpan" default:"false"`
	// Further attributes of Envoy's spans, at most 64.
	Attributes []envoyAttributeFile `conf:"attributes"`
}

// envoyAttributeFile is one attribute of Envoy's spans, with one source.
type envoyAttributeFile struct {
	// Name of the attribute. Unique.
	Name string `conf:"name" need:"true"`
	// A fixed text.
	Literal *envoyLiteralFile `conf:"literal"`
	// A header of the request, but none that carries a credential.
	RequestHeader *envoyVariableFile `conf:"requestHeader"`
	// A variable of Envoy's environment.
	Environment *envoyVariableFile `conf:"environment"`
	// Metadata that Envoy has.
	Metadata *envoyMetadataFile `conf:"metadata"`
}

// envoyLiteralFile is a fixed text.
type envoyLiteralFile struct {
	// The text.
	Value string `conf:"value" need:"true" short:"true"`
}

// envoyVariableFile names a value that may be absent.
type envoyVariableFile struct {
	// Its name.
	Name string `conf:"name" need:"true" short:"true"`
	// What stands in its place.
	DefaultValue string `conf:"defaultValue" unset:"the attribute is left out"`
}

// envoyMetadataFile names metadata.
type envoyMetadataFile struct {
	// Whose.
	Kind string `conf:"kind" enum:"Request,Route,Cluster,Host" default:"Request"`
	// Which.
	MetadataKey envoyMetadataKeyFile `conf:"metadataKey" need:"true"`
	// What stands in its place.
	DefaultValue string `conf:"defaultValue" unset:"the attribute is left out"`
}

// envoyMetadataKeyFile is the place of a value in metadata.
type envoyMetadataKeyFile struct {
	// The namespace, such as envoy.filters.http.jwt_authn.
	Key string `conf:"key" need:"true"`
	// Keys from the outermost in.
	Path []envoyPathFile `conf:"path" need:"true"`
}

// envoyPathFile is one step into metadata.
type envoyPathFile struct {
	// The key.
	Key string `conf:"key" need:"true" short:"true"`
}

// envoyLogFile is one access log: exactly one of fileSink, grpcService and openTelemetry. Formats are Envoy's command operators,
// such as %RESPONSE_CODE%; those of headers that carry credentials are refused.
type envoyLogFile struct {
	// A file.
	FileSink *envoyFileSinkFile `conf:"fileSink"`
	// A server of Envoy's gRPC access log service.
	GRPCService *envoyGRPCLogFile `conf:"grpcService"`
	// An OpenTelemetry Collector, by OTLP's logs.
	OpenTelemetry *envoyOTelLogFile `conf:"openTelemetry"`
	// Log only the calls for which this CEL expression of Envoy's is true, such as response.code >= 500.
	Match string `conf:"match" unset:"all calls"`
	// Log only the calls that this takes, too.
	Filter *envoyFilterFile `conf:"filter" unset:"all calls"`
}

// envoyFilterFile chooses calls by exactly one condition.
type envoyFilterFile struct {
	// By the response's status.
	StatusCodeFilter *envoyComparisonFile `conf:"statusCodeFilter"`
	// By the milliseconds that the call took.
	DurationFilter *envoyComparisonFile `conf:"durationFilter"`
	// Calls that are no health checks.
	NotHealthCheckFilter bool `conf:"notHealthCheckFilter" default:"false"`
	// Calls that Envoy traces.
	TraceableFilter bool `conf:"traceableFilter" default:"false"`
	// By a header of the request, but none that carries a credential.
	HeaderFilter *envoyHeaderFilterFile `conf:"headerFilter"`
	// By Envoy's response flags.
	ResponseFlagFilter *envoyFlagsFile `conf:"responseFlagFilter"`
	// By gRPC's status.
	GRPCStatusFilter *envoyGRPCStatusFile `conf:"grpcStatusFilter"`
	// By a CEL expression of Envoy's.
	CELFilter *envoyCELFile `conf:"celFilter"`
	// All of these hold, two or more.
	AndFilter []envoyFilterFile `conf:"andFilter"`
	// One of these holds, of two or more.
	OrFilter []envoyFilterFile `conf:"orFilter"`
}

// envoyComparisonFile compares a number.
type envoyComparisonFile struct {
	// Equal, at least, at most.
	Op string `conf:"op" enum:"EQ,GE,LE" need:"true"`
	// With what.
	Value int `conf:"value" default:"0" min:"0" max:"4294967295"`
}

// envoyHeaderFilterFile wants a header.
type envoyHeaderFilterFile struct {
	// Which.
	Header envoyHeaderMatchFile `conf:"header" need:"true"`
}

// envoyHeaderMatchFile compares a header.
type envoyHeaderMatchFile struct {
	// Its name.
	Name string `conf:"name" need:"true" short:"true"`
	// How its value is compared; a regular expression (RE2) with all of it.
	Type string `conf:"type" enum:"Exact,RegularExpression" default:"Exact"`
	// With what.
	Value string `conf:"value" unset:"the header is there"`
}

// envoyFlagsFile wants one of Envoy's response flags.
type envoyFlagsFile struct {
	// Their short names, such as UF.
	Flags []string `conf:"flags" unset:"any flag"`
}

// envoyGRPCStatusFile wants a status of gRPC.
type envoyGRPCStatusFile struct {
	// One of these.
	Statuses []string `conf:"statuses" enum:"OK,CANCELED,UNKNOWN,INVALID_ARGUMENT,DEADLINE_EXCEEDED,NOT_FOUND,ALREADY_EXISTS,PERMISSION_DENIED,RESOURCE_EXHAUSTED,FAILED_PRECONDITION,ABORTED,OUT_OF_RANGE,UNIMPLEMENTED,INTERNAL,UNAVAILABLE,DATA_LOSS,UNAUTHENTICATED"`
	// Any other instead.
	Exclude bool `conf:"exclude" default:"false"`
}

// envoyCELFile wants an expression to be true.
type envoyCELFile struct {
	// The expression, such as response.code >= 500.
	Match string `conf:"match" need:"true" short:"true"`
}

// envoyFileSinkFile is a log in a file.
type envoyFileSinkFile struct {
	// The file; /dev/stdout and /dev/stderr are Envoy's own.
	Path string `conf:"path" need:"true" short:"true"`
	// The format of a line.
	StringFormat string `conf:"stringFormat" unset:"Envoy's own, without jsonFormat"`
	// The fields of a JSON object, in place of stringFormat.
	JSONFormat map[string]string `conf:"jsonFormat"`
}

// envoyGRPCLogFile is a log that a server gets.
type envoyGRPCLogFile struct {
	// The server: http://host:port or https://host:port.
	Endpoint string `conf:"endpoint" need:"true" short:"true"`
	// How an https endpoint is verified.
	TLS clientTLSFile `conf:"tls"`
	// Name of the log.
	LogName string `conf:"logName" default:"spanway"`
	// Further headers of requests.
	AdditionalRequestHeadersToLog []string `conf:"additionalRequestHeadersToLog"`
	// Further headers of responses.
	AdditionalResponseHeadersToLog []string `conf:"additionalResponseHeadersToLog"`
	// Further trailers of responses.
	AdditionalResponseTrailersToLog []string `conf:"additionalResponseTrailersToLog"`
}

// envoyOTelLogFile is a log that an OTLP receiver gets.
type envoyOTelLogFile struct {
	// The receiver: http://host:port or https://host:port. With http it may have a path.
	Endpoint string `conf:"endpoint" short:"true" unset:"http://localhost:4317 for grpc, else http://localhost:4318"`
	// http is http/protobuf.
	Protocol string `conf:"protocol" enum:"grpc,http,http/protobuf" default:"grpc"`
	// Bound of one export.
	Timeout time.Duration `conf:"timeout" default:"10s" min:"1ms" max:"1h"`
	// How an https endpoint is verified.
	TLS clientTLSFile `conf:"tls"`
	// Name of the log.
	LogName string `conf:"logName" default:"spanway"`
	// The body of a record, a format.
	Body string `conf:"body" unset:"none"`
	// Leave Envoy's own attributes of the resource out: log, zone, cluster and node.
	DisableBuiltinLabels bool `conf:"disableBuiltinLabels" default:"false"`
	// Attributes of a record; their values are formats.
	Attributes map[string]string `conf:"attributes"`
	// Attributes of the resource.
	ResourceAttributes map[string]string `conf:"resourceAttributes"`
}
