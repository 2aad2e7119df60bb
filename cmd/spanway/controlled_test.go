package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/control"
	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/xds"
)

// cluster is what a controller and the pod of one Gateway share.
type cluster struct {
	t       *testing.T
	dir     string // of the pod
	cert    tls.Certificate
	address string // of the controller
	listen  string // of the Gateway
	envoy   *envoy.Process
	sidecar *process
	admin   string // of the sidecar
}

// newCluster makes the files that a pod mounts.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sw-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"controller.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ca.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "token"), "token of a")
	return &cluster{t: t, dir: dir, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, address: free(t), listen: free(t), admin: free(t)}
}

// controller serves until the test ends or it is shut down.
func (c *cluster) controller(address string) *control.Server {
	c.t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	s := control.New(control.Options{Log: slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		TLS: &tls.Config{Certificates: []tls.Certificate{c.cert}}, Processor: c.socket(),
		Authenticate: func(_ context.Context, token string) (control.Identity, error) {
			name, ok := strings.CutPrefix(token, "token of ")
			if !ok {
				return control.Identity{}, errors.New("another token")
			}
			return control.Identity{Namespace: "default", Name: name}, nil
		}})
	go func() { _ = s.Serve(ln) }()
	c.t.Cleanup(s.Shutdown)
	return s
}

func (c *cluster) socket() string { return "unix:" + filepath.Join(c.dir, "processor.sock") }

// pod starts an Envoy and its sidecar.
func (c *cluster) pod() {
	c.t.Helper()
	boot := xds.Boot{Node: "pod.default", Role: xds.Role("default", "a"), Control: c.address, TLS: &xds.ControlTLS{
		CAFile: filepath.Join(c.dir, "ca.crt"), ServerName: "controller.test", TokenFile: filepath.Join(c.dir, "token"), SecretsDir: c.dir}}
	b, err := xds.Dynamic(boot)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := xds.YAML(b)
	if err != nil {
		c.t.Fatal(err)
	}
	secrets, err := xds.ControlSecrets(boot)
	if err != nil {
		c.t.Fatal(err)
	}
	for name, s := range secrets {
		text, err := xds.YAML(s)
		if err != nil {
			c.t.Fatal(err)
		}
		write(c.t, filepath.Join(c.dir, name), string(text))
	}
	p, err := envoy.Start(&envoy.Options{Binary: envoyPath(c.t), Bootstrap: text, Dir: c.dir, Concurrency: 1,
		Log: slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.Stop)
	c.envoy = p
	c.startSidecar()
}

func (c *cluster) startSidecar() {
	c.t.Helper()
	c.sidecar = start(c.t, "extproc", "--control-plane", c.address, "--control-name", "controller.test", "--control-ca", filepath.Join(c.dir, "ca.crt"),
		"--control-token", filepath.Join(c.dir, "token"), "--gateway", "default/a", "--pod", "pod", "--listen", c.socket(), "--admin", c.admin, "-q",
		"--envoy-admin", "unix:"+filepath.Join(c.dir, "admin.sock"), "--drain-key", "k")
}

// conf is a Gateway that sends traces to otlp and calls with a key to a provider.
func (c *cluster) conf(otlp *receiver, provider, key string) []control.Gateway {
	c.t.Helper()
	text := fmt.Sprintf("listen: %s\ntelemetry: {traces: [{otlp: {endpoint: %q, protocol: http/protobuf}}]}\nbackends: {a: {provider: openai, url: %q, key: %s}}\n"+
		"routes: [{name: main, match: {path: /v1}, to: a}]\n", c.listen, otlp.URL, provider+"/v1", key)
	s, err := newSource("-", strings.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	g, _, err := s.load(&gateway.Env{})
	if err != nil {
		c.t.Fatal(err)
	}
	return []control.Gateway{{Namespace: "default", Name: "a", IR: g, Processor: true}}
}

// current waits until one pod uses what was published last.
func (c *cluster) current(s *control.Server) {
	c.t.Helper()
	until(c.t, "the pod is current", func() bool { return s.State("default", "a").Current == 1 })
}

func (c *cluster) url() string { return "http://" + c.listen + "/v1/chat/completions" }

// whole checks that all answers are good, and that each has its trace.
func whole(t *testing.T, answers []answer, receivers ...*receiver) {
	t.Helper()
	for _, a := range answers {
		if a.err != nil || a.status != 200 {
			t.Errorf("lost: %+v", a)
		}
	}
	have := map[string]bool{}
	for _, r := range receivers {
		r.mu.Lock()
		for id := range r.traces {
			have[id] = true
		}
		r.mu.Unlock()
	}
	if len(have) != len(answers) {
		t.Errorf("%d traces of %d calls", len(have), len(answers))
	}
}

// TestControlled: a sidecar and an Envoy get their configuration from a controller. They are not ready before; under load the
// provider's address changes with its key, the key alone, and the collector, twice. No call is lost, and no trace.
func TestControlled(t *testing.T) {
	c := newCluster(t)
	first, second, one, two := newKeyed(t), newKeyed(t), newReceiver(t), newReceiver(t)
	named := strings.Replace(second.URL, "127.0.0.1", "localhost", 1) // a name that Envoy has to look up first
	s := c.controller(c.address)
	c.pod()
	until(t, "it is alive", func() bool { return ask(t.Context(), client(t), "http://"+c.admin+"/healthz", "").status == 200 })
	if a := ask(t.Context(), client(t), "http://"+c.admin+"/readyz", ""); a.status != 503 {
		t.Errorf("ready without a configuration: %+v", a)
	}
	s.Publish(c.conf(one, first.URL, "one"))
	c.sidecar.expect(t, "config   default/a of ")
	c.current(s)
	until(t, "it is ready", func() bool { return ask(t.Context(), client(t), "http://"+c.admin+"/readyz", "").status == 200 })
	end := load(t, c.url())
	until(t, "calls arrive", func() bool { return first.count("one") > 20 })
	s.Publish(c.conf(one, named, "two"))
	until(t, "the new address is called", func() bool { return second.count("two") > 20 })
	s.Publish(c.conf(two, named, "three"))
	until(t, "the new key is used", func() bool { return second.count("three") > 20 })
	for i := range 5 { // faster than a pod can follow
		s.Publish(c.conf(one, first.URL, fmt.Sprint("key", i)))
	}
	until(t, "the last key is used", func() bool { return first.count("key4") > 20 })
	s.Publish(c.conf(two, first.URL, "key4"))
	c.current(s)
	answers := end()
	c.sidecar.stop(t)
	whole(t, answers, one, two)
	if first.count("two")+first.count("three")+second.count("one")+second.count("key4") > 0 {
		t.Errorf("a key was shown to an address that is not its own: %v, %v", first.keys, second.keys)
	}
	if m := s.Metrics(); m.Publications < 5 || m.Refusals != 0 || m.Denied != 0 || m.Latency.Sum == 0 {
		t.Errorf("metrics %+v", m)
	}
}

// TestControllerRestarts: while the controller is away calls go on; one that comes with another configuration loses none of them,
// although it does not know what ran before. Then a second controller takes over.
func TestControllerRestarts(t *testing.T) {
	c := newCluster(t)
	first, second, otlp := newKeyed(t), newKeyed(t), newReceiver(t)
	s := c.controller(c.address)
	s.Publish(c.conf(otlp, first.URL, "one"))
	c.pod()
	c.current(s)
	end := load(t, c.url())
	until(t, "calls arrive", func() bool { return first.count("one") > 20 })
	s.Shutdown()
	c.sidecar.expect(t, "the control plane is away")
	before := first.count("one")
	until(t, "calls go on", func() bool { return first.count("one") > before+20 })
	s = c.controller(c.address)
	s.Publish(c.conf(otlp, second.URL, "two"))
	until(t, "the change arrives", func() bool { return second.count("two") > 20 })
	c.current(s)
	answers := end()
	c.sidecar.stop(t)
	whole(t, answers, otlp)
}

// TestTwoControllers: pods reach the first of two replicas that is there. It ends while the second has a newer configuration: the pod
// gets it, and loses no call.
func TestTwoControllers(t *testing.T) {
	c := newCluster(t)
	first, second, otlp := newKeyed(t), newKeyed(t), newReceiver(t)
	places := []string{free(t), free(t)}
	service, err := net.Listen("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			in, err := service.Accept()
			if err != nil {
				return
			}
			open.Go(func() { forward(in, places) })
		}
	})
	t.Cleanup(func() {
		service.Close()
		open.Wait()
	})
	a, b := c.controller(places[0]), c.controller(places[1])
	a.Publish(c.conf(otlp, first.URL, "one"))
	b.Publish(c.conf(otlp, first.URL, "one"))
	c.pod()
	c.current(a)
	end := load(t, c.url())
	until(t, "calls arrive", func() bool { return first.count("one") > 20 })
	b.Publish(c.conf(otlp, second.URL, "two"))
	a.Shutdown()
	until(t, "the change arrives", func() bool { return second.count("two") > 20 })
	c.current(b)
	answers := end()
	c.sidecar.stop(t)
	whole(t, answers, otlp)
	c.envoy.Stop()
	b.Shutdown()
}

// forward connects in with the first of places that answers.
func forward(in net.Conn, places []string) {
	defer in.Close()
	for _, place := range places {
		out, err := net.Dial("tcp", place)
		if err != nil {
			continue
		}
		go func() {
			_, _ = io.Copy(out, in)
			out.Close()
		}()
		_, _ = io.Copy(in, out)
		return
	}
}

// TestControlledStreams: streams that run when the provider, the key and the collector change go on to their end, and their traces
// go to the collector that they began with.
func TestControlledStreams(t *testing.T) {
	const streams = 20
	c := newCluster(t)
	provider, next, one, two := newStreamer(t), newKeyed(t), newReceiver(t), newReceiver(t)
	s := c.controller(c.address)
	s.Publish(c.conf(one, provider.URL, "one"))
	c.pod()
	c.current(s)
	http, answers := client(t), make(chan answer, streams)
	for range streams {
		go func() { answers <- ask(t.Context(), http, c.url(), strings.Replace(hello, "{", `{"stream":true,`, 1)) }()
	}
	until(t, "all streams have begun", func() bool { return provider.begun.Load() == streams })
	s.Publish(c.conf(two, next.URL, "two"))
	c.current(s)
	if a := ask(t.Context(), http, c.url(), hello); a.err != nil || a.status != 200 {
		t.Errorf("after the change: %+v", a)
	}
	close(provider.release)
	for range streams {
		if a := <-answers; a.err != nil || a.status != 200 || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
			t.Errorf("%+v", a)
		}
	}
	until(t, "their traces are there", func() bool {
		one.mu.Lock()
		defer one.mu.Unlock()
		return len(one.traces) == streams
	})
	c.sidecar.stop(t)
	two.mu.Lock()
	defer two.mu.Unlock()
	if len(two.traces) != 1 {
		t.Errorf("%d traces went to the new collector, want 1", len(two.traces))
	}
}

// TestControlledDeaths: a sidecar and an Envoy that were killed get the configuration again, and the next change.
func TestControlledDeaths(t *testing.T) {
	c := newCluster(t)
	provider, otlp, http := newKeyed(t), newReceiver(t), client(t)
	s := c.controller(c.address)
	s.Publish(c.conf(otlp, provider.URL, "one"))
	c.pod()
	c.current(s)
	serves := func() bool { return ask(t.Context(), http, c.url(), hello).status == 200 }
	c.sidecar.kill()
	until(t, "the controller sees it", func() bool { return s.State("default", "a").Sidecars == 0 })
	if a := ask(t.Context(), http, c.url(), hello); a.status != 503 {
		t.Errorf("without a sidecar: %+v", a)
	}
	c.startSidecar()
	until(t, "it serves again", serves)
	if err := syscall.Kill(c.envoy.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "Envoy is gone", func() bool { return !serves() })
	s.Publish(c.conf(otlp, provider.URL, "two"))
	until(t, "it serves again", serves)
	c.current(s)
	until(t, "the change is there", func() bool { return serves() && provider.count("two") > 0 })
}

// TestControlledRefuses: what cannot work is said at once.
func TestControlledRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"control-ca":              {"--control-plane", "127.0.0.1:1"},
		"none of the others":      {"--control-plane", "127.0.0.1:1", "--control-ca", "x", "--control-token", "x", "--gateway", "a/b", "--config", "x"},
		"want NAMESPACE/NAME":     {"--control-plane", "127.0.0.1:1", "--control-ca", "x", "--control-token", "x", "--gateway", "a"},
		`"default/": want`:        {"--control-plane", "127.0.0.1:1", "--control-ca", "x", "--control-token", "x", "--gateway", "default/"},
		"listen tcp 192.0.2.1:1:": {"--control-plane", "127.0.0.1:1", "--control-ca", "x", "--control-token", "x", "--gateway", "a/b", "--admin", "192.0.2.1:1"},
	} {
		if _, _, err := execute(t, "", append([]string{"extproc"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}
