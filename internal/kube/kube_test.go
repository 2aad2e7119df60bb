package kube

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/cluster"
)

const gatewayAndRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: NS}
spec:
  gatewayClassName: kgateway
  listeners: [{name: http, port: 8080, protocol: HTTP}]
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: NS}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app, namespace: NS}
spec:
  parentRefs: [{name: web}]
  rules: [{backendRefs: [{name: app, port: 80}]}]
`

func in(namespace, manifests string) string { return strings.ReplaceAll(manifests, "NS", namespace) }

// is reports why a condition is not as wanted.
func is(all []metav1.Condition, typ string, want metav1.ConditionStatus, generation int64) error {
	c := meta.FindStatusCondition(all, typ)
	if c == nil || c.Status != want || c.ObservedGeneration != generation {
		return fmt.Errorf("%s is %+v, want %s of generation %d", typ, c, want, generation)
	}
	return nil
}

func TestStatuses(t *testing.T) {
	c := shared.Start(t)
	ns := c.Namespace(t, "statuses")
	begin(t, options(t, c, ns))
	c.Apply(t, in(ns, gatewayAndRoute))
	class, g, r, s := &gwv1.GatewayClass{}, &gwv1.Gateway{}, &gwv1.HTTPRoute{}, &corev1.Service{}
	cluster.Eventually(t, func() error {
		if err := errors.Join(get(t, c, class, "", "kgateway"), get(t, c, g, ns, "web"), get(t, c, r, ns, "app"), get(t, c, s, ns, "web")); err != nil {
			return err
		}
		if len(g.Status.Listeners) != 1 || g.Status.Listeners[0].AttachedRoutes != 1 || len(r.Status.Parents) != 1 {
			return fmt.Errorf("gateway %+v, route %+v", g.Status, r.Status)
		}
		return errors.Join(is(class.Status.Conditions, "Accepted", "True", class.Generation), is(g.Status.Conditions, "Accepted", "True", g.Generation),
			is(g.Status.Conditions, "Programmed", "False", g.Generation), is(r.Status.Parents[0].Conditions, "Accepted", "True", r.Generation),
			is(r.Status.Parents[0].Conditions, "ResolvedRefs", "True", r.Generation))
	})

	// A pod and an address of the load balancer: the Gateway is programmed.
	s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.9"}, {Hostname: "lb.example.com"}}
	if err := c.Client.Status().Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	available(t, c, ns, "web", 1)
	cluster.Eventually(t, func() error {
		if err := get(t, c, g, ns, "web"); err != nil {
			return err
		}
		if a := g.Status.Addresses; len(a) != 2 || a[0].Value != "192.0.2.9" || *a[0].Type != gwv1.IPAddressType || *a[1].Type != gwv1.HostnameAddressType {
			return fmt.Errorf("addresses %v", a)
		}
		return is(g.Status.Conditions, "Programmed", "True", g.Generation)
	})

	// A change of the spec is observed; what does not change keeps its time.
	since := metav1.NewTime(time.Unix(1e9, 0))
	meta.FindStatusCondition(g.Status.Conditions, "Accepted").LastTransitionTime = since
	if err := c.Client.Status().Update(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	c.Apply(t, in(ns, strings.ReplaceAll(gatewayAndRoute, "8080", "8081")))
	cluster.Eventually(t, func() error {
		if err := get(t, c, g, ns, "web"); err != nil {
			return err
		}
		if now := meta.FindStatusCondition(g.Status.Conditions, "Accepted").LastTransitionTime; !now.Equal(&since) {
			t.Fatalf("Accepted is said to be so since %v, was since %v", now, since)
		}
		return errors.Join(is(g.Status.Conditions, "Accepted", "True", 2), is(g.Status.Conditions, "Programmed", "True", 2))
	})
}

// available says for the Deployment's controller, which does not run, how many pods there are.
func available(t *testing.T, c *cluster.Cluster, namespace, name string, n int32) {
	t.Helper()
	cluster.Eventually(t, func() error {
		d := &appsv1.Deployment{}
		if err := get(t, c, d, namespace, name); err != nil {
			return err
		}
		d.Status.Replicas, d.Status.AvailableReplicas, d.Status.ReadyReplicas = n, n, n
		return c.Client.Status().Update(t.Context(), d)
	})
}

// TestStatusOfOthers has another controller write to the same objects.
func TestStatusOfOthers(t *testing.T) {
	c := shared.Start(t)
	ns := c.Namespace(t, "others")
	c.Apply(t, in(ns, gatewayAndRoute))
	r := &gwv1.HTTPRoute{}
	if err := get(t, c, r, ns, "app"); err != nil {
		t.Fatal(err)
	}
	theirs := gwv1.RouteParentStatus{ParentRef: r.Spec.ParentRefs[0], ControllerName: "example.com/other",
		Conditions: []metav1.Condition{{Type: "Accepted", Status: "False", Reason: "No", LastTransitionTime: metav1.NewTime(time.Unix(1e9, 0))}}}
	r.Status.Parents = []gwv1.RouteParentStatus{theirs}
	if err := c.Client.Status().Update(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	begin(t, options(t, c, ns))
	cluster.Eventually(t, func() error {
		if err := get(t, c, r, ns, "app"); err != nil {
			return err
		}
		if p := r.Status.Parents; len(p) != 2 || p[0].ControllerName != theirs.ControllerName || p[0].Conditions[0].Reason != "No" {
			return fmt.Errorf("parents %v", p)
		}
		return is(r.Status.Parents[1].Conditions, "Accepted", "True", 1)
	})
	// The route leaves our Gateway: what we said goes, what they said stays.
	c.Apply(t, in(ns, strings.ReplaceAll(gatewayAndRoute, "{name: web}]", "{name: elsewhere}]")))
	cluster.Eventually(t, func() error {
		if err := get(t, c, r, ns, "app"); err != nil {
			return err
		}
		if p := r.Status.Parents; len(p) != 1 || p[0].ControllerName != theirs.ControllerName {
			return fmt.Errorf("parents %v", p)
		}
		return nil
	})
}

// TestDeploy follows what is deployed through its life: made, changed by others, not wanted any more, and without its Gateway.
func TestDeploy(t *testing.T) {
	c := shared.Start(t)
	ns := c.Namespace(t, "deploy")
	begin(t, options(t, c, ns))
	c.Apply(t, in(ns, gatewayAndRoute))
	kinds := []client.Object{&appsv1.Deployment{}, &corev1.Service{}, &corev1.ServiceAccount{}, &corev1.ConfigMap{}}
	there := func(want bool) func() error {
		return func() error {
			for _, o := range kinds {
				err := get(t, c, o, ns, "web")
				if want && err != nil {
					return err
				}
				if !want && err == nil {
					return fmt.Errorf("%T is there", o)
				}
				if !want && !apierrors.IsNotFound(err) {
					return err
				}
			}
			return nil
		}
	}
	cluster.Eventually(t, there(true))
	g := &gwv1.Gateway{}
	if err := get(t, c, g, ns, "web"); err != nil {
		t.Fatal(err)
	}
	for _, o := range kinds {
		if !metav1.IsControlledBy(o, g) {
			t.Errorf("%T does not belong to the Gateway: %v", o, o.GetOwnerReferences())
		}
	}

	// Drift.
	d := &appsv1.Deployment{}
	if err := get(t, c, d, ns, "web"); err != nil {
		t.Fatal(err)
	}
	image := d.Spec.Template.Spec.Containers[0].Image
	d.Spec.Template.Spec.Containers[0].Image = "example.com/evil"
	d.Annotations = map[string]string{"example.com/note": "stays"}
	if err := c.Client.Update(t.Context(), d, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	if err := c.Client.Delete(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, func() error {
		if err := errors.Join(get(t, c, d, ns, "web"), get(t, c, cm, ns, "web")); err != nil {
			return err
		}
		if got := d.Spec.Template.Spec.Containers[0].Image; got != image || d.Annotations["example.com/note"] != "stays" {
			return fmt.Errorf("image %s, annotations %v", got, d.Annotations)
		}
		return nil
	})

	// Self-managed: nothing is deployed any more.
	c.Apply(t, in(ns, `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayParameters
metadata: {name: own, namespace: NS}
spec: {selfManaged: {}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: NS}
spec:
  gatewayClassName: kgateway
  infrastructure: {parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: own}}
  listeners: [{name: http, port: 8080, protocol: HTTP}]
`))
	cluster.Eventually(t, there(false))
	own := &v1alpha1.GatewayParameters{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "own"}}
	if err := get(t, c, own, ns, "own"); err != nil {
		t.Fatal(err)
	}
	own.Spec = v1alpha1.GatewayParametersSpec{Kube: &v1alpha1.KubeParameters{}}
	if err := c.Client.Update(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, there(true))

	// Without the Gateway all goes, with or without a garbage collector.
	if err := c.Client.Delete(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, there(false))
}

// TestForeignObjects has a Service in the place of the data plane's, which is somebody else's.
func TestForeignObjects(t *testing.T) {
	c := shared.Start(t)
	ns := c.Namespace(t, "foreign")
	c.Apply(t, in(ns, `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {mine: "true"}, ports: [{port: 1234}]}
`))
	begin(t, options(t, c, ns))
	c.Apply(t, in(ns, gatewayAndRoute))
	cluster.Eventually(t, func() error {
		all := &eventsv1.EventList{}
		if err := c.Client.List(t.Context(), all, client.InNamespace(ns)); err != nil {
			return err
		}
		for i := range all.Items {
			if e := &all.Items[i]; e.Regarding.Name == "web" && e.Reason == "DeployFailed" && strings.Contains(e.Note, "Service web") {
				return nil
			}
		}
		return fmt.Errorf("no event about the Service in %d", len(all.Items))
	})
	s := &corev1.Service{}
	if err := get(t, c, s, ns, "web"); err != nil {
		t.Fatal(err)
	}
	if s.Spec.Selector["mine"] != "true" || len(s.OwnerReferences) != 0 || s.Spec.Ports[0].Port != 1234 {
		t.Errorf("somebody else's Service was changed: %+v", s)
	}
}

// TestEvents counts the events of a problem that stays through many rebuilds.
func TestEvents(t *testing.T) {
	c := shared.Start(t)
	ns := c.Namespace(t, "events")
	begin(t, options(t, c, ns))
	c.Apply(t, in(ns, gatewayAndRoute))
	count := func(service string) (n int) {
		all := &eventsv1.EventList{}
		if err := c.Client.List(t.Context(), all, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		for i := range all.Items {
			if e := &all.Items[i]; e.Regarding.Kind == "HTTPRoute" && strings.Contains(e.Note, service) {
				n++
			}
		}
		return n
	}
	// Each further problem is found by a rebuild, which finds the older ones again.
	for _, name := range []string{"nowhere", "elsewhere", "anywhere"} {
		c.Apply(t, in(ns, strings.ReplaceAll(strings.Replace(gatewayAndRoute, "{name: app, port: 80}", "{name: "+name+", port: 80}", 1),
			"{name: app, namespace: NS}\nspec:\n  parentRefs", "{name: "+name+", namespace: NS}\nspec:\n  parentRefs")))
		cluster.Eventually(t, func() error {
			if n := count(name); n != 1 {
				return fmt.Errorf("%d events", n)
			}
			return nil
		})
	}
	if n := count("nowhere"); n != 1 {
		t.Errorf("%d events about one problem, want 1", n)
	}
}
