//go:build linux

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
)

// nodeName is the node's.
const nodeName = "node-1"

// syncPatience bounds the wait for the first sight of the objects.
const syncPatience = 30 * time.Second

// Node runs the pods of a control plane. It may be used concurrently.
type Node struct {
	*cluster.Cluster

	images   map[string]Image
	dir      string
	ctx      context.Context // that of all that runs; an object whose life is the node's
	cancel   context.CancelFunc
	running  sync.WaitGroup
	cache    cache.Cache
	changed  chan struct{}
	proxy    *proxy
	pods     map[types.UID]*pod // the loop's
	lastHost atomic.Uint32      // of the addresses given to pods

	mu   sync.Mutex
	logs map[string]string // files by NAMESPACE/POD/CONTAINER, of pods that are gone, too
	said []string          // faults of the node's own work
}

// start starts a node of a control plane.
func start(c *cluster.Cluster, find func(dir string) (map[string]Image, error)) (_ *Node, err error) {
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	images, err := find(dir)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // containers run as other users
		return nil, err
	}
	n := &Node{Cluster: c, images: images, dir: dir, changed: make(chan struct{}, 1), pods: map[types.UID]*pod{}, logs: map[string]string{}}
	n.lastHost.Store(9)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.cache, err = cache.New(c.Config, cache.Options{Scheme: c.Scheme}); err != nil {
		return nil, err
	}
	n.proxy = newProxy(n)
	for _, o := range []client.Object{&corev1.Pod{}, &corev1.Service{}, &discoveryv1.EndpointSlice{}, &corev1.ConfigMap{}, &corev1.Secret{}} {
		informer, err := n.cache.GetInformer(n.ctx, o)
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { n.wake() }, UpdateFunc: func(any, any) { n.wake() }, DeleteFunc: func(any) { n.wake() },
		}); err != nil {
			return nil, err
		}
	}
	n.running.Go(func() { _ = n.cache.Start(n.ctx) })
	ctx, cancel := context.WithTimeout(n.ctx, syncPatience)
	defer cancel()
	if !n.cache.WaitForCacheSync(ctx) {
		return nil, fmt.Errorf("no sight of the cluster's objects within %v", syncPatience)
	}
	if err := n.register(ctx); err != nil {
		return nil, err
	}
	if err := n.serveDNS(); err != nil {
		return nil, err
	}
	n.running.Go(n.loop)
	return n, nil
}

// register tells the cluster of the node.
func (n *Node) register(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	if err := n.Client.Create(ctx, node); err != nil {
		return err
	}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: hostIP}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastTransitionTime: metav1.Now()}}
	return n.Client.Status().Update(ctx, node)
}

// wake makes the loop look again.
func (n *Node) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// loop follows the cluster's objects.
func (n *Node) loop() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.changed:
		}
		n.look()
		n.proxy.look()
	}
}

func (n *Node) look() {
	var list corev1.PodList
	if err := n.cache.List(n.ctx, &list); err != nil {
		n.complain("list pods", err)
		return
	}
	there := map[types.UID]bool{}
	for i := range list.Items {
		o := &list.Items[i]
		there[o.UID] = true
		p := n.pods[o.UID]
		switch {
		case p != nil:
			p.update(o.DeepCopy())
		case o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed:
		case o.Spec.NodeName == "" && o.DeletionTimestamp == nil:
			n.bind(o)
		case o.Spec.NodeName == nodeName:
			p = newPod(n, o.DeepCopy())
			n.pods[o.UID] = p
			n.running.Go(p.run)
		}
	}
	for uid, p := range n.pods {
		if !there[uid] {
			p.cancel() // deleted without grace
			delete(n.pods, uid)
		}
	}
}

// bind is the scheduler: there is one node.
func (n *Node) bind(p *corev1.Pod) {
	b := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: nodeName}}
	if err := n.Client.SubResource("binding").Create(n.ctx, p, b); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		n.complain("bind a pod", err)
	}
}

// patchStatus writes the status of an object.
func (n *Node) patchStatus(o client.Object, status any) error {
	text, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(n.Client.Status().Patch(n.ctx, o, client.RawPatch(types.MergePatchType, text)))
}

// address is one that no pod has had.
func (n *Node) address() string {
	host := n.lastHost.Add(1)
	return fmt.Sprintf("10.244.%d.%d", host>>8, host&0xff)
}

// complain keeps a fault of the node's own work, which is told when a test fails.
func (n *Node) complain(what string, err error) {
	if n.ctx.Err() != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, fmt.Sprintf("%s %s: %v", time.Now().Format(time.TimeOnly), what, err))
}

// stop ends all pods at once.
func (n *Node) stop() {
	n.cancel()
	n.running.Wait()
	_ = os.RemoveAll(n.dir)
}

// Log is what the containers called container have said, those of pods that are gone too, in the namespace's pods whose names
// begin with prefix.
func (n *Node) Log(t testing.TB, namespace, prefix, container string) string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for key, file := range n.logs {
		if part := strings.SplitN(key, "/", 3); part[0] == namespace && strings.HasPrefix(part[1], prefix) && part[2] == container {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(text))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// logFile is the file for what a container says.
func (n *Node) logFile(p *corev1.Pod, container string) (*os.File, error) {
	key := p.Namespace + "/" + p.Name + "/" + container
	file := filepath.Join(n.dir, strings.ReplaceAll(key, "/", "_")+".log")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.logs[key] = file
	n.mu.Unlock()
	return f, nil
}

// Bounds of what a failed test tells.
const (
	toldBytes = 3 << 10 // of each container
	toldLines = 40      // of the node
)

// tell tells what a failed test's reader may want to know.
func (n *Node) tell(t testing.TB) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.said[max(0, len(n.said)-toldLines):] {
		t.Log("node: " + line)
	}
	keys := make([]string, 0, len(n.logs))
	for key := range n.logs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		text, err := os.ReadFile(n.logs[key])
		if err == nil && len(text) > 0 {
			t.Logf("%s said:\n%s", key, strings.ToValidUTF8(string(text[max(0, len(text)-toldBytes):]), ""))
		}
	}
}
