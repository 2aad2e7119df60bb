package ir

import (
	"slices"
	"strings"
)

// demoProvider is the provider that answers without any network.
const demoProvider = "demo"

// httpProvider is the provider that is no API of models.
const httpProvider = "http"

// backend checks one backend.
func (v *validator) backend(name string, b *backendFile) {
	field := join("backends", name)
	if !isName(name) {
		v.add(field, Problem{Message: "not a backend's name", Found: quoted(name), Allowed: nameSyntax})
	}
	v.provider(field, b)
	u := v.url(field+".url", b.URL)
	if b.Path != "" {
		v.path(field+".path", b.Path)
	}
	if b.HTTP2 == "h2c" && u != nil && u.Scheme != "http" {
		v.bad(field+".http2", "h2c is HTTP/2 without TLS, for http URLs only", "auto")
	}
	v.clientTLS(field+".tls", &b.TLS, b.URL)
	v.reach(field, b)
	v.upstreamHeaders(field, b)
	v.aws(field, b)
	v.prices(field+".prices", b.Prices)
	if b.Provider == httpProvider && (b.Model != "" || b.Models != nil || b.Path != "" || b.Dialect != "") {
		v.add(field, Problem{Message: "calls to http are passed through as they are", Allowed: "neither model, models, path nor dialect"})
	}
	for alias, model := range b.Models {
		if alias == "" || model == "" {
			v.add(join(field+".models", alias), Problem{Message: "an empty name of a model"})
		}
	}
}

// provider checks whose API the backend speaks, and what that provider needs.
func (v *validator) provider(field string, b *backendFile) {
	known := v.options.Providers
	example := map[string]string{"azure": "https://RESOURCE.openai.azure.com", "foundry": "https://RESOURCE.services.ai.azure.com", "vllm": "http://localhost:8000", httpProvider: "http://localhost:3000"}
	switch {
	case b.Demo || b.Provider == demoProvider:
		if b.Provider != "" && b.Provider != demoProvider {
			v.bad(field+".provider", "demo: true answers itself, as no other provider", demoProvider)
		}
	case v.told[field] || v.hasProblem(field+".provider"):
	case b.Provider == "":
		v.add(field+".provider", Problem{Message: "is needed", Allowed: strings.Join(known, ", ")})
	case known != nil && !slices.Contains(known, b.Provider):
		v.add(field+".provider", Problem{
			Message:    "no such provider",
			Found:      v.found(field + ".provider"),
			Allowed:    strings.Join(known, ", ") + `; for another API like OpenAI's, openai with "url" and "as"`,
			Suggestion: suggest(b.Provider, known),
		})
	case b.URL == "" && b.Broken == "" && example[b.Provider] != "":
		v.add(field+".url", Problem{Message: "is needed for " + b.Provider, Allowed: "a URL such as " + example[b.Provider]})
	case b.Provider == "vertexai" && b.URL == "" && (b.Project == "" || b.Location == ""):
		v.add(field, Problem{Message: "vertexai needs project and location, or url"})
	case b.Provider == "bedrock":
		v.region(field, b)
	}
	if b.As != "" && (!isName(b.As) || strings.ToLower(b.As) != b.As) {
		v.bad(field+".as", "not a provider's name", `lower-case letters, digits, ".", "_" and "-"`)
	}
}

// region checks the region of a provider of AWS, which is needed where no url is given.
func (v *validator) region(field string, b *backendFile) {
	const allowed = "an AWS region such as us-east-1"
	switch region := b.region(&v.options); {
	case region == "" && b.URL == "":
		v.add(field, Problem{Message: b.Provider + " needs region, AWS_REGION or url", Allowed: allowed})
	case region != "" && !isRegion(region):
		v.bad(field+".region", "not a region", allowed)
	}
}

// isRegion reports whether s can name an AWS region.
func isRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}

// aws checks the credentials that requests are signed with.
func (v *validator) aws(field string, b *backendFile) {
	a := &b.AWS
	if *a == (awsFile{}) {
		return
	}
	field += ".aws"
	switch {
	case b.Provider != "bedrock":
		v.add(field, Problem{Message: "only requests to bedrock are signed", Found: quoted(b.Provider)})
		return
	case b.Key != (Credential{}) || b.Auth.Key != (Credential{}):
		v.add(field, Problem{Message: "the backend has a key, with which nothing is signed", Allowed: "key or aws"})
	case (a.AccessKeyID == "") != (a.SecretAccessKey == ""):
		v.add(field, Problem{Message: "a key has two halves", Allowed: "accessKeyId and secretAccessKey"})
	case a.SessionToken != "" && a.AccessKeyID == "":
		v.add(field+".sessionToken", Problem{Message: "is part of a key", Allowed: "accessKeyId, secretAccessKey and sessionToken"})
	case a.Profile != "" && a.AccessKeyID != "":
		v.add(field+".profile", Problem{Message: "there is a key already", Allowed: "accessKeyId or profile"})
	}
	if a.WebIdentityTokenFile != "" && a.RoleARN == "" {
		v.add(field+".roleArn", Problem{Message: "is needed with webIdentityTokenFile"})
	}
	if a.RoleSessionName != "" && a.RoleARN == "" {
		v.add(field+".roleSessionName", Problem{Message: "names the session of a role", Allowed: "roleArn and roleSessionName"})
	}
	if a.RoleARN != "" && !strings.HasPrefix(a.RoleARN, "arn:") {
		v.bad(field+".roleArn", "not the ARN of a role", "a text such as arn:aws:iam::123456789012:role/NAME")
	}
	if !isHeaderValue(a.AccessKeyID) || strings.ContainsAny(a.AccessKeyID, " /,") {
		v.add(field+".accessKeyId", Problem{Message: "not the id of a key"})
	}
}

// hopHeaders are headers that belong to one connection or to the body's framing: the gateway sets them.
var hopHeaders = [...]string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade"}

// upstreamHeaders checks the headers and the credential that go upstream.
func (v *validator) upstreamHeaders(field string, b *backendFile) {
	for _, name := range headerNames(v, field+".headers", b.Headers) {
		v.editable(join(field+".headers", name), name)
	}
	if h := b.Auth.Header; h != "" && (!isToken(h) || slices.Contains(hopHeaders[:], strings.ToLower(h))) {
		v.bad(field+".auth.header", "not a header that can carry a credential", "a header's name, such as authorization")
	}
	if p := b.Auth.Prefix; p != nil && !isHeaderValue(*p) {
		v.add(field+".auth.prefix", Problem{Message: "holds a line break or another control character"})
	}
	if b.Auth.Query != "" && len(v.file.Envoy.AccessLog) > 0 {
		v.bad(field+".auth.query", "would come into the access logs of Envoy", "none with envoy.accessLog")
	}
	if b.Auth.Required && !b.Key.Passthrough && !b.Auth.Key.Passthrough {
		v.bad(field+".auth.required", "is for the callers' own credentials", "key: passthrough")
	}
	if b.Key != (Credential{}) && b.Auth.Key != (Credential{}) {
		v.add(field+".auth.key", Problem{Message: "the backend has a key already", Allowed: "key or auth.key"})
	}
}

// headerEdits checks changes of header fields.
func (v *validator) headerEdits(field string, e *headerEditFile) {
	for _, m := range []struct {
		key    string
		fields map[string]string
	}{{".set", e.Set}, {".add", e.Add}} {
		for _, name := range headerNames(v, field+m.key, m.fields) {
			at := join(field+m.key, name)
			v.editable(at, name)
			if !isHeaderValue(m.fields[name]) {
				v.bad(at, "not a header's value", "a text without control characters")
			}
		}
	}
	for i, name := range e.Remove {
		if at := index(field+".remove", i); isToken(name) {
			v.editable(at, name)
		} else {
			v.bad(at, "not the name of a header", "")
		}
	}
}

// editable checks that the field called name is not one that the gateway sets itself.
func (v *validator) editable(at, name string) {
	if slices.Contains(hopHeaders[:], strings.ToLower(name)) {
		v.add(at, Problem{Message: "a header that the gateway sets itself"})
	}
}

// path checks a path of HTTP requests.
func (v *validator) path(field, path string) {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") || !isHeaderValue(path) {
		v.bad(field, "not a path", `a text that starts with "/", without "?" and "#"`)
	}
}

// nameSyntax says what isName accepts.
const nameSyntax = `1 to 128 letters, digits, ".", "_" and "-"; the first is a letter or a digit`

// maxName bounds names, in bytes.
const maxName = 128

// isName reports whether s can name a backend.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}
