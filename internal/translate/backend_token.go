package translate

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// Keys of Secrets.
const (
	keyAuthorization = "Authorization"
	keyAWSAccess     = "accessKey"
	keyAWSSecret     = "secretKey"
	keyAWSSession    = "sessionToken"
)

// token is the credential that a says. Secrets are those of namespace.
func (j *judge) token(namespace, field string, a *v1alpha1.AuthToken) ir.Credential {
	switch a.Kind {
	case v1alpha1.AuthTokenPassthrough:
		if a.Inline != nil || a.SecretRef != nil {
			j.warn(field, "has kind Passthrough: the token beside it is not used")
		}
		return ir.Credential{Passthrough: true}
	case v1alpha1.AuthTokenInline:
		if deref(a.Inline, "") == "" {
			j.fault(field+".inline", "has kind Inline and no token")
			return ir.Credential{}
		}
		return ir.Credential{Value: j.value(field+".inline", *a.Inline)}
	case v1alpha1.AuthTokenSecretRef:
		if a.SecretRef == nil {
			j.fault(field+".secretRef", "has kind SecretRef and no Secret")
			return ir.Credential{}
		}
		return ir.Credential{Value: j.authorization(namespace, field+".secretRef", a.SecretRef.Name)}
	}
	j.fault(field+".kind", "%q is none of Inline, SecretRef and Passthrough", a.Kind)
	return ir.Credential{}
}

// authorization is the token in a Secret's key Authorization, without a leading "Bearer ".
func (j *judge) authorization(namespace, field, name string) ir.Secret {
	s := j.secretOf(namespace, field, name)
	if s == nil {
		return ""
	}
	data, ok := s.Data[keyAuthorization]
	if !ok {
		keys := slices.Sorted(maps.Keys(s.Data))
		switch len(keys) {
		case 0:
			j.fault(field, "Secret %q has no key %s; it is empty", name, keyAuthorization)
			return ""
		case 1:
			j.warn(field, "Secret %q has no key %s; its only key, %s, is taken", name, keyAuthorization, keys[0])
			data = s.Data[keys[0]]
		default:
			j.fault(field, "Secret %q has no key %s; it has %s", name, keyAuthorization, strings.Join(keys, ", "))
			return ""
		}
	}
	text := strings.TrimSpace(string(data))
	if scheme, token, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(token)
	}
	if text == "" || strings.EqualFold(text, "Bearer") {
		j.fault(field, "the token in Secret %q is empty", name)
		return ""
	}
	return j.value(field, text)
}

// secretOf is the Secret of that name; a fault, and nil, if there is none.
func (j *judge) secretOf(namespace, field, name string) *corev1.Secret {
	s := j.t.secret(namespace, name)
	if s == nil {
		j.fault(field, "%s", j.t.lacks("there is no Secret %q in namespace %q", name, namespace))
	}
	return s
}

// value is a token that can stand in a header.
func (j *judge) value(field, text string) ir.Secret {
	if !isHeaderValue(text) {
		j.fault(field, "the token has a line break or another control character")
		return ""
	}
	return ir.Secret(text)
}

// aws is the key in a Secret.
func (j *judge) aws(field string, a *v1alpha1.AWSAuth) ir.AWS {
	if a.Type != v1alpha1.AWSAuthSecret || a.SecretRef == nil {
		j.fault(field, "want type Secret with secretRef; without auth the credentials come from the environment")
		return ir.AWS{}
	}
	s := j.secretOf(j.object.Namespace, field+".secretRef", a.SecretRef.Name)
	if s == nil {
		return ir.AWS{}
	}
	var missing []string
	get := func(key string, needed bool) string {
		v := strings.TrimSpace(string(s.Data[key]))
		if v == "" && needed {
			missing = append(missing, key)
		}
		return v
	}
	out := ir.AWS{AccessKeyID: get(keyAWSAccess, true), SecretAccessKey: ir.Secret(get(keyAWSSecret, true)), SessionToken: ir.Secret(get(keyAWSSession, false))}
	if len(missing) > 0 {
		has := "it is empty"
		if keys := slices.Sorted(maps.Keys(s.Data)); len(keys) > 0 {
			has = "it has " + strings.Join(keys, ", ")
		}
		j.fault(field+".secretRef", "Secret %q has no %s; %s", a.SecretRef.Name, strings.Join(missing, " and no "), has)
		return ir.AWS{}
	}
	return out
}

// isHeaderValue reports whether s has no control characters.
func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// isToken reports whether s can be a header's name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// isHop reports whether the gateway sets the header called name itself.
func isHop(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}
