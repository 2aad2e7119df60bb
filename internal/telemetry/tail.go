package telemetry

import (
	"context"
	"fmt"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/spanway/spanway/internal/ir"
)

// Outcomes that tail sampling tells apart (docs/telemetry.md, Outcomes).
const (
	outcomeOK      = "ok"
	outcomeBlocked = "blocked"
)

// verdict is what sampling made of a finished trace, and why. The zero verdict is none.
type verdict uint8

const (
	_ verdict = iota
	keptParent
	keptError
	keptBlocked
	keptSlow
	keptCostly
	keptMatch
	keptMatchError
	keptProbability
	droppedHead
	droppedProbability
	numVerdicts
)

// verdicts are the words of every verdict: decision and reason of spanway.telemetry.traces, the reason also on the trace.
var verdicts = [numVerdicts]struct{ decision, reason string }{
	keptParent:         {"kept", "parent"},
	keptError:          {"kept", "error"},
	keptBlocked:        {"kept", "blocked"},
	keptSlow:           {"kept", "slow"},
	keptCostly:         {"kept", "costly"},
	keptMatch:          {"kept", "match"},
	keptMatchError:     {"kept", "match_error"},
	keptProbability:    {"kept", "probability"},
	droppedHead:        {"not_kept", "head"},
	droppedProbability: {"not_kept", "probability"},
}

func (v verdict) kept() bool { return v < droppedHead }

// tail decides at the end of a call whether its trace is exported, among those that the head sampler took. It is safe for
// concurrent use.
type tail struct {
	rules ir.Tail
	match *matcher // nil = no expression
	rest  sdktrace.Sampler
}

// newTail returns nil for a nil c: the head sampler's decision stands.
func newTail(c *ir.Tail) (*tail, error) {
	if c == nil {
		return nil, nil
	}
	if !(c.Keep >= 0 && c.Keep <= 1) {
		return nil, fmt.Errorf("tail: keep %v is not between 0 and 1", c.Keep)
	}
	d := &tail{rules: *c, rest: sdktrace.TraceIDRatioBased(c.Keep)}
	if c.Match != "" {
		var err error
		if d.match, err = newMatcher(c.Match); err != nil {
			return nil, fmt.Errorf("tail: match: %w", err)
		}
	}
	return d, nil
}

// decide applies the rules to t, whose spans have ended, the cheapest first. What no rule keeps is kept by the trace's id, as
// the SDK's TraceIDRatioBased does, so that every process decides alike.
func (d *tail) decide(t *Trace) verdict {
	switch {
	case !t.Sampled:
		return droppedHead
	case t.Parent.IsValid() && t.Parent.IsSampled():
		return keptParent
	}
	c := finishedCall(t)
	if v := d.byRules(&c); v != 0 {
		return v
	}
	if d.match != nil {
		switch yes, err := d.match.matches(c); {
		case err != nil:
			return keptMatchError
		case yes:
			return keptMatch
		}
	}
	r := d.rest.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: t.ID})
	if r.Decision == sdktrace.RecordAndSample {
		return keptProbability
	}
	return droppedProbability
}

func (d *tail) byRules(c *finished) verdict {
	r := &d.rules
	blocked := c.text(SpanwayOutcome) == outcomeBlocked
	switch {
	case r.Errors && c.failed() && !blocked:
		return keptError
	case r.Blocked && blocked:
		return keptBlocked
	case r.SlowerThan > 0 && c.duration() > r.SlowerThan:
		return keptSlow
	case r.CostlierThan > 0 && c.float(SpanwayCostUSD) > r.CostlierThan:
		return keptCostly
	}
	return 0
}

// finished is a call that has ended, as tail sampling looks at it.
type finished struct {
	root    *Span // never nil
	call    *Span // the logical span; without one the root
	attempt *Span // the last; without one the root
	trace   *Trace
}

func finishedCall(t *Trace) finished {
	root := t.Span(Root)
	c := finished{root: root, call: root, attempt: root, trace: t}
	for i := len(t.Spans) - 1; i > 0; i-- {
		switch s := &t.Spans[i]; {
		case s.Get(GenAIOperationName) != nil:
			c.call = s
		case c.attempt == root && s.Get(SpanwayAttempt) != nil:
			c.attempt = s
		}
	}
	return c
}

// failed reports whether the call did not end well, whoever's fault it was.
func (c *finished) failed() bool {
	if o := c.text(SpanwayOutcome); o != "" {
		return o != outcomeOK
	}
	return c.call.Failed || c.root.Failed
}

func (c *finished) duration() time.Duration { return c.root.End.Sub(c.root.Start) }

// attr is the attribute k of the logical span, else of SERVER, else nil.
func (c *finished) attr(k Key) *Attr {
	if a := c.call.Get(k); a != nil {
		return a
	}
	return c.root.Get(k)
}

func (c *finished) text(k Key) string {
	if a := c.attr(k); a != nil {
		return a.Str
	}
	return ""
}

func (c *finished) int(k Key) int64 {
	if a := c.attr(k); a != nil {
		return a.Int()
	}
	return 0
}

func (c *finished) float(k Key) float64 {
	if a := c.attr(k); a != nil {
		return a.Float()
	}
	return 0
}

// sampleTail decides on t, counts the verdict, and notes why a trace is kept at its root.
func (p *Pipeline) sampleTail(t *Trace) {
	v := p.tail.decide(t)
	p.meter.verdicts[v].Add(1)
	if t.Sampled = v.kept(); t.Sampled {
		t.Span(Root).String(SpanwaySamplingReason, verdicts[v].reason)
	}
}
