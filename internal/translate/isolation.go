package translate

import (
	"slices"

	"github.com/spanway/spanway/internal/ir"
)

// A request belongs to one listener of its port, the one with the most specific hostname, and only to routes at that one (Gateway
// API, "Listener Isolation"). The configuration knows hosts of routes alone, and goes on to less specific ones where nothing matches.

// isolated are those of a route's hosts at listener l that no more specific listener of the port takes.
func (p *plane) isolated(l *listener, hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool {
		return slices.ContainsFunc(p.listeners, func(other *listener) bool {
			return other.below(l) && covers(other.hostname, host)
		})
	})
}

// below reports whether l takes a part of what other would take.
func (l *listener) below(other *listener) bool {
	return l != other && l.ir != "" && l.ir == other.ir && covers(other.hostname, l.hostname)
}

// ends are routes that keep what no route at a listener matches from going on to less specific listeners of the port. They come
// last, and match last: after every other path, regular expressions included.
func (p *plane) ends() (out []ir.Route) {
	for _, l := range p.listeners {
		if !slices.ContainsFunc(p.listeners, l.below) {
			continue
		}
		r := ir.Route{Name: p.name.String() + "@" + string(l.spec.Name), Listeners: []string{l.ir}, Spans: defaults().Routes[0].Spans,
			Match: ir.Match{Hosts: []string{l.hostname}, Regex: ".*"}, Direct: &ir.Direct{Status: 404, Body: "no route matches"}}
		if len(p.ir.Listeners) == 1 {
			r.Listeners = nil // all
		}
		out = append(out, r)
	}
	return out
}
