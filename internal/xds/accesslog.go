package xds

import (
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	grpcv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// logFlush is the longest that an entry waits; with a buffer of one byte it does not.
const logFlush = 50 * time.Millisecond

// callLogs tell the processor how each call ended.
func (b *build) callLogs() []*accesslogv3.AccessLog {
	return []*accesslogv3.AccessLog{b.processorLog(CallLog)}
}

// attemptLogs tell the processor why each attempt failed.
func (b *build) attemptLogs() []*accesslogv3.AccessLog {
	return []*accesslogv3.AccessLog{b.processorLog(AttemptLog, &tracingv3.CustomTag{
		Tag: ConnectionTag, Type: &tracingv3.CustomTag_Value{Value: connectionID}})}
}

func (b *build) processorLog(name string, tags ...*tracingv3.CustomTag) *accesslogv3.AccessLog {
	c := &grpcv3.HttpGrpcAccessLogConfig{CommonConfig: &grpcv3.CommonGrpcAccessLogConfig{
		LogName: name, TransportApiVersion: corev3.ApiVersion_V3, GrpcService: b.processorService(),
		BufferFlushInterval: durationpb.New(logFlush), BufferSizeBytes: wrapperspb.UInt32(1), CustomTags: tags}}
	return &accesslogv3.AccessLog{Name: name, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: b.pack(c)}}
}
