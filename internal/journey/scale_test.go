//go:build linux

package journey

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
	"github.com/spanway/spanway/internal/node"
)

// scaleGateway has the routes of BenchmarkScale.
const scaleGateway = `
apiVersion: v1
kind: Namespace
metadata: {name: scale}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: scale}
spec:
  gatewayClassName: kgateway
  listeners: [{name: http, port: 8080, protocol: HTTP}]
`

// scaleBackend and scaleRoute are one of the Backends and one of the HTTPRoutes.
const (
	scaleBackend = `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: b%[1]d, namespace: scale}
spec: {type: AI, ai: {llm: {host: 192.168.1.100, port: 11434, openai: {model: llama3.2, authToken: {kind: Inline, inline: k}}}}}
`
	scaleRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r%[1]d, namespace: scale}
spec:
  parentRefs: [{name: gw}]
  hostnames: [r%[1]d.example.com]
  rules:
  - matches: [{path: {type: PathPrefix, value: /ollama}}]
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: b%[2]d}]
`
)

// Scale of BenchmarkScale: routes, and how many of them share a Backend.
const (
	fewest, most = 250, 2000
	shared       = 4
	tries        = 5 // single changes that are timed
)

// Bounds of BenchmarkScale that hold on a busy machine, too: of a rebuild, and of the controller's memory in bytes.
const (
	maxRebuild = time.Second
	maxMemory  = 500e6
)

// largest is how far BenchmarkScale goes: only its first step with -short, which is for a look whether it works.
func largest() int {
	if testing.Short() {
		return fewest
	}
	return most
}

// BenchmarkScale grows a Gateway from 250 HTTPRoutes to 2,000, with a Backend for each four, and prints at each step how long the
// controller takes to make all configurations anew, how long a change takes to be in use in Envoy, and the controller's memory.
func BenchmarkScale(b *testing.B) {
	n := here.install(b)
	startProvider(b)
	n.Apply(b, scaleGateway)
	b.Cleanup(func() { n.Delete(b, scaleGateway) })
	available(b, n, "scale", "gw")
	url := service(b, n, "scale", "gw", 8080)
	for b.Loop() {
		grown := 0
		for size := fewest; size <= largest(); size *= 2 {
			grow(b, n, grown, size)
			grown = size
			asked(b, url, fmt.Sprintf("r%d.example.com", size-1))
			before := metrics(b, n)
			var changes []time.Duration
			for i := range tries {
				name := size + most*(i+1)
				n.Apply(b, fmt.Sprintf(scaleRoute, name, 0))
				began := time.Now()
				asked(b, url, fmt.Sprintf("r%d.example.com", name))
				changes = append(changes, time.Since(began))
				n.Delete(b, fmt.Sprintf(scaleRoute, name, 0))
			}
			after := metrics(b, n)
			rebuilds := after["spanway_controller_rebuild_duration_seconds_count"] - before["spanway_controller_rebuild_duration_seconds_count"]
			rebuild := (after["spanway_controller_rebuild_duration_seconds_sum"] - before["spanway_controller_rebuild_duration_seconds_sum"]) / rebuilds
			if took := time.Duration(rebuild * float64(time.Second)); took > maxRebuild || after["process_resident_memory_bytes"] > maxMemory {
				b.Errorf("a rebuild takes %v, and the controller has %v bytes", took, after["process_resident_memory_bytes"])
			}
			slices.Sort(changes)
			b.Logf("%5d HTTPRoutes, %3d Backends: rebuild %3.0f ms, a change in use in Envoy after %v (longest %v), controller %3.0f MB", size, size/shared,
				1000*rebuild, changes[tries/2].Round(time.Millisecond), changes[tries-1].Round(time.Millisecond), after["process_resident_memory_bytes"]/1e6)
			b.ReportMetric(1000*rebuild, "ms/rebuild")
			b.ReportMetric(float64(changes[tries/2].Milliseconds()), "ms/change")
			b.ReportMetric(after["process_resident_memory_bytes"]/1e6, "MB")
		}
	}
}

// grow creates routes from number from on, and their Backends.
func grow(t testing.TB, n *node.Node, from, to int) {
	t.Helper()
	numbers := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex
	var faults []error
	for range 4 {
		workers.Go(func() {
			for i := range numbers {
				text := fmt.Sprintf(scaleRoute, i, i/shared)
				if i%shared == 0 {
					text = fmt.Sprintf(scaleBackend, i/shared) + "---" + text
				}
				objects, err := cluster.Objects(text)
				for _, u := range objects {
					err = errors.Join(err, n.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("test")))
				}
				mu.Lock()
				faults = append(faults, err)
				mu.Unlock()
			}
		})
	}
	for i := from; i < to; i++ {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
}

// asked waits until a host is served.
func asked(t testing.TB, url, host string) {
	t.Helper()
	cluster.Eventually(t, func() error { return ask(t, url, "Host", host) })
}

// metrics are the controller's, those with labels left out.
func metrics(t testing.TB, n *node.Node) map[string]float64 {
	t.Helper()
	var list corev1.PodList
	if err := n.Client.List(t.Context(), &list, client.InNamespace(system), client.MatchingLabels{"app.kubernetes.io/component": "controller"}); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v: %d pods of the controller", err, len(list.Items))
	}
	text, err := scrape(t.Context(), "http://"+list.Items[0].Status.PodIP+":9092/metrics")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			if f, err := strconv.ParseFloat(value, 64); err == nil {
				out[name] = f
			}
		}
	}
	return out
}

func scrape(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
