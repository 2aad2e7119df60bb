package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/translate"
)

// values are the Secrets or the ConfigMaps that something refers to. Others are never read: of them no more is watched than when
// they change.
type values[T client.Object] struct {
	kind *kind
	make func() T
	// referred is what was referred to when it was last looked at, for those who are told of changes.
	referred atomic.Pointer[map[types.NamespacedName]bool]
	held     map[types.NamespacedName]T
}

func newValues[T client.Object](k *kind, empty func() T) *values[T] {
	v := &values[T]{kind: k, make: empty, held: map[types.NamespacedName]T{}}
	v.referred.Store(&map[types.NamespacedName]bool{})
	return v
}

// concerns reports whether a change of an object matters. It is safe for concurrent use.
func (v *values[T]) concerns(name types.NamespacedName) bool { return (*v.referred.Load())[name] }

// refer makes names those that are held from now on, and reports whether there are any among them that were not before.
func (v *values[T]) refer(names []types.NamespacedName) (more bool) {
	before, now := *v.referred.Load(), make(map[types.NamespacedName]bool, len(names))
	for _, n := range names {
		now[n] = true
		more = more || !before[n]
	}
	v.referred.Store(&now)
	for n := range v.held {
		if !now[n] {
			delete(v.held, n)
		}
	}
	return more
}

// refresh reads what is referred to and has changed since it was read.
func (v *values[T]) refresh(ctx context.Context, w *watcher, log *slog.Logger) error {
	for name := range *v.referred.Load() {
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

// secretsAndMaps are all values.
type secretsAndMaps struct {
	secrets *values[*corev1.Secret]
	maps    *values[*corev1.ConfigMap]
}

func newSecretsAndMaps(k *kinds) *secretsAndMaps {
	return &secretsAndMaps{
		secrets: newValues(k.secrets, func() *corev1.Secret { return &corev1.Secret{} }),
		maps:    newValues(k.configMaps, func() *corev1.ConfigMap { return &corev1.ConfigMap{} }),
	}
}

func (s *secretsAndMaps) concern(k *kind, o client.Object) bool {
	name := client.ObjectKeyFromObject(o)
	return k == s.secrets.kind && s.secrets.concerns(name) || k == s.maps.kind && s.maps.concerns(name)
}

func (s *secretsAndMaps) refer(out *translate.Output) bool {
	a, b := s.secrets.refer(out.Secrets), s.maps.refer(out.ConfigMaps)
	return a || b
}

func (s *secretsAndMaps) refresh(ctx context.Context, w *watcher, log *slog.Logger) error {
	if err := s.secrets.refresh(ctx, w, log); err != nil {
		return err
	}
	return s.maps.refresh(ctx, w, log)
}
