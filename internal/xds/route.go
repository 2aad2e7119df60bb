package xds

import (
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	groupsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/router/cluster_specifiers/priority_group/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// maxAttempts is the most attempts that the pipeline makes for a call (internal/gateway, maxPlan).
const maxAttempts = 16

// plannedRoute carries the calls that the pipeline gave to r, to the clusters of their plan.
func (b *build) plannedRoute(r *ir.Route) *routev3.Route {
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_InlineClusterSpecifierPlugin{InlineClusterSpecifierPlugin: &routev3.ClusterSpecifierPlugin{
			Extension: &corev3.TypedExtensionConfig{Name: "envoy.router.cluster_specifier_plugin.priority_group",
				TypedConfig: b.pack(&groupsv3.PriorityGroupClusterSpecifier{OverrideMetadataNamespace: Plan, PriorityGroups: []*groupsv3.PriorityGroup{
					{Name: "none", Clusters: []*groupsv3.ClusterWeight{{ClusterName: noneCluster, Weight: wrapperspb.UInt32(1)}}}}})}}},
		Timeout:     durationpb.New(0),
		RetryPolicy: b.plannedRetry(r),
	}
	return &routev3.Route{Name: r.Name, Match: anyPath(), Metadata: routeMetadata(r), Action: &routev3.Route_Route{Route: action}}
}

// unplannedRoute takes every call until the pipeline has chosen its route. It leads nowhere.
func (b *build) unplannedRoute() *routev3.Route {
	return &routev3.Route{Name: noneCluster, Match: anyPath(), Action: &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: noneCluster}, Timeout: durationpb.New(0)}}}
}

// plannedRetry makes as many attempts as the plan of a call has at most. The pipeline decides which response is tried again
// (RetryHeader), and refuses in U what Envoy tries beyond it. Envoy waits between attempts, for what U waits counts against the
// attempt's own time: the configured pause where the next attempt goes to the same backend, and what a provider asked for
// (WaitHeader).
func (b *build) plannedRetry(r *ir.Route) *routev3.RetryPolicy {
	p := attempts(r)
	p.RetryOn = strings.Join(append(connectionReasons(r), "retriable-headers"), ",")
	p.RetriableHeaders = []*routev3.HeaderMatcher{header(RetryHeader, exactly("1"))}
	p.RetryBackOff = plannedPause(r)
	p.RateLimitedRetryBackOff = &routev3.RetryPolicy_RateLimitedRetryBackOff{
		ResetHeaders: []*routev3.RetryPolicy_ResetHeader{{Name: WaitHeader, Format: routev3.RetryPolicy_SECONDS}},
		MaxInterval:  durationpb.New(max(r.Retry.BackoffMax, time.Second))}
	return p
}

// attempts is how many attempts are made of a call of r, and what each may take.
func attempts(r *ir.Route) *routev3.RetryPolicy {
	p := &routev3.RetryPolicy{NumRetries: wrapperspb.UInt32(uint32(min(max(r.Retry.Attempts, 1), maxAttempts) - 1)), RefreshClusterOnRetry: true}
	if d := headTimeout(r); d > 0 {
		p.PerTryTimeout = durationpb.New(d)
	}
	return p
}

// connectionReasons are Envoy's words for the failures of connections that r tries again, sorted.
func connectionReasons(r *ir.Route) []string {
	var on []string
	for _, c := range r.Retry.On {
		switch c {
		case "connect":
			on = append(on, "connect-failure", "refused-stream")
		case "reset", "timeout":
			on = append(on, "reset")
		}
	}
	slices.Sort(on)
	return slices.Compact(on)
}

// plannedPause is none where another backend can have the next attempt.
func plannedPause(r *ir.Route) *routev3.RetryPolicy_RetryBackOff {
	targets := 0
	for _, g := range r.Groups {
		targets += len(g)
	}
	if targets > 1 {
		return backOff(&ir.Retry{})
	}
	return backOff(&r.Retry)
}

// backOff is the pause between attempts; Envoy knows none below a millisecond.
func backOff(r *ir.Retry) *routev3.RetryPolicy_RetryBackOff {
	base := max(r.BackoffBase, time.Millisecond)
	return &routev3.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(base), MaxInterval: durationpb.New(max(r.BackoffMax, base))}
}

// headTimeout is how long one attempt may take to its response head; 0 = no bound.
func headTimeout(r *ir.Route) time.Duration {
	d := r.Timeout.FirstByte
	if p := r.Retry.PerTry; p > 0 && (d == 0 || p < d) {
		d = p
	}
	return d
}

func anyPath() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: ""}}
}

func header(name string, m *matcherv3.StringMatcher) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

func exactly(s string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
}
