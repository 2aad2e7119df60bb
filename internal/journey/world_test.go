//go:build linux

package journey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
	"github.com/spanway/spanway/internal/node"
)

// ollama is the address of the guide's provider, outside of the cluster.
const ollama = "192.168.1.100"

// site is where all tests are: a cluster, with what install puts there once.
type site struct {
	node.World

	mu        sync.Mutex
	installed bool
}

var here = site{World: node.World{Images: images, Hosts: []string{ollama}}}

func TestMain(m *testing.M) { os.Exit(here.Main(m)) }

// images are what the charts and the tests' own manifests name.
func images(dir string) (map[string]node.Image, error) {
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	tools := filepath.Join(root, ".tools", "bin")
	envoy := os.Getenv("ENVOY")
	if envoy == "" {
		envoy = filepath.Join(tools, "envoy")
	}
	collector := filepath.Join(tools, "otelcol")
	for _, tool := range []string{envoy, collector, filepath.Join(tools, "helm")} {
		if _, err := os.Stat(tool); err != nil {
			return nil, fmt.Errorf("%w: run \"make tools\"", err)
		}
	}
	build := exec.Command("go", "build", "-o", dir+"/", "./cmd/spanway", "sigs.k8s.io/gateway-api/conformance/echo-basic")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	image := func(user int64, program, file string) node.Image {
		return node.Image{Entrypoint: []string{program}, User: user, Files: map[string]string{
			program: file, "/lib": "/lib", "/lib64": "/lib64", "/etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs/ca-certificates.crt"}}
	}
	return map[string]node.Image{
		"spanway":                         image(10101, "/spanway", filepath.Join(dir, "spanway")),
		"envoy":                           image(0, "/usr/local/bin/envoy", envoy),
		"opentelemetry-collector-contrib": image(10001, "/otelcol", collector),
		"echo-basic":                      image(0, "/echo-basic", filepath.Join(dir, "echo-basic")),
		"coredns":                         image(0, "/echo-basic", filepath.Join(dir, "echo-basic")), // the suite waits for it, but only routes of UDP ask it
	}, nil
}

// install applies the chart as the guide does it, with the processor for all Gateways, and a Collector, unless they are there.
func (s *site) install(t testing.TB) *node.Node {
	t.Helper()
	n := s.Start(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.installed {
		return n
	}
	text, err := os.ReadFile("testdata/collector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n.Apply(t, string(text))
	n.Apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+system+"}}")
	n.Apply(t, chart(t, "gateway.aiExtension.enabled=true"))
	available(t, n, system, release)
	available(t, n, "telemetry", collector)
	s.installed = true
	return n
}

// Names of what is installed.
const (
	system    = "kgateway-system"
	release   = "spanway"
	collector = "opentelemetry-collector-traces"
)

// chart renders the chart "spanway" with values.
func chart(t testing.TB, values ...string) string {
	t.Helper()
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"template", release, filepath.Join(root, "install", "helm", "spanway"), "--namespace", system, "--kube-version", "1.37.2"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, ".tools", "bin", "helm"), args...)
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, fault.String())
	}
	return out.String()
}

// available waits until all pods of a deployment are.
func available(t testing.TB, n *node.Node, namespace, name string) {
	t.Helper()
	cluster.Eventually(t, func() error {
		var d appsv1.Deployment
		if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &d); err != nil {
			return err
		}
		if s := d.Status; s.ObservedGeneration != d.Generation || s.AvailableReplicas != *d.Spec.Replicas || s.Replicas != *d.Spec.Replicas {
			return fmt.Errorf("deployment %s: %+v", name, s)
		}
		return nil
	})
}

// service is the URL of a port of a Service. It waits until something answers there: a Service leads to pods a moment after they are
// ready.
func service(t testing.TB, n *node.Node, namespace, name string, port int) string {
	t.Helper()
	var s corev1.Service
	if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &s); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://%s:%d", s.Spec.ClusterIP, port)
	cluster.Eventually(t, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	return url
}

// condition is nil if conditions have one of kind with status, and texts in its message.
func condition(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, generation int64, texts ...string) error {
	for _, c := range conditions {
		if c.Type != kind {
			continue
		}
		if c.Status != status || c.ObservedGeneration != generation {
			return fmt.Errorf("%+v, of generation %d", c, generation)
		}
		for _, text := range texts {
			if !strings.Contains(c.Message, text) {
				return fmt.Errorf("the message has no %q: %s", text, c.Message)
			}
		}
		return nil
	}
	return errors.New("no condition " + kind)
}

// cleared deletes objects when the test ends, and waits until the pods of the Gateway that is among them have gone: another test with the
// same names begins anew.
func cleared(t *testing.T, n *node.Node, objects string, gateway client.ObjectKey) {
	t.Helper()
	t.Cleanup(func() {
		n.Delete(t, objects)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		for left := "not looked yet"; left != ""; {
			var d appsv1.Deployment
			var pods corev1.PodList
			err := n.Client.List(ctx, &pods, client.InNamespace(gateway.Namespace), client.MatchingLabels{"gateway.networking.k8s.io/gateway-name": gateway.Name})
			switch left = ""; {
			case err != nil:
				t.Fatal(err)
			case len(pods.Items) > 0:
				left = "pods"
			case n.Client.Get(ctx, gateway, &d) == nil:
				left = "the deployment"
			}
			select {
			case <-ctx.Done():
				t.Fatalf("of %s there is still left: %s", gateway, left)
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}
