package gateway

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// matcher is a compiled ir.Match without its hosts.
type matcher struct {
	exact, prefix string
	regex         *regexp.Regexp
	methods       []string
	headers       []ir.HeaderRule
	query         []ir.HeaderRule
	models        []string
	shared        bool // takes preflights for its methods
}

func compileMatch(c *ir.Match) (m matcher, path string, err error) {
	m = matcher{exact: c.Exact, prefix: strings.TrimSuffix(c.Prefix, "/"), methods: c.Methods, models: c.Models}
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
	for _, q := range c.Query {
		rule, err := q.Compile()
		if err != nil {
			return m, "", fmt.Errorf("match query, %w", err)
		}
		rule.Name = q.Name
		m.query = append(m.query, rule)
	}
	if path == "" {
		path = "/"
	}
	return m, path, nil
}

// head reports whether all that can be seen in the request's head holds, path and host aside.
func (m *matcher) head(h *llm.Head) bool {
	if len(m.methods) > 0 && !slices.Contains(m.methods, h.Method) && !m.preflight(h) {
		return false
	}
	for i := range m.headers {
		if !m.headers[i].Holds(h.Header) {
			return false
		}
	}
	for i := range m.query {
		if v, ok := parameter(h.Query, m.query[i].Name); !ok || !m.query[i].Takes(v) {
			return false
		}
	}
	return true
}

// preflight reports whether a browser asks with h whether it may send what m takes, as far as methods go.
func (m *matcher) preflight(h *llm.Head) bool {
	return m.shared && isPreflight(h) && slices.Contains(m.methods, header(h.Header, requestMethod))
}

// parameter is the first value that a raw query has for name, and whether it has one. Neither is decoded: Envoy does not either.
func parameter(query, name string) (value string, ok bool) {
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if k, v, _ := strings.Cut(part, "="); k == name && part != "" {
			return v, true
		}
	}
	return "", false
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
