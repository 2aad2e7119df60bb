// Package cluster runs a Kubernetes control plane of real parts for tests: etcd, kube-apiserver and, where a test asks for them,
// the controllers that make Pods of Deployments and EndpointSlices of Services. Role-based access control is on, service-account
// tokens are issued and reviewed, and the definitions of Spanway's kinds and of the Gateway API's standard channel are there.
//
// A test binary has one [Shared] control plane, which its TestMain starts at the first use and ends:
//
//	var control cluster.Shared
//
//	func TestMain(m *testing.M) { os.Exit(control.Main(m)) }
//
//	func TestThing(t *testing.T) { c := control.Start(t); … }
//
// Tests keep out of each other's way by namespaces ([Cluster.Namespace]). The programs are those of tools/install.sh, or those in
// the folder that KUBEBUILDER_ASSETS names.
package cluster
