package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// replacedBody is what calls get that a rule cannot answer as it says (kgateway's text).
const replacedBody = "invalid route configuration detected and replaced with a direct response."

// rule is a rule of an HTTPRoute.
type rule struct {
	spec    *gwv1.HTTPRouteRule
	field   string
	matches []match
	route   ir.Route // without name, match and listeners
	path    *pathEdit
	ai      bool
}

// match is one match of a rule.
type match struct {
	ir.Match
	index int
}

// resolve makes the rules of an HTTPRoute, which are the same for all its Gateways.
func (t *translator) resolve(a *attached) {
	for i := range a.object.Spec.Rules {
		r := &rule{spec: &a.object.Spec.Rules[i], field: fmt.Sprintf("spec.rules[%d]", i)}
		a.rules = append(a.rules, r)
		t.matches(a, r)
		faults := t.filters(a, r)
		if r.route.Redirect == nil && r.route.Direct == nil {
			faults = append(faults, t.backendRefs(a, r)...)
		}
		faults = append(faults, r.times()...)
		if s := r.spec.SessionPersistence; s != nil {
			t.ignore(a, r.field+".sessionPersistence", "calls of a session may reach any endpoint")
		}
		if r.route.Groups == nil {
			r.route.Rewrite = ir.Rewrite{}
		}
		if len(faults) > 0 {
			for _, f := range faults {
				t.routeProblem(a, f.field, Error, "%s", f.message)
				a.replaced = append(a.replaced, f.field+": "+f.message)
			}
			r.replace()
		}
	}
}

// fault is something in a rule for which its calls get an error.
type fault struct{ field, message string }

// ignore notes something that has no effect.
func (t *translator) ignore(a *attached, field, message string) {
	t.routeProblem(a, field, Unsupported, "not supported, and has no effect: %s", message)
	a.ignored = append(a.ignored, field+": "+message)
}

// replace has the rule's calls answered with an error.
func (r *rule) replace() {
	r.route, r.path, r.ai = ir.Route{Direct: &ir.Direct{Status: 500, Body: replacedBody}, Spans: defaults().Routes[0].Spans}, nil, false
}

// times reads timeouts and retries.
func (r *rule) times() (faults []fault) {
	out := &r.route
	usual := &defaults().Routes[0]
	out.Spans, out.Timeout, out.Retry = usual.Spans, usual.Timeout, usual.Retry
	out.Retry.On = slices.Clone(out.Retry.On)
	if r.ai {
		out.Retry.Attempts = max(out.Retry.Attempts, len(out.Groups))
	} else {
		out.Retry.Attempts, out.Retry.On = 1, nil // Gateway API: only where a rule asks for it
	}
	duration := func(field string, d *gwv1.Duration) time.Duration {
		v, err := time.ParseDuration(string(deref(d, "0s")))
		if err != nil || v < 0 {
			faults = append(faults, fault{r.field + field, fmt.Sprintf("%q is no duration; 10s, 500ms and 1m30s are", *d)})
		}
		return v
	}
	if s := r.spec.Timeouts; s != nil {
		out.Timeout.Request = duration(".timeouts.request", s.Request)
		out.Retry.PerTry = duration(".timeouts.backendRequest", s.BackendRequest)
		out.Timeout.FirstByte = 0 // what the author says is all
	}
	if s := r.spec.Retry; s != nil {
		out.Retry.Attempts = min(max(deref(s.Attempts, 1), 0)+1, maxAttempts)
		out.Retry.On = []string{"connect", "reset", "timeout"}
		for _, code := range s.Codes {
			out.Retry.On = append(out.Retry.On, strconv.Itoa(int(code)))
		}
		slices.Sort(out.Retry.On)
		if s.Backoff != nil {
			out.Retry.BackoffBase = duration(".retry.backoff", s.Backoff)
			out.Retry.BackoffMax = max(out.Retry.BackoffMax, out.Retry.BackoffBase)
		}
	}
	return faults
}

// emit adds the routes of a to the data plane p.
func (t *translator) emit(a *attached, p *plane) {
	joins := a.joinsOf(p)
	for i, r := range a.rules {
		for m := range r.matches {
			var variants []ir.Route
			for _, j := range joins {
				if j.listener.ir == "" {
					continue
				}
				out := r.at(a, i, m)
				out.Match.Hosts, out.Listeners = p.isolated(j.listener, j.hosts), []string{j.listener.ir}
				if len(out.Match.Hosts) == 0 && len(j.hosts) > 0 {
					continue
				}
				why := t.apply(site{Plane: p, Gateway: p.object, Listener: j.listener.spec, Route: a.object, Rule: i, AI: r.ai}, &out)
				if why != "" && m == 0 {
					a.replacedAt[j.listener] = append(a.replacedAt[j.listener], r.field+": "+why)
				}
				variants = merge(variants, &out, string(j.listener.spec.Name))
			}
			for v := range variants {
				if len(variants[v].Listeners) == len(p.ir.Listeners) {
					variants[v].Listeners = nil // all
				}
			}
			p.ir.Routes = append(p.ir.Routes, variants...)
		}
	}
}

// joinsOf are the listeners of p that the route is attached to, each once.
func (a *attached) joinsOf(p *plane) (joins []join) {
	for _, parent := range a.parents {
		if parent.plane != p || parent.reason != "" {
			continue
		}
		for _, j := range parent.joins {
			if !slices.ContainsFunc(joins, func(x join) bool { return x.listener == j.listener }) {
				joins = append(joins, j)
			}
		}
	}
	return joins
}

// at is the route of the rule's match m.
func (r *rule) at(a *attached, index, m int) ir.Route {
	out := r.route
	out.Name = fmt.Sprintf("%s/%s/%d", a.name.Namespace, a.name.Name, index)
	if len(r.spec.Matches) > 1 {
		out.Name += "/" + strconv.Itoa(r.matches[m].index)
	}
	out.Match = r.matches[m].Match
	out.RequestHeaders, out.ResponseHeaders = cloneEdits(out.RequestHeaders), cloneEdits(out.ResponseHeaders)
	return out
}

// merge adds r, a route at one listener, to those of others: routes that do the same for the same hosts become one. Others get the
// listener's name behind their own.
func merge(variants []ir.Route, r *ir.Route, listener string) []ir.Route {
	for i := range variants {
		v := &variants[i]
		same := *r
		same.Name, same.Listeners = v.Name, v.Listeners
		if !reflect.DeepEqual(*v, same) {
			continue
		}
		v.Listeners = appendNew(v.Listeners, r.Listeners[0])
		slices.Sort(v.Listeners)
		return variants
	}
	if len(variants) > 0 {
		r.Name += "@" + listener
	}
	return append(variants, *r)
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// matches reads the matches of a rule. A match that nothing can match is left out.
func (t *translator) matches(a *attached, r *rule) {
	if len(r.spec.Matches) == 0 {
		r.matches = []match{{Match: ir.Match{Prefix: "/"}}}
		return
	}
	for i := range r.spec.Matches {
		m, f := readMatch(&r.spec.Matches[i])
		if f.message != "" {
			field := fmt.Sprintf("%s.matches[%d]%s", r.field, i, f.field)
			t.routeProblem(a, field, Error, "%s", f.message)
			a.dropped = append(a.dropped, field+": "+f.message)
			continue
		}
		r.matches = append(r.matches, match{m, i})
	}
}

// isPrefix reports whether all matches are of path prefixes.
func (r *rule) isPrefix() bool {
	return !slices.ContainsFunc(r.matches, func(m match) bool { return m.Prefix == "" })
}

// trimPath is a prefix without a slash at its end; that of all paths is "/".
func trimPath(s string) string {
	if s = strings.TrimRight(s, "/"); s == "" {
		return "/"
	}
	return s
}
