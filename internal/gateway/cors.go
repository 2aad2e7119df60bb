package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// Header fields of the CORS protocol (Fetch Standard, section 3.3), by their canonical names.
const (
	originField      = "Origin"
	requestMethod    = "Access-Control-Request-Method"
	requestHeaders   = "Access-Control-Request-Headers"
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	allowMethods     = "Access-Control-Allow-Methods"
	allowHeaders     = "Access-Control-Allow-Headers"
	exposeHeaders    = "Access-Control-Expose-Headers"
	maxAge           = "Access-Control-Max-Age"
)

// cors is a compiled ir.CORS.
type cors struct {
	origins                  []*regexp.Regexp
	methods, headers, expose []string // values of their fields; nil = none
	age                      []string
	credentials              bool
}

func compileCORS(c *ir.CORS) (*cors, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // no CORS is no error
	}
	out := &cors{methods: listed(c.AllowMethods), headers: listed(c.AllowHeaders),
		age: []string{strconv.Itoa(c.MaxAge)}, credentials: c.AllowCredentials}
	if e := c.Exposed(); e != "" {
		out.expose = []string{e}
	}
	for _, o := range c.Origins() {
		re, err := regexp.Compile(`^(?:` + o + `)$`)
		if err != nil {
			return nil, fmt.Errorf("cors: %w", err)
		}
		out.origins = append(out.origins, re)
	}
	return out, nil
}

// listed is list as the value of a field, "*" where it is of all; nil for an empty one.
func listed(list []string) []string {
	switch {
	case len(list) == 0:
		return nil
	case slices.Contains(list, "*"):
		return []string{"*"}
	}
	return []string{strings.Join(list, ", ")}
}

// allows reports whether pages of origin may call.
func (c *cors) allows(origin string) bool {
	return slices.ContainsFunc(c.origins, func(re *regexp.Regexp) bool { return re.MatchString(origin) })
}

// isPreflight reports whether a browser asks with h whether a page may send what h names (Fetch Standard, CORS-preflight fetch).
func isPreflight(h *llm.Head) bool {
	return h.Method == http.MethodOptions && len(h.Header[originField]) > 0 && header(h.Header, requestMethod) != ""
}

// sharing is what the call's route says of pages of other origins; nil = nothing. It is that of the first route whose match holds, for a
// preflight names no model by which others could be told apart.
func (c *Call) sharing() *cors {
	if len(c.routes) == 0 || c.routes[0].cors == nil || climbs(c.in.Head.Path) {
		return nil
	}
	return c.routes[0].cors
}

// Preflight answers a browser that asks whether a page may send a call of the route, which nobody else gets to see; nil = it does
// not. Share adds what the page may.
func (c *Call) Preflight() *Reply {
	s := c.sharing()
	if s == nil || !isPreflight(&c.in.Head) {
		return nil
	}
	c.llm.Route, c.status = c.routes[0].Name, http.StatusOK
	c.end(OutcomeOK, "")
	r := &Reply{Status: http.StatusOK, Header: http.Header{}}
	h := c.in.Head.Header
	if !s.allows(header(h, originField)) {
		return r
	}
	for _, f := range [...]struct {
		name    string
		values  []string
		request string // the field that a list of all is answered with
	}{{allowMethods, s.methods, requestMethod}, {allowHeaders, s.headers, requestHeaders}, {maxAge, s.age, ""}} {
		if len(f.values) > 0 && f.values[0] == "*" {
			f.values = h[f.request]
		}
		if len(f.values) > 0 {
			r.Header[f.name] = f.values
		}
	}
	return r
}

// Share puts into dst, the head of the response to the call, who may read it: every response's, those of the gateway's own too.
func (c *Call) Share(dst http.Header) {
	s := c.sharing()
	if s == nil {
		return
	}
	origin := c.in.Head.Header[originField]
	if len(origin) == 0 || !s.allows(origin[0]) {
		return
	}
	dst[allowOrigin] = origin[:1:1]
	if s.credentials {
		dst[allowCredentials] = []string{"true"}
	}
	if s.expose != nil {
		dst[exposeHeaders] = s.expose
	}
}

// dropSharing takes out of dst what a backend says of who may read its responses, where that is the route's to say.
func (c *Call) dropSharing(dst http.Header) {
	if c.sharing() == nil {
		return
	}
	for _, k := range ir.CORSFields {
		delete(dst, k)
	}
}
