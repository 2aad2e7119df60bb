package gateway

import (
	"sync/atomic"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
)

// health is what recent attempts tell of a backend (ir.Outlier). Without a rule it is nil. It is safe for concurrent use.
type health struct {
	rule   ir.Outlier
	failed atomic.Int32 // attempts, since the last that did well
	until  atomic.Int64 // the end of its ejection, Unix nanoseconds; 0 = it never had one
}

func newHealth(rule ir.Outlier) *health {
	if rule.Failures == 0 {
		return nil
	}
	return &health{rule: rule}
}

// note takes in how an attempt went that ended at now.
func (h *health) note(well bool, now time.Time) {
	switch {
	case h == nil:
	case well:
		if h.failed.Load() != 0 {
			h.failed.Store(0)
		}
	case int(h.failed.Add(1)) >= h.rule.Failures:
		h.failed.Store(0)
		h.until.Store(now.Add(h.rule.Ejection).UnixNano())
	}
}

// ejected reports whether the backend is left alone at now.
func (h *health) ejected(now time.Time) bool {
	return h != nil && h.until.Load() > now.UnixNano()
}

// noteEjected tells on the logical span which of the route's backends come last because they kept failing.
func (c *Call) noteEjected(now time.Time) {
	for i := range c.plan.late {
		if ev := c.trace.Span(c.chat).Event("spanway.target.skipped", now); ev != nil {
			ev.String(telemetry.SpanwayBackend, c.plan.late[i].Name)
			ev.String(telemetry.ErrorType, "ejected")
		}
	}
}
