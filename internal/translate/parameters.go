package translate

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

const kindParameters = "GatewayParameters"

// parameters are the merged ones of gw (of the class alone: nil): the defaults, those of the class, its own, the later over the
// earlier. nil without a fault is a gateway that somebody else deploys. A fault is a reference that leads nowhere, or values that
// cannot be.
func (t *translator) parameters(gw *gwv1.Gateway, class *gwv1.GatewayClass) (p *v1alpha1.KubeParameters, fault string) {
	p = &v1alpha1.KubeParameters{}
	if t.o.Defaults != nil {
		p = t.o.Defaults.DeepCopy()
	}
	start := p
	over := func(group, kind string, n types.NamespacedName, at string) bool {
		o, why := t.parametersOf(group, kind, n)
		switch {
		case why != "":
			fault = at + why
			return false
		case o.Spec.SelfManaged != nil:
			p = nil
		case o.Spec.Kube != nil:
			if p == nil {
				p = start
			}
			p = mergeParameters(p, o.Spec.Kube)
		}
		return true
	}
	if class != nil && class.Spec.ParametersRef != nil {
		r := class.Spec.ParametersRef
		n := types.NamespacedName{Namespace: string(deref(r.Namespace, "")), Name: r.Name}
		if !over(string(r.Group), string(r.Kind), n, "spec.parametersRef of GatewayClass "+strconv.Quote(class.Name)+": ") {
			return nil, fault
		}
	}
	if gw != nil && gw.Spec.Infrastructure != nil && gw.Spec.Infrastructure.ParametersRef != nil {
		r := gw.Spec.Infrastructure.ParametersRef
		if !over(string(r.Group), string(r.Kind), types.NamespacedName{Namespace: gw.Namespace, Name: r.Name}, "") {
			return nil, fault
		}
	}
	if p != nil && p.AIExtension != nil && p.AIExtension.Tracing != nil {
		if _, _, why := tracingOf(p.AIExtension.Tracing); why != "" {
			return nil, "aiExtension.tracing." + why
		}
	}
	return p, ""
}

func (t *translator) parametersOf(group, kind string, n types.NamespacedName) (*v1alpha1.GatewayParameters, string) {
	if group != kgatewayGroup || kind != kindParameters {
		return nil, fmt.Sprintf("refers to a %s of group %q: want a %s of group %s", kind, group, kindParameters, kgatewayGroup)
	}
	o := t.kgateway.parameters[n]
	if o == nil {
		return nil, t.lacks("there is no %s %q in namespace %q%s", kindParameters, n.Name, n.Namespace,
			didYouMean(n.Name, inNamespace(t.kgateway.parameters, n.Namespace)))
	}
	return o, ""
}

// withSidecar is p with the container that calls to providers need.
func (t *translator) withSidecar(p *v1alpha1.KubeParameters) *v1alpha1.KubeParameters {
	if p == nil {
		return nil
	}
	on := true
	return mergeParameters(p, &v1alpha1.KubeParameters{AIExtension: &v1alpha1.AIExtension{Enabled: &on}})
}

// telemetry is what p says of traces. What it does not say is left to the environment of the data plane.
func (t *translator) telemetry(p *v1alpha1.KubeParameters) ir.Telemetry {
	out := defaults().Telemetry
	out.Traces = nil
	if p == nil || p.AIExtension == nil || p.AIExtension.Tracing == nil {
		return out
	}
	sink, sampler, why := tracingOf(p.AIExtension.Tracing)
	if why == "" {
		out.Traces, out.Sampler = []ir.OTLP{sink}, sampler
	}
	return out
}

// samplers are OpenTelemetry's names of the samplers.
var samplers = map[v1alpha1.SamplerType]string{
	v1alpha1.SamplerAlwaysOn:                "always_on",
	v1alpha1.SamplerAlwaysOff:               "always_off",
	v1alpha1.SamplerTraceIDRatio:            "traceidratio",
	v1alpha1.SamplerParentBasedAlwaysOn:     "parentbased_always_on",
	v1alpha1.SamplerParentBasedAlwaysOff:    "parentbased_always_off",
	v1alpha1.SamplerParentBasedTraceIDRatio: "parentbased_traceidratio",
}

// tracingOf is where traces go and which: a zero sampler is left to the environment. why says which field is wrong.
func tracingOf(c *v1alpha1.AITracing) (sink ir.OTLP, sampler ir.Sampler, why string) {
	sink = defaults().Telemetry.Traces[0]
	sink.Endpoint = string(c.Endpoint)
	u, err := url.Parse(sink.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return sink, sampler, fmt.Sprintf("endpoint: %q is no collector's URL, such as http://collector.telemetry:4317", c.Endpoint)
	}
	switch protocol := deref(c.Protocol, v1alpha1.OTLPGRPC); protocol {
	case v1alpha1.OTLPGRPC, v1alpha1.OTLPHTTPProtobuf, v1alpha1.OTLPHTTPJSON:
		sink.Protocol = string(protocol)
	default:
		return sink, sampler, fmt.Sprintf("protocol: %q is none of grpc, http/protobuf and http/json", protocol)
	}
	if c.Timeout != nil {
		if sink.Timeout, err = time.ParseDuration(string(*c.Timeout)); err != nil || sink.Timeout <= 0 {
			return sink, sampler, fmt.Sprintf("timeout: %q is no length of time, such as 100s or 1m40s", *c.Timeout)
		}
	}
	if c.Sampler == nil {
		return sink, sampler, ""
	}
	kind := deref(c.Sampler.Type, v1alpha1.SamplerParentBasedAlwaysOn)
	sampler = ir.Sampler{Type: samplers[kind], Ratio: 1}
	if sampler.Type == "" {
		return sink, sampler, fmt.Sprintf("sampler.type: %q is none of %s", kind, strings.Join(samplerNames(), ", "))
	}
	if arg := c.Sampler.Arg; arg != nil {
		if sampler.Ratio, err = strconv.ParseFloat(*arg, 64); err != nil || !(sampler.Ratio >= 0 && sampler.Ratio <= 1) {
			return sink, sampler, fmt.Sprintf("sampler.arg: %q is no number from 0 to 1", *arg)
		}
	}
	return sink, sampler, ""
}

func samplerNames() []string {
	var out []string
	for name := range maps.Keys(samplers) {
		out = append(out, string(name))
	}
	slices.Sort(out)
	return out
}

// finishParameters tells what of GatewayParameters is wrong or has no effect, whether a Gateway uses them or not.
func (t *translator) finishParameters() {
	for _, o := range t.in.Parameters {
		k := o.Spec.Kube
		if k == nil {
			continue
		}
		j := &judge{t: t, object: Object{Kind: kindParameters, Namespace: o.Namespace, Name: o.Name}}
		if a := k.AIExtension; a != nil {
			if a.Tracing != nil && a.Tracing.Endpoint != "" {
				if _, _, why := tracingOf(a.Tracing); why != "" {
					field, message, _ := strings.Cut(why, ": ")
					j.fault("spec.kube.aiExtension.tracing."+field, "%s", message)
				}
			}
			if a.Stats != nil && len(a.Stats.CustomLabels) > 0 {
				j.ignore("spec.kube.aiExtension.stats.customLabels", "is not supported: metrics have the labels of the semantic conventions")
			}
			j.image("spec.kube.aiExtension.image", a.Image)
		}
		if k.EnvoyContainer != nil {
			j.image("spec.kube.envoyContainer.image", k.EnvoyContainer.Image)
		}
		for _, a := range []struct {
			field string
			set   bool
		}{
			{"spec.kube.sdsContainer", k.SDSContainer != nil},
			{"spec.kube.istio.istioProxyContainer", k.Istio != nil && k.Istio.IstioProxyContainer != nil},
			{"spec.kube.agentGateway", k.AgentGateway != nil && deref(k.AgentGateway.Enabled, false)},
			{"spec.kube.agentgateway", k.Agentgateway != nil && deref(k.Agentgateway.Enabled, false)},
		} {
			if a.set {
				j.ignore(a.field, "is not supported: the container is not deployed")
			}
		}
	}
}

// originals are the last parts of the repositories of the original's images, in whose place ours are deployed.
var originals = []string{"envoy-wrapper", "kgateway-ai-extension"}

// image tells of an image that cannot do what the container is for.
func (j *judge) image(field string, i *v1alpha1.Image) {
	if i == nil || i.Repository == nil {
		return
	}
	parts := strings.Split(*i.Repository, "/")
	if slices.Contains(originals, parts[len(parts)-1]) {
		j.warn(field+".repository", "%q is the image of another program; this one's own is deployed in its place", *i.Repository)
	}
}
