package kube

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/translate"
)

// Most entries that the API server takes in a status (Gateway API, RouteStatus.parents and PolicyStatus.ancestors).
const (
	maxParents   = 32
	maxAncestors = 16
)

// conditions are want with what old has to stay: the time at which a condition became what it is, the order, and conditions of
// other domains. An old condition that was observed at a later generation is not touched (Gateway API, notes for implementors
// at GatewayStatus.conditions).
func conditions(old, want []metav1.Condition, now metav1.Time) []metav1.Condition {
	left := slices.Clone(want)
	out := make([]metav1.Condition, 0, max(len(old), len(want)))
	for _, o := range old {
		i := slices.IndexFunc(left, func(w metav1.Condition) bool { return w.Type == o.Type })
		if i < 0 {
			if strings.Contains(o.Type, "/") {
				out = append(out, o)
			}
			continue
		}
		w := left[i]
		left = slices.Delete(left, i, i+1)
		if o.ObservedGeneration > w.ObservedGeneration {
			out = append(out, o)
			continue
		}
		w.LastTransitionTime = now
		if o.Status == w.Status {
			w.LastTransitionTime = o.LastTransitionTime
		}
		out = append(out, w)
	}
	for _, w := range left {
		w.LastTransitionTime = now
		out = append(out, w)
	}
	return out
}

// entry is what statuses of routes and of policies consist of: what a controller makes of an object in one place.
type entry[T any] struct {
	of         func(*T) (*gwv1.ParentReference, gwv1.GatewayController)
	conditions func(*T) *[]metav1.Condition
	max        int
}

var (
	parentEntry = entry[gwv1.RouteParentStatus]{
		of: func(p *gwv1.RouteParentStatus) (*gwv1.ParentReference, gwv1.GatewayController) {
			return &p.ParentRef, p.ControllerName
		},
		conditions: func(p *gwv1.RouteParentStatus) *[]metav1.Condition { return &p.Conditions },
		max:        maxParents,
	}
	ancestorEntry = entry[gwv1.PolicyAncestorStatus]{
		of: func(a *gwv1.PolicyAncestorStatus) (*gwv1.ParentReference, gwv1.GatewayController) {
			return &a.AncestorRef, a.ControllerName
		},
		conditions: func(a *gwv1.PolicyAncestorStatus) *[]metav1.Condition { return &a.Conditions },
		max:        maxAncestors,
	}
)

// merge is old with the entries of this controller replaced by want. Those of other controllers stay where they are.
func (e *entry[T]) merge(old, want []T, now metav1.Time) []T {
	left := slices.Clone(want)
	out := make([]T, 0, max(len(old), len(want)))
	for i := range old {
		ref, controller := e.of(&old[i])
		if controller != translate.ControllerName {
			out = append(out, old[i])
			continue
		}
		at := slices.IndexFunc(left, func(w T) bool { r, _ := e.of(&w); return equality.Semantic.DeepEqual(r, ref) })
		if at < 0 {
			continue
		}
		w := left[at]
		left = slices.Delete(left, at, at+1)
		*e.conditions(&w) = conditions(*e.conditions(&old[i]), *e.conditions(&w), now)
		out = append(out, w)
	}
	for i := range left {
		if len(out) == e.max {
			break
		}
		*e.conditions(&left[i]) = conditions(nil, *e.conditions(&left[i]), now)
		out = append(out, left[i])
	}
	return out
}

func routeStatus(old *gwv1.HTTPRouteStatus, want *gwv1.HTTPRouteStatus, now metav1.Time) gwv1.HTTPRouteStatus {
	var parents []gwv1.RouteParentStatus
	if want != nil {
		parents = want.Parents
	}
	return gwv1.HTTPRouteStatus{RouteStatus: gwv1.RouteStatus{Parents: parentEntry.merge(old.Parents, parents, now)}}
}

func policyStatus(old *gwv1.PolicyStatus, want *gwv1.PolicyStatus, now metav1.Time) gwv1.PolicyStatus {
	var ancestors []gwv1.PolicyAncestorStatus
	if want != nil {
		ancestors = want.Ancestors
	}
	return gwv1.PolicyStatus{Ancestors: ancestorEntry.merge(old.Ancestors, ancestors, now)}
}

func gatewayStatus(old, want *gwv1.GatewayStatus, now metav1.Time) gwv1.GatewayStatus {
	out := *want
	out.Conditions = conditions(old.Conditions, want.Conditions, now)
	out.Listeners = slices.Clone(want.Listeners)
	for i := range out.Listeners {
		l := &out.Listeners[i]
		var before []metav1.Condition
		if at := slices.IndexFunc(old.Listeners, func(o gwv1.ListenerStatus) bool { return o.Name == l.Name }); at >= 0 {
			before = old.Listeners[at].Conditions
		}
		l.Conditions = conditions(before, l.Conditions, now)
	}
	return out
}

func classStatus(old, want *gwv1.GatewayClassStatus, now metav1.Time) gwv1.GatewayClassStatus {
	out := *want
	out.Conditions = conditions(old.Conditions, want.Conditions, now)
	return out
}
