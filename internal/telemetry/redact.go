package telemetry

import (
	"net/url"
	"strings"
)

// redacted stands for a secret in a URL (semantic conventions, url.full).
const redacted = "REDACTED"

// secretParams are the query parameters whose value is a credential, in lower case: those that the conventions name for
// url.query and those of the providers and clouds that are called.
var secretParams = map[string]bool{
	"access_token": true, "api-key": true, "api_key": true, "apikey": true, "auth": true, "awsaccesskeyid": true,
	"client_secret": true, "code": true, "key": true, "password": true, "secret": true, "sig": true, "signature": true,
	"subscription-key": true, "token": true, "x-amz-credential": true, "x-amz-security-token": true,
	"x-amz-signature": true, "x-goog-credential": true, "x-goog-signature": true,
}

// RedactURL returns u with user information and the values of secret query parameters replaced by REDACTED and all else as it
// was (semantic conventions, url.full).
func RedactURL(u string) string {
	head, query, hasQuery := strings.Cut(u, "?")
	head = redactUserinfo(head)
	if !hasQuery {
		return head
	}
	query, fragment, hasFragment := strings.Cut(query, "#")
	u = head + "?" + RedactQuery(query)
	if hasFragment {
		u += "#" + fragment
	}
	return u
}

func redactUserinfo(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return u
	}
	user := redacted
	if strings.Contains(authority[:at], ":") {
		user += ":" + redacted
	}
	return scheme + "://" + user + authority[at:] + path
}

// RedactQuery returns the raw query q with the values of secret parameters replaced by REDACTED (semantic conventions,
// url.query).
func RedactQuery(q string) string {
	if !hasSecret(q) {
		return q
	}
	var b strings.Builder
	for i, pair := range strings.Split(q, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		name, _, hasValue := strings.Cut(pair, "=")
		if hasValue && isSecretParam(name) {
			pair = name + "=" + redacted
		}
		b.WriteString(pair)
	}
	return b.String()
}

// hasSecret spares the common query its copy.
func hasSecret(q string) bool {
	for pair := range strings.SplitSeq(q, "&") {
		if name, _, _ := strings.Cut(pair, "="); isSecretParam(name) {
			return true
		}
	}
	return false
}

func isSecretParam(name string) bool {
	if n, err := url.QueryUnescape(name); err == nil {
		name = n
	}
	return secretParams[strings.ToLower(name)]
}
