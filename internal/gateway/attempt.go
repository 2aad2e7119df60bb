package gateway

import (
	"cmp"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/aws"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/telemetry"
)

// Attempt is one try of a call at one backend. There is one at a time: the next one ends it.
type Attempt struct {
	Backend *Backend

	call     *Call
	target   *target
	endpoint *provider.Endpoint
	native   bool       // the provider speaks the client's dialect: bytes pass verbatim
	writer   llm.Writer // of a translated response; nil for a native one
	api      llm.API
	model    string
	span     telemetry.SpanRef
	issued   time.Time
	out      Outgoing
	status   int
}

// Outgoing is a request for a provider. It is valid until the next attempt or Close.
type Outgoing struct {
	Method, Path, Query string // Path escaped
	Host                string
	Header              http.Header
	Body                []byte
	HeadTimeout         time.Duration // until the response head; 0 = none
	IdleTimeout         time.Duration // between two reads of the body; 0 = none
}

// Verdict is what becomes of a call after an attempt has failed or answered.
type Verdict struct {
	Retry bool          // another Attempt follows, after Wait
	Wait  time.Duration // only with Retry
	Reply *Reply        // the call's end, when not nil
}

// Attempt begins the next attempt of the plan, at the next target that the request can be put for into the provider's dialect.
// It is called once after Request and once after each Verdict to retry. A Reply ends the call: there is no such target.
func (c *Call) Attempt() (*Attempt, *Reply) {
	c.work(time.Now())
	a := &c.attempt
	var refused *llm.Error // by the first target that the request cannot be translated for
	for {
		header := a.out.Header
		clear(header)
		*a = Attempt{call: c, target: c.plan.steps[c.step], span: telemetry.NoSpan, out: Outgoing{Header: header}}
		a.Backend = a.target.backend
		c.step++
		err := a.build()
		if err == nil {
			c.attemptSpan(a)
			c.rest(a.issued)
			return a, nil
		}
		e := asError(err)
		var another bool
		if e.Type == aws.Failure {
			c.attemptSpan(a)
			c.endAttempt(a, e.Type, time.Now())
			another = c.unsigned()
		} else {
			if refused == nil {
				refused = e
			}
			another = c.skip(a, e)
			e = c.noTarget(refused)
		}
		if !another {
			return nil, c.refuse(outcomeOf(e), e)
		}
	}
}

// skip leaves a's target alone for e, and reports whether there is another one.
func (c *Call) skip(a *Attempt, e *llm.Error) bool {
	for c.step < c.plan.n && c.plan.steps[c.step] == a.target {
		c.step++
	}
	if c.step == c.plan.n {
		return false
	}
	c.skipped(a.Backend, e.Type, time.Now())
	return true
}

// noTarget is the error of a call for which no target is left, refused being what a translation said. When an attempt was made
// before, it is that attempt's failure which the client may do something about.
func (c *Call) noTarget(refused *llm.Error) *llm.Error {
	if c.tried == 0 {
		return refused
	}
	status, err := strconv.Atoi(string(c.reason))
	if err != nil {
		status = http.StatusBadGateway
	}
	e := llm.Errorf(status, string(c.reason), "the provider failed (%s), and no other backend of the route can take the request: %s", c.reason, refused.Message)
	e.Param = refused.Param
	return e
}

// Outgoing is what the data plane sends.
func (a *Attempt) Outgoing() *Outgoing { return &a.out }

func (a *Attempt) build() error {
	c, b := a.call, a.Backend
	o := &a.out
	a.api, o.Body, o.Method = c.api, c.body, c.in.Head.Method
	query, rename, stream := c.in.Head.Query, false, false
	r := c.llm.Request
	if r != nil {
		a.model = a.target.modelOf(r)
	}
	if err := cmp.Or(a.nameless(), a.credentialless()); err != nil {
		return err
	}
	if c.route.conf.Known.Any && b.conf.APIVersion != "" {
		query = dropParameter(query, "api-version")
	}
	a.endpoint, a.native = b.endpoint(c, a.model)
	if a.api == "" {
		a.native = true
	}
	if r != nil {
		rename, stream = a.model != r.Model, r.Stream
		if err := a.encode(r); err != nil {
			return err
		}
	}
	if o.Header == nil {
		o.Header = make(http.Header, 16)
	}
	copyHeader(o.Header, c.in.Head.Header)
	for k := range o.Header {
		if private(k) {
			delete(o.Header, k)
		}
	}
	c.route.conf.RequestHeaders.Apply(o.Header)
	o.Path, o.Query = a.endpoint.Locate(b.place(a.endpoint), provider.Call{API: a.api, Path: c.llm.Head.Path, Query: query,
		Model: a.model, Rename: rename, Stream: stream, Native: a.native})
	if b.conf.Path != "" && c.api != "" {
		o.Path = b.conf.Path
		if b.conf.Query.Set {
			o.Query = b.conf.Query.V
		}
	}
	if o.Path == "" {
		o.Path = "/"
	}
	o.Query = aws.StripQuery(c.authorize(o.Header, b, a.endpoint, o.Query))
	aws.Strip(o.Header)
	a.fixHeaders()
	o.Host = c.host(b)
	o.HeadTimeout, o.IdleTimeout = c.route.headTimeout(), c.route.conf.Timeout.Idle
	return a.sign()
}

// encode sets the body: the client's own, with the model's name replaced where the backend has another, or a translation.
func (a *Attempt) encode(r *llm.Request) (err error) {
	o := &a.out
	if !a.native {
		loss := &a.call.loss
		loss.Dropped = loss.Dropped[:0]
		if a.api, o.Body, err = a.endpoint.Outbound.BuildRequest(r, a.model, loss); err != nil {
			return err
		}
		a.writer, err = a.call.inbound.NewWriter(r, loss)
		if err == nil && a.endpoint.Adapt != nil {
			o.Body, err = a.endpoint.Adapt(r, o.Body, a.model)
		}
		return err
	}
	o.Body = r.Raw
	if a.model != r.Model || a.call.route.streamUsage && r.Stream && !r.StreamUsage {
		o.Body, err = a.call.edit(r, a.model)
	}
	if err == nil && a.endpoint.Adapt != nil {
		o.Body, err = a.endpoint.Adapt(r, o.Body, a.model)
	}
	return err
}

func (a *Attempt) fixHeaders() {
	c, h := a.call, a.out.Header
	for k, v := range a.endpoint.Fixed {
		if _, sent := h[k]; !sent {
			h[k] = []string{v}
		}
	}
	if v := a.Backend.conf.APIVersion; v != "" && a.Backend.conf.Provider == "anthropic" && a.endpoint.Outbound.Dialect() == llm.Anthropic {
		h["Anthropic-Version"] = []string{v}
	}
	for k, v := range a.Backend.conf.Headers {
		h[http.CanonicalHeaderKey(k)] = []string{v}
	}
	if c.api == "" {
		return
	}
	h["Accept-Encoding"] = identity
	if !a.native || !isJSON(header(h, "Content-Type")) {
		h["Content-Type"] = jsonType
	}
	if !a.native {
		delete(h, "Accept")
	}
}

var (
	identity = []string{"identity"}
	jsonType = []string{"application/json"}
)

func isJSON(ct string) bool {
	if ct == "application/json" {
		return true
	}
	t, _, err := mime.ParseMediaType(ct)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// Resent tells that the request went out at at for the second time within this attempt, because the kept connection that it
// went out on first was closed by the provider.
func (a *Attempt) Resent(at time.Time) {
	a.call.trace.Span(a.span).Event("spanway.connection.resent", at)
}

// Failed ends the attempt without a response, for r. Text that tells why stays out of it: it may hold addresses and secrets.
func (a *Attempt) Failed(r Reason) Verdict {
	c, now := a.call, time.Now()
	c.work(now)
	c.endAttempt(a, string(r), now)
	if r == ReasonClientGone || r == ReasonShutdown {
		return Verdict{Reply: c.Abandon(r)}
	}
	if r != ReasonInvalid {
		a.Backend.health.note(false, now)
	}
	if c.route.retry.reasons[r] {
		if v, ok := c.next(r, 0, now); ok {
			c.rest(time.Now())
			return v
		}
	}
	return Verdict{Reply: a.giveUp(r)}
}

// GiveUp is Failed for an attempt that nothing can follow, because the data plane makes no other.
func (a *Attempt) GiveUp(r Reason) *Reply {
	now := time.Now()
	a.call.work(now)
	a.call.endAttempt(a, string(r), now)
	if r == ReasonClientGone || r == ReasonShutdown {
		return a.call.Abandon(r)
	}
	if r != ReasonInvalid {
		a.Backend.health.note(false, now)
	}
	return a.giveUp(r)
}

// giveUp ends the call because a, its last attempt, got no response for r.
func (a *Attempt) giveUp(r Reason) *Reply {
	c := a.call
	status, text, hint := http.StatusBadGateway, "the provider could not be reached", ""
	switch r {
	case ReasonConnect:
		hint = ": does it run, and is the backend's url right?"
	case ReasonTimeout:
		status, text = http.StatusGatewayTimeout, "the provider did not answer in time"
	case ReasonReset:
		text = "the provider closed the connection before it answered"
	case ReasonInvalid:
		status, text = http.StatusBadRequest, "the path, the query or a header field of the request is not valid"
	case ReasonMalformed:
		text = "the provider's answer is not HTTP"
	}
	tries := "attempts"
	if c.tried == 1 {
		tries = "attempt"
	}
	e := llm.Errorf(status, string(r), "%s (backend %s, %d %s)%s", text, a.Backend.Name, c.tried, tries, hint)
	return c.refuse(outcomeOfReason(r), e)
}

// next tells whether and when the plan goes on after a failure. A provider that asks for a pause gets it whenever its turn
// comes again; one that asks for a longer pause than the rule allows is left alone: the plan goes on with another backend,
// or ends.
func (c *Call) next(r Reason, after time.Duration, now time.Time) (Verdict, bool) {
	if after > 0 {
		c.plan.postpone(c.step, c.attempt.Backend, now.Add(after))
	}
	rule := &c.route.retry
	for ; c.step < c.plan.n; c.step++ {
		wait := time.Duration(0)
		if until := c.plan.until[c.step]; !until.IsZero() {
			wait = max(until.Sub(now), 0)
		}
		if wait > rule.max {
			continue
		}
		if c.plan.steps[c.step].backend == c.attempt.Backend {
			wait = max(wait, rule.backoff(c.tried))
		}
		c.reason, c.wait = r, wait
		return Verdict{Retry: true, Wait: wait}, true
	}
	return Verdict{}, false
}

// Head takes the response's head. Without Retry and Reply, ResponseHead and Body follow.
func (a *Attempt) Head(h *llm.Head, protocol string) Verdict {
	c, now := a.call, time.Now()
	c.work(now)
	defer func() { c.rest(time.Now()) }()
	a.status = h.Status
	c.responseSpan(a, h.Status, protocol)
	a.Backend.health.note(h.Status < http.StatusInternalServerError, now)
	if c.route.Retryable(h.Status) {
		after := retryAfter(h.Header, now)
		if v, ok := c.next(Reason(statusText(h.Status)), after, now); ok {
			c.endAttempt(a, statusText(h.Status), now)
			return v
		}
	}
	c.stream.open(a, h)
	return Verdict{}
}

// Keep has the response with head h relayed after Head said to try again, because the data plane makes no other attempt.
// Response and Body follow.
func (a *Attempt) Keep(h *llm.Head) { a.call.stream.open(a, h) }

const digits = "0123456789"

// statusText is status as three digits.
func statusText(status int) string {
	if status < 100 || status > 999 {
		return "0"
	}
	return string([]byte{digits[status/100], digits[status/10%10], digits[status%10]})
}
