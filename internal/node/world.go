//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spanway/spanway/internal/cluster"
)

// Networks of a world.
const (
	hostIP     = "10.244.0.1" // of the node, and of the API server
	podNetwork = "10.244.0.0/16"
	dnsIP      = "10.96.0.10"
	// serviceNetworks has the Services' own addresses (10.96) and those that the load balancer gives them (10.97).
	serviceNetworks = "10.96.0.0/15"
	bridge          = "pods"
	// bridgeMAC is fixed: of its own accord a bridge has the lowest address of its ports, so that it changed as pods come and go,
	// and what others send to the old one is lost for seconds.
	bridgeMAC = "02:00:00:00:00:01"
)

// controllers are those of kube-controller-manager that a node needs.
var controllers = []string{"deployment-controller", "replicaset-controller", "endpointslice-controller", "serviceaccount-controller",
	"root-ca-certificate-publisher-controller", "garbage-collector-controller", "namespace-controller", "disruption-controller"}

// What a process of the test binary is for, as its first argument or in its environment.
const (
	containerRole = "node-container"
	insideMark    = "SPANWAY_TEST_WORLD"
)

// World is what a test binary's tests share: namespaces, a control plane and a node.
type World struct {
	// Images are what containers find, by the last part of their image's name without the tag: echo for
	// registry.example.com/tools/echo:v1. A function, as what it names may have to be built first, for example into dir, which is removed
	// in the end.
	Images func(dir string) (map[string]Image, error)
	// Hosts are addresses outside of the cluster that this process may listen on, such as 192.168.1.100.
	Hosts []string

	control cluster.Shared
	mu      sync.Mutex
	node    *Node
	err     error
}

// Image is what containers of an image find.
type Image struct {
	// Entrypoint runs if a container has no command of its own.
	Entrypoint []string
	// Files are the machine's files and folders by their place in the container, where they cannot be changed.
	Files map[string]string
	// User is whom containers run as that name no user; 0 = root.
	User int64
}

// Main runs the tests of m in namespaces of their own, and returns the exit code, for TestMain.
func (w *World) Main(m *testing.M) int {
	if len(os.Args) > 1 && os.Args[1] == containerRole {
		fmt.Fprintln(os.Stderr, "start the container:", runContainer()) // it returns only if it fails
		return 128
	}
	if os.Getenv(insideMark) == "" {
		return outside()
	}
	if err := w.enter(); err != nil {
		fmt.Fprintln(os.Stderr, "set up the network of the test's pods:", err)
		return 1
	}
	w.control.Options = cluster.Options{Address: hostIP, Controllers: controllers}
	code := w.control.Main(m)
	if w.node != nil {
		w.node.stop()
	}
	return code
}

// outside runs this binary again in new namespaces and waits for it.
func outside() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:noctx // signals are passed on to it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideMark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: the test's pods need network, mount and process namespaces: run it as root on a Linux that lets root make them\n", err)
		return 1
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	close(signals)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// enter makes the new namespaces a place to live in.
func (w *World) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	lines := []string{"link set lo up", "link add " + bridge + " address " + bridgeMAC + " type bridge", "addr add " + hostIP + "/16 dev " + bridge, "link set " + bridge + " up",
		"route add local " + serviceNetworks + " dev lo"}
	for _, h := range w.Hosts {
		lines = append(lines, "addr add "+h+"/32 dev "+bridge)
	}
	return ip(context.Background(), lines...)
}

// ip runs commands of iproute2's ip, the first of which names a namespace by "-n PID" or not.
func ip(ctx context.Context, lines ...string) error {
	return batch(exec.CommandContext(ctx, "ip", "-batch", "-"), lines)
}

func batch(cmd *exec.Cmd, lines []string) error {
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip (Debian: apt-get install iproute2): %w: %s", err, out)
	}
	return nil
}

// Start returns the node of the world, and starts it and its control plane if nobody has. That takes some seconds; a fault ends
// the test. If the test fails, the ends of its pods' logs are told.
func (w *World) Start(t testing.TB) *Node {
	t.Helper()
	control := w.control.Start(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.node == nil && w.err == nil {
		w.node, w.err = start(control, w.Images)
	}
	if w.err != nil {
		t.Fatalf("node: %v", w.err)
	}
	n := w.node
	t.Cleanup(func() {
		if t.Failed() {
			n.tell(t)
		}
	})
	return n
}
