package translate

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions and reasons of the kinds of api/v1alpha1.
const (
	conditionAccepted = "Accepted"
	conditionAttached = "Attached"

	reasonAccepted   = "Accepted"
	reasonValid      = "Valid"
	reasonInvalid    = "Invalid"
	reasonPending    = "Pending"
	reasonAttached   = "Attached"
	reasonMerged     = "Merged"
	reasonOverridden = "Overridden"
)

// judge collects what is to be said of one object. All of it becomes problems; faults and what is unsupported stand in the
// object's status, too.
type judge struct {
	t           *translator
	object      Object
	faults      []string // "field: message"
	unsupported []string
}

// fault notes why the object is refused.
func (j *judge) fault(field, format string, args ...any) {
	j.refuse(Error, field, format, args...)
}

// unserved notes something that is not supported and without which the object must not be used.
func (j *judge) unserved(field, format string, args ...any) {
	j.refuse(Unsupported, field, format, args...)
}

func (j *judge) refuse(s Severity, field, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	j.t.problem(j.object, field, s, "%s", message)
	if field != "" {
		message = field + ": " + message
	}
	if !slices.Contains(j.faults, message) {
		j.faults = append(j.faults, message)
	}
}

// warn notes what works, though perhaps not as meant.
func (j *judge) warn(field, format string, args ...any) {
	j.t.problem(j.object, field, Warning, format, args...)
}

// ignore notes a field that is accepted and has no effect.
func (j *judge) ignore(field, format string, args ...any) {
	j.t.problem(j.object, field, Unsupported, format, args...)
	if !slices.Contains(j.unsupported, field) {
		j.unsupported = append(j.unsupported, field)
	}
}

// fine reports whether the object is accepted.
func (j *judge) fine() bool { return len(j.faults) == 0 }

// accepted is the condition of that name: True with reason and message, and what has no effect, or False with the faults.
func (j *judge) accepted(reason, message string, generation int64) metav1.Condition {
	c := metav1.Condition{Type: conditionAccepted, Status: metav1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: generation}
	if len(j.unsupported) > 0 {
		c.Message += "; not supported, and without effect: " + strings.Join(j.unsupported, ", ")
	}
	if !j.fine() {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonInvalid, strings.Join(j.faults, "; ")
	}
	c.Message = clip(c.Message)
	return c
}
