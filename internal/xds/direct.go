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
	"google.golang.org/protobuf/types/known/structpb"
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
	plain := len(r.Policies) == 0 && len(r.Match.Models) == 0 && (len(targets(r)) > 0 || r.Redirect != nil || r.Direct != nil)
	for _, t := range targets(r) {
		be := b.backends[t.Backend]
		p, _ := provider.Lookup(be.Provider)
		own := be.Key.Value != "" || be.Key.File != "" || len(be.Headers) > 0
		plain = plain && p != nil && p.Plain && !own && (be.Broken != "" || basePath(be) == basePath(b.first(r)))
	}
	switch {
	case plain:
		return always
	case r.FailOpen:
		return whenDead
	}
	return never
}

// first is the first of r's backends that is whole, else just the first.
func (b *build) first(r *ir.Route) *backend {
	all := targets(r)
	for _, t := range all {
		if be := b.backends[t.Backend]; be.Broken == "" {
			return be
		}
	}
	return b.backends[all[0].Backend]
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
	first := b.first(r)
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_InlineClusterSpecifierPlugin{InlineClusterSpecifierPlugin: &routev3.ClusterSpecifierPlugin{
			Extension: b.extension("envoy.router.cluster_specifier_plugin.priority_group", groups)}},
		ClusterNotFoundResponseCode: routev3.RouteAction_INTERNAL_SERVER_ERROR, // what a broken backend answers
		Timeout:                     durationpb.New(r.Timeout.Request),
		RetryPolicy:                 directRetry(r),
		RegexRewrite:                rewrite(r, first),
	}
	if b.g.Envoy.HTTP.StreamIdleTimeout == 0 {
		action.IdleTimeout = durationpb.New(r.Timeout.Idle)
	}
	if d == always {
		for _, name := range b.g.Envoy.HTTP.Upgrades {
			action.UpgradeConfigs = append(action.UpgradeConfigs, &routev3.RouteAction_UpgradeConfig{UpgradeType: name})
		}
	}
	switch {
	case r.Rewrite.Host != "":
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: r.Rewrite.Host}
	case !r.Rewrite.KeepHost || d != always:
		action.HostRewriteSpecifier = &routev3.RouteAction_AutoHostRewrite{AutoHostRewrite: wrapperspb.Bool(true)}
	}
	out := &routev3.Route{Action: &routev3.Route_Route{Route: action}, TypedPerFilterConfig: b.perFilter(r, first, d)}
	for _, t := range targets(r) {
		if be := b.backends[t.Backend]; be.Broken != "" {
			out.Metadata = refusals(r, be.Backend)
			break
		}
	}
	return out
}

// refusals is what Envoy knows of r, and what it answers where r leads to a broken backend.
func refusals(r *ir.Route, broken *ir.Backend) *corev3.Metadata {
	m := routeMetadata(r)
	m.FilterMetadata[Namespace].Fields[refusalKey] = refused(llm.Errorf(http.StatusInternalServerError, broken.Broken, "the backend %s cannot be used: %s", broken.Name, broken.Broken))
	return m
}

// perFilter is what the filters do with r's calls. Where these go to a backend, first is one of those.
func (b *build) perFilter(r *ir.Route, first *backend, d directness) map[string]*anypb.Any {
	per := map[string]*anypb.Any{filterDirect: b.pack(&routev3.FilterConfig{Config: b.pack(&mutationv3.HeaderMutationPerRoute{Mutations: b.directMutations(r, first)})})}
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
	return per
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

// rewrite turns the client's path into that of be: as r rewrites it, below the base of be. nil = it stays.
func rewrite(r *ir.Route, be *backend) *matcherv3.RegexMatchAndSubstitute {
	base, version, bare, m := basePath(be), "", "/", &r.Match
	if p, ok := provider.Lookup(be.Provider); ok && !p.Plain {
		version, bare = "(?:/v1)?", p.Bare // clients know of no base, or of this one
		if base == "" {
			base = p.Endpoints[0].Base
		}
	} else if re, by, ok := replacement(m, r.Rewrite.Path, r.Rewrite.Prefix); ok {
		return substitute(re+"$", escaped(base)+by)
	} else if r.Rewrite.KeepPath {
		if base == "" {
			return nil
		}
		return substitute("^(/.*)$", escaped(base)+`\1`)
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
func (b *build) directMutations(r *ir.Route, be *backend) *mutationv3.Mutations {
	m := &mutationv3.Mutations{ResponseMutations: edits(&r.ResponseHeaders)}
	if be == nil {
		return m
	}
	m.RequestMutations = []*rulesv3.HeaderMutation{
		set("x-request-id", "%REQ("+strings.ToUpper(RequestIDHeader)+")%", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD),
		removePrefix("x-spanway-"), removePrefix("x-envoy-"), remove("proxy-authorization"),
	}
	if !b.forwards() {
		m.RequestMutations = append(m.RequestMutations, removePrefix("x-forwarded-"), remove("forwarded"), remove("x-real-ip"))
	}
	if !be.Key.Passthrough {
		for _, name := range provider.CredentialHeaders() {
			m.RequestMutations = append(m.RequestMutations, remove(name))
		}
	}
	m.RequestMutations = append(m.RequestMutations, edits(&r.RequestHeaders)...)
	return m
}

// edits are e in its order. What stands between percent signs would be a command to Envoy.
func edits(e *ir.HeaderEdits) []*rulesv3.HeaderMutation {
	var out []*rulesv3.HeaderMutation
	for _, name := range e.Remove {
		out = append(out, remove(name))
	}
	for _, h := range e.Set {
		out = append(out, set(strings.ToLower(h.Name), formatted(h.Value), corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
	}
	for _, h := range e.Add {
		out = append(out, set(strings.ToLower(h.Name), formatted(h.Value), corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD))
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
	if be.Endpoints != nil && len(be.Endpoints) == 0 {
		c.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{Namespace: {Fields: map[string]*structpb.Value{
			refusalKey: refused(llm.Errorf(http.StatusServiceUnavailable, "no_endpoints", "the backend %s has no endpoint that is ready", be.Name))}}}}
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
			if be := b.backends[t.Backend]; !made[be.Name] && be.Broken == "" {
				made[be.Name] = true
				out = append(out, b.directCluster(be))
			}
		}
	}
	return out
}
