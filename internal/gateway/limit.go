package gateway

import (
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// bucket is a token bucket that fills evenly, as the generic cell rate algorithm keeps it (ITU-T I.371, Annex A): one number
// tells its level, so that calls share no lock. The zero value is never empty. It is safe for concurrent use.
type bucket struct {
	every time.Duration // one token
	depth time.Duration // all tokens but one
	full  atomic.Int64  // when it is full again, nanoseconds since start
	start time.Time
}

func newBucket(c *ir.RateLimit) *bucket {
	if c.Burst == 0 {
		return nil
	}
	every := max(c.Every/time.Duration(c.Fill), 1)
	depth := time.Duration(math.MaxInt64)
	if n := time.Duration(c.Burst - 1); n < depth/every {
		depth = n * every
	}
	return &bucket{every: every, depth: depth, start: time.Now()}
}

// take takes a token at now. Where there is none, it tells when there will be.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	at := int64(now.Sub(b.start))
	for {
		full := b.full.Load()
		if wait := time.Duration(full-at) - b.depth; wait > 0 {
			return wait
		}
		if b.full.CompareAndSwap(full, max(full, at)+int64(b.every)) {
			return 0
		}
	}
}

// limit takes the call's token from its route's bucket. A Reply ends the call: there is none.
func (c *Call) limit(now time.Time) *Reply {
	b := c.route.limit
	if b == nil {
		return nil
	}
	wait := b.take(now)
	if wait == 0 {
		return nil
	}
	if c.llm.Request != nil {
		c.chatSpan(c.plan.steps[0])
	}
	seconds := strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10)
	r := c.refuse(OutcomeRateLimited, llm.Errorf(http.StatusTooManyRequests, "rate_limit_exceeded",
		"the gateway's limit of calls for this route is reached: try again in %s s", seconds))
	r.Header["Retry-After"] = []string{seconds}
	return r
}
