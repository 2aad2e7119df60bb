package translate

import (
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/spanway/spanway/api/v1alpha1"
)

// whole are types whose values are replaced, not merged: values in themselves, choices of one of several, and lists of wholes.
var whole = map[reflect.Type]bool{
	reflect.TypeFor[resource.Quantity]():         true,
	reflect.TypeFor[intstr.IntOrString]():        true,
	reflect.TypeFor[corev1.ProbeHandler]():       true,
	reflect.TypeFor[corev1.SeccompProfile]():     true,
	reflect.TypeFor[corev1.AppArmorProfile]():    true,
	reflect.TypeFor[appsv1.DeploymentStrategy](): true,
	reflect.TypeFor[v1alpha1.AISampler]():        true,
	reflect.TypeFor[v1alpha1.DisruptionBudget](): true,
	reflect.TypeFor[[]corev1.Container]():        true,
}

// mergeParameters is over laid upon base (reference: GatewayParameters, resolution and merge): a value that is set replaces, maps are united,
// lists are appended, a list that is there and empty clears, objects are merged field by field. Neither is changed.
func mergeParameters(base, over *v1alpha1.KubeParameters) *v1alpha1.KubeParameters {
	out := base.DeepCopy()
	over = over.DeepCopy()
	mergeValue(reflect.ValueOf(out).Elem(), reflect.ValueOf(over).Elem())
	if d := over.Deployment; d != nil {
		if d.Replicas != nil {
			out.Deployment.OmitReplicas = nil
		} else if deref(d.OmitReplicas, false) {
			out.Deployment.Replicas = nil
		}
	}
	return out
}

func mergeValue(to, from reflect.Value) {
	if whole[from.Type()] {
		if !from.IsZero() {
			to.Set(from)
		}
		return
	}
	switch from.Kind() {
	case reflect.Pointer:
		switch {
		case from.IsNil():
		case to.IsNil() || from.Elem().Kind() != reflect.Struct || whole[from.Type().Elem()]:
			to.Set(from)
		default:
			mergeValue(to.Elem(), from.Elem())
		}
	case reflect.Struct:
		for i := range from.NumField() {
			mergeValue(to.Field(i), from.Field(i))
		}
	case reflect.Map:
		if to.IsNil() {
			to.Set(from)
			return
		}
		for it := from.MapRange(); it.Next(); {
			to.SetMapIndex(it.Key(), it.Value())
		}
	case reflect.Slice:
		switch {
		case from.IsNil():
		case from.Len() == 0:
			to.Set(from)
		default:
			to.Set(reflect.AppendSlice(to, from))
		}
	default:
		if !from.IsZero() {
			to.Set(from)
		}
	}
}
