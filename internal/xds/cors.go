package xds

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// Browsers are answered by Envoy, before R is asked, with what the first route says that matches by what Envoy can see. Preflights have
// routes of their own: Envoy's filter takes those only where a route leads to a cluster, and tells origins that it does not allow what
// others may. The filter puts into all other responses who may read them, whoever makes them.

// shared reports whether a route of ours lets pages of other origins call it.
func (b *build) shared() bool {
	return slices.ContainsFunc(b.g.Routes, func(r ir.Route) bool { return r.CORS != nil })
}

// corsFilter does nothing but where a route says so.
func (b *build) corsFilter() *hcmv3.HttpFilter { return b.filter(filterCORS, &corsv3.Cors{}) }

// corsPolicy is what c says of responses; preflights do not come to the filter.
func (b *build) corsPolicy(c *ir.CORS) *anypb.Any {
	p := &corsv3.CorsPolicy{ExposeHeaders: c.Exposed(), AllowCredentials: wrapperspb.Bool(c.AllowCredentials)}
	for _, o := range c.Origins() {
		p.AllowOriginStringMatch = append(p.AllowOriginStringMatch, expression(o))
	}
	return b.pack(p)
}

// pages adds to r, the routes of c so far, which are one, those of browsers: preflights, of origins that may call and of others, and where
// Envoy answers by itself, which the filter does not see, calls of origins that may.
func (b *build) pages(c *ir.Route, r *routev3.Route) []*routev3.Route {
	if c.CORS == nil {
		return []*routev3.Route{r}
	}
	m := c.Match
	m.Methods = []string{http.MethodOptions}
	refused := &routev3.Route{Name: c.Name, Match: match(&m), Metadata: routeMetadata(c),
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusOK}}}
	if b.o.Processor != "" {
		refused.TypedPerFilterConfig = map[string]*anypb.Any{filterR: b.pack(&routev3.FilterConfig{Disabled: true})}
	}
	asked := expression(".+")
	if len(c.Match.Methods) > 0 && !slices.Contains(c.Match.Methods, http.MethodOptions) {
		asked = expression(strings.Join(quoted(c.Match.Methods), "|"))
	}
	refused.Match.Headers = append(refused.Match.Headers, header("access-control-request-method", asked),
		&routev3.HeaderMatcher{Name: "origin", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}})
	out := []*routev3.Route{refused}
	if origins := strings.Join(c.CORS.Origins(), "|"); origins != "" {
		out = []*routev3.Route{allowed(c.CORS, origins, refused, true), refused}
		if r.GetDirectResponse() != nil {
			out = append(out, allowed(c.CORS, origins, r, false))
		}
	}
	if r.GetDirectResponse() != nil {
		return append(out, r)
	}
	if r.TypedPerFilterConfig == nil {
		r.TypedPerFilterConfig = map[string]*anypb.Any{}
	}
	r.TypedPerFilterConfig[filterCORS] = b.corsPolicy(c.CORS)
	r.ResponseHeadersToRemove = append(r.ResponseHeadersToRemove, ir.CORSFields[:]...)
	return append(out, r)
}

// allowed is r, which Envoy answers by itself, for origins, those that c allows.
func allowed(c *ir.CORS, origins string, r *routev3.Route, preflight bool) *routev3.Route {
	out := proto.CloneOf(r)
	out.Match.Headers = append(out.Match.Headers, header("origin", expression(origins)))
	add := func(name, value string) {
		if value != "" {
			out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, put(name, value))
		}
	}
	add("access-control-allow-origin", "%REQ(ORIGIN)%")
	if c.AllowCredentials {
		add("access-control-allow-credentials", "true")
	}
	add("access-control-expose-headers", formatted(c.Exposed()))
	if preflight {
		add("access-control-allow-methods", listed(c.AllowMethods, "%REQ(ACCESS-CONTROL-REQUEST-METHOD)%"))
		add("access-control-allow-headers", listed(c.AllowHeaders, "%REQ(ACCESS-CONTROL-REQUEST-HEADERS)%"))
		add("access-control-max-age", strconv.Itoa(c.MaxAge))
	}
	return out
}

// listed is a list as a field's value; that of all is answered with what was asked for.
func listed(list []string, asked string) string {
	if slices.Contains(list, "*") {
		return asked
	}
	return formatted(strings.Join(list, ", "))
}
