package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spanway/spanway/internal/ir"
)

// role is that of the Gateway's Envoys.
const role = "kgateway-kube-gateway-api~ns~gw"

// TestOrder: Envoy has old and new before the sidecar begins with the new, and keeps the old until its last call has ended.
func TestOrder(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	s.Publish([]Gateway{gw("one")})
	e, _ := r.envoy(address, "token of ns/gw", role, "pod.ns", takes)
	var during []string
	side, _ := r.sidecar(address, "pod", func(string) error {
		during = append(during, e.has())
		return nil
	})
	current := func() bool { return s.State("ns", "gw").Current == 1 }
	until(t, "the pod is current", current)
	s.Publish([]Gateway{gw("two")})
	until(t, "the sidecar has the second", func() bool { return side.applied() == "one two" })
	until(t, "the pod is current", current)
	if e.has() != "one two" {
		t.Errorf("while old calls go on Envoy has %q", e.has())
	}
	side.quiet()
	until(t, "Envoy has the new alone", func() bool { return e.has() == "two" })
	if got, want := during[1], "one two"; got != want {
		t.Errorf("when the sidecar began with the second, Envoy had %q, want %q", got, want)
	}
	if st := s.State("ns", "gw"); st != (State{Envoys: 1, Sidecars: 1, Current: 1}) {
		t.Errorf("%+v", st)
	}
	for quiet := false; !quiet; { // what is published again changes nothing: who publishes when something changes has an end
		s.Publish([]Gateway{gw("two")})
		s.State("ns", "gw")
		select {
		case <-s.Changed():
		case <-time.After(100 * time.Millisecond):
			quiet = true
		}
	}
	s.Publish(nil) // the Gateway was deleted: its pods go on
	until(t, "it is forgotten", func() bool { return s.Metrics().Gateways == 0 })
	if e.has() != "two" {
		t.Errorf("after that Envoy has %q", e.has())
	}
}

// TestPods: an Envoy that hangs, one that refuses, and a sidecar that refuses hold up no other pod; why is told, and a later
// configuration is taken again.
func TestPods(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	s.Publish([]Gateway{gw("one")})
	bad := func(reason string) func([]string) string {
		return func(backends []string) string {
			if slices.Contains(backends, "two") {
				return reason
			}
			return ""
		}
	}
	judges := []func([]string) string{takes, bad("silence"), bad("no such thing"), takes, takes}
	envoys, sides := make([]*fakeEnvoy, len(judges)), make([]*fakeSidecar, len(judges))
	var leave []func()
	for i, judge := range judges {
		name := fmt.Sprint("pod-", i)
		var stopEnvoy, stopSide func()
		envoys[i], stopEnvoy = r.envoy(address, "token of ns/gw", role, name+".ns", judge)
		sides[i], stopSide = r.sidecar(address, name, func(backend string) error {
			if i == 3 && backend == "two" {
				return errors.New("not this one")
			}
			return nil
		})
		leave = append(leave, stopEnvoy, stopSide)
	}
	until(t, "all are current", func() bool { return s.State("ns", "gw").Current == len(judges) })
	s.Publish([]Gateway{gw("two")})
	until(t, "the others are current", func() bool { return s.State("ns", "gw").Current == 2 })
	until(t, "two have refused", func() bool { return s.Metrics().Refusals == 2 })
	if st := s.State("ns", "gw"); st.Envoys != 5 || st.Sidecars != 5 ||
		st.Refused != "pod pod-2: the configuration was refused by Envoy: no such thing" {
		t.Errorf("%+v", st)
	}
	for i, want := range []string{"one two", "one", "one", "one", "one two"} {
		if got := sides[i].applied(); got != want {
			t.Errorf("sidecar %d has %q, want %q", i, got, want)
		}
	}
	if got := envoys[2].has(); got != "one" {
		t.Errorf("the Envoy that refused has %q", got)
	}
	leave[2]() // the Envoy that hangs
	leave[3]()
	s.Publish([]Gateway{gw("three")})
	until(t, "all that are left are current", func() bool { return s.State("ns", "gw") == State{Envoys: 4, Sidecars: 4, Current: 4} })
	if m := s.Metrics(); m.Pods != 4 || m.Behind != 0 || m.Publications != 3 || slices.Max(m.Latency.Counts) == 0 {
		t.Errorf("%+v", m)
	}
}

// TestPast: a server that knows nothing of a pod's past asks the sidecar, and Envoy keeps what its calls need.
func TestPast(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	s.Publish([]Gateway{gw("one")})
	_, stop := r.envoy(address, "token of ns/gw", role, "pod.ns", takes)
	side, _ := r.sidecar(address, "pod", func(string) error { return nil })
	until(t, "the pod is current", func() bool { return s.State("ns", "gw").Current == 1 })
	s.Shutdown()
	stop()
	next, address := r.server(address, usual())
	next.Publish([]Gateway{gw("two")})
	e, _ := r.envoy(address, "token of ns/gw", role, "pod.ns", takes)
	until(t, "the sidecar has the second", func() bool { return side.applied() == "one two" })
	if e.has() != "one two" {
		t.Errorf("Envoy has %q", e.has())
	}
	side.quiet()
	until(t, "Envoy has the new alone", func() bool { return e.has() == "two" })
	if n := r.log.count("the control plane is away"); n != 1 {
		t.Errorf("that it was away is logged %d times", n)
	}
}

// TestApart: the streams of a pod reach two servers. They wait for what they do not see, and then go on.
func TestApart(t *testing.T) {
	r := newRig(t)
	hurry := patience{join: 10 * time.Millisecond, ask: 10 * time.Millisecond, envoy: long, ack: long, gone: 200 * time.Millisecond, prune: 600 * time.Millisecond}
	a, first := r.server("127.0.0.1:0", hurry)
	b, second := r.server("127.0.0.1:0", hurry)
	publish := func(backend string) {
		a.Publish([]Gateway{gw(backend)})
		b.Publish([]Gateway{gw(backend)})
	}
	publish("one")
	e, _ := r.envoy(first, "token of ns/gw", role, "pod.ns", takes)
	had := make(chan string, 2)
	side, _ := r.sidecar(second, "pod", func(string) error {
		had <- e.has()
		return nil
	})
	until(t, "Envoy has the first", func() bool { return e.has() == "one" })
	<-had
	publish("two")
	if got := <-had; got != "one two" {
		t.Errorf("when the sidecar began with the second, Envoy had %q", got)
	}
	until(t, "the sidecar has the second", func() bool { return side.applied() == "one two" })
	until(t, "Envoy has the new alone", func() bool { return e.has() == "two" })
}

// TestIdentity: a token is asked about once, and opens one Gateway's streams, of its own pod.
func TestIdentity(t *testing.T) {
	r := newRig(t)
	_, address := r.server("127.0.0.1:0", usual())
	for _, c := range []struct {
		token, role, node string
		want              codes.Code
	}{
		{"nobody's", role, "pod.ns", codes.Unauthenticated},
		{"", role, "pod.ns", codes.Unauthenticated},
		{"token of ns/other", role, "pod.ns", codes.PermissionDenied},
		{"token of other/gw", role, "pod.ns", codes.PermissionDenied},
		{"token of ns/gw", "", "pod.ns", codes.PermissionDenied},
		{"token of ns/gw/pod-2", role, "pod.ns", codes.PermissionDenied},
	} {
		e, stop := r.envoy(address, c.token, c.role, c.node, takes)
		<-e.ended
		stop()
		if got := status.Code(e.err); got != c.want {
			t.Errorf("%q as %q: %v, want %s", c.token, c.role, e.err, c.want)
		}
	}
	for _, gateway := range []string{"ns/other", "ns"} {
		side := &Client{Address: address, ServerName: "controller.test", CAFile: filepath.Join(r.dir, "ca.crt"), TokenFile: filepath.Join(r.dir, "token"), Gateway: gateway}
		if err := side.follow(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "is not that of the service account ns/gw") {
			t.Errorf("%s: %v", gateway, err)
		}
	}
	if n := len(slices.DeleteFunc(r.tokens(), func(s string) bool { return s != "token of ns/gw" })); n != 1 {
		t.Errorf("a token was asked about %d times", n)
	}
	if r.log.count("a data plane was turned away") != 1 || r.log.count("nobody's") != 0 {
		t.Error("that streams were turned away is not said once, or with a token")
	}
}

// TestTokenChanges: each connection shows the token that is in the file by then, and trusts the authority that is.
func TestTokenChanges(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	s.Publish([]Gateway{gw("one")})
	authority, err := os.ReadFile(filepath.Join(r.dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("ca.crt", "no certificate")
	side, _ := r.sidecar(address, "pod", func(string) error { return nil })
	until(t, "it is not trusted", func() bool { return r.log.count("no certificate in it") == 1 })
	r.write("ca.crt", string(authority))
	until(t, "the sidecar has it", func() bool { return side.applied() == "one" })
	r.write("token", "token of ns/gw/pod\n")
	s.Shutdown()
	next, _ := r.server(address, usual())
	next.Publish([]Gateway{gw("two")})
	until(t, "it came with the new token", func() bool { return slices.Contains(r.tokens(), "token of ns/gw/pod") })
}

// TestSlowSidecar: what is published while a sidecar is busy it does not get, but for the last.
func TestSlowSidecar(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	s.Publish([]Gateway{gw("zero")})
	e, _ := r.envoy(address, "token of ns/gw", role, "pod.ns", takes)
	busy, release := make(chan struct{}), make(chan struct{})
	side, _ := r.sidecar(address, "pod", func(backend string) error {
		if backend == "zero" {
			close(busy)
			<-release
		}
		return nil
	})
	<-busy
	for i := range 50 {
		s.Publish([]Gateway{gw(fmt.Sprint("n", i))})
	}
	until(t, "Envoy has the last", func() bool { return strings.Contains(e.has()+" ", "n49 ") })
	close(release)
	until(t, "the pod is current", func() bool { return s.State("ns", "gw").Current == 1 })
	if got := side.applied(); got != "zero n49" {
		t.Errorf("the sidecar had %q", got)
	}
}

// TestLarge: a configuration of many megabytes arrives; one that cannot be sent is told in the state.
func TestLarge(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	side, _ := r.sidecar(address, "pod", func(string) error { return nil })
	g := gw("one")
	g.IR.Routes[0].Name = strings.Repeat("n", 6<<20) // gRPC's own bound is 4 MiB
	s.Publish([]Gateway{g})
	until(t, "it arrives", func() bool { return side.applied() == "one" })
	bad := gw("two")
	bad.IR.Backends[0].URL = "://"
	s.Publish([]Gateway{bad})
	until(t, "it is refused", func() bool { return strings.Contains(s.State("ns", "gw").Refused, `backend "two"`) })
}

// TestCheck: what sidecars would refuse Envoys are not told, until it is mended.
func TestCheck(t *testing.T) {
	r := newRig(t)
	s, address := r.server("127.0.0.1:0", usual())
	s.o.Check = func(g *ir.Gateway) error {
		if g.Backends[0].Name == "two" {
			return errors.New("nobody can use two")
		}
		return nil
	}
	s.Publish([]Gateway{gw("one")})
	e, _ := r.envoy(address, "token of ns/gw", role, "pod.ns", takes)
	side, _ := r.sidecar(address, "pod", func(string) error { return nil })
	until(t, "the pod is current", func() bool { return s.State("ns", "gw").Current == 1 })
	s.Publish([]Gateway{gw("two")})
	if st := s.State("ns", "gw"); st != (State{Envoys: 1, Sidecars: 1, Current: 1, Refused: "nobody can use two"}) {
		t.Errorf("%+v", st)
	}
	s.Publish([]Gateway{gw("three")})
	until(t, "the pod is current", func() bool { return s.State("ns", "gw") == State{Envoys: 1, Sidecars: 1, Current: 1} })
	if got := side.applied() + ", " + e.has(); got != "one three, one three" {
		t.Errorf("the pod had %s", got)
	}
}
