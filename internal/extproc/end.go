package extproc

import (
	"context"
	"time"

	"github.com/spanway/spanway/internal/gateway"
)

// timers are those of a call. Guarded by its session's lock, but for firing.
type timers struct {
	whole     *time.Timer // of the whole call; nil without a bound
	idle      *time.Timer // between two pieces of the response; nil likewise
	idleSince time.Time   // when the wait for the next piece began
}

func (t *timers) stop() {
	if t.whole != nil {
		t.whole.Stop()
	}
	if t.idle != nil {
		t.idle.Stop()
	}
}

// idled is called when the response may have stopped. The timer is not set anew for every piece, so it has to look.
func (x *session) idled() {
	x.mu.Lock()
	if x.phase != responding {
		x.mu.Unlock()
		return
	}
	left := x.attempt.Outgoing().IdleTimeout - time.Since(x.idleSince)
	if left > 0 {
		x.timers.idle.Reset(left)
		x.mu.Unlock()
		return
	}
	x.mu.Unlock()
	x.interrupt(gateway.ReasonTimeout)
}

// shutdown ends the call because the process does.
func (x *session) shutdown() {
	x.cancel(gateway.ErrShutdown) // what holds the lock waits for others with the call's context
	x.interrupt(gateway.ReasonShutdown)
}

// interrupt ends the call for r, whatever it is at, from outside its stream's goroutine, and tells the client.
func (x *session) interrupt(r gateway.Reason) {
	x.mu.Lock()
	defer x.mu.Unlock()
	broken := true
	defer func() {
		if x.server.caught(recover()) || broken {
			x.finish()
			x.abort()
		}
	}()
	if x.phase == over {
		broken = false
		return
	}
	broken = x.send(x.stopFor(r)) != nil
}

// stopFor ends the call for r and says what the client is to be told.
func (x *session) stopFor(r gateway.Reason) gateway.Segment {
	switch {
	case x.reply != nil:
		return gateway.Segment{Reply: x.reply, End: true}
	case x.headed && !x.verdict.Retry:
		if r == gateway.ReasonClientGone && x.call.Complete() {
			return x.call.Body(nil, true)
		}
		return x.call.Cut(r)
	case x.attempt == nil || x.judged: // its request is being read, or another attempt is waited for
		return gateway.Segment{Reply: x.call.Abandon(r), End: true}
	}
	v := x.attempt.Failed(r)
	if v.Retry {
		v.Reply = x.call.Abandon(r)
	}
	return gateway.Segment{Reply: v.Reply, End: true}
}

// why is why the attempt that is made got no answer, as far as is known within the access log's patience; "" when ctx ends before.
func (x *session) why(ctx context.Context) gateway.Reason {
	n, cluster := x.n, x.server.clusters.of(x.attempt.Backend)
	for deadline := time.Now().Add(wordPatience); ; {
		for i := range x.reports {
			if x.reports[i].cluster == cluster {
				r := x.reports[i].reason
				x.reports = append(x.reports[:i], x.reports[i+1:]...)
				return r
			}
		}
		left := time.Until(deadline)
		if left <= 0 || x.phase == over || x.n != n || x.judged || ctx.Err() != nil {
			break
		}
		x.wait(ctx, left)
	}
	if ctx.Err() != nil {
		return ""
	}
	if x.phase != over {
		if d := x.attempt.Outgoing().HeadTimeout; d > 0 && time.Since(x.begun) >= d {
			return gateway.ReasonTimeout
		}
	}
	return gateway.ReasonReset
}

// advance makes the attempt number n the present one: every attempt before it has ended without an answer, or with one that was to
// be retried. It reports whether the call goes on; if it does not, x.reply may have its end. Each wait lets go of the session, after
// which nothing is taken for granted.
func (x *session) advance(ctx context.Context, n int, pause bool) bool {
	for x.n < n {
		if x.phase != attempting || x.reply != nil || ctx.Err() != nil {
			return false
		}
		if !x.judged {
			at := x.n
			r := x.why(ctx)
			if r == "" || x.phase != attempting || x.n != at || x.judged {
				continue
			}
			x.judge(x.attempt.Failed(r))
			continue
		}
		if !x.verdict.Retry { // the plan is at its end, or the provider broke off before Envoy had our word on the head
			x.reply = x.verdict.Reply
			if x.headed {
				x.reply = x.call.Cut(gateway.ReasonReset).Reply
			}
			return false
		}
		if left := x.verdict.Wait - time.Since(x.judgedAt); pause && left > 0 {
			x.wait(ctx, left)
			continue
		}
		if x.reply = x.next(); x.reply != nil {
			return false
		}
	}
	return x.n == n && x.phase == attempting && x.reply == nil
}

// judge notes what becomes of the call after the attempt.
func (x *session) judge(v gateway.Verdict) {
	x.judged, x.verdict, x.judgedAt = true, v, time.Now()
}
