package ir

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// listenersOf checks the names of the listeners that a route is bound to.
func (v *validator) listenersOf(field string, r *routeFile) {
	var known []string
	if v.file.Listen != "" {
		known = append(known, defaultListener)
	}
	for i := range v.file.Listeners {
		known = append(known, v.file.Listeners[i].name())
	}
	if r.Listeners != nil && len(r.Listeners) == 0 {
		v.add(field+".listeners", Problem{Message: "an empty list: no call would come", Allowed: strings.Join(known, ", ")})
	}
	for i, name := range r.Listeners {
		if slices.Contains(known, name) {
			continue
		}
		at := v.item(field+".listeners", i)
		v.add(at, Problem{Message: "no such listener", Found: v.found(at), Allowed: strings.Join(known, ", "), Suggestion: suggest(name, known)})
	}
}

// item is the field of item i of a list, or the list's own where it was written without brackets.
func (v *validator) item(list string, i int) string {
	if at := index(list, i); v.at[at] != (place{}) {
		return at
	}
	return list
}

// answer checks what a route does in place of sending its calls to backends.
func (v *validator) answer(field string, r *routeFile) {
	if r.Redirect == nil && r.Direct == nil {
		return
	}
	field += map[bool]string{true: ".redirect", false: ".direct"}[r.Redirect != nil]
	switch {
	case r.Redirect != nil && r.Direct != nil:
		v.add(field, Problem{Message: "redirect and direct at once", Allowed: "one of the two"})
	case r.To != "" || r.Targets != nil:
		v.add(field, Problem{Message: "answers calls, which then go to no backend", Allowed: "it or to or targets"})
	case len(r.Policies) > 0:
		v.add(field, Problem{Message: "answers before the route's policies would look at calls"})
	case len(r.Match.Models) > 0:
		v.add(field, Problem{Message: "answers before it is known which model a call names", Allowed: "a match without models"})
	case r.Rewrite != (rewriteFile{}):
		v.add(field, Problem{Message: "answers calls, of which nothing is rewritten then"})
	}
	d := r.Redirect
	if d == nil {
		return
	}
	v.paths(field, &r.Match, d.Path, d.Prefix)
	if d.Host != "" && !isHost(d.Host) {
		v.bad(field+".host", "not a host", "a host name without port")
	}
	if !slices.Contains([]int{301, 302, 303, 307, 308}, d.Status) && !v.hasProblem(field+".status") {
		v.bad(field+".status", "not a status that redirects", "301, 302, 303, 307, 308")
	}
}

// paths checks a path and what stands for a prefix.
func (v *validator) paths(field string, m *matchFile, path, prefix *string) {
	if path != nil {
		v.path(field+".path", *path)
	}
	if prefix == nil {
		return
	}
	if *prefix != "" {
		v.path(field+".prefix", *prefix)
	}
	switch {
	case path != nil:
		v.bad(field+".prefix", "the whole path is replaced already", "path or prefix")
	case m.Exact != "" || m.Regex != "":
		v.bad(field+".prefix", "the route's match has no prefix", "path, with match.exact and match.regex")
	}
}

// rewrite checks where requests of a route go at its backends.
func (v *validator) rewrite(field string, r *routeFile) {
	w := &r.Rewrite
	if *w == (rewriteFile{}) {
		return
	}
	field += ".rewrite"
	v.paths(field, &r.Match, w.Path, w.Prefix)
	if w.KeepPath && (w.Path != nil || w.Prefix != nil) {
		v.bad(field+".keepPath", "the path is replaced already", "one of path, prefix and keepPath")
	}
	if host, port, found := strings.Cut(w.Host, ":"); w.Host != "" && (!isHost(host) || found && !isPort(port)) {
		v.bad(field+".host", "not a host", "a host name, with or without port")
	}
	if w.KeepHost && w.Host != "" {
		v.bad(field+".keepHost", "the host is replaced already", "host or keepHost")
	}
	if !w.KeepPath && w.Host == "" && !w.KeepHost {
		return
	}
	for _, t := range r.everyTarget() {
		if b, ok := v.file.Backends[t.Backend]; ok && b.Provider != httpProvider {
			v.add(field, Problem{Message: "keepPath, host and keepHost are for backends of http: others have paths and hosts of their own"})
			return
		}
	}
}

// query checks what parameters must be.
func (v *validator) query(field string, m map[string]headerFile) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		q, at := m[name], join(field, name)
		if name == "" || strings.ContainsAny(name, "&=#") || !isHeaderValue(name) {
			v.add(at, Problem{Message: "not the name of a parameter", Found: quoted(name), Allowed: `a text without "&", "=" and "#", encoded as in a query`})
		}
		if q.Exact != "" && q.Regex != "" {
			v.add(at, Problem{Message: "exact and regex at once", Allowed: "one of the two"})
		}
		v.regex(at+".regex", q.Regex)
	}
}

// reach checks where a backend is connected to, and whether it can be.
func (v *validator) reach(field string, b *backendFile) {
	for i, text := range b.Endpoints {
		if a, err := netip.ParseAddrPort(text); err != nil || a.Port() == 0 {
			v.bad(v.item(field+".endpoints", i), "not an endpoint", "IP:port, such as 10.0.0.7:8080 or [fd00::7]:8080")
		}
	}
	if b.Broken != "" && !isName(b.Broken) {
		v.bad(field+".broken", "not a word", nameSyntax)
	}
	if (b.Demo || b.Provider == demoProvider) && b.Endpoints != nil {
		v.add(field+".endpoints", Problem{Message: "the demo provider answers in the process itself"})
	}
}

// isPort reports whether s is a port.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
