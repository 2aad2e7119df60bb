package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/translate"
)

var (
	then = metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	now  = metav1.NewTime(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
)

func condition(typ, status, message string, generation int64, at metav1.Time) metav1.Condition {
	return metav1.Condition{Type: typ, Status: metav1.ConditionStatus(status), Reason: "Because", Message: message, ObservedGeneration: generation, LastTransitionTime: at}
}

func wanted(typ, status, message string, generation int64) metav1.Condition {
	return condition(typ, status, message, generation, metav1.Time{})
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		name            string
		old, want, then []metav1.Condition
	}{
		{
			"new ones are dated",
			nil,
			[]metav1.Condition{wanted("Accepted", "True", "", 1)},
			[]metav1.Condition{condition("Accepted", "True", "", 1, now)},
		},
		{
			"the time stays while the status does",
			[]metav1.Condition{condition("Accepted", "True", "before", 1, then)},
			[]metav1.Condition{wanted("Accepted", "True", "after", 2)},
			[]metav1.Condition{condition("Accepted", "True", "after", 2, then)},
		},
		{
			"another status has another time",
			[]metav1.Condition{condition("Accepted", "True", "", 1, then)},
			[]metav1.Condition{wanted("Accepted", "False", "", 1)},
			[]metav1.Condition{condition("Accepted", "False", "", 1, now)},
		},
		{
			"the order and what is another domain's stay, what is no longer said goes",
			[]metav1.Condition{condition("special.io/Field", "True", "", 9, then), condition("Conflicted", "True", "", 1, then), condition("B", "True", "", 1, then)},
			[]metav1.Condition{wanted("A", "True", "", 1), wanted("B", "True", "", 1)},
			[]metav1.Condition{condition("special.io/Field", "True", "", 9, then), condition("B", "True", "", 1, then), condition("A", "True", "", 1, now)},
		},
		{
			"what was observed later is left alone",
			[]metav1.Condition{condition("Accepted", "True", "later", 3, then)},
			[]metav1.Condition{wanted("Accepted", "False", "earlier", 2)},
			[]metav1.Condition{condition("Accepted", "True", "later", 3, then)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.then, conditions(tt.old, tt.want, now)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func parent(gateway, controller string, c ...metav1.Condition) gwv1.RouteParentStatus {
	return gwv1.RouteParentStatus{ParentRef: gwv1.ParentReference{Name: gwv1.ObjectName(gateway)}, ControllerName: gwv1.GatewayController(controller), Conditions: c}
}

func TestRouteStatusKeepsOthers(t *testing.T) {
	const ours, theirs = translate.ControllerName, "example.com/other"
	old := &gwv1.HTTPRouteStatus{RouteStatus: gwv1.RouteStatus{Parents: []gwv1.RouteParentStatus{
		parent("gone", ours, condition("Accepted", "True", "", 1, then)),
		parent("b", ours, condition("Accepted", "True", "", 1, then)),
		parent("b", theirs, condition("Accepted", "False", "", 1, then)),
	}}}
	want := &gwv1.HTTPRouteStatus{RouteStatus: gwv1.RouteStatus{Parents: []gwv1.RouteParentStatus{
		parent("a", ours, wanted("Accepted", "True", "", 2)),
		parent("b", ours, wanted("Accepted", "True", "", 2)),
	}}}
	got := routeStatus(old, want, now)
	expected := []gwv1.RouteParentStatus{
		parent("b", ours, condition("Accepted", "True", "", 2, then)),
		parent("b", theirs, condition("Accepted", "False", "", 1, then)),
		parent("a", ours, condition("Accepted", "True", "", 2, now)),
	}
	if d := cmp.Diff(expected, got.Parents); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if again := routeStatus(&got, want, metav1.NewTime(now.Add(time.Hour))); !cmp.Equal(got, again) {
		t.Errorf("what has been written is written again:\n%s", cmp.Diff(got, again))
	}
	if got := routeStatus(old, nil, now); len(got.Parents) != 1 || got.Parents[0].ControllerName != theirs {
		t.Errorf("without a parent of ours: got %v, want the other controller's alone", got.Parents)
	}
	if want.Parents[0].Conditions[0].LastTransitionTime != (metav1.Time{}) {
		t.Error("what was wanted has been changed")
	}
}

func TestPolicyStatusIsBounded(t *testing.T) {
	old, want := &gwv1.PolicyStatus{}, &gwv1.PolicyStatus{}
	for i := range 10 {
		name := gwv1.ObjectName('a' + rune(i))
		old.Ancestors = append(old.Ancestors, gwv1.PolicyAncestorStatus{AncestorRef: gwv1.ParentReference{Name: name}, ControllerName: "example.com/other"})
		want.Ancestors = append(want.Ancestors, gwv1.PolicyAncestorStatus{AncestorRef: gwv1.ParentReference{Name: name}, ControllerName: translate.ControllerName})
	}
	if got := policyStatus(old, want, now); len(got.Ancestors) != maxAncestors {
		t.Errorf("got %d ancestors, more or fewer than the API server takes (%d)", len(got.Ancestors), maxAncestors)
	}
}

func TestGatewayStatus(t *testing.T) {
	old := &gwv1.GatewayStatus{Listeners: []gwv1.ListenerStatus{
		{Name: "a", Conditions: []metav1.Condition{condition("Programmed", "True", "", 1, then)}},
		{Name: "gone"},
	}}
	want := &gwv1.GatewayStatus{
		Conditions: []metav1.Condition{wanted("Accepted", "True", "", 1)},
		Listeners:  []gwv1.ListenerStatus{{Name: "a", AttachedRoutes: 2, Conditions: []metav1.Condition{wanted("Programmed", "True", "", 1)}}},
	}
	got := gatewayStatus(old, want, now)
	expected := gwv1.GatewayStatus{
		Conditions: []metav1.Condition{condition("Accepted", "True", "", 1, now)},
		Listeners:  []gwv1.ListenerStatus{{Name: "a", AttachedRoutes: 2, Conditions: []metav1.Condition{condition("Programmed", "True", "", 1, then)}}},
	}
	if d := cmp.Diff(expected, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
