package kube

import (
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/translate"
)

// input is all that is known now.
func (c *controller) input() *translate.Input {
	w, k := c.w, c.kinds
	in := &translate.Input{
		Classes:        objects[*gwv1.GatewayClass](w, k.classes),
		Gateways:       objects[*gwv1.Gateway](w, k.gateways),
		HTTPRoutes:     objects[*gwv1.HTTPRoute](w, k.httpRoutes),
		Grants:         objects[*gwv1.ReferenceGrant](w, k.grants),
		BackendTLS:     objects[*gwv1.BackendTLSPolicy](w, k.backendTLS),
		Namespaces:     objects[*corev1.Namespace](w, k.namespaces),
		Services:       objects[*corev1.Service](w, k.services),
		EndpointSlices: objects[*discoveryv1.EndpointSlice](w, k.endpointSlices),
		Secrets:        list(c.refs.secrets),
		ConfigMaps:     list(c.refs.maps),

		Parameters:       objects[*v1alpha1.GatewayParameters](w, k.parameters),
		Backends:         objects[*v1alpha1.Backend](w, k.backends),
		TrafficPolicies:  objects[*v1alpha1.TrafficPolicy](w, k.traffic),
		HTTPListeners:    objects[*v1alpha1.HTTPListenerPolicy](w, k.httpListeners),
		ListenerPolicies: objects[*v1alpha1.ListenerPolicy](w, k.listenerPolicies),
		Extensions:       objects[*v1alpha1.GatewayExtension](w, k.extensions),
		DirectResponses:  objects[*v1alpha1.DirectResponse](w, k.directResponses),

		Addresses: map[types.NamespacedName][]gwv1.GatewayStatusAddress{},
	}
	for _, g := range in.Gateways {
		if s, ok := one[*corev1.Service](w, k.services, g.Namespace, g.Name); ok && metav1.IsControlledBy(s, g) {
			if a := addresses(s); a != nil {
				in.Addresses[client.ObjectKeyFromObject(g)] = a
			}
		}
	}
	in.Programmed = c.planesOf(in.Gateways)
	return in
}

// maxAddresses is how many the API server takes (Gateway API, GatewayStatus.addresses).
const maxAddresses = 16

// addresses are where a Service is reached: from outside if it is meant to be, else within the cluster. nil = nowhere yet.
func addresses(s *corev1.Service) []gwv1.GatewayStatusAddress {
	var out []gwv1.GatewayStatusAddress
	add := func(value string) {
		if value == "" || value == corev1.ClusterIPNone || len(out) == maxAddresses {
			return
		}
		kind := gwv1.HostnameAddressType
		if _, err := netip.ParseAddr(value); err == nil {
			kind = gwv1.IPAddressType
		}
		out = append(out, gwv1.GatewayStatusAddress{Type: &kind, Value: value})
	}
	switch s.Spec.Type {
	case corev1.ServiceTypeLoadBalancer:
		for _, i := range s.Status.LoadBalancer.Ingress {
			add(i.IP)
			add(i.Hostname)
		}
	case corev1.ServiceTypeExternalName:
		add(s.Spec.ExternalName)
	default:
		for _, ip := range s.Spec.ClusterIPs {
			add(ip)
		}
		if len(s.Spec.ClusterIPs) == 0 {
			add(s.Spec.ClusterIP)
		}
	}
	return out
}

// planesOf says of each Gateway why its data plane does not have its configuration; "" = it has.
func (c *controller) planesOf(gateways []*gwv1.Gateway) map[types.NamespacedName]string {
	out := make(map[types.NamespacedName]string, len(gateways))
	for _, g := range gateways {
		out[client.ObjectKeyFromObject(g)] = c.plane(g)
	}
	return out
}

// plane is why the data plane of g does not have its configuration, "" = it has. A change that is on its way does not end that.
// Pods may have asked another replica of the controller than this one: they are only ready once they have a configuration.
func (c *controller) plane(g *gwv1.Gateway) string {
	why, known := c.reported[client.ObjectKeyFromObject(g)]
	before := known && why == ""
	s := c.planes.State(g.Namespace, g.Name)
	available := false
	if d, ok := one[*appsv1.Deployment](c.w, c.kinds.deployments, g.Namespace, g.Name); ok && metav1.IsControlledBy(d, g) {
		available = d.Status.AvailableReplicas > 0
	}
	switch {
	case s.Refused != "":
		return "the data plane refuses the configuration and keeps the one before: " + s.Refused
	case s.Current > 0, available, before && s.Envoys > 0:
		return ""
	case s.Envoys > 0:
		return "the data plane is taking its configuration"
	}
	return "no pod of the data plane has asked for its configuration yet"
}

// progressed reports whether any Gateway's data plane is in another state than at the last rebuild. It is for the goroutine that
// rebuilds.
func (c *controller) progressed() bool {
	for _, g := range objects[*gwv1.Gateway](c.w, c.kinds.gateways) {
		if was, ok := c.reported[client.ObjectKeyFromObject(g)]; !ok || was != c.plane(g) {
			return true
		}
	}
	return false
}
