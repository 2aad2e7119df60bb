package kube

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// change is what a change of an object asks for.
type change int

const (
	nothing    change = iota
	write             // look again at what is deployed and at statuses
	revaluate         // a Secret, a ConfigMap or endpoints: rebuild if something refers to them
	everything        // rebuild
)

// matters says what the change of one object, which is there before and after it, asks for. Objects that come or go ask for
// as much as matters(o, nil) says.
type matters func(before, after client.Object) change

// specMatters is for kinds whose generation counts the changes of their spec: statuses come from ourselves, mostly.
func specMatters(before, after client.Object) change {
	switch {
	case after == nil:
		return everything
	case before.GetGeneration() != after.GetGeneration(), before.GetUID() != after.GetUID(),
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero(),
		!maps.Equal(before.GetLabels(), after.GetLabels()), !maps.Equal(before.GetAnnotations(), after.GetAnnotations()):
		return everything
	}
	return write
}

// labelsMatter is for namespaces.
func labelsMatter(before, after client.Object) change {
	if after == nil || !maps.Equal(before.GetLabels(), after.GetLabels()) {
		return everything
	}
	return nothing
}

// serviceMatters looks at what routes need, and at the addresses of deployed Services.
func serviceMatters(before, after client.Object) change {
	if after == nil {
		return everything
	}
	b, a := before.(*corev1.Service), after.(*corev1.Service)
	if !equality.Semantic.DeepEqual(&b.Spec, &a.Spec) || !equality.Semantic.DeepEqual(&b.Status.LoadBalancer, &a.Status.LoadBalancer) ||
		!maps.Equal(b.Labels, a.Labels) {
		return everything
	}
	return write
}

// endpointsMatter leaves out what an EndpointSlice's controller notes for itself.
func endpointsMatter(before, after client.Object) change {
	if after == nil {
		return revaluate
	}
	b, a := before.(*discoveryv1.EndpointSlice), after.(*discoveryv1.EndpointSlice)
	switch {
	case !maps.Equal(b.Labels, a.Labels): // it may be another Service's
		return everything
	case b.AddressType == a.AddressType && equality.Semantic.DeepEqual(b.Endpoints, a.Endpoints) && equality.Semantic.DeepEqual(b.Ports, a.Ports):
		return nothing
	}
	return revaluate
}

// valueMatters is for what is watched by its metadata alone.
func valueMatters(before, after client.Object) change {
	if after != nil && before.GetResourceVersion() == after.GetResourceVersion() {
		return nothing
	}
	return revaluate
}

// deploymentMatters rebuilds when pods begin or cease to be there: a Gateway is programmed or is not by it.
func deploymentMatters(before, after client.Object) change {
	if after == nil {
		return everything
	}
	b, a := before.(*appsv1.Deployment), after.(*appsv1.Deployment)
	if (b.Status.AvailableReplicas > 0) != (a.Status.AvailableReplicas > 0) {
		return everything
	}
	return write
}

// writeMatters is for what is deployed and has no say in anything.
func writeMatters(_, _ client.Object) change { return write }
