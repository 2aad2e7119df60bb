//go:build linux

package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Waits before a container that ended is started again: the first, and the longest.
const (
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// container runs one container of a pod, again and again.
type container struct {
	pod  *pod
	spec *corev1.Container
	init bool

	mu      sync.Mutex
	now     state
	process *os.Process   // of the run that goes on
	exited  chan struct{} // of it; closed when it has ended
	ending  bool          // it is not started again
	stop    chan struct{} // closed with ending
	gone    chan struct{} // closed when run has ended
}

// state is how a container is.
type state struct {
	started  bool // its startup probe was content
	ready    bool // its readiness probe is content
	running  bool
	done     bool // it ended for good with status 0
	restarts int32
	code     int32  // the status of the last end
	fault    string // why it cannot be started
	since    metav1.Time
}

func newContainer(p *pod, c *corev1.Container) *container {
	out := &container{pod: p, spec: c, stop: make(chan struct{}), gone: make(chan struct{})}
	for i := range p.now().Spec.InitContainers {
		out.init = out.init || p.now().Spec.InitContainers[i].Name == c.Name
	}
	return out
}

// restarts reports whether the container is one that goes on for the pod's life.
func (c *container) restarts() bool {
	return !c.init || c.spec.RestartPolicy != nil && *c.spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (c *container) state() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// set changes the state and tells the pod.
func (c *container) set(change func(s *state)) {
	c.mu.Lock()
	before := c.now
	change(&c.now)
	changed := c.now != before
	c.mu.Unlock()
	if changed {
		c.pod.wake()
	}
}

// run is the container's life.
func (c *container) run() {
	defer close(c.gone)
	backoff := firstBackoff
	for {
		began := time.Now()
		err := c.once()
		code := int32(0)
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			code = int32(exit.ExitCode())
		case err != nil:
			c.pod.node.complain("container "+c.spec.Name+" of pod "+c.pod.now().Name, err)
			code = 128
		}
		c.set(func(s *state) {
			s.running, s.started, s.ready, s.code, s.since = false, false, false, code, metav1.Now().Rfc3339Copy()
			s.fault = ""
			if err != nil && exit == nil {
				s.fault = err.Error()
			}
			s.done = code == 0 && !c.restarts()
		})
		if c.state().done {
			return
		}
		if time.Since(began) > lastBackoff {
			backoff = firstBackoff
		}
		select {
		case <-c.stop:
			return
		case <-c.pod.ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
		c.set(func(s *state) { s.restarts++ })
	}
}

// once runs the program until it ends.
func (c *container) once() error {
	l, err := c.launch()
	if err != nil {
		return err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	log, err := c.pod.node.logFile(c.pod.now(), c.spec.Name)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("/proc/self/exe", containerRole) //nolint:noctx // it is ended by end
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr, cmd.Env = []*os.File{r}, log, log, []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS, Setsid: true}
	if err := c.start(cmd); err != nil {
		return errors.Join(err, w.Close())
	}
	_, err = bytes.NewReader(text).WriteTo(w)
	if err := errors.Join(err, w.Close()); err != nil {
		_ = cmd.Process.Kill()
		return errors.Join(err, cmd.Wait())
	}
	ctx, cancel := context.WithCancel(c.pod.ctx)
	var probes sync.WaitGroup
	probes.Go(func() { c.probe(ctx) })
	err = cmd.Wait()
	close(c.exited)
	cancel()
	probes.Wait()
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // what it left
	return err
}

// start starts the process, if the container is not to end.
func (c *container) start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.process, c.exited = cmd.Process, make(chan struct{})
	c.now.running, c.now.since = true, metav1.Now().Rfc3339Copy()
	return nil
}

// end ends the container: what it wants before that, a signal, and when ctx is over, without asking. It may be called twice.
func (c *container) end(ctx context.Context) {
	c.mu.Lock()
	first := !c.ending
	c.ending = true
	if first {
		close(c.stop)
	}
	process, exited := c.process, c.exited
	c.mu.Unlock()
	if process != nil {
		if first && ctx.Err() == nil {
			if l := c.spec.Lifecycle; l != nil && l.PreStop != nil {
				if err := c.handle(ctx, l.PreStop); err != nil {
					c.pod.node.complain("preStop of "+c.spec.Name, err)
				}
			}
			_ = process.Signal(syscall.SIGTERM)
		}
		select {
		case <-exited:
		case <-ctx.Done():
			_ = process.Kill()
		}
	}
	<-c.gone
}

// handle does what a lifecycle handler asks for.
func (c *container) handle(ctx context.Context, h *corev1.LifecycleHandler) error {
	switch {
	case h.Sleep != nil:
		select {
		case <-ctx.Done():
		case <-c.exited:
		case <-time.After(time.Duration(h.Sleep.Seconds) * time.Second):
		}
		return nil
	case h.HTTPGet != nil:
		return c.get(ctx, h.HTTPGet)
	case h.Exec != nil:
		return c.execute(ctx, h.Exec.Command)
	}
	return errors.New("no such handler")
}

// execute runs a command in the container.
func (c *container) execute(ctx context.Context, command []string) error {
	c.mu.Lock()
	pid := strconv.Itoa(c.process.Pid)
	c.mu.Unlock()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", pid, "--mount", "--net", "--uts", "--root", "--wd", "--"}, command...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %w: %s", command, err, out)
	}
	return nil
}

// launch is how to start the program.
func (c *container) launch() (*launch, error) {
	p := c.pod
	o := p.now()
	name := path.Base(strings.SplitN(c.spec.Image, "@", 2)[0])
	name, _, _ = strings.Cut(name, ":")
	image, ok := p.node.images[name]
	if !ok {
		return nil, fmt.Errorf("no image %q", c.spec.Image)
	}
	env, err := c.environment()
	if err != nil {
		return nil, err
	}
	l := &launch{
		Root: filepath.Join(p.dir, "root-"+c.spec.Name), Network: fmt.Sprintf("/proc/%d/ns/net", p.network.Process.Pid), Hostname: o.Name,
		Dir: c.spec.WorkingDir, Env: env.list(), User: int(image.User),
	}
	if err := os.MkdirAll(l.Root, 0o755); err != nil {
		return nil, err
	}
	command := image.Entrypoint
	if len(c.spec.Command) > 0 {
		command = c.spec.Command
	}
	for _, a := range append(append([]string{}, command...), c.spec.Args...) {
		l.Args = append(l.Args, env.expand(a))
	}
	if len(l.Args) == 0 {
		return nil, errors.New("the container has no command, nor has its image")
	}
	for at, file := range image.Files {
		l.Mounts = append(l.Mounts, mount{Source: file, Target: at, ReadOnly: true})
	}
	for _, f := range []string{"hosts", "resolv.conf"} {
		l.Mounts = append(l.Mounts, mount{Source: filepath.Join(p.dir, "etc", f), Target: "/etc/" + f})
	}
	for _, m := range c.spec.VolumeMounts {
		source := filepath.Join(p.volume(m.Name), m.SubPath)
		if host := p.hostPath(m.Name); host != "" {
			source = filepath.Join(host, m.SubPath)
		}
		l.Mounts = append(l.Mounts, mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly || p.constant(m.Name)})
	}
	return l, c.secure(l, o.Spec.SecurityContext)
}

// secure puts what the security contexts say into l.
func (c *container) secure(l *launch, of *corev1.PodSecurityContext) error {
	s, all := c.spec.SecurityContext, of
	if s == nil {
		s = &corev1.SecurityContext{}
	}
	if all == nil {
		all = &corev1.PodSecurityContext{}
	}
	if user := first(s.RunAsUser, all.RunAsUser); user != nil {
		l.User = int(*user)
	}
	l.Group = int(ptr.Deref(first(s.RunAsGroup, all.RunAsGroup), 0))
	if ptr.Deref(first(s.RunAsNonRoot, all.RunAsNonRoot), false) && l.User == 0 {
		return errors.New("the container would run as root, which runAsNonRoot forbids")
	}
	for _, g := range all.SupplementalGroups {
		l.Groups = append(l.Groups, int(g))
	}
	if all.FSGroup != nil {
		l.Groups = append(l.Groups, int(*all.FSGroup))
	}
	l.ReadOnly = ptr.Deref(s.ReadOnlyRootFilesystem, false)
	l.NoPrivileges = !ptr.Deref(s.AllowPrivilegeEscalation, true)
	var drop, add []string
	if s.Capabilities != nil {
		for _, d := range s.Capabilities.Drop {
			drop = append(drop, string(d))
		}
		for _, a := range s.Capabilities.Add {
			add = append(add, string(a))
		}
	}
	l.Drop = capabilities(drop, add)
	return nil
}

// first is the first pointer that is not nil.
func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// status is how the cluster is told of the container.
func (c *container) status() corev1.ContainerStatus {
	s := c.state()
	out := corev1.ContainerStatus{Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, RestartCount: s.restarts, Ready: s.ready, Started: new(s.started)}
	last := &corev1.ContainerStateTerminated{ExitCode: s.code, FinishedAt: s.since, Reason: "Completed"}
	if s.code != 0 {
		last.Reason = "Error"
	}
	switch {
	case s.running:
		out.State.Running = &corev1.ContainerStateRunning{StartedAt: s.since}
	case s.done:
		out.State.Terminated, out.Ready = last, true
	case s.fault != "":
		out.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: s.fault}
	case !s.since.IsZero():
		out.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: fmt.Sprintf("ended with status %d", s.code)}
	default:
		out.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	return out
}
