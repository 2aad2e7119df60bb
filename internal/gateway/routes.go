package gateway

import (
	"net"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// routes finds the routes of a call without looking at each. The listener leads to hosts, the host to paths, each by a look-up.
type routes struct {
	by   map[string]*hosts // by name and by address of the listeners that some route asks for
	rest hosts             // of all other listeners
}

// newRoutes finds list, whose order decides among equals, for calls to listeners.
func newRoutes(list []*Route, listeners []ir.Listener) *routes {
	rs := &routes{by: map[string]*hosts{}}
	for _, r := range list {
		for _, name := range r.conf.Listeners {
			rs.by[name] = &hosts{}
		}
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *Route) int { return a.conf.Match.Compare(&b.conf.Match) })
	for _, r := range list {
		if r.conf.Listeners == nil {
			rs.rest.add(r)
		}
		for name, hs := range rs.by {
			if r.conf.Listeners == nil || slices.Contains(r.conf.Listeners, name) {
				hs.add(r)
			}
		}
	}
	for i := range listeners {
		if hs := rs.by[listeners[i].Name]; hs != nil {
			rs.by[listeners[i].Address] = hs
		}
	}
	return rs
}

// find appends to dst the routes whose host, path and head conditions hold, best first: by host from exact to none, under each as
// ir.Match.Compare says. It stops after the first that asks for no model. listener is a name or an address.
func (rs *routes) find(dst []*Route, h *llm.Head, listener, host string) []*Route {
	hs := &rs.rest
	if len(rs.by) > 0 {
		if own := rs.by[listener]; own != nil {
			hs = own
		}
	}
	return hs.find(dst, h, host)
}

// maxHost bounds the host names that are looked up, bytes (RFC 1035, section 2.3.4).
const maxHost = 255

// hosts are the routes of a listener.
type hosts struct {
	exact map[string]*paths
	wild  map[string]*paths // by what follows the *
	none  paths
}

func (hs *hosts) add(r *Route) {
	if len(r.conf.Match.Hosts) == 0 {
		hs.none.add(r)
	}
	for _, host := range r.conf.Match.Hosts {
		host = strings.ToLower(host)
		if suffix, ok := strings.CutPrefix(host, "*"); !ok {
			addTo(&hs.exact, host, r)
		} else if suffix == "" {
			hs.none.add(r)
		} else {
			addTo(&hs.wild, suffix, r)
		}
	}
}

func addTo(m *map[string]*paths, key string, r *Route) {
	if *m == nil {
		*m = map[string]*paths{}
	}
	if (*m)[key] == nil {
		(*m)[key] = &paths{}
	}
	(*m)[key].add(r)
}

func (hs *hosts) find(dst []*Route, h *llm.Head, host string) []*Route {
	var done bool
	if len(hs.exact)+len(hs.wild) > 0 {
		if host = hostOnly(host); len(host) <= maxHost {
			if dst, done = hs.exact[host].find(dst, h); done {
				return dst
			}
			for i := 1; i < len(host) && len(hs.wild) > 0; i++ {
				if host[i] != '.' {
					continue
				}
				if dst, done = hs.wild[host[i:]].find(dst, h); done {
					return dst
				}
			}
		}
	}
	dst, _ = hs.none.find(dst, h)
	return dst
}

// paths are the routes of a host. Routes are added in the order in which those of equal paths are tried.
type paths struct {
	exact   map[string][]*Route
	prefix  map[string][]*Route
	longest int // prefix, bytes
	regex   []*Route
}

func (ps *paths) add(r *Route) {
	m := &r.match
	switch {
	case m.exact != "":
		if ps.exact == nil {
			ps.exact = map[string][]*Route{}
		}
		ps.exact[m.exact] = once(ps.exact[m.exact], r)
	case m.regex != nil:
		ps.regex = once(ps.regex, r)
	default:
		if ps.prefix == nil {
			ps.prefix = map[string][]*Route{}
		}
		ps.prefix[m.prefix] = once(ps.prefix[m.prefix], r)
		ps.longest = max(ps.longest, len(m.prefix))
	}
}

// once appends r, which may be there already because its hosts are not all different.
func once(list []*Route, r *Route) []*Route {
	if n := len(list); n > 0 && list[n-1] == r {
		return list
	}
	return append(list, r)
}

// find is routes.find under one host. It reports whether what follows cannot have its turn any more. A nil *paths has no routes.
func (ps *paths) find(dst []*Route, h *llm.Head) (_ []*Route, done bool) {
	if ps == nil {
		return dst, false
	}
	if dst, done = take(dst, ps.exact[h.Path], h); done {
		return dst, true
	}
	if ps.prefix != nil {
		p := strings.TrimSuffix(h.Path, "/")
		if len(p) > ps.longest {
			p = parent(p[:ps.longest+1])
		}
		for ; ; p = parent(p) {
			if dst, done = take(dst, ps.prefix[p], h); done || p == "" {
				break
			}
		}
	}
	for i := 0; i < len(ps.regex) && !done; i++ {
		if ps.regex[i].match.regex.MatchString(h.Path) {
			dst, done = take(dst, ps.regex[i:i+1], h)
		}
	}
	return dst, done
}

// parent is path without its last segment. A path without any slash is "*" (RFC 9112, section 3.2.4).
func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

func take(dst, list []*Route, h *llm.Head) ([]*Route, bool) {
	for _, r := range list {
		if !r.match.head(h) || slices.Contains(dst, r) {
			continue
		}
		if dst = append(dst, r); len(r.match.models) == 0 {
			return dst, true
		}
	}
	return dst, false
}

// hostOnly is a Host field's host in lower case.
func hostOnly(hostport string) string {
	if strings.IndexByte(hostport, ':') >= 0 {
		if h, _, err := net.SplitHostPort(hostport); err == nil {
			hostport = h
		}
	}
	return strings.ToLower(hostport)
}
