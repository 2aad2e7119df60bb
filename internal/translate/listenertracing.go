package translate

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// tracing reads Envoy's tracing. Without a collector there is none; all else goes on.
func (p *listenerPolicy) tracing(m *envoyMaker) {
	c, at := p.settings.Tracing, p.at+".tracing"
	o := c.Provider.OpenTelemetry
	if o == nil {
		p.fault(at+".provider", "names no provider: want openTelemetry")
		return
	}
	out := *defaults().Envoy.Tracing
	out.Service = deref(o.ServiceName, "")
	if out.Service == "" {
		out.Service = m.service
	}
	out.FromEnvironment = len(o.ResourceDetectors) > 0
	out.AlwaysOn = o.Sampler != nil && o.Sampler.AlwaysOnConfig != nil
	for _, share := range []struct {
		from *int32
		to   *float64
	}{{c.ClientSampling, &out.ClientSampling}, {c.RandomSampling, &out.RandomSampling}, {c.OverallSampling, &out.OverallSampling}} {
		if share.from != nil {
			*share.to = float64(*share.from)
		}
	}
	out.Verbose, out.SpawnUpstreamSpan = deref(c.Verbose, false), deref(c.SpawnUpstreamSpan, false)
	if n := deref(c.MaxPathTagLength, 0); n > 0 {
		out.MaxPathTagLength = int(n)
	}
	out.Attributes = nil
	for i := range c.Attributes {
		if a, ok := p.attribute(at+".attributes["+strconv.Itoa(i)+"]", &c.Attributes[i]); ok {
			out.Attributes = append(out.Attributes, a)
		}
	}
	export, ok := p.export(at+".provider.openTelemetry.grpcService", &o.GRPCService)
	if !ok {
		return
	}
	out.Export = export
	m.out.Tracing = &out
}

// attribute is an attribute of Envoy's spans. One without a source is an empty text, as with Envoy.
func (p *listenerPolicy) attribute(field string, c *v1alpha1.TracingAttribute) (ir.EnvoyAttribute, bool) {
	out := ir.EnvoyAttribute{Name: c.Name}
	if parts := emptyParts(c); len(parts) > 0 {
		for _, part := range parts {
			p.fault(field+part, "is empty")
		}
		return out, false
	}
	switch {
	case c.Literal != nil:
		out.Literal = c.Literal.Value
	case c.RequestHeader != nil:
		out.Header, out.Default = strings.ToLower(c.RequestHeader.Name), deref(c.RequestHeader.DefaultValue, "")
		if ir.HoldsCredential(out.Header) {
			p.fault(field+".requestHeader.name", "%s carries credentials, which do not belong into spans", out.Header)
			return out, false
		}
	case c.Environment != nil:
		out.Environment, out.Default = c.Environment.Name, deref(c.Environment.DefaultValue, "")
	case c.Metadata != nil:
		out.Default = deref(c.Metadata.DefaultValue, "")
		out.Metadata = &ir.EnvoyMetadata{Kind: string(c.Metadata.Kind), Namespace: c.Metadata.MetadataKey.Key}
		for _, step := range c.Metadata.MetadataKey.Path {
			out.Metadata.Path = append(out.Metadata.Path, step.Key)
		}
	default:
		p.warn(field, "has no value: want literal, environment, requestHeader or metadata")
		return out, false
	}
	return out, true
}

// emptyParts are the fields of an attribute that are empty and must not be.
func emptyParts(c *v1alpha1.TracingAttribute) []string {
	var out []string
	must := func(field, value string) {
		if value == "" {
			out = append(out, field)
		}
	}
	must(".name", c.Name)
	if c.Literal != nil {
		must(".literal.value", c.Literal.Value)
	}
	if c.RequestHeader != nil {
		must(".requestHeader.name", c.RequestHeader.Name)
	}
	if c.Environment != nil {
		must(".environment.name", c.Environment.Name)
	}
	if m := c.Metadata; m != nil {
		must(".metadata.metadataKey.key", m.MetadataKey.Key)
		if len(m.MetadataKey.Path) == 0 {
			must(".metadata.metadataKey.path", "")
		}
		for i, step := range m.MetadataKey.Path {
			must(".metadata.metadataKey.path["+strconv.Itoa(i)+"].key", step.Key)
		}
	}
	return out
}

// export is a collector; false, if there is none.
func (p *listenerPolicy) export(field string, c *v1alpha1.GRPCService) (ir.EnvoyExport, bool) {
	where, ok := p.collector(field+".backendRef", &c.BackendRef)
	out := defaults().Envoy.Tracing.Export
	out.Endpoint, out.Endpoints, out.TLS = where.URL, where.Endpoints, where.TLS
	out.Authority = p.grpc(field, c)
	if d, set := p.duration(field+".timeout", c.Timeout); set && d > 0 {
		out.Timeout = d
	}
	return out, ok
}

// grpc is the authority of a gRPC service; what else is said of it has no effect.
func (p *listenerPolicy) grpc(field string, c *v1alpha1.GRPCService) string {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{".maxReceiveMessageLength", c.MaxReceiveMessageLength != nil},
		{".skipEnvoyHeaders", c.SkipEnvoyHeaders != nil},
		{".initialMetadata", len(c.InitialMetadata) > 0},
		{".retryPolicy", c.RetryPolicy != nil},
	} {
		if f.set {
			p.ignore(field+f.name, "is not supported")
		}
	}
	authority := deref(c.Authority, "")
	if !isHeaderValue(authority) {
		p.fault(field+".authority", "has a control character")
		return ""
	}
	return authority
}

// collector finds what r refers to. A reference into another namespace works without a grant, as it did with the original; it is
// told.
func (p *listenerPolicy) collector(field string, r *gwv1.BackendRef) (place, bool) {
	return p.resolve(field, r, false)
}

// resolve finds the Service or the Backend that r refers to. strict refuses a reference into another namespace that no
// ReferenceGrant allows.
func (p *policy) resolve(field string, r *gwv1.BackendRef, strict bool) (place, bool) {
	group, kind := string(deref(r.Group, "")), string(deref(r.Kind, kindService))
	namespace := string(deref(r.Namespace, gwv1.Namespace(p.name.Namespace)))
	name := string(r.Name)
	from := ref{Group: kgatewayGroup, Kind: p.object.Kind, Namespace: p.name.Namespace}
	to := ref{Group: group, Kind: kind, Namespace: namespace, Name: name}
	var where place
	var why string
	switch {
	case group == "" && kind == kindService && r.Port == nil:
		why = "a Service needs a port"
	case group == "" && kind == kindService:
		where, why = p.t.service(namespace, name, *r.Port)
	case group == kgatewayGroup && kind == kindBackend:
		where, why = p.t.staticBackend(namespace, name)
	default:
		why = "want a Service, or a Backend of group " + kgatewayGroup
	}
	if why != "" {
		p.fault(field, "unresolved backend reference %s/%s: %s", namespace, name, why)
		return place{}, false
	}
	if n := (types.NamespacedName{Namespace: namespace, Name: name}); p.t.o.Files && kind == kindService && p.t.services[n] == nil {
		p.warn(field, "Service %s is not in the files: it is taken for granted, and reached by its name", n)
	}
	if !p.t.granted(from, to) {
		if strict {
			p.fault(field, "%s %s/%s may not be referred to: %s", kind, namespace, name, p.t.grantHint(from, to))
			return place{}, false
		}
		p.warn(field, "%s %s/%s is in another namespace, and no ReferenceGrant allows the reference; it is followed all the same; %s", kind, namespace, name, p.t.grantHint(from, to))
	}
	return where, true
}

// staticBackend is where a Backend of type Static is.
func (t *translator) staticBackend(namespace, name string) (place, string) {
	b := t.backend(namespace, name)
	switch {
	case b == nil:
		return place{}, t.lacks("there is no Backend %q in namespace %q%s", name, namespace, didYouMean(name, inNamespace(t.backends, namespace)))
	case b.AI:
		return place{}, "a Backend of type AI is no collector: want type Static"
	case b.Fault != "":
		return place{}, b.Fault
	}
	first := &b.Backends[0]
	return place{URL: first.URL, Endpoints: first.Endpoints, HTTP2: first.HTTP2, TLS: first.TLS}, ""
}
