package xds

import (
	"maps"
	"slices"
	"strings"

	rulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	detectorsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/resource_detectors/v3"
	samplersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// tracing is what Envoy traces; nil = nothing. Its SERVER span has the name that the native data plane gives it: method and route.
func (b *build) tracing() *hcmv3.HttpConnectionManager_Tracing {
	t := b.g.Envoy.Tracing
	if t == nil {
		return nil
	}
	c := &tracev3.OpenTelemetryConfig{ServiceName: t.Service}
	if t.Export.Protocol == "grpc" {
		c.GrpcService = b.collectorGRPC(&t.Export)
	} else {
		c.HttpService = b.collectorHTTP(&t.Export, "/v1/traces")
	}
	if t.FromEnvironment {
		c.ResourceDetectors = append(c.ResourceDetectors, b.extension("envoy.tracers.opentelemetry.resource_detectors.environment",
			&detectorsv3.EnvironmentResourceDetectorConfig{}))
	}
	if len(t.Resource) > 0 {
		c.ResourceDetectors = append(c.ResourceDetectors, b.extension("envoy.tracers.opentelemetry.resource_detectors.static_config",
			&detectorsv3.StaticConfigResourceDetectorConfig{Attributes: t.Resource}))
	}
	if t.AlwaysOn {
		c.Sampler = b.extension("envoy.tracers.opentelemetry.samplers.always_on", &samplersv3.AlwaysOnSamplerConfig{})
	}
	return &hcmv3.HttpConnectionManager_Tracing{
		ClientSampling: percent(t.ClientSampling), RandomSampling: percent(t.RandomSampling), OverallSampling: percent(t.OverallSampling),
		Verbose: t.Verbose, MaxPathTagLength: wrapperspb.UInt32(uint32(max(t.MaxPathTagLength, 1))),
		SpawnUpstreamSpan: wrapperspb.Bool(t.SpawnUpstreamSpan), CustomTags: append(customTags(t.Attributes), address), Operation: spanName,
		Provider: &tracev3.Tracing_Http{Name: "envoy.tracers.opentelemetry", ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: b.pack(c)}},
	}
}

// spanName is the SERVER span's, as the native data plane has it: the method, and the path that the route matched on.
const spanName = "%REQ(:METHOD)%%METADATA(ROUTE:" + Namespace + ":" + suffixKey + ")%"

// suffixKey is what follows the method in the name of a span, in the metadata of routes.
const suffixKey = "span_suffix"

// routeMetadata is what Envoy knows of r.
func routeMetadata(r *ir.Route) *corev3.Metadata {
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{Namespace: {Fields: map[string]*structpb.Value{
		suffixKey: structpb.NewStringValue(" " + r.Match.Exact + r.Match.Prefix + r.Match.Regex)}}}}
}

// address takes the place of Envoy's own attribute, which has the query too: clients of Gemini bring their key in it.
var address = &tracingv3.CustomTag{Tag: "http.url", Type: &tracingv3.CustomTag_Value{Value: "%REQ(:SCHEME)%://%REQ(:AUTHORITY)%%PATH(NQ)%"}}

func percent(v float64) *typev3.Percent { return &typev3.Percent{Value: v} }

// spanFilter tells R of Envoy's SERVER span.
func (b *build) spanFilter() *hcmv3.HttpFilter {
	return b.filter(filterSpan, &mutationv3.HeaderMutation{Mutations: &mutationv3.Mutations{RequestMutations: []*rulesv3.HeaderMutation{
		set(SpanHeader, "%TRACE_ID%-%SPAN_ID%", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)}}})
}

func customTags(attributes []ir.EnvoyAttribute) []*tracingv3.CustomTag {
	var out []*tracingv3.CustomTag
	for i := range attributes {
		out = append(out, customTag(&attributes[i]))
	}
	return out
}

func customTag(a *ir.EnvoyAttribute) *tracingv3.CustomTag {
	tag := &tracingv3.CustomTag{Tag: a.Name}
	switch {
	case a.Header != "":
		tag.Type = &tracingv3.CustomTag_RequestHeader{RequestHeader: &tracingv3.CustomTag_Header{Name: a.Header, DefaultValue: a.Default}}
	case a.Environment != "":
		tag.Type = &tracingv3.CustomTag_Environment_{Environment: &tracingv3.CustomTag_Environment{Name: a.Environment, DefaultValue: a.Default}}
	case a.Metadata != nil:
		key := &metadatav3.MetadataKey{Key: a.Metadata.Namespace}
		for _, p := range a.Metadata.Path {
			key.Path = append(key.Path, &metadatav3.MetadataKey_PathSegment{Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: p}})
		}
		tag.Type = &tracingv3.CustomTag_Metadata_{Metadata: &tracingv3.CustomTag_Metadata{Kind: metadataKind(a.Metadata.Kind), MetadataKey: key, DefaultValue: a.Default}}
	default:
		tag.Type = &tracingv3.CustomTag_Literal_{Literal: &tracingv3.CustomTag_Literal{Value: a.Literal}}
	}
	return tag
}

func metadataKind(kind string) *metadatav3.MetadataKind {
	switch kind {
	case "Route":
		return &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Route_{Route: &metadatav3.MetadataKind_Route{}}}
	case "Cluster":
		return &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Cluster_{Cluster: &metadatav3.MetadataKind_Cluster{}}}
	case "Host":
		return &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Host_{Host: &metadatav3.MetadataKind_Host{}}}
	}
	return &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Request_{Request: &metadatav3.MetadataKind_Request{}}}
}

// Environment lists the variables of the environment that Envoy reads for g, sorted.
func Environment(g *ir.Gateway) []string {
	if g.Envoy.Tracing == nil {
		return nil
	}
	var out []string
	for i := range g.Envoy.Tracing.Attributes {
		if name := g.Envoy.Tracing.Attributes[i].Environment; name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sortedKeys are m's.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// withPath is endpoint, with path where it has none.
func withPath(endpoint, path string) string {
	if _, rest, _ := strings.Cut(endpoint, "://"); !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
		return strings.TrimSuffix(endpoint, "/") + path
	}
	return endpoint
}
