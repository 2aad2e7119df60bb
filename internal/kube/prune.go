package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/translate"
)

// deployed are the kinds of what is deployed.
func (k *kinds) deployed() []*kind {
	return []*kind{k.deployments, k.services, k.accounts, k.ownConfigMaps, k.autoscalers, k.budgets}
}

// prune deletes what was deployed for Gateways that do not want it any more, or that are not there any more. The latter is what
// a cluster's garbage collector does too; it may come first.
func (w *writer) prune(ctx context.Context, wanted map[types.UID]map[place]bool) error {
	foreign := w.foreign()
	var errs []error
	for _, k := range w.c.kinds.deployed() {
		gvk, err := apiutil.GVKForObject(k.object, w.client.Scheme())
		if err != nil {
			return err
		}
		for _, o := range objects[client.Object](w.c.w, k) {
			owner := metav1.GetControllerOf(o)
			if o.GetLabels()[managedBy] != manager || !o.GetDeletionTimestamp().IsZero() || owner == nil || owner.Kind != "Gateway" ||
				owner.APIVersion != gwv1.GroupVersion.String() {
				continue
			}
			p := place{gvk, client.ObjectKeyFromObject(o)}
			places, judged := wanted[owner.UID]
			if judged && places[p] || !judged && !foreign(owner.UID) {
				continue
			}
			uid := o.GetUID()
			err := w.client.Delete(ctx, o.DeepCopyObject().(client.Object), client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
			if client.IgnoreNotFound(err) != nil {
				errs = append(errs, fmt.Errorf("delete %s %s: %w", gvk.Kind, p.name, err))
				continue
			}
			delete(w.applied, p)
			w.log.Info("deleted", "kind", gvk.Kind, "namespace", p.name.Namespace, "name", p.name.Name)
		}
	}
	return errors.Join(errs...)
}

// foreign reports of a Gateway's UID that there is no such Gateway, or that another controller has it. A Gateway whose class is
// missing keeps what it has: classes come and go in upgrades.
func (w *writer) foreign() func(types.UID) bool {
	controllers := map[gwv1.ObjectName]gwv1.GatewayController{}
	for _, c := range objects[*gwv1.GatewayClass](w.c.w, w.c.kinds.classes) {
		controllers[gwv1.ObjectName(c.Name)] = c.Spec.ControllerName
	}
	kept := map[types.UID]bool{}
	for _, g := range objects[*gwv1.Gateway](w.c.w, w.c.kinds.gateways) {
		c, ok := controllers[g.Spec.GatewayClassName]
		kept[g.UID] = !ok || c == translate.ControllerName
	}
	return func(u types.UID) bool { return !kept[u] }
}

// ensureClasses creates the classes that manifests expect to be there.
func (w *writer) ensureClasses(ctx context.Context) error {
	var errs []error
	for _, name := range w.c.o.Classes {
		if _, ok := one[*gwv1.GatewayClass](w.c.w, w.c.kinds.classes, "", name); ok {
			delete(w.made, name)
			continue
		} else if w.made[name] {
			continue // and not yet seen
		}
		text := description(name)
		o := &gwv1.GatewayClass{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{managedBy: manager}},
			Spec:       gwv1.GatewayClassSpec{ControllerName: translate.ControllerName, Description: &text},
		}
		if err := w.client.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			errs = append(errs, fmt.Errorf("GatewayClass %s: %w", name, err))
			continue
		}
		w.made[name] = true
	}
	return errors.Join(errs...)
}
