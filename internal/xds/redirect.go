package xds

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/spanway/spanway/internal/ir"
)

// answerRoute answers r's calls as r says.
func (b *build) answerRoute(r *ir.Route) *routev3.Route {
	out := b.answer(r, uint32(r.Direct.Status))
	if r.Direct.Body != "" {
		out.GetDirectResponse().Body = content(r.Direct.Body)
		out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, put("content-type", "text/plain"))
	}
	return out
}

// redirectRoute sends r's clients elsewhere. Envoy's own redirects cannot take a port away that the client named, so the place is made
// by Envoy's formatter.
func (b *build) redirectRoute(l *ir.Listener, r *ir.Route) *routev3.Route {
	out := b.answer(r, uint32(r.Redirect.Status))
	out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, put("location", b.location(l, r)))
	return out
}

func (b *build) answer(r *ir.Route, status uint32) *routev3.Route {
	return &routev3.Route{Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: status}},
		TypedPerFilterConfig: b.perFilter(r, nil, always)}
}

func put(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}
}

// wellKnown are the ports that a URL need not name.
var wellKnown = map[string]string{"http": "80", "https": "443"}

// location is the format of where r sends calls that came by l (Gateway API, HTTPRequestRedirectFilter).
func (b *build) location(l *ir.Listener, r *ir.Route) string {
	d := r.Redirect
	scheme := d.Scheme
	if scheme == "" {
		scheme = "http"
		if l.TLS != nil {
			scheme = "https"
		}
	}
	port := wellKnown[d.Scheme]
	switch {
	case d.Port != 0:
		port = strconv.Itoa(d.Port)
	case d.Scheme == "":
		port = b.portOfListener(l)
	}
	// What the client wrote, without its port; where ours is not known, without the well-known one.
	strip := "(?::[0-9]+)?"
	if port == "" {
		strip = "(?::" + wellKnown[scheme] + ")?"
	}
	host := formatted(d.Host)
	if d.Host == "" {
		host = extract("request.host", "^(.*?)"+strip+"$", `\1`)
	}
	if port != "" && port != wellKnown[scheme] {
		host += ":" + port
	}
	path := extract("request.path", "^(/.*)$", `\1`)
	if re, by, ok := replacement(&r.Match, d.Path, d.Prefix); ok {
		path = extract("request.path", re+`(\?.*)?$`, by+`\2`)
	}
	return scheme + "://" + host + path
}

// replacement is how a path that m matched is changed that is to be replaced as a whole, or in its matched prefix: a regular expression
// for its beginning, with one group, and what stands in its place. It reports whether either is asked for.
func replacement(m *ir.Match, whole, prefix ir.Opt[string]) (re, by string, ok bool) {
	rest := strings.TrimSuffix(prefix.V, "/")
	switch {
	case whole.Set:
		return "^[^?]*()", escaped(cmp.Or(whole.V, "/")), true
	case !prefix.Set:
		return "", "", false
	case m.Exact != "":
		return "^[^?]*()", escaped(cmp.Or(rest, "/")), true
	case m.Regex != "":
		return "^([^?]*)", escaped(rest) + `\1`, true
	case rest == "":
		return "^" + regexp.QuoteMeta(strings.TrimSuffix(m.Prefix, "/")) + "(?:/([^?]*))?", `/\1`, true
	}
	return "^" + regexp.QuoteMeta(strings.TrimSuffix(m.Prefix, "/")) + "(/[^?]*)?", escaped(rest) + `\1`, true
}

// extract is a format that prints what of an attribute matches re, as by says it.
func extract(attribute, re, by string) string {
	return "%CEL(re.extract(" + attribute + ", " + literal(re) + ", " + literal(by) + "))%"
}

// literal is s as CEL writes a text, with nothing in it that ends a command of Envoy's formatter.
func literal(s string) string {
	var out strings.Builder
	out.WriteByte('\'')
	for _, c := range s {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/._-", c) {
			out.WriteRune(c)
		} else {
			fmt.Fprintf(&out, `\U%08x`, c)
		}
	}
	out.WriteByte('\'')
	return out.String()
}

// formatted is a text as Envoy's formatter has it.
func formatted(s string) string { return strings.ReplaceAll(s, "%", "%%") }
