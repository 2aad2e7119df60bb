// Package sigv4 checks AWS signatures as a service does: from what came over the wire, with the standard library alone (IAM User
// Guide, "Create a signed AWS API request").
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Signature is what a request says of its signature.
type Signature struct {
	AccessKeyID, Date, Region, Service string
	Headers                            []string // that are signed, lower case
	Hex                                string
}

// Parse reads the Authorization header of r.
func Parse(r *http.Request) (*Signature, error) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return nil, fmt.Errorf("authorization %q is no signature", r.Header.Get("Authorization"))
	}
	s := &Signature{}
	for field := range strings.SplitSeq(fields, ", ") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return nil, fmt.Errorf("credential %q", value)
			}
			s.AccessKeyID, s.Date, s.Region, s.Service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			s.Headers = strings.Split(value, ";")
		case "Signature":
			s.Hex = value
		}
	}
	return s, nil
}

// Check fails when r, whose body was body, is not signed with secret.
func Check(r *http.Request, body []byte, secret string) (*Signature, error) {
	s, err := Parse(r)
	if err != nil {
		return nil, err
	}
	if !slices.IsSorted(s.Headers) || !slices.Contains(s.Headers, "host") || !slices.Contains(s.Headers, "x-amz-date") {
		return s, fmt.Errorf("signed headers %q", s.Headers)
	}
	for k := range r.Header {
		if name := strings.ToLower(k); strings.HasPrefix(name, "x-amz-") && !slices.Contains(s.Headers, name) {
			return s, fmt.Errorf("%s is not signed", k)
		}
	}
	date := r.Header.Get("X-Amz-Date")
	canonical := canonicalRequest(r, body, s.Headers)
	scope := strings.Join([]string{s.Date, s.Region, s.Service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, hash([]byte(canonical))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request", text} {
		key = mac(key, part)
	}
	if want := hex.EncodeToString(key); s.Hex != want || !strings.HasPrefix(date, s.Date) {
		return s, fmt.Errorf("signature %s, want %s of\n%s", s.Hex, want, canonical)
	}
	return s, nil
}

func canonicalRequest(r *http.Request, body []byte, headers []string) string {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	var params []string
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		params = append(params, encode(decode(name), "")+"="+encode(decode(value), ""))
	}
	slices.Sort(params)
	lines := []string{r.Method, encode(path, "/"), strings.Join(params, "&")}
	for _, name := range headers {
		value := strings.Join(r.Header[http.CanonicalHeaderKey(name)], ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		lines = append(lines, name+":"+strings.Join(strings.Fields(value), " "))
	}
	lines = append(lines, "", strings.Join(headers, ";"), hash(body))
	return strings.Join(lines, "\n")
}

func decode(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

// encode percent-encodes all but RFC 3986's unreserved characters and those of keep.
func encode(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~"+keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}
