package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// watcher holds the objects of all kinds as the API server has them. What it holds is shared: nobody changes it.
type watcher struct {
	client    client.WithWatch
	discovery discovery.DiscoveryInterface
	log       *slog.Logger
	signal    func(c change, k *kind, o client.Object) // called for each change that matters; must not block
	retry     time.Duration                            // how often missing definitions are looked for

	mu      sync.Mutex
	sources map[*kind]*source
	wg      sync.WaitGroup
}

// source is a kind that is being watched.
type source struct {
	informer cache.SharedIndexInformer
	synced   func() bool // all objects that were there at the beginning have been seen
}

// run watches all kinds until ctx is over. ready is closed when every kind is known or known to be missing.
func (w *watcher) run(ctx context.Context, all []*kind, ready chan<- struct{}) {
	defer w.wg.Wait()
	t := time.NewTicker(w.retry)
	defer t.Stop()
	missing, told := all, map[*kind]bool{}
	for {
		missing = slices.DeleteFunc(slices.Clone(missing), func(k *kind) bool { return w.begin(ctx, k, told) })
		if ready != nil && !slices.ContainsFunc(missing, func(k *kind) bool { return k.need != optional || !told[k] }) && w.synced(ctx) {
			close(ready)
			ready = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// begin starts to watch k, unless it is not installed or the API server cannot be asked.
func (w *watcher) begin(ctx context.Context, k *kind, told map[*kind]bool) bool {
	found, err := w.installed(k)
	switch {
	case err != nil:
		w.log.Warn("the API server does not say what it has", "resource", k.resource.GroupResource().String(), "error", err)
		return false
	case !found:
		if !told[k] && k.need == required {
			w.log.Warn("waiting for a CustomResourceDefinition to be installed", "resource", k.resource.GroupResource().String(), "version", k.resource.Version)
		} else if !told[k] {
			w.log.Info("a CustomResourceDefinition is not installed, going on without", "resource", k.resource.GroupResource().String(), "version", k.resource.Version)
		}
		told[k] = true
		return false
	}
	s, err := w.source(k)
	if err != nil {
		w.log.Error("watch", "resource", k.resource.GroupResource().String(), "error", err)
		return false
	}
	w.mu.Lock()
	w.sources[k] = s
	w.mu.Unlock()
	w.wg.Go(func() { s.informer.RunWithContext(ctx) })
	if told[k] { // it came later: its objects do not count as changes
		w.wg.Go(func() {
			if cache.WaitForCacheSync(ctx.Done(), s.synced) {
				w.signal(everything, k, nil)
			}
		})
	}
	return true
}

// installed reports whether the API server has a kind.
func (w *watcher) installed(k *kind) (bool, error) {
	if k.need == builtin {
		return true, nil
	}
	r := k.resource
	list, err := w.discovery.ServerResourcesForGroupVersion(r.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("resources of %s: %w", r.GroupVersion(), err)
	}
	return slices.ContainsFunc(list.APIResources, func(a metav1.APIResource) bool { return a.Name == r.Resource }), nil
}

// synced waits until all that is watched has been seen.
func (w *watcher) synced(ctx context.Context) bool {
	w.mu.Lock()
	var all []cache.InformerSynced
	for _, s := range w.sources {
		all = append(all, s.synced)
	}
	w.mu.Unlock()
	return cache.WaitForCacheSync(ctx.Done(), all...)
}

// source makes what watches k.
func (w *watcher) source(k *kind) (*source, error) {
	var opts []client.ListOption
	if k.owned {
		opts = append(opts, client.MatchingLabels{managedBy: manager})
	}
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := k.list.DeepCopyObject().(client.ObjectList)
			return list, w.client.List(ctx, list, append(slices.Clone(opts), &client.ListOptions{Raw: &o, Limit: o.Limit, Continue: o.Continue})...)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			list := k.list.DeepCopyObject().(client.ObjectList)
			return w.client.Watch(ctx, list, append(slices.Clone(opts), &client.ListOptions{Raw: &o})...)
		},
	}, w.client)
	inf := cache.NewSharedIndexInformer(lw, k.object, 0, cache.Indexers{})
	err := errors.Join(
		inf.SetTransform(slim),
		inf.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
			if ctx.Err() == nil {
				w.log.Warn("watch ended, beginning again", "resource", k.resource.GroupResource().String(), "error", err)
			}
		}),
	)
	if err != nil {
		return nil, err
	}
	reg, err := inf.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(o any, initial bool) {
			if !initial {
				w.notice(k, object(o), nil)
			}
		},
		UpdateFunc: func(before, after any) { w.notice(k, object(before), object(after)) },
		DeleteFunc: func(o any) { w.notice(k, object(o), nil) },
	})
	if err != nil {
		return nil, err
	}
	return &source{informer: inf, synced: reg.HasSynced}, nil
}

func (w *watcher) notice(k *kind, before, after client.Object) {
	if before == nil {
		return
	}
	if c := k.matters(before, after); c != nothing {
		w.signal(c, k, before)
	}
}

// object is what an informer's handler is given, which is wrapped where a deletion was not seen itself. nil = nothing known.
func object(o any) client.Object {
	if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = d.Obj
	}
	c, _ := o.(client.Object)
	return c
}

// slim takes off an object what nobody reads. Of an object that is watched by its metadata alone, annotations go too: kubectl
// keeps the values of a Secret there.
func slim(o any) (any, error) {
	c, ok := o.(client.Object)
	if !ok {
		return o, nil
	}
	c.SetManagedFields(nil)
	if _, bare := o.(*metav1.PartialObjectMetadata); bare {
		c.SetAnnotations(nil)
		c.SetLabels(nil)
	}
	return o, nil
}

// store is what is there of a kind; nil = the kind is not installed, or not yet known.
func (w *watcher) store(k *kind) cache.Store {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sources[k]; s != nil && s.synced() {
		return s.informer.GetStore()
	}
	return nil
}

// objects are those that are there of a kind, in no order.
func objects[T client.Object](w *watcher, k *kind) []T {
	store := w.store(k)
	if store == nil {
		return nil
	}
	all := store.List()
	out := make([]T, 0, len(all))
	for _, o := range all {
		if t, ok := o.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// one is the object of that namespace and name, if it is there.
func one[T client.Object](w *watcher, k *kind, namespace, name string) (T, bool) {
	var none T
	store := w.store(k)
	if store == nil {
		return none, false
	}
	o, ok, err := store.GetByKey(strings.TrimPrefix(namespace+"/"+name, "/"))
	if err != nil || !ok {
		return none, false
	}
	t, ok := o.(T)
	return t, ok
}
