package xds

import (
	"maps"
	"slices"
	"strings"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	grpcv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	otelv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/open_telemetry/v3"
	withoutqueryv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/formatter/req_without_query/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// logFlush is the longest that an entry for the processor waits; with a buffer of one byte it does not.
const logFlush = 50 * time.Millisecond

// callLogs tell the processor how each call ended that did not end well, and write the configuration's access logs.
func (b *build) callLogs() (out []*accesslogv3.AccessLog) {
	if b.o.Processor != "" {
		out = append(out, b.processorLog(CallLog))
	}
	for i := range b.g.Envoy.AccessLogs {
		out = append(out, b.accessLog(&b.g.Envoy.AccessLogs[i]))
	}
	return out
}

// attemptLogs tell the processor why each attempt failed.
func (b *build) attemptLogs() []*accesslogv3.AccessLog {
	if b.o.Processor == "" {
		return nil
	}
	return []*accesslogv3.AccessLog{b.processorLog(AttemptLog, &tracingv3.CustomTag{
		Tag: ConnectionTag, Type: &tracingv3.CustomTag_Value{Value: connectionID}})}
}

// processorLog leaves out what ended well, of which R and U see the end.
func (b *build) processorLog(name string, tags ...*tracingv3.CustomTag) *accesslogv3.AccessLog {
	l := b.logger(name, &grpcv3.HttpGrpcAccessLogConfig{CommonConfig: &grpcv3.CommonGrpcAccessLogConfig{
		LogName: name, TransportApiVersion: corev3.ApiVersion_V3, GrpcService: b.processorService(),
		BufferFlushInterval: durationpb.New(logFlush), BufferSizeBytes: wrapperspb.UInt32(1), CustomTags: tags}})
	l.Filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{}}}
	return l
}

// accessLog is one of the configuration's.
func (b *build) accessLog(l *ir.EnvoyLog) *accesslogv3.AccessLog {
	var out *accesslogv3.AccessLog
	switch {
	case l.GRPC != nil:
		out = b.logger("envoy.access_loggers.http_grpc", &grpcv3.HttpGrpcAccessLogConfig{
			CommonConfig: &grpcv3.CommonGrpcAccessLogConfig{LogName: l.GRPC.Name, TransportApiVersion: corev3.ApiVersion_V3,
				GrpcService: b.collectorGRPC(&ir.EnvoyExport{Endpoint: l.GRPC.Endpoint, Endpoints: l.GRPC.Endpoints, Authority: l.GRPC.Authority,
					Protocol: "grpc", TLS: l.GRPC.TLS})},
			AdditionalRequestHeadersToLog: l.GRPC.RequestHeaders, AdditionalResponseHeadersToLog: l.GRPC.ResponseHeaders,
			AdditionalResponseTrailersToLog: l.GRPC.ResponseTrailers})
	case l.OTel != nil:
		out = b.logger("envoy.access_loggers.open_telemetry", b.otelLog(l.OTel))
	default:
		out = b.logger("envoy.access_loggers.file", b.fileLog(l.File))
	}
	var all []*accesslogv3.AccessLogFilter
	if l.Match != "" {
		all = append(all, b.cel(l.Match))
	}
	if l.Filter != nil {
		all = append(all, b.logFilter(l.Filter))
	}
	if len(all) == 1 {
		out.Filter = all[0]
	} else if len(all) > 1 {
		out.Filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{AndFilter: &accesslogv3.AndFilter{Filters: all}}}
	}
	return out
}

// logFilter chooses the calls of an access log.
func (b *build) logFilter(f *ir.EnvoyLogFilter) *accesslogv3.AccessLogFilter {
	out := &accesslogv3.AccessLogFilter{}
	switch {
	case f.Status != nil:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_StatusCodeFilter{StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: b.comparison(f.Status)}}
	case f.Duration != nil:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_DurationFilter{DurationFilter: &accesslogv3.DurationFilter{Comparison: b.comparison(f.Duration)}}
	case f.NotHealthCheck:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_NotHealthCheckFilter{NotHealthCheckFilter: &accesslogv3.NotHealthCheckFilter{}}
	case f.Traceable:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_TraceableFilter{TraceableFilter: &accesslogv3.TraceableFilter{}}
	case f.Header != nil:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_HeaderFilter{HeaderFilter: &accesslogv3.HeaderFilter{Header: headerMatch(f.Header)}}
	case f.ResponseFlags != nil:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_ResponseFlagFilter{ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: f.ResponseFlags}}
	case f.GRPCStatus != nil:
		g := &accesslogv3.GrpcStatusFilter{Exclude: f.GRPCStatus.Exclude}
		for _, s := range f.GRPCStatus.Statuses {
			g.Statuses = append(g.Statuses, accesslogv3.GrpcStatusFilter_Status(accesslogv3.GrpcStatusFilter_Status_value[s]))
		}
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_GrpcStatusFilter{GrpcStatusFilter: g}
	case f.CEL != "":
		return b.cel(f.CEL)
	case len(f.And) > 0:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_AndFilter{AndFilter: &accesslogv3.AndFilter{Filters: b.logFilters(f.And)}}
	case len(f.Or) > 0:
		out.FilterSpecifier = &accesslogv3.AccessLogFilter_OrFilter{OrFilter: &accesslogv3.OrFilter{Filters: b.logFilters(f.Or)}}
	default:
		b.fail("envoy: an access log's filter without a condition")
	}
	return out
}

func (b *build) logFilters(list []ir.EnvoyLogFilter) (out []*accesslogv3.AccessLogFilter) {
	for i := range list {
		out = append(out, b.logFilter(&list[i]))
	}
	return out
}

// comparison compares with a value that Envoy's runtime could change, under a name that nobody sets.
func (b *build) comparison(c *ir.EnvoyComparison) *accesslogv3.ComparisonFilter {
	op, ok := accesslogv3.ComparisonFilter_Op_value[c.Op]
	if !ok {
		b.fail("envoy: an access log's filter compares by %q: want EQ, GE or LE", c.Op)
	}
	return &accesslogv3.ComparisonFilter{Op: accesslogv3.ComparisonFilter_Op(op), Value: &corev3.RuntimeUInt32{DefaultValue: c.Value, RuntimeKey: "spanway.log"}}
}

func (b *build) logger(name string, m proto.Message) *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{Name: name, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: b.pack(m)}}
}

// defaultFormat is Envoy's own, with the path without its query, in which clients of Gemini bring their key, and without what
// other proxies told.
const defaultFormat = "[%START_TIME%] \"%REQ(:METHOD)% %PATH(NQ)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% " +
	"%DURATION% \"%REQ(USER-AGENT)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %ROUTE_NAME% %UPSTREAM_CLUSTER% %TRACE_ID%\n"

// fileLog writes a line for each call.
func (b *build) fileLog(l *ir.EnvoyFileLog) *filev3.FileAccessLog {
	f := &corev3.SubstitutionFormatString{Formatters: b.formatters(append(slices.Collect(maps.Values(l.JSON)), l.Text)...)}
	switch {
	case l.JSON != nil:
		fields := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for name, format := range l.JSON {
			fields.Fields[name] = structpb.NewStringValue(format)
		}
		f.Format = &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: fields}
	case l.Text != "":
		f.Format = &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: strings.TrimSuffix(l.Text, "\n") + "\n"}}}
	default:
		f.Format = &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: defaultFormat}}}
	}
	return &filev3.FileAccessLog{Path: l.Path, AccessLogFormat: &filev3.FileAccessLog_LogFormat{LogFormat: f}}
}

// formatters are the extensions that formats need: %REQ_WITHOUT_QUERY(…)% is none of Envoy's own operators.
func (b *build) formatters(formats ...string) []*corev3.TypedExtensionConfig {
	if !slices.ContainsFunc(formats, func(f string) bool { return strings.Contains(f, "%REQ_WITHOUT_QUERY(") }) {
		return nil
	}
	return []*corev3.TypedExtensionConfig{b.extension("envoy.formatter.req_without_query", &withoutqueryv3.ReqWithoutQuery{})}
}

func (b *build) otelLog(l *ir.EnvoyOTelLog) *otelv3.OpenTelemetryAccessLogConfig {
	c := &otelv3.OpenTelemetryAccessLogConfig{LogName: l.Name, DisableBuiltinLabels: l.WithoutLabels,
		Attributes: keyValues(l.Attributes), ResourceAttributes: keyValues(l.ResourceLabels),
		Formatters: b.formatters(append(slices.Collect(maps.Values(l.Attributes)), l.Body)...)}
	if l.Body != "" {
		c.Body = anyText(l.Body)
	}
	if l.Export.Protocol == "grpc" {
		c.GrpcService = b.collectorGRPC(&l.Export)
	} else {
		c.HttpService = b.collectorHTTP(&l.Export, "/v1/logs")
	}
	return c
}

func keyValues(m map[string]string) *commonpb.KeyValueList {
	if len(m) == 0 {
		return nil
	}
	out := &commonpb.KeyValueList{}
	for _, k := range sortedKeys(m) {
		out.Values = append(out.Values, &commonpb.KeyValue{Key: k, Value: anyText(m[k])})
	}
	return out
}

func anyText(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}
