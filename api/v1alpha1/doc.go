// Package v1alpha1 has the Kubernetes kinds of the group gateway.kgateway.dev that Spanway serves: GatewayParameters, Backend,
// TrafficPolicy, HTTPListenerPolicy, ListenerPolicy, GatewayExtension and DirectResponse.
//
// The kinds and their fields are those of kgateway, so that manifests written for it work unchanged. Releases before 2.1 and
// those from 2.1 on name the AI fields differently under the same version; both shapes are fields here, and rules refuse an
// object that sets one thing in both. The schema accepts more than the gateway does: what it does not do is reported in the
// object's status.
//
// The rules stand beside the fields as markers, of which internal/apigen makes the CustomResourceDefinitions. They are
// written in install/helm/spanway-crds/templates, where Helm and kubectl both find them.
//
// +kubebuilder:object:generate=true
// +groupName=gateway.kgateway.dev
package v1alpha1
