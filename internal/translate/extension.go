package translate

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
)

// judgeExtension judges a GatewayExtension: whether its service is there. Nothing asks it: policies that refer to it are refused.
func (t *translator) judgeExtension(o *v1alpha1.GatewayExtension) {
	p := policy{judge: judge{t: t, object: Object{Kind: kindExtension, Namespace: o.Namespace, Name: o.Name}}, name: nameOf(o), generation: o.Generation}
	spec := &o.Spec
	var service *gwv1.BackendRef
	field := ""
	switch {
	case spec.Type == v1alpha1.ExtensionExtAuth && spec.ExtAuth != nil:
		service, field = &spec.ExtAuth.GRPCService.BackendRef, "spec.extAuth.grpcService.backendRef"
	case spec.Type == v1alpha1.ExtensionExtProc && spec.ExtProc != nil:
		service, field = &spec.ExtProc.GRPCService.BackendRef, "spec.extProc.grpcService.backendRef"
	case spec.Type == v1alpha1.ExtensionRateLimit && spec.RateLimit != nil:
		service, field = &spec.RateLimit.GRPCService.BackendRef, "spec.rateLimit.grpcService.backendRef"
	}
	if service != nil {
		p.resolve(field, service, true)
	}
	p.ignore("spec."+map[v1alpha1.ExtensionType]string{v1alpha1.ExtensionExtAuth: "extAuth", v1alpha1.ExtensionExtProc: "extProc",
		v1alpha1.ExtensionRateLimit: "rateLimit"}[spec.Type], "is not supported: policies that refer to it are refused")
	t.out.Statuses.Extensions[p.name] = &v1alpha1.GatewayExtensionStatus{
		Conditions: []metav1.Condition{p.accepted(reasonAccepted, "Extension accepted", o.Generation)}}
}
