package gateway

import (
	"net/http"
	"time"

	"github.com/spanway/spanway/internal/telemetry"
)

// maxKept bounds the buffer that a recycled call keeps, bytes.
const maxKept = 32 << 10

// Close ends everything that is open, hands the trace over, and recycles the call, which must not be used afterwards. It is
// called exactly once, deferred, however the call went.
func (c *Call) Close() {
	now := time.Now()
	if c.outcome == "" {
		c.end(OutcomeUpstreamError, "internal_error")
	}
	c.rest(now)
	if c.stream.reader != nil {
		c.result.Truncated = c.result.Truncated || c.stream.reader.Truncated()
	}
	for _, p := range c.policies {
		p.watch.Done(&c.result, &p.answer.report)
		start := now
		if !c.result.FirstChunk.IsZero() {
			start = c.result.FirstChunk
		}
		c.guardSpan(p.policy.Name(), "response", &p.answer, start, now)
	}
	c.endAttempt(&c.attempt, "", now)
	c.closeChat(now)
	c.closeServer(now)
	c.state.traces.Finish(c.trace)
	c.recycle()
}

func (c *Call) closeChat(now time.Time) {
	if c.chat == telemetry.NoSpan {
		return
	}
	s := c.trace.Span(c.chat)
	full := c.route.conf.Spans != "metadata"
	if !full {
		c.result.Usage.Clear()
	}
	s.SetResult(&c.result)
	if c.outcome == OutcomeOK && c.result.Dimensions == 0 && !c.result.Truncated {
		s.Unset(telemetry.GenAIEmbeddingsDimensionCount) // asked for, but nothing of that length came
	}
	if full {
		c.costSpan(s)
	}
	if full && c.captures() {
		c.state.traces.SetContent(s, c.llm.Request, &c.result)
	}
	if c.tried > 0 {
		s.Int(telemetry.SpanwayAttempts, int64(c.tried))
	}
	s.Strings(telemetry.SpanwayTranslationDropped, c.loss.Dropped)
	s.String(telemetry.SpanwayOutcome, string(c.outcome))
	s.Float(telemetry.SpanwayGatewayOverhead, c.overhead.Seconds())
	if c.failure != "" {
		s.Fail(c.failure)
	}
	c.trace.EndSpan(c.chat, now)
}

func (c *Call) closeServer(now time.Time) {
	s := c.trace.Span(telemetry.Root)
	if c.route != nil {
		s.String(telemetry.HTTPRoute, c.route.Path)
		s.Name += " " + c.route.Path
		s.String(telemetry.SpanwayRoute, c.route.Name)
	}
	s.String(telemetry.SpanwayOutcome, string(c.outcome))
	if c.status > 0 {
		s.Int(telemetry.HTTPResponseStatusCode, int64(c.status))
		if c.status >= http.StatusInternalServerError {
			why := statusText(c.status)
			if c.plan.dead != nil && c.plan.n == 0 && c.chat == telemetry.NoSpan {
				why = c.failure // no other span tells
			}
			s.Fail(why)
		}
	}
	c.trace.EndSpan(telemetry.Root, now)
}

// recycle empties c for the pool, keeping what is worth keeping.
func (c *Call) recycle() {
	e, st := c.engine, c.state
	c.stream.reset()
	c.result.Reset()
	header := c.attempt.out.Header
	clear(header)
	policies := c.policies
	clear(policies)
	out := c.out[:0]
	if cap(out) > maxKept {
		out = nil
	}
	late := c.plan.late
	clear(late)
	*c = Call{stream: c.stream, result: c.result, policies: policies[:0], out: out, plan: plan{late: late[:0]},
		attempt: Attempt{out: Outgoing{Header: header}, span: telemetry.NoSpan}}
	e.pool.Put(c)
	st.leave()
}
