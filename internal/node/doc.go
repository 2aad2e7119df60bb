//go:build linux

// Package node runs Pods for tests as a node of Kubernetes does, without containers' images: it is the kubelet, the scheduler, the
// proxy of Services, the load balancer and the cluster's DNS of a control plane of internal/cluster, whose own controllers make the
// Pods of Deployments.
//
// Each container is a process of this machine in its pod's network, with files of its own: what its [Image] has, its volumes,
// and nothing else of the machine's. It runs as the user, with the capabilities and on the read-only root that its security context
// asks for, knows Services by their names, and is probed, stopped and started again as the kubelet does it.
//
// All of it lives in namespaces that [World.Main] makes for the test binary, with addresses and processes of its own: nothing
// is left of it when the binary ends, however it ends.
//
//	var world = node.World{Images: …}
//
//	func TestMain(m *testing.M) { os.Exit(world.Main(m)) }
//
//	func TestThing(t *testing.T) { n := world.Start(t); n.Apply(t, manifests); … }
package node
