package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// plane is the data plane of a Gateway while it is made.
type plane struct {
	object     *gwv1.Gateway
	class      *gwv1.GatewayClass // nil = one that is taken for granted
	name       types.NamespacedName
	listeners  []*listener // in the order of the Gateway's
	parameters *v1alpha1.KubeParameters
	reason     string // why the Gateway is not accepted; "" = it is
	message    string
	ir         *ir.Gateway
}

// problem tells the Gateway's author something.
func (t *translator) gatewayProblem(p *plane, field string, s Severity, format string, args ...any) {
	t.problem(Object{kindGateway, p.name.Namespace, p.name.Name}, field, s, format, args...)
}

// gateways begins the data planes of all Gateways that are ours.
func (t *translator) gateways() {
	for _, g := range t.in.Gateways {
		class, ours := t.classOf(g)
		if !ours {
			continue
		}
		p := &plane{object: g, class: class, name: nameOf(g), ir: &ir.Gateway{Limits: t.limits(g), Shutdown: defaults().Shutdown}}
		t.planes, t.byName[p.name] = append(t.planes, p), p
		var fault string
		if p.parameters, fault = t.parameters(g, class); fault != "" {
			p.reason, p.message = string(gwv1.GatewayReasonInvalidParameters), fault
			t.gatewayProblem(p, "spec.infrastructure.parametersRef", Error, "%s", fault)
		}
		t.listeners(p)
		t.addresses(p)
		t.gatewayTLS(p)
		if p.reason == "" && !slices.ContainsFunc(p.listeners, func(l *listener) bool { return l.accepted() }) {
			p.reason, p.message = string(gwv1.GatewayReasonListenersNotValid), "no listener can be served: "+p.invalidListeners()
		}
		p.listen(t.o.Files)
	}
}

// addresses judges the addresses that the Gateway asks for.
func (t *translator) addresses(p *plane) {
	for i := range p.object.Spec.Addresses {
		a := &p.object.Spec.Addresses[i]
		if kind := deref(a.Type, gwv1.IPAddressType); kind != gwv1.IPAddressType && kind != gwv1.HostnameAddressType && p.reason == "" {
			p.reason = string(gwv1.GatewayReasonUnsupportedAddress)
			p.message = fmt.Sprintf("spec.addresses[%d]: addresses of type %q are not supported; IPAddress and Hostname are", i, kind)
			t.gatewayProblem(p, fmt.Sprintf("spec.addresses[%d].type", i), Error, "addresses of type %q are not supported; IPAddress and Hostname are", kind)
		}
	}
}

// gatewayTLS tells what of the whole Gateway's TLS has no effect. Clients' certificates are the listeners' matter.
func (t *translator) gatewayTLS(p *plane) {
	if tls := p.object.Spec.TLS; tls != nil && tls.Backend != nil && tls.Backend.ClientCertificateRef != nil {
		t.gatewayProblem(p, "spec.tls.backend.clientCertificateRef", Unsupported, "backends are called without a client certificate")
	}
	if a := p.object.Spec.AllowedListeners; a != nil && a.Namespaces != nil && deref(a.Namespaces.From, gwv1.NamespacesFromNone) != gwv1.NamespacesFromNone {
		t.gatewayProblem(p, "spec.allowedListeners", Unsupported, "ListenerSets are not supported; their listeners belong into spec.listeners")
	}
	if s := p.object.Spec.DefaultScope; s != "" && s != gwv1.GatewayDefaultScopeNone {
		t.gatewayProblem(p, "spec.defaultScope", Unsupported, "routes are attached to Gateways that they name")
	}
}

// invalidListeners says which listeners are not accepted, and why.
func (p *plane) invalidListeners() string {
	var out []string
	for _, l := range p.listeners {
		if !l.accepted() {
			out = append(out, fmt.Sprintf("%s (%s)", l.spec.Name, l.message))
		}
	}
	return strings.Join(out, "; ")
}

// listen makes one ir.Listener for the listeners of each port that are served.
func (p *plane) listen(files bool) {
	host := "[::]" // both families
	if files {
		host = "0.0.0.0"
	}
	for _, l := range p.listeners {
		if !l.served() {
			continue
		}
		l.ir = fmt.Sprintf("%s-%d", strings.ToLower(string(l.spec.Protocol)), l.spec.Port)
		i := slices.IndexFunc(p.ir.Listeners, func(x ir.Listener) bool { return x.Name == l.ir })
		if i < 0 {
			i = len(p.ir.Listeners)
			p.ir.Listeners = append(p.ir.Listeners, ir.Listener{Name: l.ir, Address: fmt.Sprintf("%s:%d", host, l.spec.Port), Protocol: "http"})
			if l.https() {
				p.ir.Listeners[i].Protocol, p.ir.Listeners[i].TLS = "https", &ir.ServerTLS{MinVersion: "1.2"}
			}
		}
		for _, pair := range l.pairs {
			if tls := p.ir.Listeners[i].TLS; !slices.Contains(tls.Pairs, pair) {
				tls.Pairs = append(tls.Pairs, pair)
			}
		}
	}
	slices.SortFunc(p.ir.Listeners, func(a, b ir.Listener) int { return cmp.Compare(a.Name, b.Name) })
}

// finishGateways completes data planes, and says what has become of Gateways.
func (t *translator) finishGateways() {
	for _, p := range t.planes {
		t.out.Statuses.Gateways[p.name] = t.gatewayStatus(p)
		out := Gateway{Object: p.object, Parameters: p.parameters}
		if p.reason == "" {
			t.complete(p)
			out.IR = p.ir
			if slices.ContainsFunc(p.ir.Routes, func(r ir.Route) bool { return t.leadsToAI(&r) }) {
				out.Parameters = t.withSidecar(p.parameters)
			}
		}
		t.out.Gateways = append(t.out.Gateways, out)
	}
	slices.SortFunc(t.out.Gateways, func(a, b Gateway) int { return compareNames(nameOf(a.Object), nameOf(b.Object)) })
}

// complete adds what routes lead to, and what the Gateway itself does.
func (t *translator) complete(p *plane) {
	p.ir.Routes = append(p.ir.Routes, p.ends()...)
	names := map[string]bool{}
	for i := range p.ir.Routes {
		for _, group := range p.ir.Routes[i].Groups {
			for _, target := range group {
				names[target.Backend] = true
			}
		}
	}
	websocket := false
	for name := range names {
		p.ir.Backends = append(p.ir.Backends, t.places[name])
		websocket = websocket || t.websockets[name]
		if s, ok := t.serviceOf[name]; ok {
			t.usesTLS(ref{"", kindService, s.Namespace, s.Name}, p.name)
		}
	}
	slices.SortFunc(p.ir.Backends, func(a, b ir.Backend) int { return strings.Compare(a.Name, b.Name) })
	p.ir.Telemetry = t.telemetry(p.parameters)
	p.ir.Envoy = t.envoy(p.object)
	if websocket {
		p.ir.Envoy.HTTP.Upgrades = appendNew(slices.Clone(p.ir.Envoy.HTTP.Upgrades), "websocket")
	}
}

// leadsToAI reports whether a route needs the processor.
func (t *translator) leadsToAI(r *ir.Route) bool {
	for _, group := range r.Groups {
		for _, target := range group {
			if t.places[target.Backend].Provider != plainProvider {
				return true
			}
		}
	}
	return false
}

// gatewayStatus says what has become of a Gateway.
func (t *translator) gatewayStatus(p *plane) *gwv1.GatewayStatus {
	g, status := p.object, &gwv1.GatewayStatus{Addresses: t.in.Addresses[p.name]}
	kind, n := string(gwv1.GatewayConditionAccepted), g.Generation
	switch invalid := p.invalidListeners(); {
	case p.reason != "":
		status.Conditions = set(nil, n, kind, false, p.reason, p.message)
	case invalid != "":
		status.Conditions = set(nil, n, kind, true, string(gwv1.GatewayReasonListenersNotValid), "accepted without the listeners that are not valid: "+invalid)
	default:
		status.Conditions = set(nil, n, kind, true, string(gwv1.GatewayReasonAccepted), "the Gateway is accepted")
	}
	ok, reason, message := t.programmed(p)
	status.Conditions = set(status.Conditions, n, string(gwv1.GatewayConditionProgrammed), ok, reason, message)
	unresolved := ""
	for _, l := range p.listeners {
		status.Listeners = append(status.Listeners, l.status(p, ok, message))
		if l.refReason != "" {
			unresolved = cmp.Or(unresolved, fmt.Sprintf("listener %s: %s", l.spec.Name, l.refMessage))
		}
	}
	if unresolved != "" {
		status.Conditions = set(status.Conditions, n, string(gwv1.GatewayConditionResolvedRefs), false, string(gwv1.GatewayReasonListenersNotResolved), unresolved)
	} else {
		status.Conditions = set(status.Conditions, n, string(gwv1.GatewayConditionResolvedRefs), true, string(gwv1.GatewayReasonResolvedRefs), "all references of the listeners lead somewhere")
	}
	return status
}

// programmed tells whether the data plane does what the Gateway says.
func (t *translator) programmed(p *plane) (ok bool, reason, message string) {
	if p.reason != "" {
		return false, string(gwv1.GatewayReasonInvalid), "the Gateway is not accepted: " + p.message
	}
	if len(p.ir.Listeners) == 0 {
		return false, string(gwv1.GatewayReasonInvalid), "no listener can be served; the listeners' conditions say why"
	}
	if t.in.Programmed != nil {
		why, told := t.in.Programmed[p.name]
		if !told {
			why = "waiting for the data plane to take its configuration"
		}
		if why != "" {
			return false, string(gwv1.GatewayReasonPending), why
		}
	}
	if t.in.Addresses != nil {
		has := t.in.Addresses[p.name]
		if len(has) == 0 {
			return false, string(gwv1.GatewayReasonAddressNotAssigned), "the Service of the Gateway has no address yet; one of type LoadBalancer needs something in the cluster that assigns addresses"
		}
		for i, want := range p.object.Spec.Addresses {
			if want.Value != "" && !slices.ContainsFunc(has, func(a gwv1.GatewayStatusAddress) bool { return a.Value == want.Value }) {
				return false, string(gwv1.GatewayReasonAddressNotUsable), fmt.Sprintf("spec.addresses[%d]: the Gateway did not get the address %s", i, want.Value)
			}
		}
	}
	return true, string(gwv1.GatewayReasonProgrammed), "the data plane serves the Gateway"
}
