package xds_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/xds"
)

// controller is a Server over TLS that remembers what tokens its streams came with.
type controller struct {
	*xds.Server
	t       *testing.T
	address string
	grpc    *grpc.Server

	mu     sync.Mutex
	cert   tls.Certificate
	tokens []string
	wants  string // the only token that is let in; "" = every one
}

// open listens at c.address, the first time at an address of the kernel's.
func (c *controller) open() {
	c.t.Helper()
	if c.address == "" {
		c.address = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = ln.Addr().String()
	c.grpc = grpc.NewServer(grpc.StreamInterceptor(c.enter), grpc.Creds(credentials.NewTLS(&tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName != "localhost" {
			return nil, fmt.Errorf("the client asks for %q", h.ServerName)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return &c.cert, nil
	}})))
	c.Register(c.grpc)
	go func() { _ = c.grpc.Serve(ln) }()
}

func (c *controller) enter(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	token := strings.Join(md.Get("authorization"), ", ")
	c.mu.Lock()
	c.tokens = append(c.tokens, token)
	in := c.wants == "" || c.wants == token
	c.mu.Unlock()
	if !in {
		return grpcstatus.Error(codes.Unauthenticated, "another token")
	}
	return handler(srv, s)
}

// await waits until a stream has come with token.
func (c *controller) await(token string) {
	c.t.Helper()
	ctx := within(c.t, patience)
	for {
		c.mu.Lock()
		tokens := c.tokens
		c.mu.Unlock()
		for _, have := range tokens {
			if have == token {
				return
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			c.t.Fatalf("streams came with %q, none with %q", tokens, token)
		}
	}
}

func (c *controller) show(t *testing.T, name string) (authority []byte) {
	t.Helper()
	cert, key := issue(t, name)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cert = pair
	return cert
}

// mount puts a file's next version into a folder as the kubelet does: into a new folder, to which a link is moved over the one before.
func mount(t *testing.T, dir, file string, data []byte) {
	t.Helper()
	into, err := os.MkdirTemp(dir, "..20")
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "..data_tmp")
	for _, err := range []error{os.WriteFile(filepath.Join(into, file), data, 0o600), os.Symlink(filepath.Base(into), link),
		os.Rename(link, filepath.Join(dir, "..data"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

// TestControlTLS: an Envoy asks over TLS with the token of a file that changes, as does the authority; it is ready when it was told
// its configuration, not before, however often it was turned away.
func TestControlTLS(t *testing.T) {
	dir, err := os.MkdirTemp("", "xds") // t.TempDir's paths are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tokens, authorities := t.TempDir(), t.TempDir()
	mount(t, tokens, "token", []byte("first"))
	c := &controller{Server: xds.NewServer(slog.New(slog.DiscardHandler)), t: t, wants: "Bearer second"}
	mount(t, authorities, "ca.crt", c.show(t, "one"))
	c.open()
	ready, stats := free(t), free(t)
	boot := xds.Boot{Control: c.address, Admin: "unix:" + filepath.Join(dir, "admin.sock"), Ready: ready, Stats: stats,
		MetricsFrom: "/stats/prometheus?usedonly", StatsFrom: "/stats?filter=^server.live$", TLS: &xds.ControlTLS{
			CAFile: filepath.Join(authorities, "ca.crt"), ServerName: "localhost", TokenFile: filepath.Join(tokens, "token"), SecretsDir: dir}}
	start(t, dir, &boot)
	c.await("Bearer first")
	if code := probe(t, "http://"+ready+"/ready"); code == http.StatusOK {
		t.Error("ready without a configuration")
	}
	mount(t, tokens, "token", []byte("second")) // a new stream's, without a restart
	r, err := xds.Build(load(t, []byte(oneBackend(free(t), "http://127.0.0.1:1"))), xds.Options{Processor: "unix:/x", ADS: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(within(t, patience), r); err != nil {
		t.Fatal(err)
	}
	operated(t, ready, stats)

	c.grpc.Stop()
	mount(t, authorities, "ca.crt", c.show(t, "another"))
	mount(t, tokens, "token", []byte("third"))
	c.wants = ""
	c.open()
	c.await("Bearer third")
	r, err = xds.Build(load(t, []byte(oneBackend(free(t), "http://127.0.0.1:2"))), xds.Options{Processor: "unix:/x", ADS: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(within(t, patience), r); err != nil {
		t.Fatal(err)
	}
}

// start runs an Envoy with boot, whose administration is at the place that the boot names.
func start(t *testing.T, dir string, boot *xds.Boot) {
	t.Helper()
	b, err := xds.Dynamic(*boot)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := xds.ControlSecrets(*boot)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range secrets {
		if err := os.WriteFile(filepath.Join(boot.TLS.SecretsDir, name), printed(t, s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := envoy.Start(&envoy.Options{Binary: envoyBinary(t), Bootstrap: printed(t, b), Dir: dir, Concurrency: 1, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
}

// operated checks what operators are answered.
func operated(t *testing.T, ready, stats string) {
	t.Helper()
	for ctx := within(t, patience); probe(t, "http://"+ready+"/ready") != http.StatusOK; {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("never ready")
		}
	}
	for url, want := range map[string]int{ready + xds.HealthPath: 200, ready + "/stats": 404, stats + "/config_dump": 404, stats + "/ready": 404} {
		if code, _ := status(t, "http://"+url); code != want {
			t.Errorf("%s: %d, want %d", url, code, want)
		}
	}
	if code, text := status(t, "http://"+stats+"/metrics"); code != 200 || !strings.Contains(text, "envoy_server_live{} 1") {
		t.Errorf("metrics: %d %.200s", code, text)
	}
	if code, text := status(t, "http://"+stats+"/stats"); code != 200 || text != "server.live: 1\n" {
		t.Errorf("stats: %d %.200s", code, text)
	}
	resp, err := http.Post("http://"+ready+"/ready", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST /ready: %d", resp.StatusCode)
	}
}

// probe is the status of a GET as a kubelet makes it; 0 = none in time.
func probe(t *testing.T, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestDynamicRefuses: a bootstrap that could not work is not made.
func TestDynamicRefuses(t *testing.T) {
	for want, b := range map[string]xds.Boot{
		"administration interface is off": {Control: "unix:/x", Ready: "0.0.0.0:8082"},
		"want host:port":                  {Control: "nowhere"},
		"is not a number":                 {Control: "unix:/x", Admin: "127.0.0.1:19000", Stats: "[::]:http"},
	} {
		if _, err := xds.Dynamic(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := xds.ControlSecrets(xds.Boot{}); err == nil {
		t.Error("secrets without TLS")
	}
}
