package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// plainProvider is what answers by HTTP and has no API of models.
const plainProvider = "http"

// destination is what a backendRef leads to.
type destination struct {
	groups [][]ir.Target
	ai     bool
	reason string // why it leads nowhere, in a word; "" = it leads somewhere
	broken string // the same, in a sentence
	name   string // of the broken backend
}

// share is a destination of a rule.
type share struct {
	destination
	weight            int
	request, response ir.HeaderEdits
}

// backendRefs finds where a rule's calls go.
func (t *translator) backendRefs(a *attached, r *rule) (faults []fault) {
	var shares []share
	total := 0
	for i := range r.spec.BackendRefs {
		b, field := &r.spec.BackendRefs[i], fmt.Sprintf("%s.backendRefs[%d]", r.field, i)
		d := t.destination(a, &b.BackendObjectReference)
		if d.reason != "" {
			severity := Error
			if d.reason == string(gwv1.RouteReasonInvalidKind) && othersLead(&b.BackendObjectReference) {
				severity = Unsupported
			}
			t.routeProblem(a, field, severity, "%s", d.broken)
			if a.refReason == "" {
				a.refReason, a.refMessage = d.reason, field+": "+d.broken
			}
		}
		s := share{destination: d, weight: int(deref(b.Weight, 1))}
		f := t.backendFilters(a, field, b, &s)
		if s.weight > 0 {
			shares, total, faults = append(shares, s), total+s.weight, append(faults, f...)
		}
	}
	if total == 0 {
		why := "the route has no backend"
		if len(r.spec.BackendRefs) > 0 {
			why = "all backends of the route have the weight 0"
		}
		r.route.Direct = &ir.Direct{Status: 500, Body: why}
		return nil
	}
	if len(faults) > 0 {
		return faults
	}
	return t.distribute(r, shares)
}

// distribute shares a rule's calls out.
func (t *translator) distribute(r *rule, shares []share) []fault {
	provider := ""
	plain := false
	for _, s := range shares {
		if s.reason != "" {
			continue
		}
		plain = plain || !s.ai
		if s.ai && provider == "" {
			provider = t.places[s.groups[0][0].Backend].Provider
		}
	}
	r.ai = provider != ""
	if r.ai && plain {
		return []fault{{r.field + ".backendRefs", "AI Backends and others do not go together in one rule; give each a rule of its own"}}
	}
	var parts []weighted
	for i := range shares {
		s := &shares[i]
		if !reflect.DeepEqual(s.request, shares[0].request) || !reflect.DeepEqual(s.response, shares[0].response) {
			return []fault{{r.field + ".backendRefs", "filters that differ from one backend to the other are not supported; give all the same, or each a rule of its own"}}
		}
		if s.reason != "" {
			s.groups = [][]ir.Target{{{Backend: t.broken(s.name, s.reason, provider), Weight: 1}}}
		}
		parts = append(parts, weighted{Weight: s.weight, Groups: s.groups})
	}
	r.route.Groups = combine(parts)
	r.route.RequestHeaders = joinEdits(r.route.RequestHeaders, shares[0].request)
	r.route.ResponseHeaders = joinEdits(r.route.ResponseHeaders, shares[0].response)
	r.route.Rewrite.KeepHost = !r.ai && r.route.Rewrite.Host == ""
	return nil
}

// broken is the name of a backend that answers with an error, of the kind of those beside it.
func (t *translator) broken(name, reason, provider string) string {
	url := ""
	if provider == "" {
		provider, url = plainProvider, "http://broken.invalid" // nobody has this name (RFC 2606)
	} else {
		name += "_" + provider
	}
	t.places[name] = ir.Backend{Name: name, Provider: provider, URL: url, Broken: reason, HTTP2: "auto", Propagate: true}
	return name
}

// backendFilters reads the filters of one backendRef.
func (t *translator) backendFilters(a *attached, field string, b *gwv1.HTTPBackendRef, s *share) (faults []fault) {
	for i := range b.Filters {
		f, at := &b.Filters[i], fmt.Sprintf("%s.filters[%d]", field, i)
		switch f.Type {
		case gwv1.HTTPRouteFilterRequestHeaderModifier:
			edits, wrong := readEdits(at+".requestHeaderModifier", f.RequestHeaderModifier)
			s.request, faults = joinEdits(s.request, edits), append(faults, wrong...)
		case gwv1.HTTPRouteFilterResponseHeaderModifier:
			edits, wrong := readEdits(at+".responseHeaderModifier", f.ResponseHeaderModifier)
			s.response, faults = joinEdits(s.response, edits), append(faults, wrong...)
		case gwv1.HTTPRouteFilterRequestMirror:
			t.ignore(a, at, "no copy of the calls is sent (RequestMirror)")
		case gwv1.HTTPRouteFilterCORS:
			t.ignore(a, at, "a filter of type CORS can be on the rule")
		case gwv1.HTTPRouteFilterExtensionRef:
			if e := f.ExtensionRef; e == nil || e.Group != kgatewayGroup || e.Kind != kindTrafficPolicy {
				t.routeProblem(a, at, Warning, "a filter of a backend can be a TrafficPolicy; this one has no effect")
			}
		default:
			faults = append(faults, fault{at, fmt.Sprintf("filters of type %s are not supported for a single backend; give the rule the filter", f.Type)})
		}
	}
	return faults
}

// destination is what r leads to.
func (t *translator) destination(a *attached, r *gwv1.BackendObjectReference) destination {
	from := ref{gatewayGroup, kindRoute, a.name.Namespace, a.name.Name}
	to := ref{string(deref(r.Group, "")), string(deref(r.Kind, kindService)), string(deref(r.Namespace, gwv1.Namespace(a.name.Namespace))), string(r.Name)}
	if message := unknownKind(to); message != "" {
		return unresolved(to, gwv1.RouteReasonInvalidKind, message)
	}
	if !t.granted(from, to) {
		d := unresolved(to, gwv1.RouteReasonRefNotPermitted, fmt.Sprintf("%s %s is of another namespace; %s", to.Kind, to.named(), t.grantHint(from, to)))
		d.name += "_for_" + a.name.Namespace
		return d
	}
	if to.Kind == kindBackend {
		return t.backendDestination(to)
	}
	if r.Port == nil {
		return unresolved(to, gwv1.RouteReasonBackendNotFound, fmt.Sprintf("Service %s needs a port%s", to.named(), t.ports(to.named())))
	}
	return t.serviceDestination(to.named(), *r.Port)
}

// unresolved is a destination that is nowhere.
func unresolved(r ref, reason gwv1.RouteConditionReason, message string) destination {
	return destination{reason: string(reason), broken: message, name: strings.ToLower(r.Kind) + "_" + r.Namespace + "_" + r.Name + "_unresolved"}
}

// othersLead reports whether r is of a kind that kgateway's routes can lead to, and ours cannot.
func othersLead(r *gwv1.BackendObjectReference) bool {
	switch string(deref(r.Group, "")) {
	case gatewayGroup:
		return deref(r.Kind, "") == kindRoute
	case "delegation.kgateway.dev", "inference.networking.k8s.io", "inference.networking.x-k8s.io", "networking.istio.io":
		return true
	}
	return false
}

// unknownKind says why routes do not lead to objects like r; "" = they do.
func unknownKind(r ref) string {
	switch {
	case r.Group == "" && r.Kind == kindService || r.Group == kgatewayGroup && r.Kind == kindBackend:
		return ""
	case r.Kind == kindBackend:
		return fmt.Sprintf("the kind Backend has the group %s, not %q", kgatewayGroup, r.Group)
	case r.Kind == kindRoute:
		return "rules of other HTTPRoutes cannot be delegated to; attach them to the Gateway"
	}
	return fmt.Sprintf("calls cannot go to a %s of group %q; Service and, of group %s, Backend can be named", r.Kind, r.Group, kgatewayGroup)
}

// Reasons of kgateway's and ours for ResolvedRefs=False, and words for clients, beside those of Gateway API.
const (
	invalidBackend   = "InvalidBackend"          // the Backend is there and cannot be used
	invalidTLSPolicy = "InvalidBackendTLSPolicy" // the Service must not be called as it is
)

// backendDestination is a Backend object.
func (t *translator) backendDestination(to ref) destination {
	b := t.backend(to.Namespace, to.Name)
	if b == nil {
		return unresolved(to, gwv1.RouteReasonBackendNotFound, t.lacks("Backend %s does not exist%s", to.named(), didYouMean(to.Name, inNamespace(t.backends, to.Namespace))))
	}
	if len(b.Groups) == 0 {
		return unresolved(to, invalidBackend, fmt.Sprintf("Backend %s is not accepted: %s", to.named(), b.Fault))
	}
	for _, x := range b.Backends {
		t.places[x.Name] = x
	}
	return destination{groups: b.Groups, ai: b.AI}
}

// serviceDestination is a port of a Service.
func (t *translator) serviceDestination(n types.NamespacedName, port int32) destination {
	name := "kube_" + n.Namespace + "_" + n.Name + "_" + strconv.Itoa(int(port))
	if _, there := t.places[name]; !there {
		p, reason, why := t.locate(n, port)
		if reason != "" {
			return destination{reason: reason, broken: why, name: name}
		}
		t.places[name] = ir.Backend{Name: name, Provider: plainProvider, URL: p.URL, Endpoints: p.Endpoints, HTTP2: p.HTTP2, TLS: p.TLS, Propagate: true}
		if why != "" {
			t.broken(name, invalidTLSPolicy, "")
		}
		t.serviceOf[name] = n
		if p.websocket {
			t.websockets[name] = true
		}
	}
	return destination{groups: [][]ir.Target{{{Backend: name, Weight: 1}}}}
}

// ports lists those of a Service, if it is there.
func (t *translator) ports(n types.NamespacedName) string {
	s := t.services[n]
	if s == nil {
		return ""
	}
	var out []string
	for _, p := range s.Spec.Ports {
		out = append(out, strings.TrimSuffix(fmt.Sprintf("%d (%s)", p.Port, p.Name), " ()"))
	}
	slices.Sort(out)
	return "; it has " + strings.Join(out, ", ")
}
