package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of all kinds here.
const Group = "gateway.kgateway.dev"

// GroupVersion is the group and version of all kinds here.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: "v1alpha1"}
}

// AddToScheme makes the kinds, and their lists, known to s.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(),
		&Backend{}, &BackendList{},
		&DirectResponse{}, &DirectResponseList{},
		&GatewayExtension{}, &GatewayExtensionList{},
		&GatewayParameters{}, &GatewayParametersList{},
		&HTTPListenerPolicy{}, &HTTPListenerPolicyList{},
		&ListenerPolicy{}, &ListenerPolicyList{},
		&TrafficPolicy{}, &TrafficPolicyList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
