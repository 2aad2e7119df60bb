package xds_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/grpc"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// fleet is a Server and one Envoy that asks it.
type fleet struct {
	*xds.Server
	dir   string
	admin *http.Client
}

// startFleet starts both; the Envoy has nothing to serve yet.
func startFleet(t *testing.T) *fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "xds") // t.TempDir's paths are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	f := &fleet{Server: xds.NewServer(slog.New(slog.DiscardHandler)), dir: dir}
	socket := filepath.Join(dir, "xds.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	f.Register(g)
	go func() { _ = g.Serve(ln) }()
	t.Cleanup(g.Stop)
	b, err := xds.Dynamic(xds.Boot{Control: "unix:" + socket})
	if err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Start(&envoy.Options{Binary: envoyBinary(t), Bootstrap: printed(t, b), Dir: dir, Concurrency: 1, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	f.Warm = p.Warm
	f.admin = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "admin.sock"))
	}}}
	return f
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// resources are those of a configuration, for a processor that does not run.
func (f *fleet) resources(t *testing.T, config string) *xds.Resources {
	t.Helper()
	return f.built(t, load(t, []byte(config)))
}

func (f *fleet) built(t *testing.T, g *ir.Gateway) *xds.Resources {
	t.Helper()
	r, err := xds.Build(g, xds.Options{Processor: "unix:" + filepath.Join(f.dir, "processor.sock"), DemoURL: "http://127.0.0.1:1",
		Roots: filepath.Join(pki(t), "ca.pem"), ADS: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// clusters are the names of the clusters that Envoy has.
func (f *fleet) clusters(t *testing.T) string {
	t.Helper()
	resp, err := f.admin.Get("http://envoy/clusters")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

const patience = 20 * time.Second

// free is an address that nothing listens at.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// status is what a GET of url answers.
func status(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func oneBackend(listen, url string) string {
	return fmt.Sprintf("listen: %s\nbackends: {a: {provider: openai, url: %q}}\nroutes: [{to: a}]\n", listen, url)
}

// TestPublishTooMuch: what Envoy could not be told in one answer is refused with a word of what it is, not tried again and again.
func TestPublishTooMuch(t *testing.T) {
	s := xds.NewServer(slog.New(slog.DiscardHandler))
	r := &xds.Resources{Routes: []*routev3.RouteConfiguration{{Name: strings.Repeat("r", xds.MaxTold+1)}}}
	err := s.Publish(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "envoy.config.route.v3.RouteConfiguration have 64 MiB") || strings.Contains(err.Error(), "rrr") {
		t.Errorf("%.300v", err)
	}
}

// TestPublish: a publication is over when Envoy has it; what an earlier one had stays until it is pruned.
func TestPublish(t *testing.T) {
	f := startFleet(t)
	listen := free(t)
	if err := f.Publish(within(t, patience), f.resources(t, oneBackend(listen, "http://127.0.0.1:1"))); err != nil {
		t.Fatal(err)
	}
	if code, body := status(t, "http://"+listen+"/v1/models"); code != http.StatusServiceUnavailable ||
		body != `{"error":{"message":"the gateway cannot process calls at the moment","type":"gateway_unavailable"}}`+"\n" {
		t.Errorf("without a processor: %d %s", code, body)
	}
	first := clusterNames(f.clusters(t))
	if err := f.Publish(within(t, patience), f.resources(t, oneBackend(listen, "http://127.0.0.1:2"))); err != nil {
		t.Fatal(err)
	}
	both := clusterNames(f.clusters(t))
	if len(both) != len(first)+1 {
		t.Errorf("clusters %v, then %v: want the old beside the new", first, both)
	}
	if err := f.Prune(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if left := clusterNames(f.clusters(t)); len(left) != len(first) {
		t.Errorf("pruned to %v, want as many as %v", left, first)
	}
}

func clusterNames(text string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "::")
		names[name] = true
	}
	return names
}

// TestPublishRefused: a configuration that Envoy does not take is said to be so, and the one before goes on.
func TestPublishRefused(t *testing.T) {
	f := startFleet(t)
	listen := free(t)
	if err := f.Publish(within(t, patience), f.resources(t, oneBackend(listen, "http://127.0.0.1:1"))); err != nil {
		t.Fatal(err)
	}
	bad := f.resources(t, strings.Replace(oneBackend(listen, "https://localhost:1"), "openai,", "openai, tls: {ca: ca.pem},", 1)) // relative: not there
	err := f.Publish(within(t, patience), bad)
	if err == nil || !strings.Contains(err.Error(), "refused by Envoy") || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("%v, want a refusal that names the file", err)
	}
	if code, _ := status(t, "http://"+listen+"/"); code != http.StatusServiceUnavailable {
		t.Errorf("after a refusal: %d", code)
	}
	if err := f.Publish(within(t, patience), f.resources(t, oneBackend(listen, "http://127.0.0.1:3"))); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}

// TestPublishToNobody: without any Envoy a publication is not over.
func TestPublishToNobody(t *testing.T) {
	r, err := xds.Build(load(t, []byte(oneBackend("127.0.0.1:1", "http://127.0.0.1:1"))), xds.Options{Processor: "unix:/x", ADS: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := xds.NewServer(slog.New(slog.DiscardHandler)).Publish(within(t, 10*time.Millisecond), r); err == nil {
		t.Error("no error")
	}
}
