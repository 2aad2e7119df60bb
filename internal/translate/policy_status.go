package translate

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// maxAncestors bounds the ancestors in a policy's status (Gateway API, PolicyStatus). Where there are more, the last says so.
const maxAncestors = 16

// summaryName is the name of the last ancestor of those that are too many.
const summaryName = "StatusSummary"

// status is the policy's: an entry for each Gateway that it reaches, and for each target that is not there.
func (p *policy) status() *gwv1.PolicyStatus {
	var names []types.NamespacedName
	for _, n := range sortedNames(p.reached()) {
		if p.t.byName[n] != nil { // others are not ours to judge
			names = append(names, n)
		}
	}
	out := &gwv1.PolicyStatus{Ancestors: []gwv1.PolicyAncestorStatus{}}
	for _, n := range names {
		out.Ancestors = append(out.Ancestors, p.ancestor(kindGateway, n, "", p.accepted(reasonValid, "Policy accepted", p.generation), p.attached(n)))
	}
	for _, to := range p.lost {
		why := p.t.absent(to)
		out.Ancestors = append(out.Ancestors, p.ancestor(to.Kind, to.Name, to.Section, p.pending(conditionAccepted, why), p.pending(conditionAttached, why)))
	}
	if len(out.Ancestors) > maxAncestors {
		group := gwv1.Group(kgatewayGroup)
		out.Ancestors = append(out.Ancestors[:maxAncestors-1], gwv1.PolicyAncestorStatus{
			AncestorRef:    gwv1.ParentReference{Group: &group, Name: summaryName},
			ControllerName: ControllerName,
			Conditions:     []metav1.Condition{p.accepted(reasonValid, "Policy accepted; there are more Gateways than the status has room for", p.generation)},
		})
	}
	return out
}

// reached are the Gateways that the policy is attached to, or to routes of which.
func (p *policy) reached() map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for n := range p.standings {
		out[n] = true
	}
	for _, to := range p.targets {
		switch to.Kind {
		case kindGateway:
			out[to.Name] = true
		case kindRoute: // a Backend's Gateways have standings
			for _, n := range p.t.attachedTo[to.Name] {
				out[n] = true
			}
		}
	}
	return out
}

func (p *policy) pending(condition, why string) metav1.Condition {
	return metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: reasonPending, Message: why, ObservedGeneration: p.generation}
}

// attached is the condition of that name at a Gateway.
func (p *policy) attached(gateway types.NamespacedName) metav1.Condition {
	c := metav1.Condition{Type: conditionAttached, Status: metav1.ConditionTrue, Reason: reasonAttached, Message: "Attached to all targets", ObservedGeneration: p.generation}
	s := p.standings[gateway]
	switch {
	case !p.fine():
		return p.pending(conditionAttached, "Not attached as a whole: the policy is invalid")
	case s == nil:
	case !s.won && s.lost:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonOverridden, "Overridden by other policies, which are nearer or older"
	case s.lost || s.shared:
		c.Reason, c.Message = reasonMerged, "Merged with other policies, and attached"
	}
	return c
}

func (p *policy) ancestor(kind string, name types.NamespacedName, section string, conditions ...metav1.Condition) gwv1.PolicyAncestorStatus {
	group, namespace := gwv1.Group(gatewayGroup), gwv1.Namespace(name.Namespace)
	k := gwv1.Kind(kind)
	if kind == kindBackend {
		group = kgatewayGroup
	}
	out := gwv1.PolicyAncestorStatus{
		AncestorRef:    gwv1.ParentReference{Group: &group, Kind: &k, Namespace: &namespace, Name: gwv1.ObjectName(name.Name)},
		ControllerName: ControllerName,
		Conditions:     conditions,
	}
	if section != "" {
		s := gwv1.SectionName(section)
		out.AncestorRef.SectionName = &s
	}
	return out
}

// finishKgateway writes the statuses of the kinds of api/v1alpha1.
func (t *translator) finishKgateway() {
	for _, o := range t.in.Backends {
		t.backend(o.Namespace, o.Name)
	}
	for _, p := range t.kgateway.policies {
		if p.ai != nil && !p.aiUsed && len(p.standings) > 0 && p.fine() {
			p.warn("spec.ai", "has no effect: no route that the policy applies to leads to a Backend of type AI")
		}
		t.out.Statuses.Policies[p.object] = p.status()
	}
	t.finishListenerPolicies()
	t.finishParameters()
	for _, o := range t.in.Extensions {
		t.judgeExtension(o)
	}
}
