package translate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// Kinds of policies, and the annotation with which one goes before others of its place: the higher number first, 0 without it.
const (
	kindHTTPListener   = "HTTPListenerPolicy"
	kindListenerPolicy = "ListenerPolicy"
	kindExtension      = "GatewayExtension"

	weightAnnotation = "kgateway.dev/policy-weight"
)

// kgateway is what the kinds of api/v1alpha1 need while an Output is made.
type kgateway struct {
	backends   map[types.NamespacedName]*aiBackend
	parameters map[types.NamespacedName]*v1alpha1.GatewayParameters
	extensions map[types.NamespacedName]*v1alpha1.GatewayExtension
	gateways   map[types.NamespacedName]*gwv1.Gateway
	httpRoutes map[types.NamespacedName]*gwv1.HTTPRoute

	policies    []*trafficPolicy // in their order: see byPrecedence
	byName      map[types.NamespacedName]*trafficPolicy
	attachments map[target][]*trafficPolicy

	listenerPolicies []*listenerPolicy
}

// target is what a policy is attached to: a Gateway or a listener of it, an HTTPRoute or a rule of it, a Backend.
type target struct {
	Kind    string
	Name    types.NamespacedName
	Section string // "" = the whole object
}

// policy is what all kinds of policies have in common.
type policy struct {
	judge
	name       types.NamespacedName
	generation int64
	created    time.Time
	targets    []target
	lost       []target // those that are not there
	standings  map[types.NamespacedName]*standing
}

// standing is how a policy fares at a Gateway.
type standing struct{ won, lost, shared bool }

// at is the standing at a Gateway, made where there is none.
func (p *policy) at(gateway types.NamespacedName) *standing {
	s := p.standings[gateway]
	if s == nil {
		s = &standing{}
		p.standings[gateway] = s
	}
	return s
}

// trafficPolicy is a TrafficPolicy, read once for all that it is attached to.
type trafficPolicy struct {
	policy
	effects []effect
	weight  int
	maxBody int64     // 0 = it sets none
	ai      *aiEffect // nil = none
	aiUsed  bool
}

// effect is what a top-level field of a TrafficPolicy does to a route.
type effect struct {
	field string
	apply func(s *site, r *ir.Route)
}

func (t *translator) startKgateway() {
	k := &t.kgateway
	k.backends = map[types.NamespacedName]*aiBackend{}
	k.parameters, k.extensions = index(t.in.Parameters), index(t.in.Extensions)
	k.gateways, k.httpRoutes = index(t.in.Gateways), index(t.in.HTTPRoutes)
	k.byName = map[types.NamespacedName]*trafficPolicy{}
	k.attachments = map[target][]*trafficPolicy{}
	for _, o := range t.in.TrafficPolicies {
		p := t.readPolicy(o)
		k.policies = append(k.policies, p)
		k.byName[p.name] = p
	}
	slices.SortStableFunc(k.policies, func(a, b *trafficPolicy) int { return b.weight - a.weight })
	for _, p := range k.policies {
		for _, to := range p.targets {
			if !slices.Contains(k.attachments[to], p) {
				k.attachments[to] = append(k.attachments[to], p)
			}
		}
	}
	t.startListenerPolicies()
}

// newPolicy is what is common to a policy o, with its targets.
func (t *translator) newPolicy(kind string, o metav1.Object, refs []gwv1.LocalPolicyTargetReferenceWithSectionName, selectors []v1alpha1.TargetSectionSelector) policy {
	p := policy{judge: judge{t: t, object: Object{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}}, name: nameOf(o),
		generation: o.GetGeneration(), created: o.GetCreationTimestamp().Time, standings: map[types.NamespacedName]*standing{}}
	for i := range refs {
		r := &refs[i]
		field := "spec.targetRefs[" + strconv.Itoa(i) + "]"
		if !attachable(r) {
			p.ignore(field, "policies of %ss are not supported", r.Kind)
			continue
		}
		to := target{string(r.Kind), types.NamespacedName{Namespace: p.name.Namespace, Name: string(r.Name)}, string(deref(r.SectionName, ""))}
		if r.Kind == kindBackend && to.Section != "" {
			p.fault(field+".sectionName", "policies of a part of a Backend are not supported")
			to.Section = "" // what is to be protected is part of the whole
		}
		if why := t.absent(to); why != "" {
			p.lost = append(p.lost, to)
			p.warn(field, "%s", why)
			continue
		}
		p.targets = append(p.targets, to)
	}
	for i := range selectors {
		s := &selectors[i]
		if string(s.Group) != gatewayGroup || s.Kind != kindGateway && s.Kind != kindRoute {
			p.ignore("spec.targetSelectors["+strconv.Itoa(i)+"]", "policies of %ss are not supported", s.Kind)
			continue
		}
		p.targets = append(p.targets, t.selected(p.name.Namespace, s)...)
	}
	return p
}

// attachable reports whether policies of r's kind of object are supported.
func attachable(r *gwv1.LocalPolicyTargetReferenceWithSectionName) bool {
	return string(r.Group) == gatewayGroup && (r.Kind == kindGateway || r.Kind == kindRoute) || string(r.Group) == kgatewayGroup && r.Kind == kindBackend
}

// selected are the objects that s chooses: of namespace, or of all where that is the one for policies of all.
func (t *translator) selected(namespace string, s *v1alpha1.TargetSectionSelector) []target {
	var out []target
	chosen := labels.SelectorFromSet(s.MatchLabels)
	add := func(o metav1.Object) {
		if o.GetNamespace() != namespace && namespace != t.o.PolicyNamespace || !chosen.Matches(labels.Set(o.GetLabels())) {
			return
		}
		to := target{string(s.Kind), nameOf(o), string(deref(s.SectionName, ""))}
		if t.absent(to) == "" {
			out = append(out, to)
		}
	}
	if s.Kind == kindGateway {
		for _, g := range t.in.Gateways {
			add(g)
		}
		return out
	}
	for _, r := range t.in.HTTPRoutes {
		add(r)
	}
	return out
}

// absent says what of a target there is not; "" = it is there.
func (t *translator) absent(to target) string {
	k := &t.kgateway
	sections := map[string]bool{}
	var names []string
	switch to.Kind {
	case kindGateway:
		g := k.gateways[to.Name]
		if g == nil {
			names = inNamespace(k.gateways, to.Name.Namespace)
			break
		}
		for i := range g.Spec.Listeners {
			sections[string(g.Spec.Listeners[i].Name)] = true
		}
	case kindBackend:
		if t.backends[to.Name] == nil {
			names = inNamespace(t.backends, to.Name.Namespace)
			break
		}
		sections[""] = true
	default:
		r := k.httpRoutes[to.Name]
		if r == nil {
			names = inNamespace(k.httpRoutes, to.Name.Namespace)
			break
		}
		sections[""] = true
		for i := range r.Spec.Rules {
			sections[string(deref(r.Spec.Rules[i].Name, ""))] = true
		}
	}
	switch {
	case len(sections) == 0:
		return "there is no " + to.Kind + " " + strconv.Quote(to.Name.Name) + " in namespace " + strconv.Quote(to.Name.Namespace) + didYouMean(to.Name.Name, names)
	case to.Section != "" && !sections[to.Section]:
		return to.Kind + " " + strconv.Quote(to.Name.Name) + " has no section " + strconv.Quote(to.Section)
	}
	return ""
}

// policiesAt are those that apply at s: the nearest first. A fault is why there is no telling.
func (t *translator) policiesAt(s *site) (out []*trafficPolicy, fault string) {
	rule := &s.Route.Spec.Rules[s.Rule]
	add := func(more []*trafficPolicy) {
		for _, p := range more {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	own, fault := t.ofBackendRefs(s)
	add(own)
	for i := range rule.Filters {
		name, ok := policyFilter(rule.Filters[i].Type, rule.Filters[i].ExtensionRef)
		if !ok {
			continue
		}
		p := t.kgateway.byName[types.NamespacedName{Namespace: s.Route.Namespace, Name: name}]
		if p == nil {
			fault = cmp.Or(fault, t.lacks("there is no TrafficPolicy %q in namespace %q", name, s.Route.Namespace))
			continue
		}
		add([]*trafficPolicy{p})
	}
	route, gateway := nameOf(s.Route), nameOf(s.Gateway)
	if rule.Name != nil {
		add(t.kgateway.attachments[target{kindRoute, route, string(*rule.Name)}])
	}
	add(t.kgateway.attachments[target{kindRoute, route, ""}])
	add(t.kgateway.attachments[target{kindGateway, gateway, string(s.Listener.Name)}])
	add(t.kgateway.attachments[target{kindGateway, gateway, ""}])
	return out, fault
}

// policyFilter is the name of the TrafficPolicy that a filter is.
func policyFilter(kind gwv1.HTTPRouteFilterType, r *gwv1.LocalObjectReference) (string, bool) {
	if kind != gwv1.HTTPRouteFilterExtensionRef || r == nil || string(r.Group) != kgatewayGroup || r.Kind != kindTrafficPolicy {
		return "", false
	}
	return string(r.Name), true
}

// ofBackendRefs are the policies of a rule's backendRefs: their filters, and those of the Backends. A route has one set of policies:
// where its backendRefs differ, there is a fault, unless none of them is there to protect. Those that do not exist are left out, as the
// original did.
func (t *translator) ofBackendRefs(s *site) (out []*trafficPolicy, fault string) {
	rule := &s.Route.Spec.Rules[s.Rule]
	j := judge{t: t, object: Object{Kind: kindRoute, Namespace: s.Route.Namespace, Name: s.Route.Name}}
	var sets [][]*trafficPolicy
	for b := range rule.BackendRefs {
		if deref(rule.BackendRefs[b].Weight, 1) == 0 {
			continue
		}
		var set []*trafficPolicy
		for i, f := range rule.BackendRefs[b].Filters {
			name, ok := policyFilter(f.Type, f.ExtensionRef)
			if !ok {
				continue
			}
			if p := t.kgateway.byName[types.NamespacedName{Namespace: s.Route.Namespace, Name: name}]; p != nil {
				set = append(set, p)
			} else {
				j.warn("spec.rules["+strconv.Itoa(s.Rule)+"].backendRefs["+strconv.Itoa(b)+"].filters["+strconv.Itoa(i)+"]",
					"there is no TrafficPolicy %q in namespace %q; the filter has no effect", name, s.Route.Namespace)
			}
		}
		if r := &rule.BackendRefs[b]; string(deref(r.Group, "")) == kgatewayGroup && deref(r.Kind, kindService) == kindBackend {
			name := types.NamespacedName{Namespace: string(deref(r.Namespace, gwv1.Namespace(s.Route.Namespace))), Name: string(r.Name)}
			set = append(set, t.kgateway.attachments[target{kindBackend, name, ""}]...)
		}
		sets = append(sets, set)
	}
	if len(sets) == 0 {
		return nil, ""
	}
	for _, set := range sets[1:] {
		if slices.Equal(set, sets[0]) {
			continue
		}
		field := "spec.rules[" + strconv.Itoa(s.Rule) + "].backendRefs"
		for _, p := range slices.Concat(sets...) {
			if p.protects() {
				return nil, "TrafficPolicy " + strconv.Quote(p.name.Name) + " is on some of " + field + " only, which is not supported: put it on the rule"
			}
		}
		j.ignore(field, "policies on some of several backendRefs are not supported: put them on the rule")
		return nil, ""
	}
	return sets[0], ""
}

// protects reports whether somebody may rely on the policy to keep something from happening.
func (p *trafficPolicy) protects() bool {
	return !p.fine() || p.ai != nil && p.ai.guards || slices.ContainsFunc(p.effects, func(e effect) bool { return e.field == "rateLimit" })
}

// replaced makes r an error.
func replaced(r *ir.Route) {
	*r = ir.Route{Name: r.Name, Listeners: r.Listeners, Match: r.Match, Direct: &ir.Direct{Status: 500, Body: replacedBody}, Spans: r.Spans}
}

// apply lets policies change r, which has all that the HTTPRoute says. A fault is why r was replaced by an error.
func (t *translator) apply(s site, r *ir.Route) (fault string) {
	if s.AI {
		r.Known.Any = true
		r.Rewrite = ir.Rewrite{} // the Backend sets the path, whatever the route says
		targets := 0
		for _, g := range r.Groups {
			targets += len(g)
		}
		if !s.retries() {
			r.Retry.Attempts = min(max(r.Retry.Attempts, targets), maxAttempts)
		}
	}
	policies, fault := t.policiesAt(&s)
	if fault != "" {
		severity := Unsupported
		if t.lacking[fault] {
			severity = Error
		}
		t.problem(Object{kindRoute, s.Route.Namespace, s.Route.Name}, "spec.rules["+strconv.Itoa(s.Rule)+"]", severity, "%s", fault)
	}
	won := map[string]*trafficPolicy{}
	var winners []effect
	contributors := map[*trafficPolicy]bool{}
	for _, p := range policies {
		for _, e := range p.effects {
			if won[e.field] == nil {
				won[e.field] = p
				winners = append(winners, e)
				contributors[p] = true
			}
		}
	}
	for _, p := range policies {
		at := p.at(nameOf(s.Gateway))
		at.shared = at.shared || len(contributors) > 1
		for _, e := range p.effects {
			at.won, at.lost = at.won || won[e.field] == p, at.lost || won[e.field] != p
		}
		if s.AI && p.ai != nil {
			p.aiUsed = true
		}
		if contributors[p] && !p.fine() && fault == "" {
			fault = "TrafficPolicy " + strconv.Quote(p.name.String()) + " is invalid: " + strings.Join(p.faults, "; ")
		}
	}
	if fault != "" {
		replaced(r)
		return fault
	}
	for _, e := range winners {
		if e.apply != nil {
			e.apply(&s, r)
		}
	}
	return ""
}

// site is where calls are when policies are looked for.
type site struct {
	Plane    *plane
	Gateway  *gwv1.Gateway
	Listener *gwv1.Listener
	Route    *gwv1.HTTPRoute
	Rule     int
	AI       bool // the rule leads to providers
}

// retries reports whether the HTTPRoute's rule itself says when to retry.
func (s *site) retries() bool { return s.Route.Spec.Rules[s.Rule].Retry != nil }

// maxAttempts bounds ir.Retry.Attempts, as in the native file.
const maxAttempts = 20

// directResponse is the DirectResponse of that name; nil = there is none.
func (t *translator) directResponse(namespace, name string) *ir.Direct {
	d := t.directResponses[types.NamespacedName{Namespace: namespace, Name: name}]
	if d == nil {
		return nil
	}
	return &ir.Direct{Status: int(d.Spec.StatusCode), Body: deref(d.Spec.Body, "")}
}
