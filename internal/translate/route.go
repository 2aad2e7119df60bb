package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Reasons of kgateway's for Accepted=False on a route whose other rules work.
const (
	ruleReplaced = "RouteRuleReplaced" // it is answered with status 500
	ruleDropped  = "RouteRuleDropped"  // it is not there
)

// attached is an HTTPRoute with the Gateways of ours that it names.
type attached struct {
	object  *gwv1.HTTPRoute
	name    types.NamespacedName
	parents []*parent
	rules   []*rule

	refReason, refMessage string   // why references are not resolved
	dropped, replaced     []string // what became of rules
	ignored               []string // what of them has no effect
	// replacedAt is what became of rules at some listeners, by policies.
	replacedAt map[*listener][]string
}

// parent is one reference of an HTTPRoute to a Gateway of ours.
type parent struct {
	ref             *gwv1.ParentReference
	plane           *plane
	joins           []join
	reason, message string // why it is not accepted
}

// join is an HTTPRoute at a listener, for the hostnames that both have.
type join struct {
	listener *listener
	hosts    []string // nil = all
}

func (t *translator) routeProblem(a *attached, field string, s Severity, format string, args ...any) {
	t.problem(Object{kindRoute, a.name.Namespace, a.name.Name}, field, s, format, args...)
}

// attach finds the listeners of all HTTPRoutes.
func (t *translator) attach() {
	for _, r := range t.in.HTTPRoutes {
		a := &attached{object: r, name: nameOf(r), replacedAt: map[*listener][]string{}}
		gateways := map[types.NamespacedName]bool{}
		if s := r.Spec.UseDefaultGateways; s != "" && s != gwv1.GatewayDefaultScopeNone {
			t.routeProblem(a, "spec.useDefaultGateways", Unsupported, "routes are attached to Gateways that they name in parentRefs")
		}
		for i := range r.Spec.ParentRefs {
			p := t.parent(a, i)
			if p == nil {
				continue
			}
			a.parents = append(a.parents, p)
			if p.reason == "" {
				gateways[p.plane.name] = true
			} else {
				t.routeProblem(a, fmt.Sprintf("spec.parentRefs[%d]", i), Error, "%s", p.message)
			}
		}
		if len(a.parents) > 0 {
			t.routesOf, t.attachedTo[a.name] = append(t.routesOf, a), sortedNames(gateways)
		}
	}
}

// parent resolves a parentRef; nil = it is not ours to judge.
func (t *translator) parent(a *attached, i int) *parent {
	r := &a.object.Spec.ParentRefs[i]
	field := fmt.Sprintf("spec.parentRefs[%d]", i)
	if group, kind := string(deref(r.Group, gatewayGroup)), string(deref(r.Kind, kindGateway)); group != gatewayGroup || kind != kindGateway {
		t.routeProblem(a, field, Unsupported, "routes cannot be attached to a %s of group %q here; a Gateway can be named", kind, group)
		return nil
	}
	name := types.NamespacedName{Namespace: string(deref(r.Namespace, gwv1.Namespace(a.name.Namespace))), Name: string(r.Name)}
	p := &parent{ref: r, plane: t.byName[name]}
	if p.plane == nil {
		if !slices.ContainsFunc(t.in.Gateways, func(g *gwv1.Gateway) bool { return nameOf(g) == name }) {
			t.routeProblem(a, field, Error, "%s", t.lacks("Gateway %s does not exist%s", name, didYouMean(name.Name, inNamespace(t.byName, name.Namespace))))
		}
		return nil
	}
	p.join(t, a)
	return p
}

// join finds the listeners that take the route.
func (p *parent) join(t *translator, a *attached) {
	gateway := p.plane.name
	var named, allowed []*listener
	var names []string
	for _, l := range p.plane.listeners {
		names = append(names, string(l.spec.Name))
		if (p.ref.SectionName == nil || *p.ref.SectionName == l.spec.Name) && (p.ref.Port == nil || *p.ref.Port == l.spec.Port) {
			named = append(named, l)
		}
	}
	if len(named) == 0 {
		p.reason = string(gwv1.RouteReasonNoMatchingParent)
		p.message = fmt.Sprintf("Gateway %s has no listener%s; it has %s", gateway, p.wanted(), strings.Join(names, ", "))
		return
	}
	for _, l := range named {
		if l.allows(t, p.plane, a.name.Namespace) {
			allowed = append(allowed, l)
		}
	}
	if len(allowed) == 0 {
		p.reason = string(gwv1.RouteReasonNotAllowedByListeners)
		p.message = fmt.Sprintf("no listener of Gateway %s takes HTTPRoutes of namespace %q; the listener's allowedRoutes says which it takes", gateway, a.name.Namespace)
		return
	}
	for _, l := range allowed {
		if hosts, ok := intersect(l.hostname, a.object.Spec.Hostnames); ok {
			p.joins = append(p.joins, join{l, hosts})
		}
	}
	if len(p.joins) == 0 {
		p.reason = string(gwv1.RouteReasonNoMatchingListenerHostname)
		p.message = fmt.Sprintf("none of the hostnames %s is one of Gateway %s, which has %s", listed(a.object.Spec.Hostnames), gateway, hostnames(allowed))
	}
}

// wanted says which listener is asked for.
func (p *parent) wanted() string {
	var b strings.Builder
	if p.ref.SectionName != nil {
		fmt.Fprintf(&b, " named %q", *p.ref.SectionName)
	}
	if p.ref.Port != nil {
		fmt.Fprintf(&b, " on port %d", *p.ref.Port)
	}
	return b.String()
}

func hostnames(listeners []*listener) string {
	var out []gwv1.Hostname
	for _, l := range listeners {
		out = append(out, gwv1.Hostname(l.hostname))
	}
	slices.Sort(out)
	return listed(slices.Compact(out))
}

func listed[T ~string](names []T) string {
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	return strings.Join(out, ", ")
}

// intersect is what a listener's hostname and those of a route have in common (Gateway API, HTTPRouteSpec.Hostnames); nil = all.
func intersect(listener string, route []gwv1.Hostname) (hosts []string, ok bool) {
	if len(route) == 0 {
		if listener == "" {
			return nil, true
		}
		return []string{listener}, true
	}
	for _, h := range route {
		switch host := strings.ToLower(string(h)); {
		case covers(listener, host):
			hosts = append(hosts, host)
		case covers(host, listener):
			hosts = append(hosts, listener)
		}
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	return hosts, len(hosts) > 0
}

// covers reports whether hostname a has all names that b has.
func covers(a, b string) bool {
	return a == "" || a == b || strings.HasPrefix(a, "*.") && strings.HasSuffix(b, a[1:])
}

// routes makes the routes of all data planes: the oldest HTTPRoute's first.
func (t *translator) routes() {
	for _, a := range t.routesOf {
		t.resolve(a)
		for _, p := range a.planes() {
			t.emit(a, p)
		}
		t.routeStatus(a)
	}
}

// planes are those that the route is attached to, sorted.
func (a *attached) planes() []*plane {
	var out []*plane
	for _, p := range a.parents {
		if p.reason == "" && !slices.Contains(out, p.plane) {
			out = append(out, p.plane)
		}
	}
	slices.SortFunc(out, func(x, y *plane) int { return compareNames(x.name, y.name) })
	return out
}

// routeStatus says what has become of an HTTPRoute, and counts it where it is accepted.
func (t *translator) routeStatus(a *attached) {
	status := &gwv1.HTTPRouteStatus{}
	t.out.Statuses.HTTPRoutes[a.name] = status
	n, counted := a.object.Generation, map[*listener]bool{}
	for _, p := range a.parents {
		out := gwv1.RouteParentStatus{ParentRef: *p.ref, ControllerName: ControllerName}
		ok, reason, message := p.accepted(a)
		if ok {
			for _, j := range p.joins {
				if !counted[j.listener] {
					counted[j.listener] = true
					j.listener.attached++
				}
			}
		}
		out.Conditions = set(nil, n, string(gwv1.RouteConditionAccepted), ok, reason, message)
		out.Conditions = set(out.Conditions, n, string(gwv1.RouteConditionResolvedRefs), a.refReason == "",
			cmp.Or(a.refReason, string(gwv1.RouteReasonResolvedRefs)), cmp.Or(a.refMessage, "all references lead somewhere"))
		status.Parents = append(status.Parents, out)
	}
}

// accepted says whether p takes the route as it is.
func (p *parent) accepted(a *attached) (ok bool, reason, message string) {
	replaced := slices.Clone(a.replaced)
	for _, j := range p.joins {
		for _, why := range a.replacedAt[j.listener] {
			replaced = appendNew(replaced, why)
		}
	}
	switch {
	case p.reason != "":
		return false, p.reason, p.message
	case len(a.dropped) > 0:
		return false, ruleDropped, strings.Join(slices.Concat(a.dropped, replaced), "; ")
	case len(replaced) > 0:
		return false, ruleReplaced, strings.Join(replaced, "; ")
	case len(a.ignored) > 0:
		return true, string(gwv1.RouteReasonAccepted), "accepted; without effect: " + strings.Join(a.ignored, "; ")
	}
	return true, string(gwv1.RouteReasonAccepted), "the route is accepted"
}
