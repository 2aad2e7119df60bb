package xds

import (
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/spanway/spanway/internal/ir"
)

// match is m as Envoy matches, models and hosts apart.
func match(m *ir.Match) *routev3.RouteMatch {
	out := &routev3.RouteMatch{}
	prefix := strings.TrimSuffix(m.Prefix, "/")
	switch {
	case m.Exact != "":
		out.PathSpecifier = &routev3.RouteMatch_Path{Path: m.Exact}
	case m.Regex != "":
		out.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Regex}}
	case prefix == "":
		out.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: ""}
	default:
		out.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}
	}
	if len(m.Methods) > 0 {
		out.Headers = append(out.Headers, header(":method", expression(strings.Join(quoted(m.Methods), "|"))))
	}
	for i := range m.Headers {
		out.Headers = append(out.Headers, headerMatch(&m.Headers[i]))
	}
	for _, q := range m.Query {
		p := &routev3.QueryParameterMatcher{Name: q.Name, QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: true}}
		switch {
		case q.Regex != "":
			p.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_StringMatch{StringMatch: expression(q.Regex)}
		case q.Exact != "":
			p.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_StringMatch{StringMatch: exactly(q.Exact)}
		}
		out.QueryParameters = append(out.QueryParameters, p)
	}
	return out
}

func headerMatch(h *ir.HeaderMatch) *routev3.HeaderMatcher {
	switch {
	case h.Regex != "":
		return header(h.Name, expression(h.Regex))
	case h.Exact != "":
		return header(h.Name, exactly(h.Exact))
	}
	return &routev3.HeaderMatcher{Name: h.Name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}}
}

// hostExpression matches the authorities of domain: exact, or with a wildcard at its beginning.
func hostExpression(domain string) string {
	re := regexp.QuoteMeta(domain)
	if suffix, ok := strings.CutPrefix(domain, "*"); ok {
		re = ".+" + regexp.QuoteMeta(suffix)
	}
	return "(?i)" + re + "(?::[0-9]+)?"
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = regexp.QuoteMeta(s)
	}
	return out
}

func expression(re string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: re}}}
}
