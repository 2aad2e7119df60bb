//go:build linux

package journey

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
	"github.com/spanway/spanway/internal/node"
)

// Load of TestRolling.
const (
	callers = 4
	pace    = 20 * time.Millisecond // between calls of one of them
)

// load is calls that go on, each with a trace of its own.
type load struct {
	mu     sync.Mutex
	traces map[string]bool
	failed []string

	stop    chan struct{}
	callers sync.WaitGroup
}

func startLoad(t *testing.T, url string) *load {
	l := &load{traces: map[string]bool{}, stop: make(chan struct{})}
	for range callers {
		l.callers.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(pace):
				}
				l.call(t, url)
			}
		})
	}
	return l
}

func (l *load) call(t *testing.T, url string) {
	var id [24]byte
	_, _ = rand.Read(id[:])
	trace := hex.EncodeToString(id[:16])
	began := time.Now()
	err := ask(t, url, "traceparent", "00-"+trace+"-"+hex.EncodeToString(id[16:])+"-01")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traces[trace] = true
	if err != nil {
		l.failed = append(l.failed, fmt.Sprintf("%s: after %v: %v", began.Format(time.TimeOnly), time.Since(began), err))
	}
}

// end ends the load and returns what it was.
func (l *load) end() (traces map[string]bool, failed []string) {
	close(l.stop)
	l.callers.Wait()
	return l.traces, l.failed
}

// TestRolling changes all there is to change while calls run: none fails, and each has its span.
func TestRolling(t *testing.T) {
	n := here.install(t)
	p := startProvider(t)
	text, err := os.ReadFile("testdata/rolling.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var id [2]byte
	_, _ = rand.Read(id[:])
	space := "rolling-" + hex.EncodeToString(id[:]) // one that has been deleted goes on for some time
	objects := strings.ReplaceAll(string(text), "rolling", space)
	second, err := os.ReadFile("testdata/collector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n.Apply(t, strings.ReplaceAll(string(second), "opentelemetry-collector-traces", "second"))
	available(t, n, "telemetry", "second")
	n.Apply(t, objects)
	cleared(t, n, objects, client.ObjectKey{Namespace: space, Name: "gw"})
	available(t, n, space, "gw")
	url := service(t, n, space, "gw", 8080)
	cluster.Eventually(t, func() error { return ask(t, url) })
	l := startLoad(t, url)
	change := func(what, old, fresh string, seen func() error) {
		t.Helper()
		if !strings.Contains(objects, old) {
			t.Fatalf("%s: no %q", what, old)
		}
		objects = strings.ReplaceAll(objects, old, fresh)
		began := time.Now()
		n.Apply(t, objects)
		cluster.Eventually(t, seen)
		t.Logf("%s: in use after %v", what, time.Since(began).Round(time.Millisecond))
	}
	route := func(path string) func() error {
		return func() error { return ask(t, url+path) }
	}
	change("a new route", "  rules:\n", "  rules:\n"+rule("/one"), route("/one"))
	change("a new key", "Authorization: first", "Authorization: second", func() error {
		if got := p.last().Header.Get("Authorization"); got != "Bearer second" {
			return fmt.Errorf("the key is %q", got)
		}
		return nil
	})
	change("a new tracing endpoint", "opentelemetry-collector-traces.telemetry", "second.telemetry", func() error {
		if len(spans(n.Log(t, "telemetry", "second", "opentelemetry-collector"))) == 0 {
			return errors.New("no span there")
		}
		return nil
	})
	restart(t, n, "")
	change("a route after the controller's restart", "  rules:\n", "  rules:\n"+rule("/two"), route("/two"))
	n.Apply(t, chart(t, "gateway.aiExtension.enabled=true", "controller.replicaCount=2"))
	available(t, n, system, release)
	restart(t, n, leader(t, n))
	change("a route after the leader's end", "  rules:\n", "  rules:\n"+rule("/three"), route("/three"))
	n.Apply(t, chart(t, "gateway.aiExtension.enabled=true"))
	available(t, n, system, release)

	traces, failed := l.end()
	for _, f := range failed {
		t.Error(f)
	}
	t.Logf("%d calls, %d failed", len(traces), len(failed))
	cluster.Eventually(t, func() error {
		have := map[string]bool{}
		for _, s := range append(spans(printed(t, n)), spans(n.Log(t, "telemetry", "second", "opentelemetry-collector"))...) {
			if s.name == "chat llama3.2" {
				have[s.trace] = true
			}
		}
		lost := 0
		for trace := range traces {
			if !have[trace] {
				lost++
			}
		}
		if lost > 0 {
			return fmt.Errorf("%d of %d calls have no span", lost, len(traces))
		}
		return nil
	})
}

// rule is one more rule of the route, for a prefix before the guide's path.
func rule(prefix string) string {
	return "  - matches: [{path: {type: PathPrefix, value: " + prefix + "}}]\n    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: ollama}]\n"
}

// leader is the pod that holds the controllers' lease.
func leader(t *testing.T, n *node.Node) string {
	t.Helper()
	var list coordinationv1.LeaseList
	if err := n.Client.List(t.Context(), &list, client.InNamespace(system)); err != nil {
		t.Fatal(err)
	}
	for _, l := range list.Items {
		if l.Spec.HolderIdentity != nil && strings.HasPrefix(*l.Spec.HolderIdentity, release+"-") {
			name, _, _ := strings.Cut(*l.Spec.HolderIdentity, "_")
			return name
		}
	}
	t.Fatalf("no leader in %+v", list.Items)
	return ""
}

// restart deletes a pod of the controller, or all of them, and waits until others have taken their place.
func restart(t *testing.T, n *node.Node, name string) {
	t.Helper()
	var list corev1.PodList
	if err := n.Client.List(t.Context(), &list, client.InNamespace(system), client.MatchingLabels{"app.kubernetes.io/component": "controller"}); err != nil {
		t.Fatal(err)
	}
	deleted := 0
	for i := range list.Items {
		if p := &list.Items[i]; name == "" || p.Name == name {
			if err := n.Client.Delete(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			deleted++
			cluster.Eventually(t, func() error {
				err := n.Client.Get(t.Context(), client.ObjectKeyFromObject(p), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{}})
				if err == nil {
					return fmt.Errorf("%s is still there", p.Name)
				}
				return client.IgnoreNotFound(err)
			})
		}
	}
	if deleted == 0 {
		t.Fatalf("no pod %q to delete", name)
	}
	available(t, n, system, release)
}
