package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// framing is how a body is delimited (RFC 9112, section 6.3).
type framing uint8

const (
	byLength  framing = iota // Content-Length, or no body at all
	byChunks                 // Transfer-Encoding: chunked
	untilDone                // until the connection closes
)

// head is a parsed response head.
type head struct {
	status  int
	proto   string
	header  http.Header // end-to-end fields only
	framing framing
	length  int64 // of the body on the wire, with byLength
	content int64 // what Content-Length says; -1 = nothing
	keep    bool  // the connection can carry another exchange
}

// headEnd finds the end of the head that starts at b[0]: the index after its empty line, or -1. It looks at line ends
// from index from on, so that a head coming in pieces is not scanned again. A lone line feed ends a line too (RFC 9112,
// section 2.2).
func headEnd(b []byte, from int) int {
	for i := from; i < len(b); {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return -1
		}
		i += k + 1
		switch rest := b[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2
		}
	}
	return -1
}

// parseHead parses a whole response head, empty line included, as the answer to a request of the given method.
func parseHead(block []byte, method string) (head, error) {
	lines := string(block) // the one copy: names and values are parts of it
	status, lines := cutLine(lines)
	h := head{content: -1}
	minor, err := h.statusLine(status)
	if err != nil {
		return h, err
	}
	if h.header, err = parseFields(lines); err != nil {
		return h, err
	}
	return h, h.frame(method, minor)
}

// statusLine parses "HTTP/1.x 200 reason" (RFC 9112, section 4) and returns the minor version. The reason is ignored,
// as the RFC tells clients; some servers leave it out with the space before it.
func (h *head) statusLine(s string) (minor byte, err error) {
	if len(s) < len("HTTP/1.1 200") || s[:7] != "HTTP/1." || s[8] != ' ' || len(s) > 12 && s[12] != ' ' || !isFieldValue(s) {
		return 0, fmt.Errorf("malformed status line %.40q", s)
	}
	switch minor = s[7]; minor {
	case '0':
		h.proto = "HTTP/1.0"
	case '1':
		h.proto = "HTTP/1.1"
	default:
		return 0, fmt.Errorf("unknown protocol version in status line %.40q", s)
	}
	for _, c := range []byte(s[9:12]) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("malformed status code %q", s[9:12])
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return 0, fmt.Errorf("malformed status code %q", s[9:12])
	}
	return minor, nil
}

// frame decides how the body is delimited, whether the connection lives on, and removes the fields of the connection.
// Anything two readers could see differently is refused: both Transfer-Encoding and Content-Length, two lengths, another
// coding than chunked.
func (h *head) frame(method string, minor byte) error {
	coding, coded := h.header["Transfer-Encoding"]
	lengths := h.header["Content-Length"]
	switch {
	case coded && len(lengths) > 0:
		return errors.New("both Transfer-Encoding and Content-Length")
	case coded && (minor == '0' || len(coding) != 1 || !strings.EqualFold(coding[0], "chunked")):
		return fmt.Errorf("unsupported Transfer-Encoding %.40q", coding)
	case len(lengths) > 0:
		n, err := parseLength(lengths)
		if err != nil {
			return err
		}
		h.content, h.header["Content-Length"] = n, lengths[:1]
	}
	connection := h.header["Connection"]
	h.keep = minor == '1'
	for _, v := range connection {
		h.keep = h.keep && !hasToken(v, "close")
	}
	for name := range h.header {
		if name != "Content-Length" && hopByHop(name, connection) {
			delete(h.header, name)
		}
	}
	switch {
	case method == http.MethodHead || h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		h.framing = byLength
	case coded:
		h.framing = byChunks
	case h.content >= 0:
		h.framing, h.length = byLength, h.content
	default:
		h.framing, h.keep = untilDone, false
	}
	return nil
}

// parseLength parses Content-Length, which may be repeated if it says the same (RFC 9110, section 8.6).
func parseLength(values []string) (int64, error) {
	first := values[0]
	for _, v := range values[1:] {
		if v != first {
			return 0, fmt.Errorf("two values of Content-Length, %.20q and %.20q", first, v)
		}
	}
	n, err := strconv.ParseUint(first, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("malformed Content-Length %.20q", first)
	}
	return int64(n), nil
}

// cutLine cuts the first line off and its line end away.
func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// parseFields parses field lines up to the empty one (RFC 9112, section 5). Line folding, white space before the colon
// and control characters are refused.
func parseFields(s string) (http.Header, error) {
	n := strings.Count(s, "\n") + 1
	h := make(http.Header, n)
	slots := make([]string, n)
	for s != "" {
		var line string
		if line, s = cutLine(s); line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, fmt.Errorf("malformed header line %.40q", line)
		}
		value = strings.Trim(value, " \t")
		if !isFieldValue(value) {
			return nil, fmt.Errorf("control character in header %.40q", name)
		}
		name = canonical(name)
		if had := h[name]; had != nil {
			h[name] = append(had, value)
			continue
		}
		slots[0] = value
		h[name], slots = slots[:1:1], slots[1:]
	}
	return h, nil
}

// canonical is the canonical form of a field's name, without allocation for those that providers send in lower case.
func canonical(name string) string {
	if c, ok := lowerNames[name]; ok {
		return c
	}
	return http.CanonicalHeaderKey(name)
}

// lowerNames is what providers and the servers before them send in lower case.
var lowerNames = map[string]string{
	"access-control-expose-headers":        "Access-Control-Expose-Headers",
	"alt-svc":                              "Alt-Svc",
	"anthropic-organization-id":            "Anthropic-Organization-Id",
	"cache-control":                        "Cache-Control",
	"cf-cache-status":                      "Cf-Cache-Status",
	"cf-ray":                               "Cf-Ray",
	"connection":                           "Connection",
	"content-encoding":                     "Content-Encoding",
	"content-length":                       "Content-Length",
	"content-type":                         "Content-Type",
	"date":                                 "Date",
	"keep-alive":                           "Keep-Alive",
	"openai-model":                         "Openai-Model",
	"openai-organization":                  "Openai-Organization",
	"openai-processing-ms":                 "Openai-Processing-Ms",
	"openai-project":                       "Openai-Project",
	"openai-version":                       "Openai-Version",
	"request-id":                           "Request-Id",
	"retry-after":                          "Retry-After",
	"server":                               "Server",
	"set-cookie":                           "Set-Cookie",
	"strict-transport-security":            "Strict-Transport-Security",
	"transfer-encoding":                    "Transfer-Encoding",
	"vary":                                 "Vary",
	"via":                                  "Via",
	"x-content-type-options":               "X-Content-Type-Options",
	"x-envoy-upstream-service-time":        "X-Envoy-Upstream-Service-Time",
	"x-ratelimit-limit-requests":           "X-Ratelimit-Limit-Requests",
	"x-ratelimit-limit-tokens":             "X-Ratelimit-Limit-Tokens",
	"x-ratelimit-remaining-requests":       "X-Ratelimit-Remaining-Requests",
	"x-ratelimit-remaining-tokens":         "X-Ratelimit-Remaining-Tokens",
	"x-ratelimit-reset-requests":           "X-Ratelimit-Reset-Requests",
	"x-ratelimit-reset-tokens":             "X-Ratelimit-Reset-Tokens",
	"x-request-id":                         "X-Request-Id",
	"anthropic-ratelimit-requests-limit":   "Anthropic-Ratelimit-Requests-Limit",
	"anthropic-ratelimit-tokens-limit":     "Anthropic-Ratelimit-Tokens-Limit",
	"anthropic-ratelimit-tokens-remaining": "Anthropic-Ratelimit-Tokens-Remaining",
	"anthropic-ratelimit-tokens-reset":     "Anthropic-Ratelimit-Tokens-Reset",
}
