package translate

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// listener is a listener of a Gateway while it is made.
type listener struct {
	spec     *gwv1.Listener
	field    string // where it stands in its Gateway
	hostname string // in lower case; "" = all
	kinds    []gwv1.RouteGroupKind
	from     gwv1.FromNamespaces
	selector labels.Selector
	ir       string // name of the ir.Listener that it is part of; "" = it is not served
	pairs    []ir.KeyPair
	attached int32

	reason, message       string // why it is not accepted; "" = it is
	conflict              string // the reason of Conflicted
	refReason, refMessage string // why its references are not resolved
	overlap               string // listeners of the port whose hostnames overlap
}

func (l *listener) https() bool    { return l.spec.Protocol == gwv1.HTTPSProtocolType }
func (l *listener) accepted() bool { return l.reason == "" }

// served reports whether clients are answered.
func (l *listener) served() bool { return l.accepted() && (!l.https() || len(l.pairs) > 0) }

// refuse keeps the first reason why the listener is not accepted.
func (l *listener) refuse(reason gwv1.ListenerConditionReason, format string, args ...any) {
	if l.reason == "" {
		l.reason, l.message = string(reason), fmt.Sprintf(format, args...)
	}
}

// unresolved keeps the first reason why the listener's references are not resolved.
func (l *listener) unresolved(reason gwv1.ListenerConditionReason, format string, args ...any) {
	if l.refReason == "" {
		l.refReason, l.refMessage = string(reason), fmt.Sprintf(format, args...)
	}
}

// wellKnown reports whether a protocol is one of the Gateway API's, or has the name of a domain, as others' own have.
func wellKnown(p gwv1.ProtocolType) bool {
	return slices.Contains([]gwv1.ProtocolType{gwv1.TLSProtocolType, gwv1.TCPProtocolType, gwv1.UDPProtocolType}, p) || strings.Contains(string(p), "/")
}

// listeners judges the listeners of p.
func (t *translator) listeners(p *plane) {
	for i := range p.object.Spec.Listeners {
		s := &p.object.Spec.Listeners[i]
		l := &listener{spec: s, field: fmt.Sprintf("spec.listeners[%d]", i), hostname: strings.ToLower(string(deref(s.Hostname, ""))), kinds: []gwv1.RouteGroupKind{}}
		p.listeners = append(p.listeners, l)
		if s.Protocol != gwv1.HTTPProtocolType && s.Protocol != gwv1.HTTPSProtocolType {
			l.refuse(gwv1.ListenerReasonUnsupportedProtocol, "the protocol %s is not supported; HTTP and HTTPS are", s.Protocol)
			continue
		}
		l.allow()
		if s.Port < 1 || s.Port > 65535 {
			l.refuse(gwv1.ListenerReasonPortUnavailable, "%d is no port; 1 to 65535 are", s.Port)
		}
		if taken := p.takenPort(s.Port, t.o.Files); taken != "" {
			l.refuse(gwv1.ListenerReasonPortUnavailable, "port %d is taken by %s; choose another", s.Port, taken)
		}
		if l.https() {
			t.certificates(p, l)
		}
		t.clientCertificates(p, l)
	}
	p.conflicts()
	for _, l := range p.listeners {
		if l.reason != "" {
			severity := Error
			if l.reason == string(gwv1.ListenerReasonUnsupportedProtocol) && wellKnown(l.spec.Protocol) {
				severity = Unsupported
			}
			t.gatewayProblem(p, l.field, severity, "listener %s: %s", l.spec.Name, l.message)
		}
		if l.refReason != "" {
			t.gatewayProblem(p, l.field, Error, "listener %s: %s", l.spec.Name, l.refMessage)
		}
	}
}

// takenPort is who listens at a port already in the pod of p; "" = nobody.
func (p *plane) takenPort(port gwv1.PortNumber, files bool) string {
	if files || p.parameters == nil {
		return ""
	}
	switch port {
	case 8082:
		return "Envoy's readiness probe"
	case 9091:
		if s := p.parameters.Stats; s == nil || deref(s.Enabled, true) {
			return "Envoy's metrics"
		}
	case 9092:
		return "the processor's health and metrics"
	case 19000:
		return "Envoy's admin interface"
	}
	return ""
}

// allow reads which routes may be attached.
func (l *listener) allow() {
	l.from = gwv1.NamespacesFromSame
	httpRoute := gwv1.RouteGroupKind{Group: ptr(gwv1.Group(gatewayGroup)), Kind: kindRoute}
	a := l.spec.AllowedRoutes
	if a == nil || len(a.Kinds) == 0 {
		l.kinds = append(l.kinds, httpRoute)
	}
	if a == nil {
		return
	}
	for _, k := range a.Kinds {
		if string(deref(k.Group, gatewayGroup)) == gatewayGroup && k.Kind == kindRoute {
			if len(l.kinds) == 0 {
				l.kinds = append(l.kinds, httpRoute)
			}
			continue
		}
		l.unresolved(gwv1.ListenerReasonInvalidRouteKinds, "allowedRoutes.kinds: routes of kind %s are not supported; HTTPRoute is", k.Kind)
	}
	if a.Namespaces == nil {
		return
	}
	l.from = deref(a.Namespaces.From, gwv1.NamespacesFromSame)
	if l.from != gwv1.NamespacesFromSelector {
		return
	}
	var err error
	if l.selector, err = metav1.LabelSelectorAsSelector(a.Namespaces.Selector); err != nil {
		l.selector = labels.Nothing()
		l.refuse(gwv1.ListenerReasonUnsupportedValue, "allowedRoutes.namespaces.selector: %s", err)
	}
}

// allows reports whether HTTPRoutes of a namespace may be attached.
func (l *listener) allows(t *translator, p *plane, namespace string) bool {
	if len(l.kinds) == 0 {
		return false
	}
	switch l.from {
	case gwv1.NamespacesFromAll:
		return true
	case gwv1.NamespacesFromSame:
		return namespace == p.name.Namespace
	case gwv1.NamespacesFromSelector:
		return l.selector.Matches(labels.Set(t.namespaceLabels(namespace)))
	}
	return false
}

// namespaceLabels are those of a namespace; one that is not there has the name that Kubernetes gives it.
func (t *translator) namespaceLabels(name string) map[string]string {
	if n := t.namespaces[name]; n != nil && n.Labels[metadataName] != "" {
		return n.Labels
	} else if n != nil {
		out := map[string]string{metadataName: name}
		for k, v := range n.Labels {
			out[k] = v
		}
		return out
	}
	return map[string]string{metadataName: name}
}

// metadataName is the label that Kubernetes puts on every namespace.
const metadataName = "kubernetes.io/metadata.name"

// conflicts refuses listeners of one port that cannot be told apart: all of them (Gateway API, GatewaySpec.Listeners).
func (p *plane) conflicts() {
	for i, a := range p.listeners {
		for _, b := range p.listeners[:i] {
			if a.spec.Port != b.spec.Port || a.unsupported() || b.unsupported() {
				continue
			}
			switch {
			case a.spec.Protocol != b.spec.Protocol:
				a.conflicts(gwv1.ListenerReasonProtocolConflict, b)
				b.conflicts(gwv1.ListenerReasonProtocolConflict, a)
			case a.hostname == b.hostname:
				a.conflicts(gwv1.ListenerReasonHostnameConflict, b)
				b.conflicts(gwv1.ListenerReasonHostnameConflict, a)
			case a.https() && (covers(a.hostname, b.hostname) || covers(b.hostname, a.hostname)):
				a.overlaps(b)
				b.overlaps(a)
			}
		}
	}
}

func (l *listener) unsupported() bool {
	return l.reason == string(gwv1.ListenerReasonUnsupportedProtocol)
}

func (l *listener) conflicts(reason gwv1.ListenerConditionReason, other *listener) {
	if l.conflict != "" {
		return
	}
	l.conflict = string(reason)
	if reason == gwv1.ListenerReasonProtocolConflict {
		l.refuse(reason, "listener %s has port %d too, with the protocol %s; give one of them another port", other.spec.Name, l.spec.Port, other.spec.Protocol)
		return
	}
	l.refuse(reason, "listener %s has port %d and the hostname %q too; give one of them another", other.spec.Name, l.spec.Port, l.hostname)
}

func (l *listener) overlaps(other *listener) {
	if l.overlap != "" {
		l.overlap += ", "
	}
	l.overlap += string(other.spec.Name)
}

// status says what has become of l.
func (l *listener) status(p *plane, programmed bool, why string) gwv1.ListenerStatus {
	n := p.object.Generation
	out := gwv1.ListenerStatus{Name: l.spec.Name, SupportedKinds: l.kinds, AttachedRoutes: l.attached}
	add := func(kind gwv1.ListenerConditionType, holds bool, reason, message string) {
		out.Conditions = set(out.Conditions, n, string(kind), holds, reason, message)
	}
	if l.accepted() {
		add(gwv1.ListenerConditionAccepted, true, string(gwv1.ListenerReasonAccepted), "the listener is accepted")
	} else {
		add(gwv1.ListenerConditionAccepted, false, l.reason, l.message)
	}
	if l.conflict != "" {
		add(gwv1.ListenerConditionConflicted, true, l.conflict, l.message)
	} else {
		add(gwv1.ListenerConditionConflicted, false, string(gwv1.ListenerReasonNoConflicts), "no other listener is like it")
	}
	if l.refReason != "" {
		add(gwv1.ListenerConditionResolvedRefs, false, l.refReason, l.refMessage)
	} else {
		add(gwv1.ListenerConditionResolvedRefs, true, string(gwv1.ListenerReasonResolvedRefs), "all references lead somewhere")
	}
	switch {
	case !l.served():
		add(gwv1.ListenerConditionProgrammed, false, string(gwv1.ListenerReasonInvalid), "the listener is not served: "+firstOf(l.message, l.refMessage))
	case !programmed:
		add(gwv1.ListenerConditionProgrammed, false, string(gwv1.ListenerReasonPending), why)
	default:
		add(gwv1.ListenerConditionProgrammed, true, string(gwv1.ListenerReasonProgrammed), "the data plane serves the listener")
	}
	if l.overlap != "" {
		add(gwv1.ListenerConditionOverlappingTLSConfig, true, string(gwv1.ListenerReasonOverlappingHostnames),
			"a client may use a connection to this listener for hostnames of others on the port: "+l.overlap)
	}
	return out
}

func firstOf(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

func ptr[T any](v T) *T { return &v }
