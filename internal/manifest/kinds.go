package manifest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/spanway/spanway/internal/translate"
)

// kind is a kind of objects that make a gateway.
type kind struct {
	versions   []string
	namespaced bool
	core       bool // Kubernetes' own: there is no schema, the type says all
	fresh      func() any
	add        func(in *translate.Input, text []byte) error
}

// Versions of the groups.
var (
	kgatewayVersions = []string{"gateway.kgateway.dev/v1alpha1"}
	gatewayVersions  = []string{"gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"}
	tlsVersions      = []string{"gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1alpha3"}
	coreVersions     = []string{"v1"}
	sliceVersions    = []string{"discovery.k8s.io/v1"}
)

// kinds are all that translation reads. Versions of a kind have one shape.
var kinds = map[string]kind{
	"GatewayClass":     {versions: gatewayVersions, add: func(in *translate.Input, b []byte) error { return decode(&in.Classes, b) }},
	"Gateway":          {versions: gatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.Gateways, b) }},
	"HTTPRoute":        {versions: gatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.HTTPRoutes, b) }},
	"ReferenceGrant":   {versions: gatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.Grants, b) }},
	"BackendTLSPolicy": {versions: tlsVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.BackendTLS, b) }},

	"Namespace": {versions: coreVersions, core: true, fresh: func() any { return new(corev1.Namespace) },
		add: func(in *translate.Input, b []byte) error { return decode(&in.Namespaces, b) }},
	"Service": {versions: coreVersions, core: true, namespaced: true, fresh: func() any { return new(corev1.Service) },
		add: func(in *translate.Input, b []byte) error { return decode(&in.Services, b) }},
	"EndpointSlice": {versions: sliceVersions, core: true, namespaced: true, fresh: func() any { return new(discoveryv1.EndpointSlice) },
		add: func(in *translate.Input, b []byte) error { return decode(&in.EndpointSlices, b) }},
	"Secret": {versions: coreVersions, core: true, namespaced: true, fresh: func() any { return new(corev1.Secret) }, add: addSecret},
	"ConfigMap": {versions: coreVersions, core: true, namespaced: true, fresh: func() any { return new(corev1.ConfigMap) },
		add: func(in *translate.Input, b []byte) error { return decode(&in.ConfigMaps, b) }},

	"GatewayParameters":  {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.Parameters, b) }},
	"Backend":            {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.Backends, b) }},
	"TrafficPolicy":      {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.TrafficPolicies, b) }},
	"HTTPListenerPolicy": {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.HTTPListeners, b) }},
	"ListenerPolicy":     {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.ListenerPolicies, b) }},
	"GatewayExtension":   {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.Extensions, b) }},
	"DirectResponse":     {versions: kgatewayVersions, namespaced: true, add: func(in *translate.Input, b []byte) error { return decode(&in.DirectResponses, b) }},
}

// otherKinds are kgateway's kinds that are not read here; the text is what else there is.
var otherKinds = map[string]string{
	"BackendConfigPolicy": "it is left out; a BackendTLSPolicy says how a Service is called with TLS, a TrafficPolicy sets timeouts and retries",
}

// renamed are kinds of kgateway's builds before 2.0, by the names that they have had since.
var renamed = map[string]string{"RoutePolicy": "TrafficPolicy"}

func (k kind) accepts(version string) bool { return slices.Contains(k.versions, version) }

// hint names the version that was meant.
func (k kind) hint() string {
	if len(k.versions) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(k.versions, " or ") + "?"
}

// addSecret does with stringData as the API server does.
func addSecret(in *translate.Input, text []byte) error {
	if err := decode(&in.Secrets, text); err != nil {
		return err
	}
	s := in.Secrets[len(in.Secrets)-1]
	for key, value := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	return nil
}
