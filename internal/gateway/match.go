package gateway

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// matcher is a compiled ir.Match without its path.
type matcher struct {
	exact, prefix string
	regex         *regexp.Regexp
	hosts         []string
	methods       []string
	headers       []ir.HeaderRule
	models        []string
}

func compileMatch(c *ir.Match) (m matcher, path string, err error) {
	m = matcher{exact: c.Exact, prefix: strings.TrimSuffix(c.Prefix, "/"), hosts: lower(c.Hosts), methods: c.Methods, models: c.Models}
	path = c.Exact + c.Prefix
	if c.Regex != "" {
		if m.regex, err = regexp.Compile(`^(?:` + c.Regex + `)$`); err != nil {
			return m, "", fmt.Errorf("match: %w", err)
		}
		path = c.Regex
	}
	for _, h := range c.Headers {
		rule, err := h.Compile()
		if err != nil {
			return m, "", fmt.Errorf("match %w", err)
		}
		m.headers = append(m.headers, rule)
	}
	if path == "" {
		path = "/"
	}
	return m, path, nil
}

func lower(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = strings.ToLower(s)
	}
	return out
}

// conditions counts what m asks beyond the path: of routes with equal paths, the one that asks for more is tried first.
func (m *matcher) conditions() int {
	n := 2*len(m.headers) + len(m.models)
	if len(m.hosts) > 0 {
		n += 1000
	}
	if len(m.methods) > 0 {
		n += 100
	}
	return n
}

// head reports whether all that can be seen in the request's head holds.
func (m *matcher) head(h *llm.Head, host string) bool {
	if len(m.methods) > 0 && !slices.Contains(m.methods, h.Method) {
		return false
	}
	if len(m.hosts) > 0 && !slices.ContainsFunc(m.hosts, func(p string) bool { return hostMatches(p, host) }) {
		return false
	}
	for i := range m.headers {
		if !m.headers[i].Holds(h.Header) {
			return false
		}
	}
	return true
}

func hostMatches(pattern, host string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	}
	return pattern == host
}

// model reports whether m takes calls for the model called name.
func (m *matcher) model(name string) bool {
	return len(m.models) == 0 || slices.ContainsFunc(m.models, func(p string) bool { return wildcard(p, name) })
}

// wildcard matches s against a pattern in which * stands for any run of characters.
func wildcard(pattern, s string) bool { return fits(strings.Split(pattern, "*"), s) }

// fits matches s against a pattern that is split at each *.
func fits(parts []string, s string) bool {
	if len(parts) == 1 {
		return parts[0] == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}

// strip removes m's prefix from path. Only a prefix is removed: exact and regex matches stand for the bare prefix.
func (m *matcher) strip(path string) string {
	switch {
	case m.exact != "":
		return ""
	case m.regex != nil:
		return path
	}
	return path[len(m.prefix):]
}

// routes finds the routes of a path without looking at each.
type routes struct {
	exact  map[string][]*Route
	prefix map[string][]*Route
	regex  []*Route
	byHost bool // some route asks for a host
}

func (rs *routes) add(r *Route) {
	if rs.exact == nil {
		rs.exact, rs.prefix = map[string][]*Route{}, map[string][]*Route{}
	}
	rs.byHost = rs.byHost || len(r.match.hosts) > 0
	switch {
	case r.match.exact != "":
		rs.exact[r.match.exact] = append(rs.exact[r.match.exact], r)
	case r.match.regex != nil:
		rs.regex = append(rs.regex, r)
	default:
		rs.prefix[r.match.prefix] = append(rs.prefix[r.match.prefix], r)
	}
}

// seal orders routes of equal paths by what they ask for.
func (rs *routes) seal() {
	order := func(list []*Route) {
		slices.SortStableFunc(list, func(a, b *Route) int { return b.match.conditions() - a.match.conditions() })
	}
	for _, list := range rs.exact {
		order(list)
	}
	for _, list := range rs.prefix {
		order(list)
	}
}

// find appends to dst the routes whose path and head conditions hold, best first: exact, longest prefix, regex. It stops
// after the first that asks for no model.
func (rs *routes) find(dst []*Route, h *llm.Head, host string) []*Route {
	if rs.byHost {
		host = hostOnly(host)
	}
	dst, done := take(dst, rs.exact[h.Path], h, host)
	for p := strings.TrimSuffix(h.Path, "/"); !done; {
		if dst, done = take(dst, rs.prefix[p], h, host); p == "" {
			break
		}
		p = p[:max(strings.LastIndexByte(p, '/'), 0)] // a path without any is "*"
	}
	for i := 0; i < len(rs.regex) && !done; i++ {
		if rs.regex[i].match.regex.MatchString(h.Path) {
			dst, done = take(dst, rs.regex[i:i+1], h, host)
		}
	}
	return dst
}

func take(dst, list []*Route, h *llm.Head, host string) ([]*Route, bool) {
	for _, r := range list {
		if r.match.head(h, host) {
			if dst = append(dst, r); len(r.match.models) == 0 {
				return dst, true
			}
		}
	}
	return dst, false
}

// climbs reports whether an escaped path has a segment "." or ".." in whatever spelling: behind a prefix or a base path it could
// reach what lies beside it, with our credential (RFC 3986, section 5.2.4).
func climbs(path string) bool {
	if !strings.Contains(path, ".") && !strings.Contains(path, "%") {
		return false
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return true
	}
	for segment := range strings.FieldsFuncSeq(plain, func(c rune) bool { return c == '/' || c == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = h
	}
	return strings.ToLower(hostport)
}
