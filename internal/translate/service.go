package translate

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// place is where a Service's port is.
type place struct {
	URL       string
	Endpoints []string // host:port of those that are ready; nil = by URL's host, empty = none is ready
	HTTP2     string   // as ir.Backend's
	TLS       ir.ClientTLS
	websocket bool
}

// service is where port of a Service is. A fault says why nobody can be asked.
func (t *translator) service(namespace, name string, port int32) (p place, fault string) {
	p, _, fault = t.locate(types.NamespacedName{Namespace: namespace, Name: name}, port)
	return p, fault
}

// locate is where port of a Service is. With a reason of ResolvedRefs=False it is nowhere; a fault without a reason is one of its
// BackendTLSPolicy.
func (t *translator) locate(n types.NamespacedName, port int32) (p place, reason, fault string) {
	notFound := string(gwv1.RouteReasonBackendNotFound)
	s := t.services[n]
	if s == nil && t.o.Files && len(inNamespace(t.services, n.Namespace)) == 0 {
		return place{URL: t.serviceURL("http", n, port), HTTP2: "auto"}, "", ""
	}
	if s == nil {
		return p, notFound, t.lacks("Service %s does not exist%s", n, didYouMean(n.Name, inNamespace(t.services, n.Namespace)))
	}
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		return p, notFound, fmt.Sprintf("Service %s is of type ExternalName, by which a route could reach what its author may not; a Backend of type Static names hosts outside", n)
	}
	i := slices.IndexFunc(s.Spec.Ports, func(x corev1.ServicePort) bool { return x.Port == port })
	if i < 0 {
		return p, notFound, fmt.Sprintf("Service %s has no port %d%s", n, port, t.ports(n))
	}
	sp := &s.Spec.Ports[i]
	if sp.Protocol != "" && sp.Protocol != corev1.ProtocolTCP {
		return p, string(gwv1.RouteReasonUnsupportedProtocol), fmt.Sprintf("port %d of Service %s has the protocol %s; TCP is supported", port, n, sp.Protocol)
	}
	scheme := "http"
	switch protocol := strings.ToLower(deref(sp.AppProtocol, "")); protocol {
	case "kubernetes.io/h2c", "http2", "grpc", "grpc-web":
		p.HTTP2 = "h2c"
	case "kubernetes.io/wss":
		return p, string(gwv1.RouteReasonUnsupportedProtocol), fmt.Sprintf("port %d of Service %s has the appProtocol %s; kubernetes.io/ws with a BackendTLSPolicy is supported", port, n, protocol)
	case "kubernetes.io/ws":
		p.websocket = true
		p.HTTP2 = "auto"
	default:
		p.HTTP2 = "auto"
	}
	if tls, policyFault, found := t.backendTLS(ref{"", kindService, n.Namespace, n.Name}, sp.Name); found {
		scheme, p.TLS, fault, p.HTTP2 = "https", tls, policyFault, "auto"
	}
	p.URL = t.serviceURL(scheme, n, port)
	p.Endpoints = t.endpoints(n, sp.Name)
	return p, "", fault
}

func (t *translator) serviceURL(scheme string, n types.NamespacedName, port int32) string {
	return fmt.Sprintf("%s://%s.%s.svc.%s:%d", scheme, n.Name, n.Namespace, t.o.Domain, port)
}

// endpoints are those of a Service's port that are ready, sorted.
func (t *translator) endpoints(n types.NamespacedName, port string) []string {
	t.endpointRefs[n] = true
	if t.o.Files && len(t.slices[n]) == 0 {
		return nil
	}
	out := []string{}
	for _, s := range t.slices[n] {
		if s.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, sp := range s.Ports {
			if deref(sp.Name, "") != port || sp.Port == nil {
				continue
			}
			for _, e := range s.Endpoints {
				if !deref(e.Conditions.Ready, true) {
					continue
				}
				for _, address := range e.Addresses {
					out = append(out, net.JoinHostPort(address, strconv.Itoa(int(*sp.Port))))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
