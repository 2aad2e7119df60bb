package xds

import (
	"maps"
	"slices"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// union is what r says, and beside it the clusters, secrets and routes of calls' plans that only old has. Listeners are r's.
func union(r, old *Resources) *Resources {
	out := &Resources{Listeners: r.Listeners, Clusters: merge(r.Clusters, old.Clusters), Secrets: merge(r.Secrets, old.Secrets), asked: maps.Clone(r.asked)}
	for name, domains := range old.asked {
		for _, d := range domains {
			if !slices.Contains(out.asked[name], d) {
				out.asked[name] = append(slices.Clip(out.asked[name]), d)
			}
		}
	}
	for _, table := range r.Routes {
		i := slices.IndexFunc(old.Routes, func(o *routev3.RouteConfiguration) bool { return o.GetName() == table.GetName() })
		if i >= 0 {
			table = mergeRoutes(table, old.Routes[i], old.asked)
		}
		out.Routes = append(out.Routes, table)
	}
	return out
}

// merge is all of a, and what of b has another name, sorted by name.
func merge[T interface{ GetName() string }](a, b []T) []T {
	out, have := slices.Clone(a), make(map[string]bool, len(a))
	for _, x := range a {
		have[x.GetName()] = true
	}
	for _, x := range b {
		if !have[x.GetName()] {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(x, y T) int { return strings.Compare(x.GetName(), y.GetName()) })
	return out
}

// mergeRoutes is table with the routes of old that calls are sent to by name and that table does not have, each where calls look for
// it. A virtual host that old does not have gets of a wider one's what asks for its own domain, by asked: all of it, for each of many
// hosts, would be their product.
func mergeRoutes(table, old *routev3.RouteConfiguration, asked map[string][]string) *routev3.RouteConfiguration {
	now, before := byDomain(table), byDomain(old)
	more := make(map[string][]plans, len(now))
	wide := map[*routev3.VirtualHost]map[string]plans{}
	for _, v := range table.GetVirtualHosts() {
		from := find(before, v.GetName())
		if from == nil || from.GetName() == v.GetName() {
			more[v.GetName()] = []plans{planned(from)}
			continue
		}
		if wide[from] == nil {
			wide[from] = byAsked(planned(from), asked)
		}
		more[v.GetName()] = asking(wide[from], v.GetName())
	}
	for _, v := range old.GetVirtualHosts() {
		if base := find(now, v.GetName()); base != nil && base.GetName() != v.GetName() {
			more[base.GetName()] = append(more[base.GetName()], planned(v))
		}
	}
	out := &routev3.RouteConfiguration{Name: table.Name, IgnorePortInHostMatching: table.IgnorePortInHostMatching,
		MaxDirectResponseBodySizeBytes: table.MaxDirectResponseBodySizeBytes, TypedPerFilterConfig: table.TypedPerFilterConfig}
	for _, v := range table.GetVirtualHosts() {
		out.VirtualHosts = append(out.VirtualHosts, withPlanned(v, more[v.GetName()]...))
	}
	return out
}

// plans are routes that calls are sent to by name.
type plans = map[string]*xdsmatcherv3.Matcher_OnMatch

// byAsked are the routes of p by each domain that they ask for.
func byAsked(p plans, asked map[string][]string) map[string]plans {
	out := map[string]plans{}
	for name, route := range p {
		for _, d := range asked[name] {
			if out[d] == nil {
				out[d] = plans{}
			}
			out[d][name] = route
		}
	}
	return out
}

// asking are the routes that calls for domain can have.
func asking(by map[string]plans, domain string) []plans {
	out := []plans{by[domain]}
	for d := range wider(domain) {
		out = append(out, by[d])
	}
	if suffix, ok := strings.CutPrefix(domain, "*"); ok {
		for d, p := range by {
			if strings.HasSuffix(d, suffix) {
				out = append(out, p)
			}
		}
	}
	return out
}

// byDomain are the virtual hosts of table by their domains, of which each has one, its name.
func byDomain(table *routev3.RouteConfiguration) map[string]*routev3.VirtualHost {
	out := make(map[string]*routev3.VirtualHost, len(table.GetVirtualHosts()))
	for _, v := range table.GetVirtualHosts() {
		out[v.GetName()] = v
	}
	return out
}

// find is the virtual host in which Envoy looks for the routes of domain.
func find(hosts map[string]*routev3.VirtualHost, domain string) *routev3.VirtualHost {
	if v := hosts[domain]; v != nil {
		return v
	}
	for d := range wider(domain) {
		if v := hosts[d]; v != nil {
			return v
		}
	}
	return nil
}

// planned are the routes of v that calls are sent to by name.
func planned(v *routev3.VirtualHost) plans {
	return v.GetMatcher().GetMatcherTree().GetExactMatchMap().GetMap()
}

// withPlanned is v with what of more it does not have.
func withPlanned(v *routev3.VirtualHost, more ...plans) *routev3.VirtualHost {
	have, all := planned(v), plans{}
	for _, p := range more {
		maps.Copy(all, p)
	}
	maps.Copy(all, have)
	if len(all) == len(have) {
		return v
	}
	var b build
	m := b.byName(all, v.GetRoutes())
	if v.GetMatcher() != nil {
		m.OnNoMatch = v.GetMatcher().GetOnNoMatch()
	}
	return &routev3.VirtualHost{Name: v.Name, Domains: v.Domains, RequestBodyBufferLimit: v.GetRequestBodyBufferLimit(), Matcher: m}
}
