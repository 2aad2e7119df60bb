package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/translate"
)

// statusWriters is how many statuses are on their way to the API server at once; statusTries how often one is tried while others
// write to the same object.
const (
	statusWriters = 8
	statusTries   = 4
)

// task is an object whose status is to be as it should.
type task struct {
	kind    *kind
	object  client.Object              // as the informer has it: not to be changed
	differs func(o client.Object) bool // whether the status of o is another than it should be
	set     func(o client.Object)      // makes it so
}

// newTask is for the status at field, which is to be as merge says.
func newTask[T client.Object, S any](k *kind, o T, field func(T) *S, merge func(old *S) S) task {
	return task{kind: k, object: o,
		differs: func(o client.Object) bool {
			t, ok := o.(T)
			if !ok {
				return false
			}
			return !equality.Semantic.DeepEqual(*field(t), merge(field(t)))
		},
		set: func(o client.Object) {
			if t, ok := o.(T); ok {
				*field(t) = merge(field(t))
			}
		},
	}
}

// tasks are all objects whose statuses are ours to write, those first that others wait for.
func (w *writer) tasks(s *translate.Statuses, now metav1.Time) []task {
	c, k := w.c, w.c.kinds
	var out []task
	for _, o := range objects[*gwv1.GatewayClass](c.w, k.classes) {
		if want := s.Classes[o.Name]; want != nil {
			out = append(out, newTask(k.classes, o, func(o *gwv1.GatewayClass) *gwv1.GatewayClassStatus { return &o.Status },
				func(old *gwv1.GatewayClassStatus) gwv1.GatewayClassStatus { return classStatus(old, want, now) }))
		}
	}
	for _, o := range objects[*gwv1.Gateway](c.w, k.gateways) {
		if want := s.Gateways[client.ObjectKeyFromObject(o)]; want != nil {
			out = append(out, newTask(k.gateways, o, func(o *gwv1.Gateway) *gwv1.GatewayStatus { return &o.Status },
				func(old *gwv1.GatewayStatus) gwv1.GatewayStatus { return gatewayStatus(old, want, now) }))
		}
	}
	for _, o := range objects[*v1alpha1.Backend](c.w, k.backends) {
		if want := s.Backends[client.ObjectKeyFromObject(o)]; want != nil {
			out = append(out, newTask(k.backends, o, func(o *v1alpha1.Backend) *[]metav1.Condition { return &o.Status.Conditions },
				func(old *[]metav1.Condition) []metav1.Condition { return conditions(*old, want.Conditions, now) }))
		}
	}
	for _, o := range objects[*v1alpha1.GatewayExtension](c.w, k.extensions) {
		if want := s.Extensions[client.ObjectKeyFromObject(o)]; want != nil {
			out = append(out, newTask(k.extensions, o, func(o *v1alpha1.GatewayExtension) *[]metav1.Condition { return &o.Status.Conditions },
				func(old *[]metav1.Condition) []metav1.Condition { return conditions(*old, want.Conditions, now) }))
		}
	}
	for _, o := range objects[*gwv1.HTTPRoute](c.w, k.httpRoutes) {
		want := s.HTTPRoutes[client.ObjectKeyFromObject(o)]
		out = append(out, newTask(k.httpRoutes, o, func(o *gwv1.HTTPRoute) *gwv1.HTTPRouteStatus { return &o.Status },
			func(old *gwv1.HTTPRouteStatus) gwv1.HTTPRouteStatus { return routeStatus(old, want, now) }))
	}
	out = policies(out, w, k.traffic, "TrafficPolicy", func(o *v1alpha1.TrafficPolicy) *gwv1.PolicyStatus { return &o.Status }, s, now)
	out = policies(out, w, k.httpListeners, "HTTPListenerPolicy", func(o *v1alpha1.HTTPListenerPolicy) *gwv1.PolicyStatus { return &o.Status }, s, now)
	out = policies(out, w, k.listenerPolicies, "ListenerPolicy", func(o *v1alpha1.ListenerPolicy) *gwv1.PolicyStatus { return &o.Status }, s, now)
	return policies(out, w, k.backendTLS, "BackendTLSPolicy", func(o *gwv1.BackendTLSPolicy) *gwv1.PolicyStatus { return &o.Status }, s, now)
}

// policies are the tasks of a kind of policies. Of those that are attached to nothing of ours any more, our entries go.
func policies[T client.Object](out []task, w *writer, k *kind, name string, field func(T) *gwv1.PolicyStatus, s *translate.Statuses, now metav1.Time) []task {
	for _, o := range objects[T](w.c.w, k) {
		want := s.Policies[translate.Object{Kind: name, Namespace: o.GetNamespace(), Name: o.GetName()}]
		out = append(out, newTask(k, o, field, func(old *gwv1.PolicyStatus) gwv1.PolicyStatus { return policyStatus(old, want, now) }))
	}
	return out
}

// written are the objects whose statuses have been written, as the API server answered, until the informer has them too. It is
// safe for concurrent use.
type written struct {
	mu sync.Mutex
	of map[writtenKey]client.Object
}

type writtenKey struct {
	kind *kind
	name types.NamespacedName
}

// newest is o, or what it has become since the informer saw it.
func (w *written) newest(k *kind, o client.Object) client.Object {
	id := writtenKey{k, client.ObjectKeyFromObject(o)}
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.of[id]
	if !ok {
		return o
	}
	if n.GetUID() == o.GetUID() && older(o.GetResourceVersion(), n.GetResourceVersion()) {
		return n
	}
	delete(w.of, id)
	return o
}

func (w *written) note(k *kind, o client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[writtenKey{k, client.ObjectKeyFromObject(o)}] = o
}

// statuses writes what differs.
func (w *writer) statuses(ctx context.Context, r *result) (err error) {
	ctx, end := w.c.span(ctx, "status")
	defer func() { end(err) }()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	slots := make(chan struct{}, statusWriters)
	for _, t := range w.tasks(&r.out.Statuses, metav1.NewTime(w.now().Truncate(time.Second))) {
		o := w.written.newest(t.kind, t.object)
		if !t.differs(o) {
			continue
		}
		slots <- struct{}{}
		if w.stale(r) || ctx.Err() != nil {
			errs = append(errs, errStale)
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := w.put(ctx, &t, o); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// put writes the status of o. When somebody else has written to the object in the meantime, it looks again.
func (w *writer) put(ctx context.Context, t *task, o client.Object) error {
	var err error
	for range statusTries {
		fresh, ok := o.DeepCopyObject().(client.Object)
		if !ok {
			return nil
		}
		t.set(fresh)
		switch err = w.client.Status().Update(ctx, fresh); {
		case err == nil:
			fresh.SetManagedFields(nil)
			w.written.note(t.kind, fresh)
			w.c.met.statuses.WithLabelValues(t.kind.resource.Resource).Inc()
			return nil
		case apierrors.IsNotFound(err):
			return nil // it is gone, and so is what was to be said of it
		case !apierrors.IsConflict(err):
			return fmt.Errorf("status of %s %s: %w", t.kind.resource.Resource, client.ObjectKeyFromObject(o), err)
		}
		switch err := w.client.Get(ctx, client.ObjectKeyFromObject(o), fresh); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return fmt.Errorf("status of %s %s: %w", t.kind.resource.Resource, client.ObjectKeyFromObject(o), err)
		case fresh.GetUID() != o.GetUID():
			return nil // another one of the same name, of which nothing is known yet
		}
		if o = fresh; !t.differs(o) {
			return nil
		}
	}
	return fmt.Errorf("status of %s %s: %w", t.kind.resource.Resource, client.ObjectKeyFromObject(o), err)
}
