package extproc

import (
	"net/http"
	"net/url"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// pseudo are the fields of a head that HTTP/2 has in place of HTTP/1's first line, as Envoy shows them for either.
type pseudo struct {
	method, path, authority, scheme, status string
}

func valueOf(v *corev3.HeaderValue) string {
	if len(v.RawValue) > 0 {
		return string(v.RawValue)
	}
	return v.Value
}

// readHead takes a head as Envoy shows it: its pseudo fields, and its fields by their canonical names but for those that drop says.
func readHead(m *corev3.HeaderMap, drop func(name string) bool) (p pseudo, h http.Header) {
	fields := m.GetHeaders()
	h = make(http.Header, len(fields))
	values := make([]string, 0, len(fields))
	for _, f := range fields {
		if strings.HasPrefix(f.Key, ":") {
			p.set(f)
			continue
		}
		if drop != nil && drop(f.Key) {
			continue
		}
		k := http.CanonicalHeaderKey(f.Key)
		if have, ok := h[k]; ok {
			h[k] = append(have, valueOf(f))
			continue
		}
		values = append(values, valueOf(f))
		n := len(values)
		h[k] = values[n-1 : n : n]
	}
	return p, h
}

func (p *pseudo) set(f *corev3.HeaderValue) {
	switch f.Key {
	case ":method":
		p.method = valueOf(f)
	case ":path":
		p.path = valueOf(f)
	case ":authority":
		p.authority = valueOf(f)
	case ":scheme":
		p.scheme = valueOf(f)
	case ":status":
		p.status = valueOf(f)
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

// mutation is a change of a head in the making. Its parts lie in few pieces of memory.
type mutation struct {
	extprocv3.HeaderMutation

	options []corev3.HeaderValueOption
	fields  []corev3.HeaderValue
	text    []byte
}

// newMutation has room for n fields to set; there may be more.
func newMutation(n int) *mutation {
	m := &mutation{options: make([]corev3.HeaderValueOption, n), fields: make([]corev3.HeaderValue, n), text: make([]byte, 0, 32*n)}
	m.SetHeaders = make([]*corev3.HeaderValueOption, 0, n)
	return m
}

// set gives a field one value.
func (m *mutation) set(name, value string) {
	m.add(name, value).AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
}

// setAll gives a field all values.
func (m *mutation) setAll(name string, values []string) {
	for i, v := range values {
		if i == 0 {
			m.set(name, v)
		} else {
			m.add(name, v).Append = again //nolint:staticcheck // Envoy 1.40 takes the action that has replaced it for the default, to overwrite
		}
	}
}

var again = wrapperspb.Bool(true)

func (m *mutation) add(name, value string) *corev3.HeaderValueOption {
	if len(m.options) == 0 {
		m.options, m.fields = make([]corev3.HeaderValueOption, 8), make([]corev3.HeaderValue, 8)
	}
	o, f := &m.options[0], &m.fields[0]
	m.options, m.fields = m.options[1:], m.fields[1:]
	from := len(m.text)
	m.text = append(m.text, value...)
	f.Key, f.RawValue = name, m.text[from:len(m.text):len(m.text)]
	o.Header = f
	m.SetHeaders = append(m.SetHeaders, o)
	return o
}

func (m *mutation) remove(name string) { m.RemoveHeaders = append(m.RemoveHeaders, name) }
