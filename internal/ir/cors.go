package ir

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// originSyntax is an origin (RFC 6454, section 6.2) in lower case, with * for any run of characters in the host.
var originSyntax = regexp.MustCompile(`^([a-z][-+.a-z0-9]*)://([*a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$`)

// IsOrigin reports whether s can stand in CORS.AllowOrigins: "*", or scheme://host or scheme://host:port in lower case, with * for any
// run of characters in the host.
func IsOrigin(s string) bool { return s == "*" || originSyntax.MatchString(s) }

// usualPorts are those that an origin need not name.
var usualPorts = map[string]string{"http": "80", "https": "443"}

// Origins are regular expressions (RE2), each for the whole of an Origin field that one of c.AllowOrigins allows. The usual port of a
// scheme may be there or not, in either.
func (c *CORS) Origins() []string {
	var out []string
	for _, o := range c.AllowOrigins {
		if o == "*" {
			out = append(out, ".*")
			continue
		}
		part := originSyntax.FindStringSubmatch(o)
		if part == nil {
			continue
		}
		host := strings.ReplaceAll(regexp.QuoteMeta(part[2]), `\*`, `[^/:]*`)
		if part[2] == "*" {
			host = `(?:[^/:]+|\[[^/]*\])`
		}
		port := ""
		switch usual := usualPorts[part[1]]; {
		case usual != "" && (part[3] == "" || part[3] == usual):
			port = "(?::" + usual + ")?"
		case part[3] != "":
			port = ":" + part[3]
		}
		out = append(out, regexp.QuoteMeta(part[1])+"://"+host+port)
	}
	return out
}

// CORSFields are what responses say of who may read them (Fetch Standard, section 3.3; Private Network Access), by their canonical names.
var CORSFields = [...]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
	"Access-Control-Expose-Headers", "Access-Control-Max-Age", "Access-Control-Allow-Private-Network"}

// Exposed are the fields of responses that pages may read beside those that any page may, as the value of Access-Control-Expose-Headers; "" =
// none. All of them cannot be where credentials are sent (Fetch Standard, section 3.3.5).
func (c *CORS) Exposed() string {
	switch all := slices.Contains(c.ExposeHeaders, "*"); {
	case all && c.AllowCredentials:
		return ""
	case all:
		return "*"
	}
	return strings.Join(c.ExposeHeaders, ", ")
}

// cors is f with origins in lower case, in the order of the file.
func (f *corsFile) cors() *CORS {
	c := &CORS{AllowMethods: slices.Clone(f.AllowMethods), AllowHeaders: slices.Clone(f.AllowHeaders), ExposeHeaders: slices.Clone(f.ExposeHeaders),
		AllowCredentials: f.AllowCredentials, MaxAge: int(f.MaxAge / time.Second)}
	for _, o := range f.AllowOrigins {
		c.AllowOrigins = append(c.AllowOrigins, strings.ToLower(o))
	}
	return c
}

// cors checks what a route lets pages of other origins do.
func (v *validator) cors(field string, f *corsFile) {
	if f == nil {
		return
	}
	field += ".cors"
	for i, o := range f.AllowOrigins {
		if !IsOrigin(strings.ToLower(o)) {
			v.bad(v.item(field+".allowOrigins", i), "not an origin", `scheme://host or scheme://host:port, with * for any part of the host, or *`)
		}
	}
	for _, list := range []struct {
		key    string
		values []string
		what   string
	}{{"allowOrigins", f.AllowOrigins, ""}, {"allowMethods", f.AllowMethods, "a method"}, {"allowHeaders", f.AllowHeaders, "a header's name"},
		{"exposeHeaders", f.ExposeHeaders, "a header's name"}} {
		at := field + "." + list.key
		if len(list.values) > 1 && slices.Contains(list.values, "*") {
			v.add(at, Problem{Message: "* beside others: it is all there are", Allowed: "* alone, or a list without it"})
		}
		for i, s := range list.values {
			if list.what != "" && !isToken(s) {
				v.bad(v.item(at, i), "not "+list.what, "* alone, or names")
			}
		}
	}
	if f.MaxAge%time.Second != 0 {
		v.bad(field+".maxAge", "not a number of whole seconds", "1s and more")
	}
}
