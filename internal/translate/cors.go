package translate

import (
	"slices"
	"strconv"
	"strings"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// cors reads a CORS filter.
func (r *rule) cors(field string, f *gwv1.HTTPCORSFilter) []fault {
	switch {
	case f == nil:
		return []fault{{field + ".cors", "is missing"}}
	case r.route.CORS != nil:
		return []fault{{field + ".cors", "another CORS filter says which pages may call: one can"}}
	}
	r.route.CORS = readCORS(f, nil)
	return nil
}

// cors reads the policy of that name. What a rule's own filter says goes before it.
func (p *trafficPolicy) cors(c *v1alpha1.CORSPolicy) {
	if c.Disable != nil {
		p.effect("cors", nil)
		return
	}
	f := &gwv1.HTTPCORSFilter{AllowCredentials: c.AllowCredentials, AllowMethods: c.AllowMethods, AllowHeaders: c.AllowHeaders, ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAge}
	for _, o := range c.AllowOrigins {
		f.AllowOrigins = append(f.AllowOrigins, gwv1.CORSOrigin(o))
	}
	if len(f.AllowOrigins) == 0 {
		p.warn("spec.cors", "allows no origin: pages of others are refused")
	}
	out := readCORS(f, func(i int) {
		p.warn("spec.cors.allowOrigins["+strconv.Itoa(i)+"]", "%q is no origin, such as https://example.com or https://*.example.com:8443, and allows nobody", f.AllowOrigins[i])
	})
	p.effect("cors", func(_ *site, r *ir.Route) {
		if r.CORS == nil {
			r.CORS = out
		}
	})
}

// readCORS is f with origins in lower case, as browsers write them. Those that are none are left out; odd is told of their places.
func readCORS(f *gwv1.HTTPCORSFilter, odd func(i int)) *ir.CORS {
	out := &ir.CORS{AllowMethods: texts(f.AllowMethods), AllowHeaders: texts(f.AllowHeaders), ExposeHeaders: texts(f.ExposeHeaders),
		AllowCredentials: deref(f.AllowCredentials, false), MaxAge: int(f.MaxAge)}
	if out.MaxAge == 0 {
		out.MaxAge = 5
	}
	for i, o := range f.AllowOrigins {
		if s := strings.ToLower(string(o)); ir.IsOrigin(s) {
			out.AllowOrigins = append(out.AllowOrigins, s)
		} else if odd != nil {
			odd(i)
		}
	}
	return out
}

// texts is list as texts; * beside others is all there are.
func texts[T ~string](list []T) (out []string) {
	for _, s := range list {
		out = append(out, string(s))
	}
	if slices.Contains(out, "*") {
		return []string{"*"}
	}
	return out
}
