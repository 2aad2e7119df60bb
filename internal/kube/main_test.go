package kube

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// testLog writes a log to a test, until it has ended.
type testLog struct {
	mu sync.Mutex
	t  testing.TB
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.t != nil {
		l.t.Logf("%s", p)
	}
	return len(p), nil
}

// options are those of a controller of c in a namespace.
func options(t *testing.T, c *cluster.Cluster, namespace string) Options {
	l := &testLog{t: t}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.t = nil
	})
	return Options{
		Config: c.Config, Namespace: namespace, ControlAddress: "127.0.0.1:0", ControlHost: "127.0.0.1",
		EnvoyImage: "docker.io/envoyproxy/envoy:v1", ProcessorImage: "ghcr.io/spanway/spanway:v1",
		Classes: []string{"kgateway"}, LeaderElection: true, Lease: Lease{Duration: 3 * time.Second, Renew: 2 * time.Second, Retry: 200 * time.Millisecond},
		QPS: 1000, Version: "test", Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})),
		retry: 200 * time.Millisecond,
	}
}

// begin runs a controller until the function is called, or the test ends.
func begin(t *testing.T, o Options) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("controller: %v", err)
		}
	})
	t.Cleanup(end)
	return end
}

func get[T client.Object](t *testing.T, c *cluster.Cluster, o T, namespace, name string) error {
	return c.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o)
}
