package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
)

// hopByHop are the header fields of one connection (RFC 9110, section 7.6.1), and those that the plane sets itself.
var hopByHop = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Host": true, "Expect": true,
}

// private are header fields of a request that no provider needs to see.
func private(k string) bool {
	return strings.HasPrefix(k, "X-Forwarded-") || k == "Forwarded" || k == "X-Real-Ip"
}

// copyHeader puts into dst what of src crosses the gateway. Values are shared, not copied.
func copyHeader(dst, src http.Header) {
	named := src["Connection"]
	for k, v := range src {
		if hopByHop[k] || len(named) > 0 && connectionNames(named, k) {
			continue
		}
		dst[k] = v
	}
}

func connectionNames(named []string, k string) bool {
	for _, list := range named {
		for name := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(name), k) {
				return true
			}
		}
	}
	return false
}

// copyAdvice puts into dst what of a provider's error response a client of another dialect acts on: when to try again (RFC
// 9110, section 10.2.3, and what the client libraries of OpenAI and Anthropic know beside it), and the request's id.
func copyAdvice(dst, src http.Header) {
	for _, k := range [...]string{"Retry-After", "Retry-After-Ms", "X-Should-Retry", "Request-Id", "X-Request-Id"} {
		if v := src[k]; v != nil {
			dst[k] = v
		}
	}
}

// nameRequest tells the provider's id of the request in OpenAI's header as well as in Anthropic's.
func nameRequest(h http.Header) {
	if v := h["Request-Id"]; v != nil && h["X-Request-Id"] == nil {
		h["X-Request-Id"] = v
	} else if v := h["X-Request-Id"]; v != nil && h["Request-Id"] == nil {
		h["Request-Id"] = v
	}
}

// takeCredential finds the credential that the client brought, in whichever header or parameter its dialect has for it.
func (c *Call) takeCredential() {
	h := c.in.Head.Header
	for _, k := range provider.CredentialHeaders() {
		if v := header(h, k); v != "" {
			if k == "Authorization" {
				scheme, rest, ok := strings.Cut(v, " ")
				if !ok || !strings.EqualFold(scheme, "Bearer") {
					c.cred, c.credFrom, c.credBound = v, k, true // of another scheme
					return
				}
				v = strings.TrimSpace(rest)
			}
			c.cred, c.credFrom = v, k
			return
		}
	}
	if q := c.in.Head.Query; strings.Contains(q, "key=") {
		if values, err := url.ParseQuery(q); err == nil && values.Get("key") != "" {
			c.cred, c.credFrom = values.Get("key"), ""
		}
	}
}

// dropKey removes the parameter key, in which Gemini's clients may bring a credential, from a raw query.
func dropKey(query string) string { return dropParameter(query, "key") }

// dropParameter removes the parameter called name from a raw query.
func dropParameter(query, name string) string {
	if !strings.Contains(query, name+"=") {
		return query
	}
	kept := ""
	for part := range strings.SplitSeq(query, "&") {
		if k, _, ok := strings.Cut(part, "="); !ok || k != name {
			if kept != "" {
				kept += "&"
			}
			kept += part
		}
	}
	return kept
}

// authorize puts the credential for b into h, and takes the client's own out unless it is meant for the provider.
func (c *Call) authorize(h http.Header, b *Backend, e *provider.Endpoint, query string) string {
	name, prefix := e.Header, e.Prefix
	if b.conf.AuthHeader != "" {
		name, prefix = http.CanonicalHeaderKey(b.conf.AuthHeader), ""
	}
	if b.conf.AuthPrefix.Set {
		prefix = b.conf.AuthPrefix.V
	}
	if !b.conf.Key.Passthrough {
		c.dropCredentials(h)
		if key := string(b.conf.Key.Value); key != "" {
			h[name] = []string{prefix + key}
		}
		if b.provider.Plain {
			return query
		}
		return b.keyInQuery(dropKey(query), string(b.conf.Key.Value))
	}
	if c.cred == "" || c.credBound || c.credFrom == name && b.conf.AuthQuery == "" || b.conf.AuthHeader == "" && keptAsItIs(c, b) {
		return query
	}
	c.dropCredentials(h)
	h[name] = []string{prefix + c.cred}
	return b.keyInQuery(dropKey(query), c.cred)
}

// keyInQuery puts the credential into a raw query, where b wants it there.
func (b *Backend) keyInQuery(query, key string) string {
	name := b.conf.AuthQuery
	if name == "" || key == "" {
		return query
	}
	if query = dropParameter(query, name); query != "" {
		query += "&"
	}
	return query + name + "=" + url.QueryEscape(key)
}

// credentialless refuses an attempt that wants the caller's own credential when there is none.
func (a *Attempt) credentialless() error {
	if b := a.Backend; b.conf.AuthRequired && b.conf.Key.Passthrough && a.call.cred == "" {
		return llm.Errorf(http.StatusUnauthorized, "authentication_error", "Requests go on with the caller's own API key, and this one has none.")
	}
	return nil
}

// keptAsItIs reports whether the client's credential is one that the provider takes where it stands: Google's key parameter and
// OAuth tokens, on Azure a token of Entra ID (a JWT), and what an Anthropic client sends as a bearer token.
func keptAsItIs(c *Call, b *Backend) bool {
	switch b.conf.Provider {
	case "gemini":
		if c.api != "" && c.inbound.Dialect() != llm.Gemini {
			return false
		}
		return c.credFrom == "" || c.credFrom == "Authorization" && strings.HasPrefix(c.cred, "ya29.")
	case "anthropic":
		// Where the gateway says how providers are shown a key, a bearer token is a key unless it is one of Anthropic's OAuth tokens.
		return c.credFrom == "Authorization" && c.inbound.Dialect() == llm.Anthropic && (!c.route.conf.Known.Any || strings.HasPrefix(c.cred, "sk-ant-oat"))
	case "http":
		return true
	case "azure":
		return c.credFrom == "Authorization" && strings.HasPrefix(c.cred, "eyJ")
	}
	return false
}

func (c *Call) dropCredentials(h http.Header) {
	for _, k := range provider.CredentialHeaders() {
		delete(h, k)
	}
}
