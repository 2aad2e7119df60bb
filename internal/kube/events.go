package kube

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/spanway/spanway/internal/translate"
)

// maxEvents bounds how many events one pass makes; maxNote is what the API server takes of a text (events.k8s.io/v1, Event.note).
const (
	maxEvents = 50
	maxNote   = 1024
)

// events makes an event of every problem that is new. A problem that goes and comes back is one event, as long as the API
// server keeps it.
func (w *writer) events(ctx context.Context, r *result) error {
	var errs []error
	now, n := map[string]bool{}, 0
	for i := range r.out.Problems {
		p := &r.out.Problems[i]
		o := w.c.problematic(p.Object)
		if o == nil {
			continue
		}
		text := p.Message
		if p.Field != "" {
			text = p.Field + ": " + text
		}
		e, err := w.event(o, reasons()[p.Severity], "Translate", text)
		if err != nil {
			return err
		}
		if now[e.Name] = w.told[e.Name]; now[e.Name] {
			continue
		}
		if n++; n > maxEvents {
			nudge(w.c.wake)
			break
		}
		if err := w.make(ctx, e); err != nil {
			errs = append(errs, err)
			continue
		}
		now[e.Name] = true
	}
	if n <= maxEvents {
		w.told = now
	} else {
		for k := range now {
			w.told[k] = true
		}
	}
	return errors.Join(errs...)
}

// reasons are those of events, by severity.
func reasons() []string { return []string{"Warning", "Unsupported", "Invalid"} }

// undeployable makes an event of a Gateway that cannot be deployed.
func (w *writer) undeployable(ctx context.Context, gateway client.Object, cause error) {
	e, err := w.event(gateway, "DeployFailed", "Deploy", cause.Error())
	if err == nil && !w.failed[e.Name] {
		if err = w.make(ctx, e); err == nil {
			w.failed[e.Name] = true
		}
	}
	if err != nil {
		w.log.Warn("event", "error", err)
	}
}

// problematic finds what a problem is about; nil = it is not there any more.
func (c *controller) problematic(name translate.Object) client.Object {
	for _, k := range c.kinds.all() {
		gvk, err := apiutil.GVKForObject(k.object, c.scheme)
		if err != nil || gvk.Kind != name.Kind || k.owned {
			continue
		}
		if o, ok := one[client.Object](c.w, k, name.Namespace, name.Name); ok {
			return o
		}
	}
	return nil
}

func (w *writer) event(o client.Object, reason, action, text string) (*eventsv1.Event, error) {
	gvk, err := apiutil.GVKForObject(o, w.c.scheme)
	if err != nil {
		return nil, err
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, o.GetUID(), reason, action, text)
	namespace := o.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	name := o.GetName()
	if len(text) > maxNote {
		text = text[:maxNote-3] + "..."
	}
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s.%016x", name[:min(len(name), 200)], h.Sum64())},
		EventTime:  metav1.NewMicroTime(w.now()),
		Type:       corev1.EventTypeWarning, Reason: reason, Action: action, Note: text,
		ReportingController: translate.ControllerName, ReportingInstance: w.c.o.Lease.Identity,
		Regarding: corev1.ObjectReference{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: name,
			UID: o.GetUID(), ResourceVersion: o.GetResourceVersion()},
	}, nil
}

func (w *writer) make(ctx context.Context, e *eventsv1.Event) error {
	if err := w.client.Create(ctx, e); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("event: %w", err)
	}
	return nil
}
