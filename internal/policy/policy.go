// Package policy holds the steps of a route's pipeline: what may look at, change or refuse a call and its response. A data
// plane runs every [Policy] of the route once on the request, in order, and passes the response's events through the
// [Watch] values that they returned, in the same order.
package policy

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/llm"
)

// Policy is one step, compiled from configuration. It is safe for concurrent use.
type Policy interface {
	// Name is what the policy's spans are called after.
	Name() string
	// Blocking reports whether Check does I/O; a data plane that may not block runs such a policy elsewhere.
	Blocking() bool
	// Check runs once per call, before the first attempt. It may edit c.Request, and it refuses the call with an
	// *llm.Error. It fills request for the guardrail span of the request side and returns a Watch for the response, nil when
	// it has no interest in it; response is what Done is called with, for a Watch that needs it earlier. ctx and c live as
	// long as the call.
	Check(ctx context.Context, c *llm.Call, request, response *Report) (Watch, error)
}

// Watch sees one response. It belongs to one goroutine at a time.
type Watch interface {
	// Event takes the next event and calls emit for what goes on to the client: ev itself, changed (then Edited is set) or
	// not, and before it what was held back. An *llm.Error ends the response with that error. What ev's slices hold must be
	// copied to be kept: readers reuse them.
	Event(ev *llm.Event, emit func(*llm.Event) error) error
	// Flush emits what is still held back, when the response has ended, whole or cut.
	Flush(emit func(*llm.Event) error) error
	// Done is called exactly once, however the call ended, and fills rep for the span of the response side.
	Done(r *llm.Result, rep *Report)
}

// Report is what a guardrail did on one side of a call, for its run_guardrail span.
type Report struct {
	Ran    bool   // false: no span
	Kind   string // regex, webhook, moderation
	Action string // what it is told to do: mask, reject, or check, where the other side decides
	Result string // what it did: passed, masked or rejected
	Rule   string // names of the patterns that matched, comma-separated, never the text
	Hits   []Hit  // at most MaxHits; for streams, one per flagged segment

	// Of a guardrail that calls out:

	// Inject begins the span, if that has not been, and puts its context into h. The pipeline sets it for policies that block.
	Inject   func(h http.Header)
	Waited   time.Duration // in all, for answers
	Endpoint string        // host:port
	Reason   string        // what the other side said of the last thing that it flagged
	Failed   string        // error.type of the last call that failed; ""
	Model    string        // of a moderation API
}

// begin notes that the guardrail runs.
func (r *Report) begin(kind, action string) {
	if !r.Ran {
		r.Ran, r.Kind, r.Action, r.Result = true, kind, action, resultPassed
	}
}

// note notes that something was flagged.
func (r *Report) note(result, reason string) {
	if r.Result != resultRejected {
		r.Result = result
	}
	if reason = strings.ToValidUTF8(reason, "\ufffd"); reason != "" {
		r.Reason = reason[:wholeRunes([]byte(reason[:min(len(reason), maxReason)]))]
	}
	if len(r.Hits) < MaxHits {
		r.Hits = append(r.Hits, Hit{Time: time.Now()})
	}
}

// Hit is one place where a guardrail found something.
type Hit struct {
	Time time.Time
	Rule string
}

// MaxHits bounds a Report.
const MaxHits = 64

// Rejected is the error.type of a refusal by a guardrail.
const Rejected = "guardrail_rejected"

// Unanswered is the error.type of a refusal because a guardrail that calls out got no valid answer.
const Unanswered = "guardrail_failed"
