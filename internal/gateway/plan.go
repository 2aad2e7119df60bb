package gateway

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
)

// maxPlan bounds the attempts of one call.
const maxPlan = 16

// plan is the targets of a call's attempts in order.
type plan struct {
	steps [maxPlan]*target
	until [maxPlan]time.Time // before which a step's backend asked not to be called; mostly zero
	n     int
	late  []*Backend // the route's that come last because they kept failing
	dead  *target    // a drawn one that cannot be asked, whose group has no turn for that; nil = none was drawn
}

// postpone keeps the steps from i on that go to b until a time.
func (p *plan) postpone(i int, b *Backend, until time.Time) {
	for ; i < p.n; i++ {
		if p.steps[i].backend == b {
			p.until[i] = until
		}
	}
}

// makePlan orders r's targets at now: group after group, within a group drawn by weight, and those whose backends are ejected after
// all others; once every target had its turn, it begins again, until the attempts are used up. Where the first that is drawn of a
// group cannot be asked, that is the group's answer: the next one has its turn. A plan without a step has nothing but such answers.
func (r *Route) makePlan(p *plan, now time.Time) {
	p.n, p.late, p.dead = 0, p.late[:0], nil
	for _, g := range r.groups {
		for i := range g {
			if b := g[i].backend; b.health.ejected(now) && !slices.Contains(p.late, b) {
				p.late = append(p.late, b)
			}
		}
	}
	var dead [maxPlan]bool
	for i := 0; r.dead && i < min(len(r.groups), maxPlan); i++ {
		if t := drawDead(r.groups[i]); t != nil {
			dead[i] = true
			p.dead = cmp.Or(p.dead, t)
		}
	}
	attempts := min(r.retry.attempts, maxPlan)
	for begun := -1; begun < p.n && p.n < attempts; {
		begun = p.n
		for i, g := range r.groups {
			if i >= maxPlan || !dead[i] {
				p.draw(g, attempts, false)
			}
		}
		for i := 0; i < len(r.groups) && len(p.late) > 0; i++ {
			if i >= maxPlan || !dead[i] {
				p.draw(r.groups[i], attempts, true)
			}
		}
	}
}

// drawDead draws one of group by weight and returns it if it cannot be asked.
func drawDead(group []target) *target {
	total, dead := 0, false
	for i := range group {
		total += group[i].weight
		dead = dead || group[i].backend.refusal != nil
	}
	if !dead {
		return nil
	}
	pick := rand.IntN(total) //nolint:gosec // load balancing, not a secret
	for i := range group {
		if pick -= group[i].weight; pick >= 0 {
			continue
		}
		if group[i].backend.refusal == nil {
			return nil
		}
		return &group[i]
	}
	return nil
}

// draw plans group's targets: those that are late, or the others.
func (p *plan) draw(group []target, attempts int, late bool) {
	var used [maxPlan]bool
	for i := range min(len(group), maxPlan) {
		used[i] = group[i].backend.refusal != nil || late != (len(p.late) > 0 && slices.Contains(p.late, group[i].backend))
	}
	for p.n < attempts {
		total := 0
		for i := range group {
			if i < maxPlan && !used[i] {
				total += group[i].weight
			}
		}
		if total == 0 {
			return
		}
		pick := 0
		if len(group) > 1 {
			pick = rand.IntN(total) //nolint:gosec // load balancing, not a secret
		}
		for i := range group {
			if i >= maxPlan || used[i] {
				continue
			}
			if pick -= group[i].weight; pick < 0 {
				used[i] = true
				p.steps[p.n] = &group[i]
				p.n++
				break
			}
		}
	}
}

// unusable ends the call when its plan has no step.
func (c *Call) unusable() *Reply {
	if c.plan.n > 0 {
		return nil
	}
	c.chatSpan(c.plan.dead)
	return c.refuse(OutcomeUpstreamError, c.plan.dead.backend.refusal)
}

// Ahead appends to dst the backends of the attempts that may follow the present one, in order. Those at targets that the
// request cannot be put for are left out, as Attempt leaves them out. It is for data planes that have to know beforehand, and
// costs a translation for each further target that needs one.
func (c *Call) Ahead(dst []*Backend) []*Backend {
	tried := c.attempt.target
	fits, known := true, tried
	for _, t := range c.plan.steps[c.step:c.plan.n] {
		if t != known {
			fits, known = t == tried || c.fits(t), t
		}
		if fits {
			dst = append(dst, t.backend)
		}
	}
	return dst
}

// fits reports whether the request can be put for t, and signed if need be.
func (c *Call) fits(t *target) bool {
	dropped := c.loss.Dropped
	c.loss.Dropped = nil
	a := Attempt{call: c, target: t, Backend: t.backend, span: telemetry.NoSpan}
	err := a.build()
	c.loss.Dropped = dropped
	return err == nil
}

// retryRule is a compiled ir.Retry.
type retryRule struct {
	attempts int
	base     time.Duration
	max      time.Duration
	any5xx   bool
	status   map[int]bool
	reasons  map[Reason]bool
}

func compileRetry(c *ir.Retry) retryRule {
	r := retryRule{attempts: max(c.Attempts, 1), base: c.BackoffBase, max: c.BackoffMax, status: map[int]bool{}, reasons: map[Reason]bool{}}
	for _, on := range c.On {
		if n, err := strconv.Atoi(on); err == nil {
			r.status[n] = true
		} else if on == "5xx" {
			r.any5xx = true
		} else {
			r.reasons[Reason(on)] = true
		}
	}
	return r
}

// Retryable reports whether a response of status may be tried again.
func (r *Route) Retryable(status int) bool {
	return r.retry.status[status] || r.retry.any5xx && status >= 500
}

// backoff is the pause before attempt n+1, the n-th having failed: exponential with full jitter.
func (r *retryRule) backoff(n int) time.Duration {
	ceiling := r.base << min(n-1, 20)
	if ceiling > r.max || ceiling < 0 {
		ceiling = r.max
	}
	if ceiling <= 0 {
		return 0
	}
	return time.Duration(rand.Int64N(int64(ceiling) + 1)) //nolint:gosec // jitter
}

// retryAfter reads what a provider asks for (RFC 9110, section 10.2.3: seconds or a date; OpenAI's retry-after-ms).
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if s > 0 && s < 1e6 {
			return time.Duration(s * float64(time.Second))
		}
		return 0
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
