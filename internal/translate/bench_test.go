package translate_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/translate"
	"github.com/spanway/spanway/internal/xds"
)

// BenchmarkTranslate is a rebuild of everything as Gateways grow: of n HTTPRoutes, half lead to Backends of providers, half to
// Services; there are n/4 of each, and n/10 TrafficPolicies. What follows from it, for Envoy and for the pipeline, has benchmarks of
// its own.
func BenchmarkTranslate(b *testing.B) {
	for _, n := range []int{250, 500, 1000, 2000} {
		in := many(n)
		b.Run(fmt.Sprintf("routes=%d/translate", n), func(b *testing.B) {
			for b.Loop() {
				translate.Translate(in, translate.Options{})
			}
		})
		g := translate.Translate(in, translate.Options{}).Gateways[0].IR
		if len(g.Routes) != n {
			b.Fatalf("%d routes, want %d", len(g.Routes), n)
		}
		b.Run(fmt.Sprintf("routes=%d/xds", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := xds.Build(g, xds.Options{Processor: "unix:/run/spanway/processor.sock", Roots: "/ca.pem", ADS: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("routes=%d/compile", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := gateway.Compile(g, &gateway.Env{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// many is n HTTPRoutes with what they need.
func many(n int) *translate.Input {
	meta := func(format string, i int) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "team", Name: fmt.Sprintf(format, i), Generation: 1}
	}
	class := &gwv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "kgateway"}, Spec: gwv1.GatewayClassSpec{ControllerName: translate.ControllerName}}
	gw := &gwv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "gw"}, Spec: gwv1.GatewaySpec{GatewayClassName: "kgateway",
		Listeners: []gwv1.Listener{{Name: "http", Port: 8080, Protocol: gwv1.HTTPProtocolType}}}}
	in := &translate.Input{Classes: []*gwv1.GatewayClass{class}, Gateways: []*gwv1.Gateway{gw}}
	for i := range n / 4 {
		model := fmt.Sprintf("model-%d", i)
		provider := v1alpha1.LLMProvider{}
		provider.OpenAI = &v1alpha1.OpenAI{Model: &model, AuthToken: v1alpha1.AuthToken{Kind: v1alpha1.AuthTokenInline, Inline: at("token")}}
		in.Backends = append(in.Backends, &v1alpha1.Backend{ObjectMeta: meta("llm-%d", i), Spec: v1alpha1.BackendSpec{Type: v1alpha1.BackendAI,
			AI: &v1alpha1.AIBackend{LLM: &provider}}})
		in.Services = append(in.Services, &corev1.Service{ObjectMeta: meta("app-%d", i), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}})
		slice := &discoveryv1.EndpointSlice{ObjectMeta: meta("app-%d", i), AddressType: discoveryv1.AddressTypeIPv4,
			Ports: []discoveryv1.EndpointPort{{Name: at("http"), Port: at[int32](3000)}}}
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: slice.Name}
		for k := range 3 {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.%d.%d.%d", k, i/250, i%250+1)}})
		}
		in.EndpointSlices = append(in.EndpointSlices, slice)
	}
	for i := range n {
		r := &gwv1.HTTPRoute{ObjectMeta: meta("route-%d", i)}
		r.Spec.ParentRefs = []gwv1.ParentReference{{Name: "gw"}}
		r.Spec.Hostnames = []gwv1.Hostname{gwv1.Hostname(fmt.Sprintf("host-%d.example.com", i%(n/10)))}
		to := gwv1.HTTPBackendRef{}
		to.Name, to.Port = gwv1.ObjectName(fmt.Sprintf("app-%d", i/2%(n/4))), at(gwv1.PortNumber(80))
		if i%2 == 0 {
			to.Group, to.Kind, to.Port = at(gwv1.Group("gateway.kgateway.dev")), at(gwv1.Kind("Backend")), nil
			to.Name = gwv1.ObjectName(fmt.Sprintf("llm-%d", i/2%(n/4)))
		}
		path := gwv1.HTTPPathMatch{Value: at(fmt.Sprintf("/path-%d", i))}
		r.Spec.Rules = []gwv1.HTTPRouteRule{{Matches: []gwv1.HTTPRouteMatch{{Path: &path}}, BackendRefs: []gwv1.HTTPBackendRef{to}}}
		in.HTTPRoutes = append(in.HTTPRoutes, r)
	}
	for i := range n / 10 {
		p := &v1alpha1.TrafficPolicy{ObjectMeta: meta("policy-%d", i)}
		target := gwv1.LocalPolicyTargetReferenceWithSectionName{}
		target.Group, target.Kind, target.Name = gwv1.GroupName, "HTTPRoute", gwv1.ObjectName(fmt.Sprintf("route-%d", i*10))
		p.Spec.TargetRefs = []gwv1.LocalPolicyTargetReferenceWithSectionName{target}
		p.Spec.AI = &v1alpha1.AIPolicy{PromptGuard: &v1alpha1.PromptGuard{Request: &v1alpha1.PromptGuardRequest{Regex: &v1alpha1.Regex{
			Matches: []v1alpha1.RegexMatch{{Pattern: at("secret-[0-9]+")}}}}}}
		in.TrafficPolicies = append(in.TrafficPolicies, p)
	}
	return in
}

func at[T any](v T) *T { return &v }
