// Package translate turns Kubernetes objects, those of the Gateway API and of api/v1alpha1, into configurations and into statuses of
// the objects. It is a function of its arguments alone: it asks nobody, and the order of objects does not matter. A Gateway
// becomes one [ir.Gateway]; what its data plane consists of follows from its Parameters.
package translate

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// ControllerName is the controllerName of GatewayClasses that are ours: kgateway's, so that existing manifests keep working.
const ControllerName = "kgateway.dev/kgateway"

// Input is all objects that count, as the API server keeps them: with the defaults of their schemas. They are read, never changed.
type Input struct {
	Classes        []*gwv1.GatewayClass
	Gateways       []*gwv1.Gateway
	HTTPRoutes     []*gwv1.HTTPRoute
	Grants         []*gwv1.ReferenceGrant
	BackendTLS     []*gwv1.BackendTLSPolicy
	Namespaces     []*corev1.Namespace
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	Secrets        []*corev1.Secret    // of those that Output.Secrets named before, the ones that exist
	ConfigMaps     []*corev1.ConfigMap // likewise

	Parameters       []*v1alpha1.GatewayParameters
	Backends         []*v1alpha1.Backend
	TrafficPolicies  []*v1alpha1.TrafficPolicy
	HTTPListeners    []*v1alpha1.HTTPListenerPolicy
	ListenerPolicies []*v1alpha1.ListenerPolicy
	Extensions       []*v1alpha1.GatewayExtension
	DirectResponses  []*v1alpha1.DirectResponse

	// Addresses are where each Gateway is reached, for its status.
	Addresses map[types.NamespacedName][]gwv1.GatewayStatusAddress
	// Programmed says of Gateways whether their data planes have taken their configuration: "" = yes, else why not. A Gateway that
	// is not in it waits for its data plane. nil = nobody asks (files).
	Programmed map[types.NamespacedName]string
}

// Options are what the process knows and objects do not say.
type Options struct {
	// Files says that the objects are all that there is: what a cluster would have beside them (namespaces, the classes kgateway and
	// agentgateway, Services without EndpointSlices, which are then reached by name) is taken for granted.
	Files bool
	// Defaults are the parameters of Gateways before those of their class and their own; nil = none.
	Defaults *v1alpha1.KubeParameters
	// PolicyNamespace holds policies whose targetSelectors reach objects of all namespaces; "" = none does.
	PolicyNamespace string
	// Domain is the cluster's DNS domain; "" = cluster.local.
	Domain string
}

// Output is what follows from an Input.
type Output struct {
	Gateways []Gateway // sorted by namespace and name
	Statuses Statuses
	// Problems are what authors should know: what is refused, what is accepted and has no effect, what is odd. Sorted.
	Problems []Problem
	// Secrets and ConfigMaps are what is referred to, whether it is there or not. Sorted.
	Secrets, ConfigMaps []types.NamespacedName
	// Endpoints are the Services whose EndpointSlices were looked at. Sorted.
	Endpoints []types.NamespacedName
}

// Gateway is the data plane of one Gateway object.
type Gateway struct {
	Object *gwv1.Gateway
	// IR is its configuration; nil = the Gateway is not accepted, and what runs stays as it is.
	IR *ir.Gateway
	// Parameters are merged from defaults, class and Gateway; nil = nothing is to be deployed (selfManaged, or a wrong reference).
	Parameters *v1alpha1.KubeParameters
}

// Statuses are those of all objects that are ours to judge. Conditions have no lastTransitionTime, and of routes and policies only
// the parents and ancestors of this controller are here: who writes them keeps those of others.
type Statuses struct {
	Classes    map[string]*gwv1.GatewayClassStatus
	Gateways   map[types.NamespacedName]*gwv1.GatewayStatus
	HTTPRoutes map[types.NamespacedName]*gwv1.HTTPRouteStatus
	Backends   map[types.NamespacedName]*v1alpha1.BackendStatus
	Extensions map[types.NamespacedName]*v1alpha1.GatewayExtensionStatus
	Policies   map[Object]*gwv1.PolicyStatus
}

// Object names an object.
type Object struct{ Kind, Namespace, Name string }

// Severity is how much a Problem matters.
type Severity int

// The severities.
const (
	Warning     Severity = iota // it works, though perhaps not as meant
	Unsupported                 // accepted, without effect
	Error                       // refused; calls that depend on it are answered with status 500
)

// Problem is something that an object's author should know.
type Problem struct {
	Object   Object
	Field    string // path, such as spec.ai.llm.openai.authToken; "" = the whole object
	Severity Severity
	Message  string // what is wrong, and what to do; no secret
	// Missing says of an Error that it is one because an object is not there: with Options.Files it may be elsewhere.
	Missing bool
}
