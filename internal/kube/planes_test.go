package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/cluster"
)

const aiRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai, namespace: NS}
spec:
  gatewayClassName: kgateway
  listeners: [{name: http, port: 8080, protocol: HTTP}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: openai, namespace: NS}
spec:
  type: AI
  ai: {llm: {openai: {authToken: {kind: SecretRef, secretRef: {name: key}}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: openai, namespace: NS}
spec:
  parentRefs: [{name: ai}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: openai}]}]
`

// TestSecretChange follows a provider's key into the data plane, and sees to it that no other Secret is read.
func TestSecretChange(t *testing.T) {
	c := shared.Start(t)
	ns, home := c.Namespace(t, "secrets"), c.Namespace(t, "home")
	c.Apply(t, in(ns, `
apiVersion: v1
kind: Secret
metadata: {name: private, namespace: NS}
stringData: {Authorization: "nobody's business"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: private, namespace: NS}
data: {a: b}
`))
	o, asked := options(t, c, home), &recorder{}
	o.ControlAddress = freeAddress(t)
	recorded(&o, asked)
	begin(t, o)
	c.Apply(t, in(ns, aiRoute))
	accepted := func(want metav1.ConditionStatus) func() error {
		return func() error {
			b := &v1alpha1.Backend{}
			if err := get(t, c, b, ns, "openai"); err != nil {
				return err
			}
			return is(b.Status.Conditions, "Accepted", want, b.Generation)
		}
	}
	cluster.Eventually(t, accepted("False"))
	plane := follow(t, c, o.ControlAddress, ns, "ai", home)
	for _, key := range []string{"sk-first", "sk-second"} {
		c.Apply(t, in(ns, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: NS}\nstringData: {Authorization: Bearer %s}\n", key)))
		cluster.Eventually(t, func() error {
			got, err := plane.key(ns + "/openai")
			if err == nil && got != key {
				err = fmt.Errorf("the data plane has the key %q", got)
			}
			return err
		})
		cluster.Eventually(t, accepted("True"))
	}
	if err := c.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "key"}}); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, accepted("False"))
	for _, r := range asked.take() {
		of := func(resource string) bool { return strings.Contains(r.path+"/", "/"+resource+"/") }
		switch {
		case !of("secrets") && !of("configmaps"):
		case r.method != "GET" && of("secrets") && strings.HasSuffix(r.path, "/"+certificateName) || r.method == "POST" && strings.HasSuffix(r.path, home+"/secrets"):
		case strings.HasSuffix(r.path, "/secrets/"+certificateName), strings.HasSuffix(r.path, "/secrets/key"): // of this test and of others
		case strings.Contains(r.accept, "as=PartialObjectMetadata"):
		case of("configmaps") && (r.method == "PATCH" || r.method == "DELETE" || strings.HasSuffix(r.path, "/api/v1/configmaps")): // those that it deployed, by their label
		default:
			t.Errorf("asked for values that nothing refers to: %+v", r)
		}
	}
}

// TestNothingToWrite has everything rebuilt, again and again, when nothing has changed.
func TestNothingToWrite(t *testing.T) {
	c := shared.Start(t)
	ns, home := c.Namespace(t, "still"), c.Namespace(t, "home")
	o, asked := options(t, c, home), &recorder{}
	o.MetricsAddress = freeAddress(t)
	recorded(&o, asked)
	begin(t, o)
	c.Apply(t, in(ns, gatewayAndRoute+"---"+aiRoute))
	cluster.Eventually(t, func() error {
		g := &gwv1.Gateway{}
		if err := get(t, c, g, ns, "web"); err != nil {
			return err
		}
		return is(g.Status.Conditions, "Accepted", "True", g.Generation)
	})
	rebuilds := func() float64 { return metric(t, o.MetricsAddress, "spanway_controller_publications_total") }
	quiesce := func() (writes []request) {
		for _, r := range asked.take() {
			if r.method != "GET" && !strings.Contains(r.path, "/leases") {
				writes = append(writes, r)
			}
		}
		return writes
	}
	cluster.Eventually(t, func() error {
		<-time.After(500 * time.Millisecond)
		if w := quiesce(); len(w) > 0 {
			return fmt.Errorf("still writing: %v", w)
		}
		return nil
	})
	for i := range 3 {
		before := rebuilds()
		c.Apply(t, in(ns, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {round: '%d'}}\n", i)))
		cluster.Eventually(t, func() error {
			if now := rebuilds(); now <= before {
				return fmt.Errorf("%v rebuilds, as before", now)
			}
			return nil
		})
	}
	<-time.After(500 * time.Millisecond)
	if w := quiesce(); len(w) > 0 {
		t.Errorf("%d writes although nothing has changed: %v", len(w), w)
	}
	for _, name := range []string{"spanway_controller_leader", `spanway_controller_objects{kind="Backend"}`, `spanway_controller_problems{severity="error"}`, "spanway_control_gateways",
		"spanway_controller_rebuild_duration_seconds_count"} {
		if v := metric(t, o.MetricsAddress, name); v < 1 {
			t.Errorf("%s is %v", name, v)
		}
	}
}

// TestReplicas has two replicas: both serve data planes, one writes, and the other one does after it.
func TestReplicas(t *testing.T) {
	c := shared.Start(t)
	ns, home := c.Namespace(t, "replicas"), c.Namespace(t, "home")
	leaks := goleak.IgnoreCurrent()
	var o [2]Options
	var asked [2]recorder
	var end [2]func()
	for i := range o {
		o[i] = options(t, c, home)
		o[i].ControlAddress, o[i].MetricsAddress = freeAddress(t), freeAddress(t)
		recorded(&o[i], &asked[i])
		end[i] = begin(t, o[i])
	}
	leads := func(i int) bool { return metric(t, o[i].MetricsAddress, "spanway_controller_leader") == 1 }
	cluster.Eventually(t, func() error {
		if leads(0) == leads(1) {
			return fmt.Errorf("the first leads: %v, the second leads: %v", leads(0), leads(1))
		}
		return nil
	})
	first, second := 0, 1
	if leads(1) {
		first, second = 1, 0
	}
	c.Apply(t, in(ns, aiRoute))
	planes := []*sidecar{follow(t, c, o[first].ControlAddress, ns, "ai", home), follow(t, c, o[second].ControlAddress, ns, "ai", home)}
	has := func(p *sidecar, route string) func() error {
		return func() error {
			if r := p.routes(); !slices.ContainsFunc(r, func(n string) bool { return strings.Contains(n, "/"+route+"/") }) {
				return fmt.Errorf("routes %v, want %s", r, route)
			}
			return nil
		}
	}
	for _, p := range planes {
		cluster.Eventually(t, has(p, "openai"))
	}
	for _, r := range asked[second].take() {
		if r.method != "GET" && !strings.Contains(r.path, "/leases") && !strings.Contains(r.path, "/tokenreviews") {
			t.Errorf("the replica that does not lead writes: %+v", r)
		}
	}

	end[first]()
	c.Apply(t, in(ns, strings.ReplaceAll(aiRoute, "{name: openai, namespace: NS}\nspec:\n  parentRefs", "{name: more, namespace: NS}\nspec:\n  parentRefs")))
	cluster.Eventually(t, has(planes[1], "more"))
	cluster.Eventually(t, func() error {
		r := &gwv1.HTTPRoute{}
		if err := get(t, c, r, ns, "more"); err != nil {
			return err
		}
		if len(r.Status.Parents) != 1 {
			return fmt.Errorf("status %+v", r.Status)
		}
		return is(r.Status.Parents[0].Conditions, "Accepted", "True", 1)
	})
	end[second]()
	if err := goleak.Find(leaks, goleak.IgnoreAnyFunction("github.com/spanway/spanway/internal/control.(*Client).Watch"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")); err != nil {
		t.Error(err)
	}
}

// TestEndpoints follows the endpoints of a Service that a route leads to, and sees to it that those of others make no work.
func TestEndpoints(t *testing.T) {
	c := shared.Start(t)
	ns, home := c.Namespace(t, "endpoints"), c.Namespace(t, "home")
	o := options(t, c, home)
	o.ControlAddress, o.MetricsAddress = freeAddress(t), freeAddress(t)
	begin(t, o)
	slice := func(service, address string) {
		t.Helper()
		c.Apply(t, in(ns, fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: NS, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{port: 8000}]
endpoints: [{addresses: [%[2]s]}]
`, service, address)))
	}
	c.Apply(t, in(ns, gatewayAndRoute+"---\napiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: NS}\nspec: {ports: [{port: 80}]}\n"))
	slice("app", "192.0.2.1")
	plane := follow(t, c, o.ControlAddress, ns, "web", home)
	leads := func(service, address string) {
		t.Helper()
		cluster.Eventually(t, func() error {
			if got := plane.endpoints("kube_" + ns + "_" + service + "_80"); !slices.Equal(got, []string{address + ":8000"}) {
				return fmt.Errorf("the data plane has the endpoints %q", got)
			}
			return nil
		})
	}
	leads("app", "192.0.2.1")
	rebuilds := func() float64 {
		return metric(t, o.MetricsAddress, "spanway_controller_rebuild_duration_seconds_count")
	}
	var before float64
	cluster.Eventually(t, func() error {
		last := before
		if before = rebuilds(); before != last {
			<-time.After(500 * time.Millisecond)
			return fmt.Errorf("%v rebuilds, still at work", before)
		}
		return nil
	})
	for i := range 5 {
		slice("other", fmt.Sprintf("192.0.2.%d", 10+i))
		<-time.After(100 * time.Millisecond)
	}
	if now := rebuilds(); now != before {
		t.Errorf("%v rebuilds, before endpoints of a Service without routes changed it was %v", now, before)
	}
	slice("app", "192.0.2.2")
	leads("app", "192.0.2.2")
	c.Apply(t, in(ns, strings.ReplaceAll(gatewayAndRoute, "[{name: app, port: 80}]", "[{name: other, port: 80}]")))
	leads("other", "192.0.2.14")
	slice("other", "192.0.2.20")
	leads("other", "192.0.2.20")
}
