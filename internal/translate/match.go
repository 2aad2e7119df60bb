package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// readMatch turns m into a match of the configuration.
func readMatch(m *gwv1.HTTPRouteMatch) (out ir.Match, f fault) {
	kind, path := gwv1.PathMatchPathPrefix, "/"
	if m.Path != nil {
		kind, path = deref(m.Path.Type, kind), deref(m.Path.Value, path)
	}
	switch {
	case kind == gwv1.PathMatchRegularExpression:
		out.Regex, f = path, checkRegex(".path.value", path)
	case !strings.HasPrefix(path, "/"):
		f = fault{".path.value", fmt.Sprintf("%q is no path: a path begins with a slash", path)}
	case kind == gwv1.PathMatchExact:
		out.Exact = path
	case kind == gwv1.PathMatchPathPrefix:
		out.Prefix = trimPath(path)
	default:
		f = fault{".path.type", fmt.Sprintf("paths are not matched by %q; Exact, PathPrefix and RegularExpression can be had", kind)}
	}
	if m.Method != nil {
		out.Methods = []string{string(*m.Method)}
	}
	for i, h := range m.Headers {
		name := strings.ToLower(string(h.Name))
		c, wrong := condition(fmt.Sprintf(".headers[%d]", i), name, string(deref(h.Type, gwv1.HeaderMatchExact)), h.Value)
		out.Headers, f = addCondition(out.Headers, c), firstFault(f, wrong)
	}
	for i, q := range m.QueryParams {
		c, wrong := condition(fmt.Sprintf(".queryParams[%d]", i), string(q.Name), string(deref(q.Type, gwv1.QueryParamMatchExact)), q.Value)
		out.Query, f = addCondition(out.Query, c), firstFault(f, wrong)
	}
	return out, f
}

// condition is one on a header or on a parameter of the query.
func condition(field, name, kind, value string) (c ir.HeaderMatch, f fault) {
	c.Name = name
	switch kind {
	case string(gwv1.HeaderMatchExact):
		c.Exact = value
	case string(gwv1.HeaderMatchRegularExpression):
		c.Regex, f = value, checkRegex(field+".value", value)
	default:
		f = fault{field + ".type", fmt.Sprintf("values are not matched by %q; Exact and RegularExpression can be had", kind)}
	}
	return c, f
}

// addCondition keeps list sorted. Of several conditions on one name the first counts (Gateway API, HTTPHeaderMatch.Name).
func addCondition(list []ir.HeaderMatch, c ir.HeaderMatch) []ir.HeaderMatch {
	i, found := slices.BinarySearchFunc(list, c, func(a, b ir.HeaderMatch) int { return cmp.Compare(a.Name, b.Name) })
	if found {
		return list
	}
	return slices.Insert(list, i, c)
}

func checkRegex(field, text string) fault {
	if err := ir.CheckRegex(text); err != nil {
		return fault{field, fmt.Sprintf("%s; regular expressions have RE2's syntax, without lookaround and backreferences", err)}
	}
	return fault{}
}

func firstFault(a, b fault) fault {
	if a.message != "" {
		return a
	}
	return b
}
