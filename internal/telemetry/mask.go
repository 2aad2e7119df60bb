package telemetry

import "strings"

// maskedSecret stands for a credential in captured text.
const maskedSecret = "[REDACTED]"

// secretShape is the form of one kind of credential: a prefix at the start of a word, then characters of a set.
type secretShape struct {
	prefix string
	keep   string // what of the prefix stays readable
	in     func(c byte) bool
	least  int // characters after the prefix
	dots   int // dots among them, at least
}

// secretShapes are the credentials that never leave the process in captured content: keys of OpenAI, Anthropic and others
// (sk-), Google (AIza), AWS access key ids (AKIA, ASIA), bearer tokens and JSON Web Tokens (RFC 7519: eyJ is {" in base64url).
var secretShapes = []secretShape{
	{prefix: "sk-", in: isTokenByte, least: 16},
	{prefix: "AIza", in: isTokenByte, least: 30},
	{prefix: "AKIA", in: isAlnum, least: 16},
	{prefix: "ASIA", in: isAlnum, least: 16},
	{prefix: "Bearer ", keep: "Bearer ", in: isBearerByte, least: 16},
	{prefix: "bearer ", keep: "bearer ", in: isBearerByte, least: 16},
	{prefix: "eyJ", in: isJWTByte, least: 20, dots: 2},
}

// maskSecrets returns s with every credential of a known shape replaced.
func maskSecrets(s string) string {
	for i := range secretShapes {
		s = secretShapes[i].mask(s)
	}
	return s
}

func (p *secretShape) mask(s string) string {
	at := strings.Index(s, p.prefix)
	if at < 0 {
		return s
	}
	var b strings.Builder
	var before byte
	for at >= 0 {
		if at > 0 {
			before = s[at-1]
		}
		end, found := p.find(s, at, before)
		if found {
			b.WriteString(s[:at])
			b.WriteString(p.keep)
			b.WriteString(maskedSecret)
		} else {
			b.WriteString(s[:end])
		}
		before = s[end-1]
		s = s[end:]
		at = strings.Index(s, p.prefix)
	}
	b.WriteString(s)
	return b.String()
}

// find reports whether a credential begins at at, after the byte before, and where the search goes on: after the credential,
// or after what cannot hold the start of another, so that no byte is looked at twice.
func (p *secretShape) find(s string, at int, before byte) (next int, found bool) {
	from := at + len(p.prefix)
	if isAlnum(before) {
		return from, false
	}
	end := from
	for end < len(s) && p.in(s[end]) {
		end++
	}
	if end-from < p.least {
		return from, false
	}
	return end, strings.Count(s[from:end], ".") >= p.dots
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isTokenByte(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }

func isJWTByte(c byte) bool { return isTokenByte(c) || c == '.' }

// isBearerByte tells the characters of b64token (RFC 6750, 2.1).
func isBearerByte(c byte) bool { return isJWTByte(c) || c == '~' || c == '+' || c == '/' || c == '=' }
