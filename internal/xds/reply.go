package xds

import (
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
)

// reply is what a client gets for an error of Envoy's own.
type reply struct{ when, kind, message string }

// replies are tried in order, for errors that are neither the processor's nor what a route itself answers. A HEAD is answered without
// a body, and by Envoy itself: that its answer would have been JSON is not said of it, as Gateway API's conformance suite wants it.
var replies = []reply{
	{"response.code == 503", "gateway_unavailable", "the gateway cannot process calls at the moment"},
	{"response.code == 413", "invalid_request_error", "the request body is larger than the gateway allows"},
	{"response.code == 431", "invalid_request_error", "the request's headers are larger than the gateway allows"},
	{"response.code == 408", "invalid_request_error", "the request took too long to arrive"},
	{"response.code == 404", "route_not_found", "no route matches this request"},
	{"response.code == 429", "rate_limit_exceeded", "the gateway's limit of calls for this route is reached"},
	{"response.code < 500", "invalid_request_error", "the request is not valid HTTP"},
	{"true", "gateway_error", "the gateway could not carry this call"},
}

// localReplies puts Envoy's own errors into the error shape that clients of LLM APIs know.
func (b *build) localReplies() *hcmv3.LocalReplyConfig {
	c := &hcmv3.LocalReplyConfig{Mappers: append(b.cutReplies(), b.absentReplies()...)}
	for _, r := range replies {
		body := &structpb.Struct{Fields: map[string]*structpb.Value{"error": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"message": structpb.NewStringValue(r.message), "type": structpb.NewStringValue(r.kind)}})}}
		c.Mappers = append(c.Mappers, &hcmv3.ResponseMapper{
			Filter:             b.cel("response.code >= 400 && request.method != 'HEAD' && !response.code_details.startsWith('" + ReplyDetails + "') && response.code_details != 'direct_response' && " + r.when),
			BodyFormatOverride: &corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: body}},
		})
	}
	return c
}

// cutReplies tell of a response that its provider broke off while the processor held it back, each in the dialect of its client, as
// the pipeline would: Envoy asks nobody then.
func (b *build) cutReplies() (out []*hcmv3.ResponseMapper) {
	e := llm.UpstreamCut()
	for _, in := range provider.Inbounds() {
		text := strings.ReplaceAll(string(in.Error(e)), "%", "%%")
		out = append(out, &hcmv3.ResponseMapper{
			Filter: b.cel("response.code_details.startsWith('upstream_reset_after_response_started') && metadata.filter_metadata['" + Namespace +
				"']['dialect'] == '" + string(in.Dialect()) + "'"),
			StatusCode: wrapperspb.UInt32(uint32(e.Status)),
			BodyFormatOverride: &corev3.SubstitutionFormatString{ContentType: "application/json", Format: &corev3.SubstitutionFormatString_TextFormatSource{
				TextFormatSource: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: text}}}},
		})
	}
	return out
}

// refusalKey is the body of what is answered in place of a backend that cannot be asked: in the metadata of a route that leads to a
// broken one, and of a cluster without a host.
const refusalKey = "refusal"

// absentReplies tell of backends that cannot be asked, with the words of the pipeline.
func (b *build) absentReplies() (out []*hcmv3.ResponseMapper) {
	for _, a := range []struct{ details, of, attribute string }{
		{"cluster_not_found", "ROUTE", "xds.route_metadata"}, {"no_healthy_upstream", "CLUSTER", "xds.cluster_metadata"},
	} {
		out = append(out, &hcmv3.ResponseMapper{
			Filter: b.cel("response.code_details == '" + a.details + "' && '" + refusalKey + "' in " + a.attribute + ".filter_metadata['" + Namespace + "']"),
			BodyFormatOverride: &corev3.SubstitutionFormatString{ContentType: "application/json", Format: &corev3.SubstitutionFormatString_TextFormatSource{
				TextFormatSource: content("%METADATA(" + a.of + ":" + Namespace + ":" + refusalKey + ")%")}},
		})
	}
	return out
}

// refused is e as the metadata of routes and clusters have it.
func refused(e *llm.Error) *structpb.Value {
	return structpb.NewStringValue(string(openai.Dialect{}.Error(e)))
}

// refusal is a route that answers with e, in the error shape that clients of LLM APIs know.
func refusal(e *llm.Error) *routev3.Route {
	return &routev3.Route{Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: uint32(e.Status), Body: content(string(openai.Dialect{}.Error(e)))}},
		ResponseHeadersToAdd: []*corev3.HeaderValueOption{put("content-type", "application/json")}}
}

func (b *build) cel(expression string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ExtensionFilter{ExtensionFilter: &accesslogv3.ExtensionFilter{
		Name:       "envoy.access_loggers.extension_filters.cel",
		ConfigType: &accesslogv3.ExtensionFilter_TypedConfig{TypedConfig: b.pack(&celv3.ExpressionFilter{Expression: expression})}}}}
}
