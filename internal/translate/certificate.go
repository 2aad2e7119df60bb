package translate

import (
	"crypto/tls"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// certificates reads the certificates of an HTTPS listener. What is wrong with one does not touch the others.
func (t *translator) certificates(p *plane, l *listener) {
	s := l.spec.TLS
	if s == nil || len(s.CertificateRefs) == 0 {
		l.unresolved(gwv1.ListenerReasonInvalidCertificateRef, "tls.certificateRefs names no Secret; an HTTPS listener needs one of type kubernetes.io/tls")
		return
	}
	if mode := deref(s.Mode, gwv1.TLSModeTerminate); mode != gwv1.TLSModeTerminate {
		l.refuse(gwv1.ListenerReasonUnsupportedValue, "tls.mode %s is not supported for HTTPS; Terminate is", mode)
		return
	}
	for option := range s.Options {
		t.gatewayProblem(p, l.field+".tls.options", Unsupported, "the option %s is not known and has no effect", option)
	}
	for i := range s.CertificateRefs {
		pair, reason, fault := t.certificate(p, &s.CertificateRefs[i])
		if fault != "" {
			l.unresolved(reason, "tls.certificateRefs[%d]: %s", i, fault)
			continue
		}
		l.pairs = append(l.pairs, pair)
	}
}

// certificate reads one certificate.
func (t *translator) certificate(p *plane, r *gwv1.SecretObjectReference) (pair ir.KeyPair, reason gwv1.ListenerConditionReason, fault string) {
	reason = gwv1.ListenerReasonInvalidCertificateRef
	if group, kind := deref(r.Group, ""), deref(r.Kind, kindSecret); group != "" || kind != kindSecret {
		return pair, reason, fmt.Sprintf("a certificate is a Secret of the core group, not a %s of group %q", kind, group)
	}
	from := ref{gatewayGroup, kindGateway, p.name.Namespace, p.name.Name}
	to := ref{"", kindSecret, string(deref(r.Namespace, gwv1.Namespace(p.name.Namespace))), string(r.Name)}
	if !t.granted(from, to) {
		return pair, gwv1.ListenerReasonRefNotPermitted, fmt.Sprintf("Secret %s is of another namespace; %s", to.named(), t.grantHint(from, to))
	}
	s := t.secret(to.Namespace, to.Name)
	if s == nil {
		return pair, reason, t.lacks("Secret %s does not exist%s", to.named(), didYouMean(to.Name, inNamespace(t.secrets, to.Namespace)))
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if len(s.Data[key]) == 0 {
			return pair, reason, fmt.Sprintf("Secret %s has no key %s; a certificate has tls.crt and tls.key", to.named(), key)
		}
	}
	cert, key := s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey]
	if _, err := tls.X509KeyPair(cert, key); err != nil { // its errors name no content
		return pair, reason, fmt.Sprintf("Secret %s holds no certificate with its key in PEM: %s", to.named(), err)
	}
	return ir.KeyPair{Cert: string(cert), Key: ir.Secret(key)}, "", ""
}

// clientCertificates refuses a listener that asks for clients' certificates: to serve it without would let everybody in.
func (t *translator) clientCertificates(p *plane, l *listener) {
	s := p.object.Spec.TLS
	if s == nil || s.Frontend == nil || !l.https() {
		return
	}
	asks := s.Frontend.Default.Validation != nil
	for i := range s.Frontend.PerPort {
		if s.Frontend.PerPort[i].Port == l.spec.Port {
			asks = s.Frontend.PerPort[i].TLS.Validation != nil
		}
	}
	if asks {
		l.refuse(gwv1.ListenerReasonUnsupportedValue, "spec.tls.frontend: the validation of clients' certificates is not supported; without it the listener would let everybody in")
	}
}
