package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// API groups, and kinds that are looked up by name.
const (
	gatewayGroup  = gwv1.GroupName
	kgatewayGroup = "gateway.kgateway.dev"
	kindGateway   = "Gateway"
	kindRoute     = "HTTPRoute"
	kindService   = "Service"
	kindSecret    = "Secret"
	kindConfigMap = "ConfigMap"
	kindBackend   = "Backend"

	kindTrafficPolicy  = "TrafficPolicy"
	kindDirectResponse = "DirectResponse"
)

// Translate makes configurations and statuses of in. It never fails: what is wrong with an object stands in its status and in
// Output.Problems, and what of it cannot be served is answered with an error.
func Translate(in *Input, o Options) *Output {
	t := newTranslator(in, o)
	t.classes()
	t.gateways()
	t.attach()
	t.routes()
	t.finishGateways()
	t.finishBackendTLS()
	t.finishKgateway()
	t.finish()
	return t.out
}

// translator makes one Output.
type translator struct {
	in  *Input // a copy whose lists are sorted: the oldest first, then by namespace and name
	o   Options
	out *Output

	namespaces      map[string]*corev1.Namespace
	services        map[types.NamespacedName]*corev1.Service
	slices          map[types.NamespacedName][]*discoveryv1.EndpointSlice // by Service
	secrets         map[types.NamespacedName]*corev1.Secret
	configMaps      map[types.NamespacedName]*corev1.ConfigMap
	grants          map[string][]*gwv1.ReferenceGrant // by namespace
	backends        map[types.NamespacedName]*v1alpha1.Backend
	directResponses map[types.NamespacedName]*v1alpha1.DirectResponse

	planes   []*plane // in the order of Input.Gateways
	byName   map[types.NamespacedName]*plane
	routesOf []*attached // in the order of Input.HTTPRoutes

	// attachedTo has the Gateways of ours that an HTTPRoute is attached to, sorted.
	attachedTo map[types.NamespacedName][]types.NamespacedName

	places     map[string]ir.Backend           // of all data planes, by name
	serviceOf  map[string]types.NamespacedName // by the name of its place
	websockets map[string]bool                 // names of places whose Services speak it
	tls        tlsPolicies
	kgateway   kgateway

	secretRefs, configMapRefs, endpointRefs map[types.NamespacedName]bool

	problems map[Problem]bool
	lacking  map[string]bool // messages that say that an object is not there
}

func newTranslator(in *Input, o Options) *translator {
	o.Domain = cmp.Or(o.Domain, "cluster.local")
	t := &translator{in: sorted(in), o: o, out: &Output{}, byName: map[types.NamespacedName]*plane{},
		attachedTo: map[types.NamespacedName][]types.NamespacedName{}, places: map[string]ir.Backend{},
		serviceOf: map[string]types.NamespacedName{}, websockets: map[string]bool{},
		secretRefs: map[types.NamespacedName]bool{}, configMapRefs: map[types.NamespacedName]bool{}, endpointRefs: map[types.NamespacedName]bool{},
		problems: map[Problem]bool{}, lacking: map[string]bool{},
		grants: map[string][]*gwv1.ReferenceGrant{}, slices: map[types.NamespacedName][]*discoveryv1.EndpointSlice{}}
	in = t.in
	t.namespaces = make(map[string]*corev1.Namespace, len(in.Namespaces))
	for _, n := range in.Namespaces {
		t.namespaces[n.Name] = n
	}
	t.services, t.secrets, t.configMaps = index(in.Services), index(in.Secrets), index(in.ConfigMaps)
	t.backends, t.directResponses = index(in.Backends), index(in.DirectResponses)
	for _, s := range in.EndpointSlices {
		if service := s.Labels[discoveryv1.LabelServiceName]; service != "" {
			n := types.NamespacedName{Namespace: s.Namespace, Name: service}
			t.slices[n] = append(t.slices[n], s)
		}
	}
	for _, g := range in.Grants {
		t.grants[g.Namespace] = append(t.grants[g.Namespace], g)
	}
	t.out.Statuses = Statuses{
		Classes:    map[string]*gwv1.GatewayClassStatus{},
		Gateways:   map[types.NamespacedName]*gwv1.GatewayStatus{},
		HTTPRoutes: map[types.NamespacedName]*gwv1.HTTPRouteStatus{},
		Backends:   map[types.NamespacedName]*v1alpha1.BackendStatus{},
		Extensions: map[types.NamespacedName]*v1alpha1.GatewayExtensionStatus{},
		Policies:   map[Object]*gwv1.PolicyStatus{},
	}
	t.startBackendTLS()
	t.startKgateway()
	return t
}

// finish puts what was collected in order.
func (t *translator) finish() {
	for p := range t.problems {
		p.Missing = p.Severity == Error && t.o.Files && t.isLack(p.Message)
		t.out.Problems = append(t.out.Problems, p)
	}
	slices.SortFunc(t.out.Problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Object.Kind, b.Object.Kind), strings.Compare(a.Object.Namespace, b.Object.Namespace),
			strings.Compare(a.Object.Name, b.Object.Name), strings.Compare(a.Field, b.Field), int(b.Severity-a.Severity), strings.Compare(a.Message, b.Message))
	})
	t.out.Secrets, t.out.ConfigMaps, t.out.Endpoints = sortedNames(t.secretRefs), sortedNames(t.configMapRefs), sortedNames(t.endpointRefs)
}

// problem tells o's author something. The same is told once.
func (t *translator) problem(o Object, field string, s Severity, format string, args ...any) {
	t.problems[Problem{Object: o, Field: field, Severity: s, Message: fmt.Sprintf(format, args...)}] = true
}

// lacks is a message which says that an object is not there. Problems that repeat it are told from others.
func (t *translator) lacks(format string, args ...any) string {
	message := fmt.Sprintf(format, args...)
	t.lacking[message] = true
	return message
}

// isLack reports whether a message repeats one of lacks.
func (t *translator) isLack(message string) bool {
	for lack := range t.lacking {
		if strings.Contains(message, lack) {
			return true
		}
	}
	return false
}

// secret is a Secret, nil if there is none; that it was asked for is noted.
func (t *translator) secret(namespace, name string) *corev1.Secret {
	n := types.NamespacedName{Namespace: namespace, Name: name}
	t.secretRefs[n] = true
	return t.secrets[n]
}

// configMap is a ConfigMap, nil if there is none; that it was asked for is noted.
func (t *translator) configMap(namespace, name string) *corev1.ConfigMap {
	n := types.NamespacedName{Namespace: namespace, Name: name}
	t.configMapRefs[n] = true
	return t.configMaps[n]
}

// sorted is in with its lists in an order that does not depend on theirs.
func sorted(in *Input) *Input {
	out := *in
	out.Classes, out.Gateways, out.HTTPRoutes = oldest(in.Classes), oldest(in.Gateways), oldest(in.HTTPRoutes)
	out.Grants, out.BackendTLS, out.Namespaces = oldest(in.Grants), oldest(in.BackendTLS), oldest(in.Namespaces)
	out.Services, out.EndpointSlices = oldest(in.Services), oldest(in.EndpointSlices)
	out.Secrets, out.ConfigMaps = oldest(in.Secrets), oldest(in.ConfigMaps)
	out.Parameters, out.Backends, out.TrafficPolicies = oldest(in.Parameters), oldest(in.Backends), oldest(in.TrafficPolicies)
	out.HTTPListeners, out.ListenerPolicies = oldest(in.HTTPListeners), oldest(in.ListenerPolicies)
	out.Extensions, out.DirectResponses = oldest(in.Extensions), oldest(in.DirectResponses)
	return &out
}

// oldest is objects sorted by when they were created, then by namespace and name.
func oldest[T metav1.Object](objects []T) []T {
	out := slices.Clone(objects)
	slices.SortStableFunc(out, func(a, b T) int {
		return cmp.Or(a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
			strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
	return out
}

func index[T metav1.Object](objects []T) map[types.NamespacedName]T {
	out := make(map[types.NamespacedName]T, len(objects))
	for _, o := range objects {
		out[nameOf(o)] = o
	}
	return out
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

func sortedNames[V any](m map[types.NamespacedName]V) []types.NamespacedName {
	out := make([]types.NamespacedName, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.SortFunc(out, compareNames)
	return out
}

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// deref is what p points to, or fallback.
func deref[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}
