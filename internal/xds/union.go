package xds

import (
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
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

// mergeRoutes is table with the routes of old that calls are sent to by name and that table does not have.
func mergeRoutes(table, old *routev3.RouteConfiguration) *routev3.RouteConfiguration {
	have := map[string]bool{}
	for _, r := range table.GetVirtualHosts()[0].GetRoutes() {
		have[plannedFor(r)] = true
	}
	var more []*routev3.Route
	for _, r := range old.GetVirtualHosts()[0].GetRoutes() {
		if name := plannedFor(r); name != "" && !have[name] {
			more = append(more, r)
		}
	}
	if len(more) == 0 {
		return table
	}
	out := proto.CloneOf(table)
	out.GetVirtualHosts()[0].Routes = append(more, out.GetVirtualHosts()[0].GetRoutes()...)
	return out
}

// plannedFor is the name of the route whose calls r carries; "" for one that is not matched by RouteHeader.
func plannedFor(r *routev3.Route) string {
	for _, h := range r.GetMatch().GetHeaders() {
		if h.GetName() == RouteHeader {
			return h.GetStringMatch().GetExact()
		}
	}
	return ""
}
