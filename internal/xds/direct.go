package xds

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	rulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	groupsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/router/cluster_specifiers/priority_group/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
)

// Some calls go on without the processor: those of routes whose backends have no API of models, always, and those of routes that
// fail open, while it is dead. Envoy then matches them by itself, and does what of the pipeline it can.

// How a route's calls go on without the processor.
type directness int

const (
	never    directness = iota
	whenDead            // the processor sees them where it lives
	always              // it never sees them
)

// decide finds how the routes' calls go.
func (b *build) decide() {
	for i := range b.g.Routes {
		d := b.directness(&b.g.Routes[i])
		if b.ways = append(b.ways, d); d != always && b.o.Processor == "" {
			b.fail("route %q: its calls need the processor, and there is none", b.g.Routes[i].Name)
		}
	}
}

// asks reports whether the processor sends calls on: then any route can be its choice, for it knows of models, too.
func (b *build) asks() bool {
	return slices.ContainsFunc(b.ways, func(d directness) bool { return d != always })
}

// directness tells of r. What needs a credential of ours never goes on without the processor.
func (b *build) directness(r *ir.Route) directness {
	plain := len(r.Policies) == 0 && len(r.Match.Models) == 0 && len(targets(r)) > 0
	for _, t := range targets(r) {
		be := b.backends[t.Backend]
		p, _ := provider.Lookup(be.Provider)
		own := be.Key.Value != "" || be.Key.File != "" || len(be.Headers) > 0
		plain = plain && p != nil && p.Plain && !own && basePath(be) == basePath(b.backends[targets(r)[0].Backend])
	}
	switch {
	case plain:
		return always
	case r.FailOpen:
		return whenDead
	}
	return never
}

// minFill is the shortest time in which Envoy fills a bucket.
const minFill = 50 * time.Millisecond

// targets are r's that have a weight.
func targets(r *ir.Route) []ir.Target {
	return slices.DeleteFunc(slices.Concat(r.Groups...), func(t ir.Target) bool { return t.Weight == 0 })
}

// climbing is a path with a segment "." or ".." in whatever spelling: behind a prefix it could reach what lies beside it. The
// pipeline refuses it.
const climbing = `(?i).*(?:/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:(?:/|\\|%2f|%5c).*)?`

// directRoutes are the matches of all routes in the pipeline's order, if some route goes on without the processor: of the others
// so that the more specific one wins.
func (b *build) directRoutes() []*routev3.Route {
	if !slices.ContainsFunc(b.ways, func(d directness) bool { return d != never }) {
		return nil
	}
	climbs := b.unplannedRoute()
	if b.o.Processor == "" {
		climbs = refusal(llm.Errorf(http.StatusBadRequest, "invalid_path", "the path has a segment . or .."))
	}
	climbs.Name, climbs.Match = climbs.Name+" climbing", &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: climbing}}}
	out := []*routev3.Route{climbs}
	for _, i := range inOrder(b.g.Routes) {
		r, d := &b.g.Routes[i], b.ways[i]
		route := b.unplannedRoute()
		if d != never {
			route = b.directRoute(r, d)
		}
		route.Name, route.Match, route.Metadata = r.Name, match(&r.Match), routeMetadata(r)
		out = append(out, route)
	}
	return out
}

// inOrder is the numbers of routes as the pipeline tries them (internal/gateway, routes.find): exact paths, prefixes from the longest on, regular
// expressions; of equal paths the one first that asks for more.
func inOrder(routes []ir.Route) []int {
	out := make([]int, len(routes))
	for i := range routes {
		out[i] = i
	}
	slices.SortStableFunc(out, func(x, y int) int {
		a, b := &routes[x].Match, &routes[y].Match
		if c := class(a) - class(b); c != 0 {
			return c
		}
		if a.Regex != "" {
			return 0
		}
		if c := len(b.Prefix) - len(a.Prefix); c != 0 {
			return c
		}
		if a.Exact != b.Exact || a.Prefix != b.Prefix {
			return 0
		}
		return conditions(b) - conditions(a)
	})
	return out
}

func class(m *ir.Match) int {
	switch {
	case m.Exact != "":
		return 0
	case m.Regex != "":
		return 2
	}
	return 1
}

// conditions counts as internal/gateway does.
func conditions(m *ir.Match) int {
	n := 2*len(m.Headers) + len(m.Models)
	if len(m.Hosts) > 0 {
		n += 1000
	}
	if len(m.Methods) > 0 {
		n += 100
	}
	return n
}

// match is m as Envoy matches, models apart.
func match(m *ir.Match) *routev3.RouteMatch {
	out := &routev3.RouteMatch{}
	prefix := strings.TrimSuffix(m.Prefix, "/")
	switch {
	case m.Exact != "":
		out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.Exact}
	case m.Regex != "":
		out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Regex}}
	case prefix == "":
		out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: ""}
	default:
		out.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}
	}
	if len(m.Hosts) > 0 {
		var hosts []string
		for _, h := range m.Hosts {
			if suffix, ok := strings.CutPrefix(h, "*"); ok {
				hosts = append(hosts, ".+"+regexp.QuoteMeta(suffix))
			} else {
				hosts = append(hosts, regexp.QuoteMeta(h))
			}
		}
		out.Headers = append(out.Headers, header(":authority", expression("(?i)(?:"+strings.Join(hosts, "|")+")(?::[0-9]+)?")))
	}
	if len(m.Methods) > 0 {
		out.Headers = append(out.Headers, header(":method", expression(strings.Join(quoted(m.Methods), "|"))))
	}
	for _, h := range m.Headers {
		switch {
		case h.Regex != "":
			out.Headers = append(out.Headers, header(h.Name, expression(h.Regex)))
		case h.Exact != "":
			out.Headers = append(out.Headers, header(h.Name, exactly(h.Exact)))
		default:
			out.Headers = append(out.Headers, &routev3.HeaderMatcher{Name: h.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}})
		}
	}
	return out
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = regexp.QuoteMeta(s)
	}
	return out
}

func expression(re string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: re}}}
}

// directRoute sends r's calls on to its groups of targets in turn.
func (b *build) directRoute(r *ir.Route, d directness) *routev3.Route {
	groups := &groupsv3.PriorityGroupClusterSpecifier{}
	for i, g := range r.Groups {
		group := &groupsv3.PriorityGroup{Name: strconv.Itoa(i)}
		for _, t := range g {
			if t.Weight > 0 {
				group.Clusters = append(group.Clusters, &groupsv3.ClusterWeight{ClusterName: directName(b.backends[t.Backend]), Weight: wrapperspb.UInt32(uint32(t.Weight))})
			}
		}
		if len(group.Clusters) > 0 {
			groups.PriorityGroups = append(groups.PriorityGroups, group)
		}
	}
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_InlineClusterSpecifierPlugin{InlineClusterSpecifierPlugin: &routev3.ClusterSpecifierPlugin{
			Extension: b.extension("envoy.router.cluster_specifier_plugin.priority_group", groups)}},
		Timeout:              durationpb.New(r.Timeout.Request),
		IdleTimeout:          durationpb.New(r.Timeout.Idle),
		RetryPolicy:          directRetry(r),
		HostRewriteSpecifier: &routev3.RouteAction_AutoHostRewrite{AutoHostRewrite: wrapperspb.Bool(true)},
	}
	first := b.backends[targets(r)[0].Backend]
	action.RegexRewrite = rewrite(&r.Match, first)
	per := map[string]*anypb.Any{filterDirect: b.pack(&routev3.FilterConfig{Config: b.pack(&mutationv3.HeaderMutationPerRoute{Mutations: directMutations(r, first)})})}
	switch {
	case b.o.Processor == "":
	case d == always:
		per[filterR] = b.pack(&routev3.FilterConfig{Disabled: true})
	default:
		per[filterR] = b.pack(&routev3.FilterConfig{Config: b.pack(&extprocv3.ExtProcPerRoute{Override: &extprocv3.ExtProcPerRoute_Overrides{
			Overrides: &extprocv3.ExtProcOverrides{FailureModeAllow: wrapperspb.Bool(true)}}})})
	}
	if r.RateLimit.Burst > 0 {
		per[filterLimit] = b.pack(&routev3.FilterConfig{Config: b.pack(rateLimit(r))})
	}
	return &routev3.Route{Action: &routev3.Route_Route{Route: action}, TypedPerFilterConfig: per}
}

// directRetry makes as many attempts as the pipeline would, for the same reasons.
func directRetry(r *ir.Route) *routev3.RetryPolicy {
	p := attempts(r)
	p.RetryBackOff = backOff(&r.Retry)
	on := append(connectionReasons(r), "retriable-status-codes")
	every := slices.Contains(on, "connect-failure") && slices.Contains(on, "reset")
	for _, c := range r.Retry.On {
		switch n, err := strconv.ParseUint(c, 10, 16); {
		case err == nil:
			p.RetriableStatusCodes = append(p.RetriableStatusCodes, uint32(n))
		case c == "5xx" && every: // Envoy's 5xx has them with it
			on = append(on, "5xx")
		case c == "5xx":
			for n := uint32(http.StatusInternalServerError); n < 600; n++ {
				p.RetriableStatusCodes = append(p.RetriableStatusCodes, n)
			}
		}
	}
	p.RetryOn = strings.Join(on, ",")
	slices.Sort(p.RetriableStatusCodes)
	p.RetriableStatusCodes = slices.Compact(p.RetriableStatusCodes)
	return p
}

// rewrite turns the client's path into that of be: without the route's prefix, below its base. nil = it stays.
func rewrite(m *ir.Match, be *backend) *matcherv3.RegexMatchAndSubstitute {
	base, version, bare := basePath(be), "", "/"
	if p, ok := provider.Lookup(be.Provider); ok && !p.Plain {
		version, bare = "(?:/v1)?", p.Bare // clients know of no base, or of this one
		if base == "" {
			base = p.Endpoints[0].Base
		}
	}
	prefix := regexp.QuoteMeta(strings.TrimSuffix(m.Prefix, "/")) + version
	switch {
	case m.Exact != "" && base != "" && bare == "/":
		return substitute("^.*$", base)
	case m.Exact != "":
		return substitute("^.*$", base+bare)
	case base == "" && prefix == "":
		return nil
	case base == "":
		return substitute("^"+prefix+"(?:/(.*))?$", `/\1`)
	}
	return substitute("^"+prefix+"(/.*)?$", escaped(base)+`\1`)
}

func substitute(re, by string) *matcherv3.RegexMatchAndSubstitute {
	return &matcherv3.RegexMatchAndSubstitute{Pattern: &matcherv3.RegexMatcher{Regex: re}, Substitution: by}
}

// basePath is the path of be's URL.
func basePath(be *backend) string { return strings.TrimSuffix(be.url.EscapedPath(), "/") }

// escaped is s as a substitution of RE2 has it.
func escaped(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }

// directMutations do with the head what the pipeline does: what is private to the gateway goes, the client's request id comes
// back, then the route's own changes.
func directMutations(r *ir.Route, be *backend) *mutationv3.Mutations {
	m := &mutationv3.Mutations{RequestMutations: []*rulesv3.HeaderMutation{
		set("x-request-id", "%REQ("+strings.ToUpper(RequestIDHeader)+")%", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD),
		removePrefix("x-spanway-"), removePrefix("x-envoy-"), removePrefix("x-forwarded-"), remove("forwarded"), remove("x-real-ip"), remove("proxy-authorization"),
	}}
	if !be.Key.Passthrough {
		for _, name := range provider.CredentialHeaders() {
			m.RequestMutations = append(m.RequestMutations, remove(name))
		}
	}
	m.RequestMutations = append(m.RequestMutations, edits(&r.RequestHeaders)...)
	m.ResponseMutations = edits(&r.ResponseHeaders)
	return m
}

// edits are e in its order. What stands between percent signs would be a command to Envoy.
func edits(e *ir.HeaderEdits) []*rulesv3.HeaderMutation {
	var out []*rulesv3.HeaderMutation
	plain := func(s string) string { return strings.ReplaceAll(s, "%", "%%") }
	for _, name := range e.Remove {
		out = append(out, remove(name))
	}
	for _, h := range e.Set {
		out = append(out, set(strings.ToLower(h.Name), plain(h.Value), corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
	}
	for _, h := range e.Add {
		out = append(out, set(strings.ToLower(h.Name), plain(h.Value), corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD))
	}
	return out
}

func remove(name string) *rulesv3.HeaderMutation {
	return &rulesv3.HeaderMutation{Action: &rulesv3.HeaderMutation_Remove{Remove: strings.ToLower(name)}}
}

// rateLimit is r's token bucket.
func rateLimit(r *ir.Route) *ratelimitv3.LocalRateLimit {
	all := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 100}}
	return &ratelimitv3.LocalRateLimit{
		StatPrefix: filterLimit, FilterEnabled: all, FilterEnforced: all,
		TokenBucket: &typev3.TokenBucket{MaxTokens: uint32(r.RateLimit.Burst), TokensPerFill: wrapperspb.UInt32(uint32(r.RateLimit.Fill)),
			FillInterval: durationpb.New(max(r.RateLimit.Every, minFill))}}
}

// directFilters do nothing but where a route says so.
func (b *build) directFilters() []*hcmv3.HttpFilter {
	limit := b.filter(filterLimit, &ratelimitv3.LocalRateLimit{StatPrefix: filterLimit})
	mutation := b.filter(filterDirect, &mutationv3.HeaderMutation{})
	limit.Disabled, mutation.Disabled = true, true
	return []*hcmv3.HttpFilter{limit, mutation}
}

// directName is the name of be's cluster for calls that go without the processor.
func directName(be *backend) string { return be.cluster + "/direct" }

// directCluster is backendCluster without what the processor does.
func (b *build) directCluster(be *backend) *clusterv3.Cluster {
	c := b.plainCluster(directName(be), be, nil)
	for _, group := range c.LoadAssignment.Endpoints {
		for _, e := range group.LbEndpoints {
			e.GetEndpoint().Hostname = be.url.Host
		}
	}
	if be.Outlier.Failures > 0 {
		c.OutlierDetection = &clusterv3.OutlierDetection{Consecutive_5Xx: wrapperspb.UInt32(uint32(be.Outlier.Failures)),
			BaseEjectionTime: durationpb.New(be.Outlier.Ejection), MaxEjectionTime: durationpb.New(max(be.Outlier.Ejection, 300*time.Second))}
		c.LoadAssignment.Endpoints = c.LoadAssignment.Endpoints[:1] // the second is for when there is no host
	}
	return c
}

// directClusters are those of the backends to which calls go without the processor.
func (b *build) directClusters() []*clusterv3.Cluster {
	var out []*clusterv3.Cluster
	made := map[string]bool{}
	for i := range b.g.Routes {
		if b.ways[i] == never {
			continue
		}
		for _, t := range targets(&b.g.Routes[i]) {
			if be := b.backends[t.Backend]; !made[be.Name] {
				made[be.Name] = true
				out = append(out, b.directCluster(be))
			}
		}
	}
	return out
}
