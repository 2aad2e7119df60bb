package ir

import (
	"strings"
	"time"
)

// Envoy is what Envoy does for itself, where it carries the calls. None of it is secret.
type Envoy struct {
	Tracing    *EnvoyTracing // nil = it does not trace
	AccessLogs []EnvoyLog
	HTTP       EnvoyHTTP
	// MessageTimeout bounds the processor's answer to one message, what the configuration lets it wait for others aside.
	MessageTimeout time.Duration
}

// EnvoyHTTP is what Envoy's HTTP connection managers do. The zero value is what Spanway does by itself.
type EnvoyHTTP struct {
	Upgrades           []string // protocols that a connection may be upgraded to, such as websocket
	UseRemoteAddress   Opt[bool]
	XFFTrustedHops     uint32
	ServerHeader       string        // Overwrite, AppendIfAbsent or PassThrough; "" = PassThrough
	StreamIdleTimeout  time.Duration // 0 = the routes' own
	IdleTimeout        time.Duration // of a connection; 0 = Spanway's own
	HealthPath         string        // answered by Envoy with status 200, with 503 while it drains; "" = none
	PreserveHeaderCase bool          // of HTTP/1
	AcceptHTTP10       Opt[bool]
	DefaultHost        string // for HTTP/1.0; "" = localhost
}

// EnvoyTracing is Envoy's OpenTelemetry tracing.
type EnvoyTracing struct {
	Export            EnvoyExport
	Service           string            // service.name
	FromEnvironment   bool              // attributes of the resource come from OTEL_RESOURCE_ATTRIBUTES
	Resource          map[string]string // further attributes of the resource
	AlwaysOn          bool              // sample whatever the caller decided
	ClientSampling    float64           // percent
	RandomSampling    float64           // percent
	OverallSampling   float64           // percent
	Verbose           bool
	MaxPathTagLength  int // bytes
	SpawnUpstreamSpan bool
	Attributes        []EnvoyAttribute
}

// EnvoyExport is an OTLP receiver that Envoy sends to.
type EnvoyExport struct {
	Endpoint  string        // http://host:port or https://host:port, with a path for http
	Endpoints []string      // as Backend.Endpoints
	Authority string        // of its requests; "" = Endpoint's host
	Protocol  string        // grpc or http/protobuf
	Timeout   time.Duration // of one export
	TLS       ClientTLS
}

// EnvoyAttribute is an attribute of Envoy's spans. Exactly one of Literal, Header, Environment and Metadata is set.
type EnvoyAttribute struct {
	Name        string
	Literal     string
	Header      string         // of the request, in lower case
	Environment string         // a variable of Envoy's
	Metadata    *EnvoyMetadata // of Envoy
	Default     string         // where there is no value; "" = no attribute
}

// EnvoyMetadata is the place of a value in Envoy's metadata.
type EnvoyMetadata struct {
	Kind      string // Request, Route, Cluster or Host
	Namespace string
	Path      []string
}

// EnvoyLog is an access log. Exactly one of File, GRPC and OTel is set.
type EnvoyLog struct {
	File   *EnvoyFileLog
	GRPC   *EnvoyGRPCLog
	OTel   *EnvoyOTelLog
	Match  string          // a CEL expression of Envoy's; "" = all calls
	Filter *EnvoyLogFilter // beside Match; nil = all calls
}

// EnvoyLogFilter chooses the calls of an access log (kgateway's AccessLogFilter). Exactly one field is set.
type EnvoyLogFilter struct {
	Status, Duration *EnvoyComparison // of the response's status; of the milliseconds it took
	NotHealthCheck   bool
	Traceable        bool // only calls that are traced
	Header           *HeaderMatch
	ResponseFlags    []string // Envoy's short names; an empty list that is not nil = any flag
	GRPCStatus       *EnvoyGRPCStatus
	CEL              string
	And, Or          []EnvoyLogFilter // two or more
}

// EnvoyComparison compares a number.
type EnvoyComparison struct {
	Op    string // EQ, GE, LE
	Value uint32
}

// EnvoyGRPCStatus holds for the statuses, or for all others.
type EnvoyGRPCStatus struct {
	Statuses []string // such as CANCELED
	Exclude  bool
}

// EnvoyFileLog is an access log in a file.
type EnvoyFileLog struct {
	Path string
	Text string            // a format; "" = Envoy's own, without JSON
	JSON map[string]string // formats by field; nil = Text
}

// EnvoyGRPCLog is an access log that a server of Envoy's access log service gets.
type EnvoyGRPCLog struct {
	Endpoint                                          string   // http://host:port or https://host:port
	Endpoints                                         []string // as Backend.Endpoints
	Authority                                         string   // as EnvoyExport.Authority
	TLS                                               ClientTLS
	Name                                              string
	RequestHeaders, ResponseHeaders, ResponseTrailers []string // beside those that are always there
}

// EnvoyOTelLog is an access log that an OTLP receiver gets.
type EnvoyOTelLog struct {
	Export         EnvoyExport
	Name           string
	Body           string            // a format; "" = none
	WithoutLabels  bool              // Envoy's own attributes of the resource are left out
	Attributes     map[string]string // formats
	ResourceLabels map[string]string
}

// envoyExport is an OTLP receiver, by default OpenTelemetry's for the protocol.
func envoyExport(endpoint, protocol string, timeout time.Duration, tls *clientTLSFile, o *LoadOptions) EnvoyExport {
	f := otlpFile{Endpoint: endpoint, Protocol: protocol}
	out := EnvoyExport{Endpoint: f.endpoint(), Protocol: protocol, Timeout: timeout, TLS: tls.clientTLS(o)}
	if protocol == "http" {
		out.Protocol = "http/protobuf"
	}
	return out
}

func (f *envoyFile) envoy(o *LoadOptions, service string) Envoy {
	out := Envoy{MessageTimeout: f.MessageTimeout}
	if t := f.Tracing; t != nil {
		out.Tracing = t.tracing(o, service)
	}
	out.HTTP = EnvoyHTTP{Upgrades: f.UpgradeConfig.EnabledUpgrades, UseRemoteAddress: optional(f.UseRemoteAddress), XFFTrustedHops: uint32(f.XFFNumTrustedHops),
		ServerHeader: f.ServerHeaderTransformation, StreamIdleTimeout: f.StreamIdleTimeout, IdleTimeout: f.IdleTimeout, HealthPath: f.HealthCheck.Path,
		PreserveHeaderCase: f.PreserveHTTP1HeaderCase, AcceptHTTP10: optional(f.AcceptHTTP10), DefaultHost: f.DefaultHostForHTTP10}
	for i := range f.AccessLog {
		out.AccessLogs = append(out.AccessLogs, f.AccessLog[i].log(o))
	}
	return out
}

func (f *envoyFilterFile) filter() (out EnvoyLogFilter) {
	switch {
	case f.StatusCodeFilter != nil:
		out.Status = f.StatusCodeFilter.comparison()
	case f.DurationFilter != nil:
		out.Duration = f.DurationFilter.comparison()
	case f.HeaderFilter != nil:
		h := &f.HeaderFilter.Header
		out.Header = &HeaderMatch{Name: h.Name, Exact: h.Value}
		if h.Type == "RegularExpression" {
			out.Header.Exact, out.Header.Regex = "", h.Value
		}
	case f.ResponseFlagFilter != nil:
		out.ResponseFlags = append([]string{}, f.ResponseFlagFilter.Flags...)
	case f.GRPCStatusFilter != nil:
		out.GRPCStatus = &EnvoyGRPCStatus{Statuses: f.GRPCStatusFilter.Statuses, Exclude: f.GRPCStatusFilter.Exclude}
	case f.CELFilter != nil:
		out.CEL = f.CELFilter.Match
	}
	out.NotHealthCheck, out.Traceable = f.NotHealthCheckFilter, f.TraceableFilter
	for i := range f.AndFilter {
		out.And = append(out.And, f.AndFilter[i].filter())
	}
	for i := range f.OrFilter {
		out.Or = append(out.Or, f.OrFilter[i].filter())
	}
	return out
}

func (c *envoyComparisonFile) comparison() *EnvoyComparison {
	return &EnvoyComparison{Op: c.Op, Value: uint32(c.Value)}
}

func (t *envoyTracingFile) tracing(o *LoadOptions, service string) *EnvoyTracing {
	out := &EnvoyTracing{
		Export:            envoyExport(t.Endpoint, t.Protocol, t.Timeout, &t.TLS, o),
		Service:           t.ServiceName,
		FromEnvironment:   len(t.ResourceDetectors) > 0,
		Resource:          t.Resource,
		AlwaysOn:          t.Sampler != "",
		ClientSampling:    t.ClientSampling,
		RandomSampling:    t.RandomSampling,
		OverallSampling:   t.OverallSampling,
		Verbose:           t.Verbose,
		MaxPathTagLength:  t.MaxPathTagLength,
		SpawnUpstreamSpan: t.SpawnUpstreamSpan,
	}
	if out.Service == "" {
		out.Service = service
	}
	if out.Service == "" {
		out.Service = "spanway"
	}
	for i := range t.Attributes {
		out.Attributes = append(out.Attributes, t.Attributes[i].attribute())
	}
	return out
}

func (a *envoyAttributeFile) attribute() EnvoyAttribute {
	out := EnvoyAttribute{Name: a.Name}
	switch {
	case a.Literal != nil:
		out.Literal = a.Literal.Value
	case a.RequestHeader != nil:
		out.Header, out.Default = strings.ToLower(a.RequestHeader.Name), a.RequestHeader.DefaultValue
	case a.Environment != nil:
		out.Environment, out.Default = a.Environment.Name, a.Environment.DefaultValue
	case a.Metadata != nil:
		k := &a.Metadata.MetadataKey
		out.Default = a.Metadata.DefaultValue
		out.Metadata = &EnvoyMetadata{Kind: a.Metadata.Kind, Namespace: k.Key}
		for _, p := range k.Path {
			out.Metadata.Path = append(out.Metadata.Path, p.Key)
		}
	}
	return out
}

func (l *envoyLogFile) log(o *LoadOptions) EnvoyLog {
	out := EnvoyLog{Match: l.Match}
	if l.Filter != nil {
		f := l.Filter.filter()
		out.Filter = &f
	}
	switch {
	case l.FileSink != nil:
		out.File = &EnvoyFileLog{Path: o.abs(l.FileSink.Path), Text: l.FileSink.StringFormat, JSON: l.FileSink.JSONFormat}
	case l.GRPCService != nil:
		g := l.GRPCService
		out.GRPC = &EnvoyGRPCLog{Endpoint: g.Endpoint, TLS: g.TLS.clientTLS(o), Name: g.LogName, RequestHeaders: g.AdditionalRequestHeadersToLog,
			ResponseHeaders: g.AdditionalResponseHeadersToLog, ResponseTrailers: g.AdditionalResponseTrailersToLog}
	case l.OpenTelemetry != nil:
		t := l.OpenTelemetry
		out.OTel = &EnvoyOTelLog{Export: envoyExport(t.Endpoint, t.Protocol, t.Timeout, &t.TLS, o), Name: t.LogName, Body: t.Body,
			WithoutLabels: t.DisableBuiltinLabels, Attributes: t.Attributes, ResourceLabels: t.ResourceAttributes}
	}
	return out
}
