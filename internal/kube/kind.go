package kube

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	gwv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/spanway/spanway/api/v1alpha1"
)

// managedBy is the label by which deployed objects are found.
const (
	managedBy = "app.kubernetes.io/managed-by"
	manager   = "spanway"
)

// kind is a kind of objects that is watched.
type kind struct {
	resource schema.GroupVersionResource
	object   client.Object     // an empty one
	list     client.ObjectList // an empty list
	need     need
	owned    bool // only what the controller deployed
	matters  matters
}

// need says what to do without a kind's definition.
type need int

const (
	builtin  need = iota // the API server always has it
	required             // nothing works without it: wait
	optional             // there are no such objects, until it is installed
)

// kinds are what is watched, by a name for each.
type kinds struct {
	classes, gateways, httpRoutes, grants, backendTLS              *kind
	namespaces, services, endpointSlices, secrets, configMaps      *kind
	parameters, backends, traffic, httpListeners, listenerPolicies *kind
	extensions, directResponses                                    *kind
	deployments, accounts, autoscalers, budgets, ownConfigMaps     *kind
}

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, gwv1.Install, gwv1beta1.Install, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("scheme: %w", err)
		}
	}
	return s, nil
}

func newKinds() *kinds {
	gateway := func(resource string, o client.Object, l client.ObjectList, n need) *kind {
		return &kind{resource: schema.GroupVersionResource{Group: gwv1.GroupName, Version: gwv1.GroupVersion.Version, Resource: resource}, object: o, list: l, need: n, matters: specMatters}
	}
	ours := func(resource string, o client.Object, l client.ObjectList) *kind {
		return &kind{resource: v1alpha1.GroupVersion().WithResource(resource), object: o, list: l, need: optional, matters: specMatters}
	}
	core := func(resource string, o client.Object, l client.ObjectList, m matters) *kind {
		return &kind{resource: corev1.SchemeGroupVersion.WithResource(resource), object: o, list: l, matters: m}
	}
	owned := func(gv schema.GroupVersion, resource string, o client.Object, l client.ObjectList, m matters) *kind {
		return &kind{resource: gv.WithResource(resource), object: o, list: l, matters: m, owned: true}
	}
	return &kinds{
		classes:    gateway("gatewayclasses", &gwv1.GatewayClass{}, &gwv1.GatewayClassList{}, required),
		gateways:   gateway("gateways", &gwv1.Gateway{}, &gwv1.GatewayList{}, required),
		httpRoutes: gateway("httproutes", &gwv1.HTTPRoute{}, &gwv1.HTTPRouteList{}, required),
		grants:     gateway("referencegrants", &gwv1.ReferenceGrant{}, &gwv1.ReferenceGrantList{}, optional),
		backendTLS: gateway("backendtlspolicies", &gwv1.BackendTLSPolicy{}, &gwv1.BackendTLSPolicyList{}, optional),

		namespaces: core("namespaces", &corev1.Namespace{}, &corev1.NamespaceList{}, labelsMatter),
		services:   core("services", &corev1.Service{}, &corev1.ServiceList{}, serviceMatters),
		endpointSlices: &kind{resource: discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), object: &discoveryv1.EndpointSlice{},
			list: &discoveryv1.EndpointSliceList{}, matters: endpointsMatter},
		secrets:    metadata(corev1.SchemeGroupVersion, "secrets", "Secret"),
		configMaps: metadata(corev1.SchemeGroupVersion, "configmaps", "ConfigMap"),

		parameters:       ours("gatewayparameters", &v1alpha1.GatewayParameters{}, &v1alpha1.GatewayParametersList{}),
		backends:         ours("backends", &v1alpha1.Backend{}, &v1alpha1.BackendList{}),
		traffic:          ours("trafficpolicies", &v1alpha1.TrafficPolicy{}, &v1alpha1.TrafficPolicyList{}),
		httpListeners:    ours("httplistenerpolicies", &v1alpha1.HTTPListenerPolicy{}, &v1alpha1.HTTPListenerPolicyList{}),
		listenerPolicies: ours("listenerpolicies", &v1alpha1.ListenerPolicy{}, &v1alpha1.ListenerPolicyList{}),
		extensions:       ours("gatewayextensions", &v1alpha1.GatewayExtension{}, &v1alpha1.GatewayExtensionList{}),
		directResponses:  ours("directresponses", &v1alpha1.DirectResponse{}, &v1alpha1.DirectResponseList{}),

		deployments:   owned(appsv1.SchemeGroupVersion, "deployments", &appsv1.Deployment{}, &appsv1.DeploymentList{}, deploymentMatters),
		accounts:      owned(corev1.SchemeGroupVersion, "serviceaccounts", &corev1.ServiceAccount{}, &corev1.ServiceAccountList{}, writeMatters),
		ownConfigMaps: owned(corev1.SchemeGroupVersion, "configmaps", &corev1.ConfigMap{}, &corev1.ConfigMapList{}, writeMatters),
		autoscalers: owned(autoscalingv2.SchemeGroupVersion, "horizontalpodautoscalers", &autoscalingv2.HorizontalPodAutoscaler{},
			&autoscalingv2.HorizontalPodAutoscalerList{}, writeMatters),
		budgets: owned(policyv1.SchemeGroupVersion, "poddisruptionbudgets", &policyv1.PodDisruptionBudget{}, &policyv1.PodDisruptionBudgetList{}, writeMatters),
	}
}

// metadata watches no more of objects than their metadata.
func metadata(gv schema.GroupVersion, resource, name string) *kind {
	o, l := &metav1.PartialObjectMetadata{}, &metav1.PartialObjectMetadataList{}
	o.SetGroupVersionKind(gv.WithKind(name))
	l.SetGroupVersionKind(gv.WithKind(name + "List"))
	return &kind{resource: gv.WithResource(resource), object: o, list: l, matters: valueMatters}
}

func (k *kinds) all() []*kind {
	return []*kind{
		k.classes, k.gateways, k.httpRoutes, k.grants, k.backendTLS,
		k.namespaces, k.services, k.endpointSlices, k.secrets, k.configMaps,
		k.parameters, k.backends, k.traffic, k.httpListeners, k.listenerPolicies,
		k.extensions, k.directResponses,
		k.deployments, k.accounts, k.ownConfigMaps, k.autoscalers, k.budgets,
	}
}
