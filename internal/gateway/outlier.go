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

// noteSkipped tells on the logical span which of the route's backends come last because they kept failing, and which had its turn but
// cannot be asked.
func (c *Call) noteSkipped(now time.Time) {
	for i := range c.plan.late {
		c.skipped(c.plan.late[i], "ejected", now)
	}
	if t := c.plan.dead; t != nil {
		c.skipped(t.backend, t.backend.refusal.Type, now)
	}
}

// skipped tells on the logical span of a backend that was passed over for why.
func (c *Call) skipped(b *Backend, why string, now time.Time) {
	if ev := c.trace.Span(c.chat).Event("spanway.target.skipped", now); ev != nil {
		ev.String(telemetry.SpanwayBackend, b.Name)
		ev.String(telemetry.ErrorType, why)
	}
}
