package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
	"github.com/spanway/spanway/internal/control"
	"github.com/spanway/spanway/internal/ir"
)

var shared cluster.Shared

func TestMain(m *testing.M) {
	SetLog(slog.New(slog.DiscardHandler))
	os.Exit(shared.Main(m))
}

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
func options(t testing.TB, c *cluster.Cluster, namespace string) Options {
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

// recorded has r note what a controller with o asks.
func recorded(o *Options, r *recorder) {
	o.Config = rest.CopyConfig(o.Config)
	o.Config.Wrap(r.wrap)
}

// begin runs a controller until the function is called, or the test ends.
func begin(t testing.TB, o Options) (end func()) {
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

func get[T client.Object](t testing.TB, c *cluster.Cluster, o T, namespace, name string) error {
	return c.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o)
}

// recorder notes what is asked of the API server.
type recorder struct {
	mu  sync.Mutex
	all []request
}

type request struct{ method, path, accept string }

func (r *recorder) wrap(rt http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		r.mu.Lock()
		r.all = append(r.all, request{req.Method, req.URL.Path, req.Header.Get("Accept")})
		r.mu.Unlock()
		return rt.RoundTrip(req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// take gives back what was asked since the last time.
func (r *recorder) take() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.all
	r.all = nil
	return out
}

// freeAddress is one that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// metric is the value of a metric without labels, as /metrics at address says; -1 = it is not there.
func metric(t testing.TB, address, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	return -1
}

// sidecar is a data plane's end of the stream of configurations.
type sidecar struct {
	mu     sync.Mutex
	latest *ir.Gateway
}

// follow has the pod of the Gateway ns/name follow the controller at address, until the test ends. Its token is one that the API
// server has made for the Gateway's service account.
func follow(t *testing.T, c *cluster.Cluster, address, namespace, name, controllerNamespace string) *sidecar {
	t.Helper()
	dir, s := t.TempDir(), &sidecar{}
	secret := &corev1.Secret{}
	cluster.Eventually(t, func() error {
		return errors.Join(get(t, c, secret, controllerNamespace, certificateName), get(t, c, &corev1.ServiceAccount{}, namespace, name))
	})
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{Audience}}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := c.Client.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{"ca.crt": secret.Data[keyBundle], "token": []byte(token.Status.Token)} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cl := &control.Client{Address: address, CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token"), Gateway: namespace + "/" + name,
		Pod: "pod", Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- cl.Watch(ctx, func(_ context.Context, g *ir.Gateway) error {
			s.mu.Lock()
			s.latest = g
			s.mu.Unlock()
			cl.Quiet(g)
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// key is that of the backend called name, as the sidecar knows it.
func (s *sidecar) key(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return "", errors.New("no configuration yet")
	}
	for i := range s.latest.Backends {
		if b := &s.latest.Backends[i]; b.Name == name {
			return string(b.Key.Value), nil
		}
	}
	return "", fmt.Errorf("no backend %s", name)
}

// routes are the names of all routes that the sidecar knows.
func (s *sidecar) routes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	if s.latest != nil {
		for i := range s.latest.Routes {
			out = append(out, s.latest.Routes[i].Name)
		}
	}
	return out
}

// endpoints are those of the backend called name, as the sidecar knows them.
func (s *sidecar) endpoints(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest != nil {
		for i := range s.latest.Backends {
			if b := &s.latest.Backends[i]; b.Name == name {
				return b.Endpoints
			}
		}
	}
	return nil
}
