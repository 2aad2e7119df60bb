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
	out := &Resources{Listeners: r.Listeners, Clusters: merge(r.Clusters, old.Clusters), Secrets: merge(r.Secrets, old.Secrets)}
	for _, table := range r.Routes {
		i := slices.IndexFunc(old.Routes, func(o *routev3.RouteConfiguration) bool { return o.GetName() == table.GetName() })
		if i >= 0 {
			table = mergeRoutes(table, old.Routes[i])
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
// it: in the virtual host of the same host. A host that table does not know any more keeps a virtual host of its own for that.
func mergeRoutes(table, old *routev3.RouteConfiguration) *routev3.RouteConfiguration {
	now, before := byDomain(table), byDomain(old)
	out := &routev3.RouteConfiguration{Name: table.Name, IgnorePortInHostMatching: table.IgnorePortInHostMatching,
		MaxDirectResponseBodySizeBytes: table.MaxDirectResponseBodySizeBytes, TypedPerFilterConfig: table.TypedPerFilterConfig}
	for _, v := range table.GetVirtualHosts() {
		out.VirtualHosts = append(out.VirtualHosts, withPlanned(v, v.GetName(), planned(find(before, v.GetName()))))
	}
	for _, v := range old.GetVirtualHosts() {
		if base := find(now, v.GetName()); now[v.GetName()] == nil {
			if with := withPlanned(base, v.GetName(), planned(v)); with != base {
				out.VirtualHosts = append(out.VirtualHosts, with)
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
func planned(v *routev3.VirtualHost) map[string]*xdsmatcherv3.Matcher_OnMatch {
	return v.GetMatcher().GetMatcherTree().GetExactMatchMap().GetMap()
}

// withPlanned is v, for domain, with what of more it does not have.
func withPlanned(v *routev3.VirtualHost, domain string, more map[string]*xdsmatcherv3.Matcher_OnMatch) *routev3.VirtualHost {
	have := planned(v)
	lacks := false
	for name := range more {
		lacks = lacks || have[name] == nil
	}
	if !lacks {
		return v
	}
	all := maps.Clone(more)
	maps.Copy(all, have)
	var b build
	m := b.byName(all, v.GetRoutes())
	if v.GetMatcher() != nil {
		m.OnNoMatch = v.GetMatcher().GetOnNoMatch()
	}
	return &routev3.VirtualHost{Name: domain, Domains: []string{domain}, RequestBodyBufferLimit: v.GetRequestBodyBufferLimit(), Matcher: m}
}
