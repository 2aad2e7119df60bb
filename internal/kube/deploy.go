package kube

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/deployer"
	"github.com/spanway/spanway/internal/translate"
)

// place is where an object is.
type place struct {
	gvk  schema.GroupVersionKind
	name types.NamespacedName
}

// applied is what was made of an object when it was last applied.
type applied struct {
	want    [sha256.Size]byte // of what was asked for
	have    [sha256.Size]byte // of what there was then, as far as others should not change it
	version string            // resourceVersion
	seen    bool              // by the informer
}

// deploy makes the objects of all Gateways be as they should, and removes those that should not be.
func (w *writer) deploy(ctx context.Context, r *result) (err error) {
	ctx, end := w.c.span(ctx, "deploy")
	defer func() { end(err) }()
	errs := []error{w.ensureClasses(ctx)}
	if w.c.certs.authority() == "" {
		return errors.Join(errs...) // in a moment
	}
	wanted := map[types.UID]map[place]bool{} // of Gateways that deploy something or nothing; of others all stays as it is
	for i := range r.out.Gateways {
		g := &r.out.Gateways[i]
		if g.IR == nil {
			continue
		}
		places := map[place]bool{}
		wanted[g.Object.UID] = places
		if g.Parameters == nil {
			continue
		}
		if w.stale(r) {
			return errStale
		}
		if err := w.deployOne(ctx, g, places); err != nil {
			delete(wanted, g.Object.UID) // nothing is removed of what may be still needed
			w.undeployable(ctx, g.Object, err)
			errs = append(errs, fmt.Errorf("gateway %s: %w", client.ObjectKeyFromObject(g.Object), err))
		}
	}
	return errors.Join(append(errs, w.prune(ctx, wanted))...)
}

// deployOne applies what g consists of, and notes it in places.
func (w *writer) deployOne(ctx context.Context, g *translate.Gateway, places map[place]bool) error {
	in := w.c.deploys
	in.Gateway, in.Parameters = g.Object, g.Parameters
	in.Control.CA = w.c.certs.authority()
	rendered, err := deployer.Render(in)
	if err != nil {
		return err
	}
	for _, o := range rendered {
		u, err := w.prepare(o, g.Object)
		if err != nil {
			return err
		}
		p := place{u.GroupVersionKind(), client.ObjectKeyFromObject(u)}
		places[p] = true
		if err := w.apply(ctx, p, u, g.Object); err != nil {
			return fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// prepare is o as it is applied: with its kind, its owner and the label by which it is found again, and without a status.
func (w *writer) prepare(o deployer.Object, owner *gwv1.Gateway) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(o, w.client.Scheme())
	if err != nil {
		return nil, err
	}
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", gvk.Kind, o.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(m, "status")
	unstructured.RemoveNestedField(m, "metadata", "creationTimestamp")
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[managedBy] = manager
	u.SetLabels(labels)
	yes := true
	u.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: gwv1.GroupVersion.String(), Kind: "Gateway", Name: owner.Name, UID: owner.UID, Controller: &yes}})
	return u, nil
}

// apply makes u be there, unless it is.
func (w *writer) apply(ctx context.Context, p place, u *unstructured.Unstructured, owner *gwv1.Gateway) error {
	want, err := digest(u)
	if err != nil {
		return err
	}
	last := w.applied[p]
	if last != nil && last.want == want {
		same, err := w.unchanged(ctx, p, last)
		if err != nil || same {
			return err
		}
	}
	if last == nil {
		if err := w.free(ctx, p, owner); err != nil {
			return err
		}
	}
	if err := w.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(manager), client.ForceOwnership); err != nil {
		return err
	}
	w.c.met.applied.WithLabelValues(p.gvk.Kind).Inc()
	w.log.Info("applied", "kind", p.gvk.Kind, "namespace", p.name.Namespace, "name", p.name.Name)
	have, err := w.core(u)
	if err != nil {
		return err
	}
	w.applied[p] = &applied{want: want, have: have, version: u.GetResourceVersion()}
	return nil
}

// unchanged reports whether nobody has changed what was applied.
func (w *writer) unchanged(ctx context.Context, p place, last *applied) (bool, error) {
	o := w.live(p)
	if o == nil {
		if last.seen {
			return false, nil
		}
		// It has gone already, or the informer has not heard of it yet.
		there := &metav1.PartialObjectMetadata{}
		there.SetGroupVersionKind(p.gvk)
		err := w.client.Get(ctx, p.name, there)
		return err == nil, client.IgnoreNotFound(err)
	}
	if o.GetResourceVersion() == last.version || !last.seen && older(o.GetResourceVersion(), last.version) {
		last.seen = o.GetResourceVersion() == last.version
		return true, nil
	}
	last.seen = true
	now, err := w.core(o)
	if err != nil || now != last.have {
		return false, err
	}
	last.version = o.GetResourceVersion()
	return true, nil
}

// live is the object at p as the informer has it; nil = it is not there.
func (w *writer) live(p place) client.Object {
	for _, k := range w.c.kinds.deployed() {
		gvk, err := apiutil.GVKForObject(k.object, w.client.Scheme())
		if err != nil || gvk != p.gvk {
			continue
		}
		if o, ok := one[client.Object](w.c.w, k, p.name.Namespace, p.name.Name); ok && o.GetLabels()[managedBy] == manager {
			return o
		}
	}
	return nil
}

// free reports an error where somebody else's object has the place.
func (w *writer) free(ctx context.Context, p place, owner *gwv1.Gateway) error {
	if o := w.live(p); o != nil && metav1.IsControlledBy(o, owner) {
		return nil
	}
	there := &metav1.PartialObjectMetadata{}
	there.SetGroupVersionKind(p.gvk)
	switch err := w.client.Get(ctx, p.name, there); {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case metav1.IsControlledBy(there, owner):
		return nil
	}
	return fmt.Errorf("is there already and does not belong to the Gateway: rename one of them, or delete the %s", p.gvk.Kind)
}

// core is the digest of what of an object is nobody's but ours and those who choose defaults: all but its status and what the API
// server notes.
func (w *writer) core(o client.Object) ([sha256.Size]byte, error) {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	// An object of a Go type and one without are written in the same way.
	if u, ok := o.(*unstructured.Unstructured); ok {
		typed, err := w.client.Scheme().New(u.GroupVersionKind())
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, typed); err != nil {
			return [sha256.Size]byte{}, err
		}
		if m, err = runtime.DefaultUnstructuredConverter.ToUnstructured(typed); err != nil {
			return [sha256.Size]byte{}, err
		}
	}
	delete(m, "status")
	delete(m, "kind") // informers leave them out
	delete(m, "apiVersion")
	for _, f := range []string{"resourceVersion", "generation", "managedFields"} {
		unstructured.RemoveNestedField(m, "metadata", f)
	}
	return digest(m)
}

func digest(v any) ([sha256.Size]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(b), nil
}
