package translate

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// otherPlane is the class of Gateways that another data plane serves, whatever controllerName it has.
const otherPlane = "agentgateway"

// assumedClasses are there in a cluster with kgateway's manifests, whether files show them or not.
var assumedClasses = []string{"kgateway", "kgateway-waypoint"}

// supportedFeatures are those of Gateway API's conformance suite, sorted.
var supportedFeatures = []string{
	"BackendTLSPolicy",
	"Gateway",
	"GatewayHTTPListenerIsolation",
	"GatewayPort8080",
	"HTTPRoute",
	"HTTPRoute303RedirectStatusCode",
	"HTTPRoute307RedirectStatusCode",
	"HTTPRoute308RedirectStatusCode",
	"HTTPRouteBackendProtocolH2C",
	"HTTPRouteBackendTimeout",
	"HTTPRouteCORS",
	"HTTPRouteDestinationPortMatching",
	"HTTPRouteHostRewrite",
	"HTTPRouteMethodMatching",
	"HTTPRouteNamedRouteRule",
	"HTTPRouteParentRefPort",
	"HTTPRoutePathRedirect",
	"HTTPRoutePathRewrite",
	"HTTPRoutePortRedirect",
	"HTTPRouteQueryParamMatching",
	"HTTPRouteRequestTimeout",
	"HTTPRouteResponseHeaderModification",
	"HTTPRouteSchemeRedirect",
	"ReferenceGrant",
}

// classes judges the GatewayClasses that are ours.
func (t *translator) classes() {
	for _, c := range t.in.Classes {
		if c.Spec.ControllerName != ControllerName {
			continue
		}
		status := &gwv1.GatewayClassStatus{}
		t.out.Statuses.Classes[c.Name] = status
		object := Object{Kind: "GatewayClass", Name: c.Name}
		if c.Name == otherPlane {
			message := "the class " + otherPlane + " belongs to another data plane; Gateways of the class kgateway are served here"
			t.problem(object, "spec.controllerName", Unsupported, "%s", message)
			status.Conditions = set(nil, c.Generation, string(gwv1.GatewayClassConditionStatusAccepted), false, string(gwv1.GatewayClassReasonUnsupported), message)
			continue
		}
		for _, f := range supportedFeatures {
			status.SupportedFeatures = append(status.SupportedFeatures, gwv1.SupportedFeature{Name: gwv1.FeatureName(f)})
		}
		if _, fault := t.parameters(nil, c); fault != "" {
			t.problem(object, "spec.parametersRef", Error, "%s", fault)
			status.Conditions = set(nil, c.Generation, string(gwv1.GatewayClassConditionStatusAccepted), false, string(gwv1.GatewayClassReasonInvalidParameters), fault)
			continue
		}
		status.Conditions = set(nil, c.Generation, string(gwv1.GatewayClassConditionStatusAccepted), true, string(gwv1.GatewayClassReasonAccepted), "Gateways of this class are served")
	}
}

// classOf is the class of g, and whether g is ours to serve. A class that is taken for granted is nil.
func (t *translator) classOf(g *gwv1.Gateway) (class *gwv1.GatewayClass, ours bool) {
	name, object := string(g.Spec.GatewayClassName), Object{kindGateway, g.Namespace, g.Name}
	if name == otherPlane {
		t.problem(object, "spec.gatewayClassName", Unsupported, "Gateways of the class %s belong to another data plane and are not served; the class kgateway is", otherPlane)
		return nil, false
	}
	var names []string
	if t.o.Files {
		names = slices.Clone(assumedClasses)
	}
	for _, c := range t.in.Classes {
		if c.Name == name {
			return c, c.Spec.ControllerName == ControllerName
		}
		names = append(names, c.Name)
	}
	if t.o.Files && slices.Contains(assumedClasses, name) {
		return nil, true
	}
	t.problem(object, "spec.gatewayClassName", Error, "%s", t.lacks("GatewayClass %q does not exist, so nobody serves the Gateway%s", name, didYouMean(name, names)))
	return nil, false
}

// set is conditions with one more, without a time: kube knows whether it changed.
func set(conditions []metav1.Condition, generation int64, kind string, holds bool, reason, message string) []metav1.Condition {
	c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, ObservedGeneration: generation, Reason: reason, Message: clip(message)}
	if holds {
		c.Status = metav1.ConditionTrue
	}
	return append(conditions, c)
}

// maxMessage bounds a condition's message (metav1.Condition).
const maxMessage = 32768

func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	const more = " …"
	return fmt.Sprintf("%.*s%s", maxMessage/4, s, more) // characters of up to four bytes
}
