package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Objects are those of YAML documents.
func Objects(manifests string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(manifests)), 4096); ; {
		u := &unstructured.Unstructured{}
		switch err := d.Decode(&u.Object); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		case len(u.Object) > 0:
			out = append(out, u)
		}
	}
}

// Apply applies YAML documents as "kubectl apply --server-side" does it, in their order, in the namespace "default" where they
// name none. Unknown fields are refused. A fault ends the test.
func (c *Cluster) Apply(t testing.TB, manifests string) {
	t.Helper()
	c.each(t, manifests, func(u *unstructured.Unstructured) error {
		return c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("test"), client.ForceOwnership)
	})
}

// Delete deletes the objects of YAML documents, those left out that are not there.
func (c *Cluster) Delete(t testing.TB, manifests string) {
	t.Helper()
	c.each(t, manifests, func(u *unstructured.Unstructured) error {
		return client.IgnoreNotFound(c.Client.Delete(context.WithoutCancel(t.Context()), u))
	})
}

func (c *Cluster) each(t testing.TB, manifests string, do func(*unstructured.Unstructured) error) {
	t.Helper()
	all, err := Objects(manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range all {
		namespaced, err := c.Client.IsObjectNamespaced(u)
		if err != nil {
			t.Fatalf("%s %s: %v", strings.ToLower(u.GetKind()), u.GetName(), err)
		}
		if namespaced && u.GetNamespace() == "" {
			u.SetNamespace("default")
		}
		if err := do(u); err != nil {
			t.Fatalf("%s %s: %v", strings.ToLower(u.GetKind()), u.GetName(), err)
		}
	}
}
