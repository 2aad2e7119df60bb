package kube

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/translate"
)

// referred are the objects of a kind that something refers to, as it was when that was last looked at. It is safe for concurrent use.
type referred struct {
	names atomic.Pointer[map[types.NamespacedName]bool] // nil = nothing
}

func (r *referred) all() map[types.NamespacedName]bool {
	if m := r.names.Load(); m != nil {
		return *m
	}
	return nil
}

// refer makes names all that is referred to from now on, and reports whether there are any among them that were not before.
func (r *referred) refer(names []types.NamespacedName) (more bool) {
	before, now := r.all(), make(map[types.NamespacedName]bool, len(names))
	for _, n := range names {
		now[n] = true
		more = more || !before[n]
	}
	r.names.Store(&now)
	return more
}

// values are the Secrets or the ConfigMaps that something refers to. Others are never read: of them no more is watched than when
// they change.
type values[T client.Object] struct {
	referred

	kind *kind
	make func() T
	held map[types.NamespacedName]T
}

func newValues[T client.Object](k *kind, empty func() T) *values[T] {
	return &values[T]{kind: k, make: empty, held: map[types.NamespacedName]T{}}
}

// refer is referred's, and gives up what nothing refers to any more.
func (v *values[T]) refer(names []types.NamespacedName) (more bool) {
	more = v.referred.refer(names)
	maps.DeleteFunc(v.held, func(n types.NamespacedName, _ T) bool { return !v.all()[n] })
	return more
}

// refresh reads what is referred to and has changed since it was read.
func (v *values[T]) refresh(ctx context.Context, w *watcher, log *slog.Logger) error {
	for name := range v.all() {
		seen, there := one[*metav1.PartialObjectMetadata](w, v.kind, name.Namespace, name.Name)
		if !there {
			delete(v.held, name)
			continue
		}
		if old, ok := v.held[name]; ok && old.GetUID() == seen.UID && !older(old.GetResourceVersion(), seen.ResourceVersion) {
			continue
		}
		fresh := v.make()
		switch err := w.client.Get(ctx, name, fresh); {
		case apierrors.IsNotFound(err):
			delete(v.held, name)
		case apierrors.IsForbidden(err): // it stays so until somebody grants it
			delete(v.held, name)
			log.Warn("not allowed to read what is referred to", "resource", v.kind.resource.Resource, "namespace", name.Namespace, "name", name.Name, "error", err)
		case err != nil:
			return fmt.Errorf("%s %s: %w", v.kind.resource.Resource, name, err)
		default:
			fresh.SetManagedFields(nil)
			v.held[name] = fresh
		}
	}
	return nil
}

// older reports whether version a of an object came before version b.
func older(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	if err != nil {
		return a != b // a server that numbers in another way: what is not the same has to be read again
	}
	return c < 0
}

func list[T client.Object](v *values[T]) []T {
	out := make([]T, 0, len(v.held))
	for _, o := range v.held {
		out = append(out, o)
	}
	return out
}

// references are all that configurations refer to and that is not looked at otherwise.
type references struct {
	secrets   *values[*corev1.Secret]
	maps      *values[*corev1.ConfigMap]
	slices    *kind
	endpoints referred // Services, of which they are
}

func newReferences(k *kinds) *references {
	return &references{
		secrets: newValues(k.secrets, func() *corev1.Secret { return &corev1.Secret{} }),
		maps:    newValues(k.configMaps, func() *corev1.ConfigMap { return &corev1.ConfigMap{} }),
		slices:  k.endpointSlices,
	}
}

// concern reports whether something refers to an object. It is safe for concurrent use.
func (r *references) concern(k *kind, o client.Object) bool {
	name := client.ObjectKeyFromObject(o)
	switch k {
	case r.secrets.kind:
		return r.secrets.all()[name]
	case r.maps.kind:
		return r.maps.all()[name]
	case r.slices:
		name.Name = o.GetLabels()[discoveryv1.LabelServiceName]
		return r.endpoints.all()[name]
	}
	return false
}

// refer makes what out refers to all that counts, and reports whether there is more than before: what has changed meanwhile was not
// noticed.
func (r *references) refer(out *translate.Output) bool {
	a, b, c := r.secrets.refer(out.Secrets), r.maps.refer(out.ConfigMaps), r.endpoints.refer(out.Endpoints)
	return a || b || c
}

func (r *references) refresh(ctx context.Context, w *watcher, log *slog.Logger) error {
	if err := r.secrets.refresh(ctx, w, log); err != nil {
		return err
	}
	return r.maps.refresh(ctx, w, log)
}
