//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// again is how long a pod waits for what it lacks, such as a ConfigMap.
const again = 200 * time.Millisecond

// pod runs one pod. Its goroutine is run's; containers have their own and tell it by wake.
type pod struct {
	node    *Node
	dir     string
	ip      string
	network *exec.Cmd // keeps the network's namespace
	ctx     context.Context
	cancel  context.CancelFunc
	changed chan struct{}

	mu     sync.Mutex
	object *corev1.Pod // as the cluster has it

	containers []*container // in the order of their start
	written    *corev1.PodStatus
	tokens     map[string]token // by path in their volume
}

func newPod(n *Node, o *corev1.Pod) *pod {
	p := &pod{node: n, object: o, dir: filepath.Join(n.dir, string(o.UID)), changed: make(chan struct{}, 1), tokens: map[string]token{}}
	p.ctx, p.cancel = context.WithCancel(n.ctx)
	return p
}

// update tells of a change to the object.
func (p *pod) update(o *corev1.Pod) {
	p.mu.Lock()
	p.object = o
	p.mu.Unlock()
	p.wake()
}

func (p *pod) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// now is the object.
func (p *pod) now() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object
}

// run is the pod's life.
func (p *pod) run() {
	defer p.remove()
	for {
		err := p.sandbox()
		if err == nil {
			err = p.mountAll()
		}
		if err == nil {
			break
		}
		p.node.complain("pod "+p.now().Name, err)
		if !p.pause(again) {
			return
		}
	}
	o := p.now()
	for i := range o.Spec.InitContainers {
		c := &o.Spec.InitContainers[i]
		if !p.initialize(newContainer(p, c)) {
			return
		}
	}
	for i := range o.Spec.Containers {
		c := newContainer(p, &o.Spec.Containers[i])
		p.containers = append(p.containers, c)
		p.node.running.Go(c.run)
	}
	for {
		if p.now().DeletionTimestamp != nil {
			p.terminate()
			return
		}
		if err := p.mountAll(); err != nil {
			p.node.complain("pod "+p.now().Name, err)
		}
		p.report()
		select {
		case <-p.ctx.Done():
			return
		case <-p.changed:
		case <-time.After(tokenCheck):
		}
	}
}

// initialize runs a container before the others. It is false if the pod ends meanwhile.
func (p *pod) initialize(c *container) bool {
	p.containers = append(p.containers, c)
	p.node.running.Go(c.run)
	for {
		if s := c.state(); s.done || c.restarts() && s.started {
			return true
		}
		p.report()
		select {
		case <-p.ctx.Done():
			return false
		case <-p.changed:
		}
		if p.now().DeletionTimestamp != nil {
			p.terminate()
			return false
		}
	}
}

// pause waits; it is false if the pod ends meanwhile.
func (p *pod) pause(d time.Duration) bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(d):
	}
	if p.now().DeletionTimestamp != nil {
		p.gone()
		return false
	}
	return true
}

// sandbox makes the pod's folder, and its network with an address of the node's bridge.
func (p *pod) sandbox() error {
	if p.network != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "etc"), 0o755); err != nil {
		return err
	}
	p.ip = p.node.address()
	keeper := exec.CommandContext(p.ctx, "sleep", "infinity")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := keeper.Start(); err != nil {
		return err
	}
	p.network = keeper
	pid := strconv.Itoa(keeper.Process.Pid)
	link := "pod" + pid
	if err := ip(p.ctx, "link add "+link+" type veth peer name eth0 netns "+pid, "link set "+link+" master "+bridge+" up"); err != nil {
		return err
	}
	inside := exec.CommandContext(p.ctx, "nsenter", "--target", pid, "--net", "ip", "-batch", "-")
	if err := batch(inside, []string{"link set lo up", "addr add " + p.ip + "/16 dev eth0", "link set eth0 up", "route add default via " + hostIP}); err != nil {
		return err
	}
	if err := p.sysctls(pid); err != nil {
		return err
	}
	o := p.now()
	hosts := "127.0.0.1 localhost\n" + p.ip + " " + o.Name + "\n"
	for _, a := range o.Spec.HostAliases {
		for _, name := range a.Hostnames {
			hosts += a.IP + " " + name + "\n"
		}
	}
	resolve := fmt.Sprintf("nameserver %s\nsearch %s.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n", dnsIP, o.Namespace)
	return errors.Join(p.etc("hosts", hosts), p.etc("resolv.conf", resolve))
}

func (p *pod) etc(name, text string) error {
	return os.WriteFile(filepath.Join(p.dir, "etc", name), []byte(text), 0o644) //nolint:gosec // containers run as other users
}

// sysctls sets what the pod asks for.
func (p *pod) sysctls(pid string) error {
	s := p.now().Spec.SecurityContext
	if s == nil {
		return nil
	}
	for _, c := range s.Sysctls {
		set := exec.CommandContext(p.ctx, "nsenter", "--target", pid, "--net", "sh", "-c", `echo "$1" >"/proc/sys/$(echo "$0" | tr . /)"`, c.Name, c.Value)
		if out, err := set.CombinedOutput(); err != nil {
			return fmt.Errorf("set %s: %w: %s", c.Name, err, out)
		}
	}
	return nil
}

// report writes the status, if it has changed.
func (p *pod) report() {
	o := p.now()
	s := &corev1.PodStatus{Phase: corev1.PodRunning, HostIP: hostIP, PodIP: p.ip, PodIPs: []corev1.PodIP{{IP: p.ip}}, StartTime: ptr.To(o.CreationTimestamp)}
	ready, initialized := len(p.containers) > 0, true
	for _, c := range p.containers {
		st := c.status()
		if c.init {
			s.InitContainerStatuses = append(s.InitContainerStatuses, st)
			initialized = initialized && (c.state().done || c.restarts())
			continue
		}
		s.ContainerStatuses = append(s.ContainerStatuses, st)
		ready = ready && st.Ready
	}
	if len(s.ContainerStatuses) < len(o.Spec.Containers) {
		s.Phase, ready = corev1.PodPending, false
	}
	s.Conditions = []corev1.PodCondition{p.condition(corev1.PodScheduled, true), p.condition(corev1.PodInitialized, initialized),
		p.condition(corev1.ContainersReady, ready), p.condition(corev1.PodReady, ready)}
	if reflect.DeepEqual(s, p.written) {
		return
	}
	if err := p.node.patchStatus(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name}}, s); err != nil {
		p.node.complain("status of pod "+o.Name, err)
		return
	}
	p.written = s
}

// condition keeps the time of the last change.
func (p *pod) condition(kind corev1.PodConditionType, is bool) corev1.PodCondition {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now().Rfc3339Copy()}
	if is {
		c.Status = corev1.ConditionTrue
	}
	if p.written != nil {
		for _, old := range p.written.Conditions {
			if old.Type == kind && old.Status == c.Status {
				return old
			}
		}
	}
	return c
}

// terminate ends the containers with the grace that is left, and then the object.
func (p *pod) terminate() {
	grace := time.Duration(ptr.Deref(p.now().DeletionGracePeriodSeconds, 30)) * time.Second
	ctx, cancel := context.WithTimeout(p.ctx, grace)
	defer cancel()
	var ends sync.WaitGroup
	for _, c := range p.containers {
		ends.Go(func() { c.end(ctx) })
	}
	ended := make(chan struct{})
	go func() { ends.Wait(); close(ended) }()
	for done := false; !done; {
		p.report()
		select {
		case <-ended:
			done = true
		case <-p.changed:
		}
	}
	p.gone()
}

// gone takes the object out of the cluster.
func (p *pod) gone() {
	o := p.now()
	err := p.node.Client.Delete(p.node.ctx, o, client.GracePeriodSeconds(0), client.Preconditions{UID: &o.UID})
	if client.IgnoreNotFound(err) != nil {
		p.node.complain("delete pod "+o.Name, err)
	}
}

// remove ends what still runs of the pod.
func (p *pod) remove() {
	p.cancel()
	for _, c := range p.containers {
		c.end(p.ctx)
	}
	if p.network != nil {
		_ = p.network.Wait()
	}
	_ = os.RemoveAll(p.dir)
}
