package xds

import (
	"net/url"
	"time"

	rulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	codecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// Names of the HTTP filters.
const (
	filterR      = "spanway.r"
	filterU      = "spanway.u"
	filterSpan   = "spanway.span"
	filterLength = "spanway.length"
	filterDirect = "spanway.direct"
	filterLimit  = "spanway.limit"
	filterCORS   = "envoy.filters.http.cors"
)

// connectionID is Envoy's word for the number of the client's connection.
const connectionID = "%CONNECTION_ID%"

// answerMargin is the most that the processor gets beyond the time that the configuration lets it wait for others; maxPatience is the most
// that Envoy can be told.
const (
	answerMargin = 10 * time.Second
	maxPatience  = time.Hour
)

// messageTimeout is how long the processor may take to answer: guards that ask services, one after the other, are its longest
// work, and the wait before another attempt.
func (b *build) messageTimeout() time.Duration {
	longest := time.Duration(0)
	for i := range b.g.Routes {
		r := &b.g.Routes[i]
		sum := time.Duration(0)
		for _, p := range r.Policies {
			if p.Guard != nil && p.Guard.Webhook != nil {
				sum += p.Guard.Webhook.Timeout
			}
		}
		longest = max(longest, sum, r.Retry.BackoffMax)
	}
	return min(max(b.g.Envoy.MessageTimeout, longest+min(longest, answerMargin)), maxPatience)
}

// requestAttributes are what R is told of a request beside its head; responseAttributes what it is told of a response.
var (
	requestAttributes  = []string{"source.address", "request.protocol", "request.time"}
	responseAttributes = []string{"response.code_details", "response.flags", "upstream.address", "upstream.request_attempt_count",
		"upstream.transport_failure_reason", "xds.cluster_name"}
)

// processorR is the filter that shows the processor each call that came by l. It is off where the table of routes does not switch it on: the
// reply to a request that is no HTTP has no route, and would be lost while R looked at it.
func (b *build) processorR(l *ir.Listener) *hcmv3.HttpFilter {
	p := b.processor(RoleR, &corev3.HeaderValue{Key: ListenerKey, Value: formatted(url.QueryEscape(l.Name))})
	p.RequestAttributes, p.ResponseAttributes = requestAttributes, responseAttributes
	p.AllowModeOverride = true
	p.MetadataOptions = receive(Namespace, Plan)
	p.ProcessingMode = &extprocv3.ProcessingMode{
		RequestHeaderMode: extprocv3.ProcessingMode_SEND, RequestBodyMode: extprocv3.ProcessingMode_BUFFERED,
		RequestTrailerMode: extprocv3.ProcessingMode_SKIP, ResponseHeaderMode: extprocv3.ProcessingMode_SEND,
		ResponseBodyMode: extprocv3.ProcessingMode_FULL_DUPLEX_STREAMED, ResponseTrailerMode: extprocv3.ProcessingMode_SEND,
	}
	f := b.filter(filterR, p)
	f.Disabled = true
	return f
}

// switchedOn is what a table of routes says of R.
func (b *build) switchedOn() map[string]*anypb.Any {
	return map[string]*anypb.Any{filterR: b.pack(&routev3.FilterConfig{Config: b.pack(&extprocv3.ExtProcPerRoute{
		Override: &extprocv3.ExtProcPerRoute_Overrides{Overrides: &extprocv3.ExtProcOverrides{}}})})}
}

// processorU is the filter that shows the processor each attempt, and has it set the attempt's head and body.
func (b *build) processorU() *hcmv3.HttpFilter {
	p := b.processor(RoleU,
		&corev3.HeaderValue{Key: CallKey, Value: "%DYNAMIC_METADATA(" + Namespace + ":call)%"},
		&corev3.HeaderValue{Key: ClusterKey, Value: "%UPSTREAM_CLUSTER_RAW%"},
		&corev3.HeaderValue{Key: HostKey, Value: "%UPSTREAM_HOST%"},
		&corev3.HeaderValue{Key: AttemptKey, Value: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"})
	p.MetadataOptions = receive(Namespace, Plan)
	p.ProcessingMode = &extprocv3.ProcessingMode{
		RequestHeaderMode: extprocv3.ProcessingMode_SEND, RequestBodyMode: extprocv3.ProcessingMode_NONE,
		RequestTrailerMode: extprocv3.ProcessingMode_SKIP, ResponseHeaderMode: extprocv3.ProcessingMode_SEND,
		ResponseBodyMode: extprocv3.ProcessingMode_NONE, ResponseTrailerMode: extprocv3.ProcessingMode_SKIP,
	}
	return b.filter(filterU, p)
}

// processor is what R and U have in common. Calls fail when it does not answer.
func (b *build) processor(role string, more ...*corev3.HeaderValue) *extprocv3.ExternalProcessor {
	service := b.processorService()
	service.InitialMetadata = append([]*corev3.HeaderValue{{Key: RoleKey, Value: role}, {Key: ConnectionKey, Value: connectionID}}, more...)
	return &extprocv3.ExternalProcessor{
		GrpcService:    service,
		MessageTimeout: durationpb.New(b.messageTimeout()),
		StatusOnError:  &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		EmitClientSpan: wrapperspb.Bool(false),
		MutationRules:  &rulesv3.HeaderMutationRules{AllowAllRouting: wrapperspb.Bool(true), AllowEnvoy: wrapperspb.Bool(true)},
	}
}

// receive lets the processor set dynamic metadata in namespaces; without it Envoy ignores what it sets.
func receive(namespaces ...string) *extprocv3.MetadataOptions {
	return &extprocv3.MetadataOptions{ReceivingNamespaces: &extprocv3.MetadataOptions_MetadataNamespaces{Untyped: namespaces}}
}

func (b *build) processorService() *corev3.GrpcService {
	return &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
		EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: processorCluster}}}
}

// upstreamFilters are those of a backend's cluster: U, the length of the body that it put in, the response's protocol, the codec.
func (b *build) upstreamFilters() []*hcmv3.HttpFilter {
	return []*hcmv3.HttpFilter{
		b.processorU(),
		b.filter(filterLength, &mutationv3.HeaderMutation{Mutations: &mutationv3.Mutations{
			RequestMutations: []*rulesv3.HeaderMutation{
				set("content-length", "%DYNAMIC_METADATA("+Namespace+":content_length)%", corev3.HeaderValueOption_ADD_IF_ABSENT)},
			ResponseMutations: []*rulesv3.HeaderMutation{
				set(ProtocolHeader, "%UPSTREAM_PROTOCOL%", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)},
		}}),
		b.filter("envoy.filters.http.upstream_codec", &codecv3.UpstreamCodec{}),
	}
}

func (b *build) filter(name string, m proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: b.pack(m)}}
}

func set(key, value string, how corev3.HeaderValueOption_HeaderAppendAction) *rulesv3.HeaderMutation {
	return &rulesv3.HeaderMutation{Action: &rulesv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: key, Value: value}, AppendAction: how}}}
}
