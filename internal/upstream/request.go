package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Request is one request. Do does not change it save Timing.
type Request struct {
	Method string // a token; not CONNECT
	Path   string // escaped, beginning with /; no query
	Query  string // escaped, without the question mark; ""
	// Header is sent without the fields that belong to a connection or to framing: Connection and those it names,
	// Content-Length, Host, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade.
	Header http.Header
	Host   string // the Host field; "" = the target's
	// Body is wholly in memory, so that it can be sent again. It must not change until the response is closed, or Do fails.
	Body []byte
	// HeadTimeout bounds the time from Do to the response's head, dialling included; 0 = none. It fires at most an
	// eighth late, which saves arming a timer on every call.
	HeadTimeout time.Duration
	// Timing is filled by Do while the exchange goes on, so it also tells of one that failed.
	Timing Timing
}

// Timing is the facts of an exchange for its span. Times that did not come are zero.
type Timing struct {
	Start     time.Time      // Do was called
	Dial      time.Duration  // DNS, TCP and TLS of a new connection; 0 for a reused one
	TLS       time.Duration  // the TLS handshake's part of Dial
	Wrote     time.Time      // the whole request was handed to the kernel; over net/http at the latest FirstByte
	FirstByte time.Time      // the first byte of the response was there
	Peer      netip.AddrPort // the connection's other end; a proxy's, if there is one
	Reused    bool           // the connection had carried an exchange before
	// Resent says that the request had been written to a reused connection which was closed before answering, and went
	// out again on this one.
	Resent bool
}

// Check reports what of the request cannot be put on the wire: header injection ends here. Do asks it, too.
func (r *Request) Check() error {
	switch {
	case !isToken(r.Method) || r.Method == http.MethodConnect:
		return fmt.Errorf("method %q is not allowed", r.Method)
	case !strings.HasPrefix(r.Path, "/") || !isTarget(r.Path, "?#"):
		return errors.New("path is not an escaped absolute path")
	case !isTarget(r.Query, "#"):
		return errors.New("query is not escaped")
	case r.Host != "" && !validHost(r.Host):
		return errors.New("host has characters that are not allowed")
	}
	for name, values := range r.Header {
		if !isToken(name) {
			return fmt.Errorf("header name %q is not a token", name)
		}
		for _, v := range values {
			if !isFieldValue(v) {
				return fmt.Errorf("value of header %s has control characters", name)
			}
		}
	}
	return nil
}

// appendHead appends the request line and the header section (RFC 9112, sections 3 and 5).
func (r *Request) appendHead(dst []byte, authority string) []byte {
	if r.Host != "" {
		authority = r.Host
	}
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Path...)
	if r.Query != "" {
		dst = append(dst, '?')
		dst = append(dst, r.Query...)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, authority...)
	dst = append(dst, "\r\n"...)
	named := r.Header["Connection"]
	for name, values := range r.Header {
		if hopByHop(http.CanonicalHeaderKey(name), named) {
			continue
		}
		for _, v := range values {
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			dst = append(dst, v...)
			dst = append(dst, "\r\n"...)
		}
	}
	if r.sendsLength() {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(r.Body)), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// sendsLength reports whether the request has a Content-Length: RFC 9110, section 8.6, wants one of 0 from methods that
// usually have a body.
func (r *Request) sendsLength() bool {
	return len(r.Body) > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch
}

// hopByHop reports whether a field in canonical form ends at this connection (RFC 9110, section 7.6.1) or is framing that
// this package writes itself. named is the Connection field.
func hopByHop(name string, named []string) bool {
	switch name {
	case "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	for _, v := range named {
		if hasToken(v, name) {
			return true
		}
	}
	return false
}

// hasToken reports whether a comma-separated list has a token, whatever the case.
func hasToken(list, token string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if strings.EqualFold(strings.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	const marks = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.'
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	case c < 64:
		return uint64(marks)>>c&1 == 1
	}
	return c == '^' || c == '_' || c == '`' || c == '|' || c == '~'
}

// isFieldValue reports whether s can be a field's value (RFC 9110, section 5.5): no control character but the tab.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isTarget reports whether s is visible ASCII without the characters of none.
func isTarget(s, none string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return !strings.ContainsAny(s, none)
}

// validHost reports whether s can be the Host field: no delimiter that would end the authority.
func validHost(s string) bool { return isTarget(s, "/\\?#@\"<>{}|^`") }
