package cluster

import (
	"os"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
)

var control Shared

func TestMain(m *testing.M) { os.Exit(control.Main(m)) }

// TestTokens lets a service account have a token, which says who it is and what for, and gives no rights by itself.
func TestTokens(t *testing.T) {
	c := control.Start(t)
	ns := c.Namespace(t, "tokens")
	ask := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{Audiences: []string{"spanway"}}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "default"}}
	if err := c.Client.SubResource("token").Create(t.Context(), account, ask); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		audience string
		valid    bool
	}{{"spanway", true}, {"other", false}} {
		review := &authv1.TokenReview{Spec: authv1.TokenReviewSpec{Token: ask.Status.Token, Audiences: []string{test.audience}}}
		if err := c.Client.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		if s := review.Status; s.Authenticated != test.valid || test.valid && s.User.Username != "system:serviceaccount:"+ns+":default" {
			t.Errorf("for %s: %+v", test.audience, s)
		}
	}
	ask.Spec.Audiences = nil
	if err := c.Client.SubResource("token").Create(t.Context(), account, ask); err != nil {
		t.Fatal(err)
	}
	as, err := client.New(&rest.Config{Host: c.Config.Host, BearerToken: ask.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: c.CA()}},
		client.Options{Scheme: c.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := as.List(t.Context(), &corev1.SecretList{}, client.InNamespace(ns)); !apierrors.IsForbidden(err) {
		t.Errorf("it may read Secrets: %v", err)
	}
}

// TestKinds stores objects of the Gateway API and of Spanway, with defaults and versions.
func TestKinds(t *testing.T) {
	c := control.Start(t)
	ns := c.Namespace(t, "kinds")
	c.Apply(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: `+ns+`}
spec: {gatewayClassName: x, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: b, namespace: `+ns+`}
spec: {type: AI, ai: {llm: {bedrock: {}}}}
`)
	var gw gwv1.Gateway
	var b v1alpha1.Backend
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "gw"}, &gw); err != nil || gw.Generation != 1 || len(gw.Status.Conditions) == 0 {
		t.Errorf("%v: %+v", err, gw)
	}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "b"}, &b); err != nil || b.Spec.AI == nil {
		t.Errorf("%v: %+v", err, b)
	}
}
