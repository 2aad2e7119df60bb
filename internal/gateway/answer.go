package gateway

import (
	"cmp"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/ir"
)

// answers reports whether r answers calls itself, in place of backends.
func (r *Route) answers() bool { return r.conf.Redirect != nil || r.conf.Direct != nil }

// Answered reports whether the route answers the call by itself whatever its body is, which then need not be read.
func (c *Call) Answered() bool { return len(c.routes) == 1 && c.route.answers() }

// answer ends the call with what its route answers.
func (c *Call) answer() *Reply {
	r := &Reply{Header: make(http.Header, 2)}
	if d := c.route.conf.Redirect; d != nil {
		r.Status = d.Status
		r.Header["Location"] = []string{c.location(d)}
	} else {
		d := c.route.conf.Direct
		r.Status, r.Body = d.Status, []byte(d.Body)
		if d.Body != "" {
			r.Header["Content-Type"] = []string{"text/plain"}
		}
	}
	c.route.conf.ResponseHeaders.Apply(r.Header)
	c.status = r.Status
	c.end(OutcomeOK, "")
	return r
}

// wellKnown are the ports that a URL need not name.
var wellKnown = map[string]int{"http": 80, "https": 443}

// location is where d sends the call (Gateway API, HTTPRequestRedirectFilter).
func (c *Call) location(d *ir.Redirect) string {
	host, port := c.in.Host, 0
	if h, p, err := net.SplitHostPort(host); err == nil {
		if port, err = strconv.Atoi(p); err != nil {
			port = 0
		}
		if host = h; strings.Contains(h, ":") {
			host = "[" + h + "]"
		}
	}
	host = cmp.Or(d.Host, host)
	scheme := cmp.Or(d.Scheme, c.in.Scheme)
	if d.Scheme != "" {
		port = wellKnown[d.Scheme]
	} else if listener := c.state.snapshot.ports[c.in.Listener]; listener != 0 {
		port = listener
	}
	if port = cmp.Or(d.Port, port); port != 0 && port != wellKnown[scheme] {
		host += ":" + strconv.Itoa(port)
	}
	path, changed := c.route.match.replaced(d.Path, d.Prefix, c.in.Head.Path)
	if !changed {
		path = c.in.Head.Path
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if q := c.in.Head.Query; q != "" {
		path += "?" + q
	}
	return scheme + "://" + host + path
}

// replaced is path with the whole of it, or its matched prefix, replaced as the Gateway API's HTTPPathModifier says, and whether
// either was asked for.
func (m *matcher) replaced(whole, prefix ir.Opt[string], path string) (string, bool) {
	switch {
	case whole.Set:
		return cmp.Or(whole.V, "/"), true
	case prefix.Set:
		return cmp.Or(strings.TrimSuffix(prefix.V, "/")+m.strip(path), "/"), true
	}
	return "", false
}

// pathOf is the path that a call of r has behind the gateway.
func (c *Call) pathOf(r *Route) string {
	path := c.in.Head.Path
	if p, ok := r.match.replaced(r.conf.Rewrite.Path, r.conf.Rewrite.Prefix, path); ok && (r.plain || c.known(p)) {
		return p
	}
	if r.plain && r.conf.Rewrite.KeepPath {
		return path
	}
	return r.match.strip(path)
}

// rewritten reports whether the call's path is what its route, whose backends have an API, rewrote it to.
func (c *Call) rewritten() bool {
	rw := &c.route.conf.Rewrite
	return (rw.Path.Set || rw.Prefix.Set) && c.known(c.llm.Head.Path)
}

// known reports whether path is that of an API.
func (c *Call) known(path string) bool {
	for _, in := range c.state.snapshot.inbounds {
		if _, ok := in.Accepts(c.in.Head.Method, path); ok {
			return true
		}
	}
	return false
}

// host is the host that a request of the call to b names.
func (c *Call) host(b *Backend) string {
	rw := &c.route.conf.Rewrite
	switch {
	case !b.provider.Plain:
	case rw.Host != "":
		return rw.Host
	case rw.KeepHost && c.in.Host != "":
		return c.in.Host
	}
	return b.Host
}
