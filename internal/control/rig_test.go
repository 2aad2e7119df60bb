package control

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"go.uber.org/goleak"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = 30 * time.Second // bounds every wait for something that must happen

// rig is what servers and pods share.
type rig struct {
	t    *testing.T
	dir  string
	cert tls.Certificate
	pool *x509.CertPool
	log  *lines

	mu    sync.Mutex
	asked []string // tokens that Authenticate was asked about
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), pool: x509.NewCertPool(), log: &lines{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"controller.test"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	r.pool.AppendCertsFromPEM(authority)
	r.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	r.write("ca.crt", string(authority))
	r.write("token", "token of ns/gw")
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// server serves at address until the test ends; tokens are "token of NAMESPACE/NAME[/POD]".
func (r *rig) server(address string, hurry patience) (*Server, string) {
	r.t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	s := New(Options{Log: slog.New(slog.NewTextHandler(r.log, nil)), TLS: &tls.Config{Certificates: []tls.Certificate{r.cert}}, Processor: "unix:processor.sock",
		Authenticate: func(_ context.Context, token string) (Identity, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.asked = append(r.asked, token)
			who, ok := strings.CutPrefix(token, "token of ")
			if !ok {
				return Identity{}, errors.New("who is it")
			}
			parts := strings.Split(who+"//", "/")
			return Identity{Namespace: parts[0], Name: parts[1], Pod: parts[2]}, nil
		}})
	s.patience = hurry
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	r.t.Cleanup(func() {
		s.Shutdown()
		<-done
	})
	return s, ln.Addr().String()
}

func (r *rig) tokens() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// until waits for what must become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !ok(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// gw is the Gateway ns/gw, whose only backend has a name.
func gw(backend string) Gateway {
	return Gateway{Namespace: "ns", Name: "gw", Processor: true, IR: &ir.Gateway{
		Listeners: []ir.Listener{{Name: "http", Address: "127.0.0.1:80", Protocol: "http"}}, Limits: ir.Limits{Connections: 10},
		Backends: []ir.Backend{{Name: backend, Provider: "openai", URL: "http://192.0.2.1/v1", Key: ir.Credential{Value: "sk-" + ir.Secret(backend)}}},
		Routes:   []ir.Route{{Name: "main", Groups: [][]ir.Target{{{Backend: backend, Weight: 1}}}, Retry: ir.Retry{Attempts: 1}}}}}
}

// fakeEnvoy asks for clusters and takes them, or not.
type fakeEnvoy struct {
	judge func(backends []string) string // why it refuses; "" = it takes them
	ended chan struct{}

	mu       sync.Mutex
	backends []string // of the clusters that it has taken
	seen     int      // of versions
	err      error
}

// envoy connects a fake Envoy with a token, until stop is called or the test ends.
func (r *rig) envoy(address, token, role, node string, judge func([]string) string) (e *fakeEnvoy, stop func()) {
	r.t.Helper()
	e = &fakeEnvoy{judge: judge, ended: make(chan struct{})}
	r.write("token-"+node, token)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: r.pool, ServerName: "controller.test"})),
		grpc.WithPerRPCCredentials(tokenFile(filepath.Join(r.dir, "token-"+node))))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer close(e.ended)
		defer conn.Close()
		e.err = e.follow(stream, &corev3.Node{Id: node, Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{xds.RoleField: structpb.NewStringValue(role)}}})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-e.ended
	})
	r.t.Cleanup(stop)
	return e, stop
}

// follow subscribes to clusters, listeners and routes, of which it reads the first.
func (e *fakeEnvoy) follow(stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient, node *corev3.Node) error {
	for i, kind := range []string{resourcev3.ClusterType, resourcev3.ListenerType, resourcev3.RouteType} {
		req := &discoveryv3.DiscoveryRequest{TypeUrl: kind}
		if i == 0 {
			req.Node = node
		}
		if kind == resourcev3.RouteType {
			req.ResourceNames = []string{"spanway"}
		}
		if err := stream.Send(req); err != nil {
			return errors.Join(err, stream.RecvMsg(&discoveryv3.DiscoveryResponse{}))
		}
	}
	taken := map[string]string{}
	for {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		ack := &discoveryv3.DiscoveryRequest{TypeUrl: resp.GetTypeUrl(), VersionInfo: resp.GetVersionInfo(), ResponseNonce: resp.GetNonce()}
		if resp.GetTypeUrl() == resourcev3.RouteType {
			ack.ResourceNames = []string{"spanway"}
		}
		if resp.GetTypeUrl() == resourcev3.ClusterType {
			backends, err := backendsOf(resp)
			if err != nil {
				return err
			}
			e.mu.Lock()
			e.seen++
			reason := e.judge(backends)
			if reason == "" {
				e.backends = backends
			}
			e.mu.Unlock()
			if reason == "silence" {
				continue
			}
			if reason != "" {
				ack.VersionInfo, ack.ErrorDetail = taken[resp.GetTypeUrl()], &rpcstatus.Status{Message: reason}
			}
		}
		if ack.ErrorDetail == nil {
			taken[resp.GetTypeUrl()] = resp.GetVersionInfo()
		}
		if err := stream.Send(ack); err != nil {
			return err
		}
	}
}

func backendsOf(resp *discoveryv3.DiscoveryResponse) ([]string, error) {
	var out []string
	for _, r := range resp.GetResources() {
		var c clusterv3.Cluster
		if err := r.UnmarshalTo(&c); err != nil {
			return nil, err
		}
		if name, _, ok := strings.Cut(c.GetName(), "@"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (e *fakeEnvoy) has() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.backends, " ")
}

func takes([]string) string { return "" }

// fakeSidecar is a client whose plane does what a test says.
type fakeSidecar struct {
	*Client

	apply func(backend string) error
	ended chan error

	mu   sync.Mutex
	got  []string // backends, one of each configuration that was applied
	last *ir.Gateway
}

func (r *rig) sidecar(address, pod string, apply func(backend string) error) (s *fakeSidecar, stop func()) {
	r.t.Helper()
	s = &fakeSidecar{apply: apply, ended: make(chan error, 1), Client: &Client{Address: address, ServerName: "controller.test", CAFile: filepath.Join(r.dir, "ca.crt"),
		TokenFile: filepath.Join(r.dir, "token"), Gateway: "ns/gw", Pod: pod, Log: slog.New(slog.NewTextHandler(r.log, nil))}}
	ctx, cancel := context.WithCancel(r.t.Context())
	go func() { s.ended <- s.Watch(ctx, s.put) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-s.ended; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return s, stop
}

func (s *fakeSidecar) put(_ context.Context, g *ir.Gateway) error {
	backend := g.Backends[0].Name
	if want := "sk-" + ir.Secret(backend); g.Backends[0].Key.Value != want {
		return fmt.Errorf("the key of %s is another", backend)
	}
	if err := s.apply(backend); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.last = append(s.got, backend), g
	return nil
}

// quiet says that older calls have ended.
func (s *fakeSidecar) quiet() {
	s.mu.Lock()
	g := s.last
	s.mu.Unlock()
	s.Quiet(g)
}

func (s *fakeSidecar) applied() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got, " ")
}
