package translate

import (
	"crypto/x509"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// tlsPolicy is a BackendTLSPolicy.
type tlsPolicy struct {
	object    *gwv1.BackendTLSPolicy
	tls       ir.ClientTLS
	refReason string // why ResolvedRefs is false
	reason    string // why it is not accepted
	message   string
	wins      bool // for one target at least
	loses     string
}

// tlsPolicies are the BackendTLSPolicies.
type tlsPolicies struct {
	all     []*tlsPolicy // the oldest first
	targets map[tlsTarget]*tlsPolicy
	// users are the Gateways whose routes lead to a target.
	users map[ref]map[types.NamespacedName]bool
}

// tlsTarget is an object, or a section of it.
type tlsTarget struct {
	ref
	section string
}

// startBackendTLS finds what each BackendTLSPolicy applies to: of several for one target, the oldest counts.
func (t *translator) startBackendTLS() {
	t.tls = tlsPolicies{targets: map[tlsTarget]*tlsPolicy{}, users: map[ref]map[types.NamespacedName]bool{}}
	for _, o := range t.in.BackendTLS {
		p := &tlsPolicy{object: o}
		t.tls.all = append(t.tls.all, p)
		for i := range o.Spec.TargetRefs {
			target := targetOf(o, i)
			if first := t.tls.targets[target]; first == nil {
				t.tls.targets[target], p.wins = p, true
			} else if p.loses == "" {
				p.loses = fmt.Sprintf("spec.targetRefs[%d]: BackendTLSPolicy %s is older, or first by name, and applies to %s %s", i, nameOf(first.object), target.Kind, target.named())
			}
		}
		t.readBackendTLS(p)
	}
}

func targetOf(o *gwv1.BackendTLSPolicy, i int) tlsTarget {
	r := &o.Spec.TargetRefs[i]
	return tlsTarget{ref{string(r.Group), string(r.Kind), o.Namespace, string(r.Name)}, string(deref(r.SectionName, ""))}
}

// readBackendTLS reads how a policy has servers verified.
func (t *translator) readBackendTLS(p *tlsPolicy) {
	v, object := &p.object.Spec.Validation, Object{"BackendTLSPolicy", p.object.Namespace, p.object.Name}
	p.tls.ServerName = string(v.Hostname)
	var authorities []string
	for i, r := range v.CACertificateRefs {
		field := fmt.Sprintf("spec.validation.caCertificateRefs[%d]", i)
		pem, reason, why := t.authorities(p.object.Namespace, r)
		if why != "" {
			p.refReason, p.message = string(reason), field+": "+why
			t.problem(object, field, Error, "%s", why)
			continue
		}
		authorities = append(authorities, strings.TrimRight(pem, "\n")+"\n")
	}
	p.tls.CA = strings.Join(authorities, "")
	invalid := func(field, message string) {
		if p.reason == "" {
			p.reason, p.message = string(gwv1.PolicyReasonInvalid), field+": "+message
		}
		t.problem(object, field, Error, "%s", message)
	}
	switch system := deref(v.WellKnownCACertificates, ""); {
	case len(v.CACertificateRefs) > 0 && len(authorities) == 0:
		p.reason = string(gwv1.BackendTLSPolicyReasonNoValidCACertificate)
	case len(v.CACertificateRefs) > 0:
	case system != gwv1.WellKnownCACertificatesSystem:
		invalid("spec.validation.wellKnownCACertificates", fmt.Sprintf("authorities %q are not known; System is, or caCertificateRefs names a ConfigMap", system))
	}
	if len(v.SubjectAltNames) > 0 {
		invalid("spec.validation.subjectAltNames", "other names than hostname are not verified; leave the field out if the server's certificate has that one")
	}
	for option := range p.object.Spec.Options {
		t.problem(object, "spec.options", Unsupported, "the option %s is not known and has no effect", option)
	}
}

// authorities reads the certificates of a ConfigMap.
func (t *translator) authorities(namespace string, r gwv1.LocalObjectReference) (pem string, reason gwv1.PolicyConditionReason, fault string) {
	if r.Group != "" || r.Kind != kindConfigMap {
		return "", gwv1.BackendTLSPolicyReasonInvalidKind, fmt.Sprintf("authorities cannot be a %s of group %q; a ConfigMap of the core group with the key ca.crt can", r.Kind, r.Group)
	}
	c := t.configMap(namespace, string(r.Name))
	if c == nil {
		return "", gwv1.BackendTLSPolicyReasonInvalidCACertificateRef, t.lacks("ConfigMap %s/%s does not exist%s", namespace, r.Name, didYouMean(string(r.Name), inNamespace(t.configMaps, namespace)))
	}
	pem, ok := c.Data["ca.crt"]
	if !ok {
		pem = string(c.BinaryData["ca.crt"])
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(pem)) {
		return "", gwv1.BackendTLSPolicyReasonInvalidCACertificateRef, fmt.Sprintf("ConfigMap %s/%s has no certificate in PEM under the key ca.crt", namespace, r.Name)
	}
	return pem, "", ""
}

// backendTLS is how the server of a section of to is verified. A fault says why it must not be called. Not found: no policy applies.
func (t *translator) backendTLS(to ref, section string) (tls ir.ClientTLS, fault string, found bool) {
	p := t.tls.targets[tlsTarget{to, section}]
	if p == nil {
		p = t.tls.targets[tlsTarget{to, ""}]
	}
	if p == nil {
		return tls, "", false
	}
	if p.reason != "" || p.refReason != "" {
		return tls, fmt.Sprintf("BackendTLSPolicy %s is not valid: %s", nameOf(p.object), p.message), true
	}
	return p.tls, "", true
}

// usesTLS notes that routes of a Gateway lead to an object.
func (t *translator) usesTLS(to ref, gateway types.NamespacedName) {
	if t.tls.users[to] == nil {
		t.tls.users[to] = map[types.NamespacedName]bool{}
	}
	t.tls.users[to][gateway] = true
}

// finishBackendTLS says what has become of BackendTLSPolicies.
func (t *translator) finishBackendTLS() {
	for _, p := range t.tls.all {
		gateways := map[types.NamespacedName]bool{}
		for i := range p.object.Spec.TargetRefs {
			for g := range t.tls.users[targetOf(p.object, i).ref] {
				gateways[g] = true
			}
		}
		status := &gwv1.PolicyStatus{}
		for _, g := range sortedNames(gateways) {
			status.Ancestors = append(status.Ancestors, p.ancestor(g))
		}
		t.out.Statuses.Policies[Object{"BackendTLSPolicy", p.object.Namespace, p.object.Name}] = status
	}
}

func (p *tlsPolicy) ancestor(g types.NamespacedName) gwv1.PolicyAncestorStatus {
	out := gwv1.PolicyAncestorStatus{AncestorRef: gatewayAncestor(g), ControllerName: ControllerName}
	n := p.object.Generation
	accepted, resolved := string(gwv1.PolicyConditionAccepted), string(gwv1.BackendTLSPolicyConditionResolvedRefs)
	switch {
	case !p.wins:
		out.Conditions = set(nil, n, accepted, false, string(gwv1.PolicyReasonConflicted), p.loses)
	case p.reason != "":
		out.Conditions = set(nil, n, accepted, false, p.reason, p.message)
	default:
		out.Conditions = set(nil, n, accepted, true, string(gwv1.PolicyReasonAccepted), "servers are called with TLS and verified")
	}
	if p.refReason != "" {
		out.Conditions = set(out.Conditions, n, resolved, false, p.refReason, p.message)
	} else {
		out.Conditions = set(out.Conditions, n, resolved, true, string(gwv1.BackendTLSPolicyReasonResolvedRefs), "all references lead somewhere")
	}
	return out
}

// gatewayAncestor names a Gateway in the status of a policy.
func gatewayAncestor(g types.NamespacedName) gwv1.ParentReference {
	return gwv1.ParentReference{Group: ptr(gwv1.Group(gatewayGroup)), Kind: ptr(gwv1.Kind(kindGateway)), Namespace: ptr(gwv1.Namespace(g.Namespace)), Name: gwv1.ObjectName(g.Name)}
}
