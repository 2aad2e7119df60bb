package xds

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// A listener's table of routes has a virtual host for each host that some route of it asks for, and one for all others. Envoy looks
// into the one with the most specific host alone, so each has the routes of all less specific hosts after its own. In a virtual host
// a call is first matched by what Envoy can see; where the pipeline has to choose, R answers with the name of the route that it
// chose, by which the call is matched again: a look-up, however many routes there are.

// maxShared bounds the routes of a table's virtual hosts, as a multiple of the routes and hosts that the configuration has: many
// hosts beside many routes of no host would be their product. A table with more has one virtual host, in which Envoy compares the
// host for each route.
const maxShared = 8

// mine are the numbers of the routes that take calls of l.
func (b *build) mine(l *ir.Listener) (out []int) {
	for i := range b.g.Routes {
		if on := b.g.Routes[i].Listeners; on == nil || slices.Contains(on, l.Name) {
			out = append(out, i)
		}
	}
	return out
}

// table is the table of l's routes.
func (b *build) table(l *ir.Listener) *routev3.RouteConfiguration {
	mine := b.mine(l)
	t := &routev3.RouteConfiguration{Name: l.Name, IgnorePortInHostMatching: true,
		MaxDirectResponseBodySizeBytes: wrapperspb.UInt32(b.longestBody(mine))}
	if slices.ContainsFunc(b.g.Backends, func(be ir.Backend) bool { return be.Broken != "" }) {
		t.ValidateClusters = wrapperspb.Bool(false) // a broken backend has none, and in a bootstrap Envoy would mind
	}
	if b.o.Processor != "" {
		t.TypedPerFilterConfig = b.switchedOn()
	}
	if !slices.ContainsFunc(mine, func(i int) bool { return b.ways[i] != never || b.g.Routes[i].CORS != nil }) {
		t.VirtualHosts = []*routev3.VirtualHost{b.virtualHost("*", mine, nil)} // the pipeline chooses
		return t
	}
	hosts, count := b.hosts(mine), 0
	for _, h := range hosts {
		count += len(h.routes)
	}
	if own := len(mine) + len(hosts); count > maxShared*own {
		v := b.virtualHost("*", mine, b.listed(l, hosts))
		t.VirtualHosts = []*routev3.VirtualHost{v}
		return t
	}
	for _, h := range hosts {
		var routes []*routev3.Route
		for _, i := range h.routes {
			routes = append(routes, b.entry(l, i)...)
		}
		t.VirtualHosts = append(t.VirtualHosts, b.virtualHost(h.domain, h.routes, routes))
	}
	return t
}

// host is a host that routes ask for, with the numbers of all routes that calls for it can have, best first. The first own are its
// own, the others those of less specific hosts.
type host struct {
	domain string // exact, "*.suffix", or "*" for all
	routes []int
	own    int
}

// hosts are those of routes, the most specific first: exact ones, wildcards from the longest on, "*".
func (b *build) hosts(routes []int) []host {
	by := map[string][]int{"*": nil}
	for _, i := range routes {
		for _, h := range domains(&b.g.Routes[i]) {
			if have := by[h]; len(have) == 0 || have[len(have)-1] != i {
				by[h] = append(have, i)
			}
		}
	}
	out := make([]host, 0, len(by))
	for domain, own := range by {
		slices.SortStableFunc(own, func(x, y int) int { return b.g.Routes[x].Match.Compare(&b.g.Routes[y].Match) })
		out = append(out, host{domain: domain, routes: own, own: len(own)})
	}
	slices.SortFunc(out, func(x, y host) int { return specific(x.domain, y.domain) })
	for i := range out {
		out[i].routes = slices.Clip(out[i].routes)
		for d := range wider(out[i].domain) {
			for _, r := range by[d] {
				if len(b.g.Routes[r].Match.Hosts) < 2 || !slices.Contains(out[i].routes, r) {
					out[i].routes = append(out[i].routes, r)
				}
			}
		}
	}
	return out
}

// domains are those that r asks for.
func domains(r *ir.Route) []string {
	if len(r.Match.Hosts) == 0 {
		return []string{"*"}
	}
	out := make([]string, len(r.Match.Hosts))
	for i, h := range r.Match.Hosts {
		out[i] = strings.ToLower(h)
	}
	return out
}

// specific orders domains, the most specific first.
func specific(x, y string) int {
	class := func(d string) int {
		switch {
		case d == "*":
			return 2
		case strings.HasPrefix(d, "*"):
			return 1
		}
		return 0
	}
	if c := class(x) - class(y); c != 0 {
		return c
	}
	if class(x) == 1 && len(x) != len(y) {
		return len(y) - len(x)
	}
	return strings.Compare(x, y)
}

// wider are the domains that hold domain, from the narrowest on.
func wider(domain string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if domain == "*" {
			return
		}
		rest := strings.TrimPrefix(domain, "*")
		for i := range len(rest) {
			if rest[i] == '.' && "*"+rest[i:] != domain && (i > 0 || domain[0] == '*') {
				if !yield("*" + rest[i:]) {
					return
				}
			}
		}
		yield("*")
	}
}

// listed are the routes of all hosts in one list. Each compares the host.
func (b *build) listed(l *ir.Listener, hosts []host) (out []*routev3.Route) {
	for _, h := range hosts {
		for _, i := range h.routes[:h.own] {
			for _, r := range b.entry(l, i) {
				if h.domain != "*" {
					r = proto.CloneOf(r)
					r.Match.Headers = append(r.Match.Headers, header(":authority", expression(hostExpression(h.domain))))
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// virtualHost has the routes that Envoy can choose among, if any, and the numbers of those that the pipeline can.
func (b *build) virtualHost(domain string, planned []int, routes []*routev3.Route) *routev3.VirtualHost {
	v := &routev3.VirtualHost{Name: domain, Domains: []string{domain}, RequestBodyBufferLimit: wrapperspb.UInt64(uint64(max(b.g.Limits.Body, 0)))}
	if len(routes) > 0 {
		routes = append([]*routev3.Route{b.climbs()}, routes...)
	}
	if path := b.g.Envoy.HTTP.HealthPath; path != "" {
		routes = append([]*routev3.Route{b.health(path)}, routes...)
	}
	if b.o.Processor == "" {
		v.Routes = routes
		return v
	}
	routes = append(routes, b.unplannedRoute())
	if !b.asks() {
		v.Routes = routes
		return v
	}
	named := map[string]*xdsmatcherv3.Matcher_OnMatch{}
	for _, i := range planned {
		named[b.g.Routes[i].Name] = b.plan(i)
	}
	v.Matcher = b.byName(named, routes)
	return v
}

// byName chooses by RouteHeader among named, and where there is none such, the first of others that matches.
func (b *build) byName(named map[string]*xdsmatcherv3.Matcher_OnMatch, others []*routev3.Route) *xdsmatcherv3.Matcher {
	return &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherTree_{MatcherTree: &xdsmatcherv3.Matcher_MatcherTree{
			Input: &xdscorev3.TypedExtensionConfig{Name: "envoy.matching.inputs.request_headers",
				TypedConfig: b.pack(&matcherv3.HttpRequestHeaderMatchInput{HeaderName: RouteHeader})},
			TreeType: &xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap{ExactMatchMap: &xdsmatcherv3.Matcher_MatcherTree_MatchMap{Map: named}},
		}},
		OnNoMatch: b.chosen("routes", &routev3.RouteList{Routes: others}),
	}
}

func (b *build) chosen(name string, m proto.Message) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{Name: name, TypedConfig: b.pack(m)}}}
}

// plan is the route of the calls that the pipeline gave to route i, made once.
func (b *build) plan(i int) *xdsmatcherv3.Matcher_OnMatch {
	if b.plans[i] == nil {
		b.plans[i] = b.chosen("route", b.plannedRoute(&b.g.Routes[i]))
	}
	return b.plans[i]
}

// entry is route i as Envoy chooses it at l, the host apart, behind those of its preflights.
func (b *build) entry(l *ir.Listener, i int) []*routev3.Route {
	if r := b.entries[i]; r != nil {
		return r
	}
	c := &b.g.Routes[i]
	var r *routev3.Route
	switch {
	case b.ways[i] == never:
		r = b.unplannedRoute()
	case c.Redirect != nil:
		r = b.redirectRoute(l, c)
	case c.Direct != nil:
		r = b.answerRoute(c)
	default:
		r = b.directRoute(c, b.ways[i])
	}
	r.Name, r.Match = c.Name, match(&c.Match)
	if r.Metadata == nil {
		r.Metadata = routeMetadata(c)
	}
	out := b.pages(c, r)
	if c.Redirect == nil { // which depends on the listener
		b.entries[i] = out
	}
	return out
}

// climbs takes the paths that could climb out of a route's place.
func (b *build) climbs() *routev3.Route {
	r := b.unplannedRoute()
	if b.o.Processor == "" {
		r = refusal(llm.Errorf(http.StatusBadRequest, "invalid_path", "the path has a segment . or .."))
	}
	r.Name, r.Match = noneCluster+" climbing", &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: climbing}}}
	return r
}

// health is for Envoy's own answers to health checks: without a route that keeps R out of them it would be asked about their responses.
func (b *build) health(path string) *routev3.Route {
	path, _, _ = strings.Cut(path, "?")
	r := &routev3.Route{Name: noneCluster + " health", Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusOK}}}
	if b.o.Processor != "" {
		r.TypedPerFilterConfig = map[string]*anypb.Any{filterR: b.pack(&routev3.FilterConfig{Disabled: true})}
	}
	return r
}

// longestBody is that of the answers of routes, at least what Envoy takes by itself.
func (b *build) longestBody(routes []int) uint32 {
	longest := 4096
	for _, i := range routes {
		if d := b.g.Routes[i].Direct; d != nil {
			longest = max(longest, len(d.Body))
		}
	}
	return uint32(longest)
}

// portOfListener is where l listens; "" = that is not known.
func (b *build) portOfListener(l *ir.Listener) string {
	address := l.Address
	if a := b.o.Listen[l.Name]; a != "" {
		address = a
	}
	_, port, err := splitAddress(address)
	if err != nil || port == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(port), 10)
}
