package kube

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/cluster"
)

// TestPermissions does all that a controller does, as the service account of the chart.
func TestPermissions(t *testing.T) {
	c := shared.Start(t)
	ns, home := c.Namespace(t, "permissions"), c.Namespace(t, "home")
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	helm := exec.CommandContext(t.Context(), filepath.Join(root, ".tools", "bin", "helm"), "template", "spanway", filepath.Join(root, "install", "helm", "spanway"),
		"--namespace", home, "--show-only", "templates/rbac.yaml")
	rules, err := helm.Output()
	if err != nil {
		t.Fatalf("helm (make tools gets it): %v", err)
	}
	c.Apply(t, string(rules))

	var mu sync.Mutex
	var refused []string
	o := options(t, c, home)
	o.ControlAddress = freeAddress(t)
	o.Config = rest.CopyConfig(c.Config)
	o.Config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + home + ":spanway",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + home, "system:authenticated"}}
	o.Config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := rt.RoundTrip(r)
			if err == nil && resp.StatusCode == http.StatusForbidden {
				mu.Lock()
				refused = append(refused, r.Method+" "+r.URL.Path)
				mu.Unlock()
			}
			return resp, err
		})
	})
	begin(t, o)
	c.Apply(t, in(ns, aiRoute+`---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayParameters
metadata: {name: scaled, namespace: NS}
spec:
  kube:
    horizontalPodAutoscaler: {minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 80}
    podDisruptionBudget: {maxUnavailable: 1}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ai, namespace: NS}
spec:
  gatewayClassName: kgateway
  infrastructure: {parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: scaled}}
  listeners: [{name: http, port: 8080, protocol: HTTP}]
`))
	deployed := []client.Object{&appsv1.Deployment{}, &autoscalingv2.HorizontalPodAutoscaler{}, &policyv1.PodDisruptionBudget{}}
	cluster.Eventually(t, func() error {
		for _, d := range deployed {
			if err := get(t, c, d, ns, "ai"); err != nil {
				return err
			}
		}
		all := &eventsv1.EventList{}
		if err := c.Client.List(t.Context(), all, client.InNamespace(ns)); err != nil {
			return err
		}
		if !slices.ContainsFunc(all.Items, func(e eventsv1.Event) bool { return e.Regarding.Kind == "Backend" }) {
			return fmt.Errorf("no event about the Backend without its key")
		}
		return nil
	})
	plane := follow(t, c, o.ControlAddress, ns, "ai", home)
	c.Apply(t, in(ns, "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: NS}\nstringData: {Authorization: Bearer sk}\n"))
	cluster.Eventually(t, func() error {
		key, err := plane.key(ns + "/openai")
		if err == nil && key != "sk" {
			err = fmt.Errorf("key %q", key)
		}
		return err
	})
	g := &gwv1.Gateway{}
	if err := get(t, c, g, ns, "ai"); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Delete(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, func() error {
		for _, d := range deployed {
			if err := get(t, c, d, ns, "ai"); err == nil {
				return fmt.Errorf("%T is still there", d)
			} else if !apierrors.IsNotFound(err) {
				return err
			}
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if len(refused) > 0 {
		slices.Sort(refused)
		t.Errorf("not allowed to: %v", slices.Compact(refused))
	}
}
