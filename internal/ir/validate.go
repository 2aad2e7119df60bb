package ir

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// validator checks what one value alone does not show.
type validator struct {
	*decoder
	file *file
}

// validate adds every problem of v.file.
func (v *validator) validate() {
	v.listeners()
	v.telemetry()
	v.prices("prices", v.file.Prices)
	for _, name := range slices.Sorted(maps.Keys(v.file.Backends)) {
		b := v.file.Backends[name]
		v.backend(name, &b)
	}
	v.routes()
	v.envoy()
}

// address is where something listens.
type address struct{ field, host, port string }

// overlaps reports whether a and b cannot both be listened on.
func (a address) overlaps(b address) bool {
	everywhere := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return a.port == b.port && a.port != "0" && (a.host == b.host || everywhere(a.host) || everywhere(b.host))
}

// listeners checks everything that listens.
func (v *validator) listeners() {
	var all []address
	listen := func(field, text string) {
		a, ok := v.address(field, text)
		if !ok {
			return
		}
		for _, other := range all {
			if a.overlaps(other) {
				v.bad(field, "overlaps the address of "+other.field, "")
				return
			}
		}
		all = append(all, a)
	}
	if v.file.Listen != "" {
		listen("listen", v.file.Listen)
	}
	names := map[string]string{defaultListener: "listen"}
	for i := range v.file.Listeners {
		l, field := &v.file.Listeners[i], index("listeners", i)
		listen(field+".address", l.Address)
		v.unique(names, field+".name", l.Name)
		v.listenerTLS(field, l)
	}
	if v.file.Admin != "" && v.file.Admin != off {
		listen("admin", v.file.Admin)
	}
}

// listenerTLS checks that a listener's protocol and certificate go together.
func (v *validator) listenerTLS(field string, l *listenerFile) {
	switch {
	case l.TLS == nil:
		if l.Protocol == "https" {
			v.bad(field+".protocol", "https needs tls with cert and key, or with certificates", "")
		}
		return
	case l.Protocol == "http":
		v.bad(field+".protocol", "http goes without tls", "https")
	}
	field += ".tls"
	switch {
	case (l.TLS.Cert == "") != (l.TLS.Key == ""):
		v.add(field, Problem{Message: "cert and key go together"})
	case l.TLS.Cert == "" && len(l.TLS.Certificates) == 0 && !v.hasProblem(field):
		v.add(field, Problem{Message: "has no certificate", Allowed: "cert and key, certificates or all of them"})
	}
	v.keyPair(field, l.TLS.Cert, l.TLS.Key)
	v.authorities(field+".clientCA", l.TLS.ClientCA)
	for i, c := range l.TLS.Certificates {
		at := index(field+".certificates", i)
		if _, err := tls.X509KeyPair([]byte(c.CertPEM), []byte(c.KeyPEM)); err != nil && !v.hasProblem(at) {
			v.add(at, Problem{Message: "not a certificate with its key: " + err.Error()})
		}
	}
}

// clientTLS checks the TLS settings for calls to target.
func (v *validator) clientTLS(field string, t *clientTLSFile, target string) {
	if strings.HasPrefix(target, "http://") && *t != (clientTLSFile{}) {
		v.add(field, Problem{Message: "is for https URLs only, and this one is http"})
	}
	if (t.Cert == "") != (t.Key == "") {
		v.add(field, Problem{Message: "cert and key go together"})
		return
	}
	v.keyPair(field, t.Cert, t.Key)
	v.authorities(field+".ca", t.CA)
	switch {
	case t.CA != "" && t.CAPEM != "":
		v.add(field+".caPEM", Problem{Message: "there is a file of authorities already", Allowed: "ca or caPEM"})
	case t.CAPEM != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CAPEM)):
		v.add(field+".caPEM", Problem{Message: "no certificate in the text", Allowed: "certificates in PEM"})
	}
}

// keyPair checks the certificate and key files of field, unless they are not given.
func (v *validator) keyPair(field, certFile, keyFile string) {
	cert, ok := v.read(field+".cert", certFile)
	key, ok2 := v.read(field+".key", keyFile)
	if !ok || !ok2 {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		v.add(field, Problem{Message: "not a certificate with its key: " + err.Error()})
	}
}

// authorities checks a file of certificates, unless it is not given.
func (v *validator) authorities(field, path string) {
	data, ok := v.read(field, path)
	if ok && !x509.NewCertPool().AppendCertsFromPEM(data) {
		v.bad(field, "no certificate in the file", "a PEM file")
	}
}

// read reads the file of field; false, when it is not given or not readable.
func (v *validator) read(field, path string) ([]byte, bool) {
	if path == "" {
		return nil, false
	}
	data, err := v.options.ReadFile(v.options.abs(path))
	if err != nil {
		if why := (*fs.PathError)(nil); errors.As(err, &why) {
			err = why.Err
		}
		v.bad(field, "cannot be read: "+err.Error(), "a PEM file")
		return nil, false
	}
	return data, true
}

// address checks and splits host:port.
func (v *validator) address(field, text string) (address, bool) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, "/ \t") {
		v.bad(field, "not an address", "host:port with a port from 0 to 65535, such as 127.0.0.1:8080 or :8080")
		return address{}, false
	}
	return address{field, strings.ToLower(host), port}, true
}

// url checks the URL of a server; nil when there is none or it is not one.
func (v *validator) url(field, text string) *url.URL {
	const want = "http://host[:port][/path] or https://host[:port][/path]"
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"): // may hold a password: never repeated
		v.add(field, Problem{Message: "a URL with a user or a password", Allowed: want})
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		v.bad(field, "not the URL of a server", want)
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, "?#"):
		v.bad(field, "a URL with a query or fragment", want)
	case !validPort(u):
		v.bad(field, "a URL with a port that is none", want)
	default:
		return u
	}
	return nil
}

// validPort reports whether u has no port, or one from 1 to 65535.
func validPort(u *url.URL) bool {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return n > 0 && err == nil || u.Port() == "" && !strings.HasSuffix(u.Host, ":")
}

// unique checks that no other field has name, and notes it.
func (v *validator) unique(names map[string]string, field, name string) {
	if name == "" {
		return
	}
	other, taken := names[name]
	switch _, written := v.at[field]; {
	case taken && written:
		v.bad(field, "is the name of "+other+" too", "")
	case taken:
		v.add(field, Problem{Message: "needs a name: its default is the name of " + other + " too"})
	}
	if taken {
		return
	}
	names[name] = strings.TrimSuffix(field, ".name")
}

// headerNames checks the names of headers in a mapping, which are one whatever their case, and returns them in order.
func headerNames[T any](v *validator, field string, headers map[string]T) []string {
	names := slices.Sorted(maps.Keys(headers))
	seen := make(map[string]string)
	for _, name := range names {
		at := join(field, name)
		if !isToken(name) {
			v.add(at, Problem{Message: "not the name of a header", Found: quoted(name)})
		} else if other, taken := seen[strings.ToLower(name)]; taken {
			v.add(at, Problem{Message: "is the same header as " + other})
		}
		seen[strings.ToLower(name)] = name
	}
	return names
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2: a header's name, a method.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// isHeaderValue reports whether s may be a header's value (RFC 9110, section 5.5): no control characters but tabs.
func isHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// index is the field of item i of a list.
func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
