package extproc

import (
	"net/http"
	"net/url"
	"strings"
)

// pseudo are the fields of a head that HTTP/2 has in place of HTTP/1's first line, as Envoy shows them for either.
type pseudo struct {
	method, path, authority, scheme, status string
}

// readHead takes a head as Envoy shows it: its pseudo fields, and its fields by their canonical names but for those that drop says.
func readHead(fields []field, drop func(name string) bool) (p pseudo, h http.Header) {
	h = make(http.Header, len(fields))
	values := make([]string, 0, len(fields))
	for _, f := range fields {
		if strings.HasPrefix(f.name, ":") {
			p.set(f)
			continue
		}
		if drop != nil && drop(f.name) {
			continue
		}
		k := http.CanonicalHeaderKey(f.name)
		if have, ok := h[k]; ok {
			h[k] = append(have, f.value)
			continue
		}
		values = append(values, f.value)
		n := len(values)
		h[k] = values[n-1 : n : n]
	}
	return p, h
}

// statusField is the pseudo field of a response.
const statusField = ":status"

// status is that of a response's head.
func (m *message) status() string {
	for i := range m.fields {
		if m.fields[i].name == statusField {
			return m.fields[i].value
		}
	}
	return ""
}

func (p *pseudo) set(f field) {
	switch f.name {
	case ":method":
		p.method = f.value
	case ":path":
		p.path = f.value
	case ":authority":
		p.authority = f.value
	case ":scheme":
		p.scheme = f.value
	case statusField:
		p.status = f.value
	}
}

// splitPath is a request's target as escaped path and raw query, as net/http's servers have them.
func splitPath(target string) (path, query string) {
	path, query, _ = strings.Cut(target, "?")
	for i := range len(path) {
		if !plain(path[i]) {
			if u, err := url.ParseRequestURI(target); err == nil && u.Host == "" {
				return u.EscapedPath(), u.RawQuery
			}
			break
		}
	}
	return path, query
}

// plain reports whether a path with c in it is escaped as it is.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-_.~:@$&+,;=", c) >= 0
}
