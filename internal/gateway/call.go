package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
	"github.com/spanway/spanway/internal/telemetry"
)

// Call is one call on its way through the pipeline.
type Call struct {
	Scheme string

	ctx    context.Context
	engine *Engine
	state  *state
	in     Incoming
	llm    llm.Call
	trace  *telemetry.Trace

	routes      []*Route
	routesBuf   [4]*Route
	route       *Route
	inbound     llm.Inbound // never nil
	api         llm.API     // "" for a path that passes through
	wrongMethod bool
	body        []byte
	cred        string // the client's own credential, bare
	credBound   bool   // it is only good where it stands
	credFrom    string // the header that it came in; "" = the query

	policies []*watching
	plan     plan
	step     int // of the plan: the next one
	tried    int // attempts begun
	attempt  Attempt
	result   llm.Result
	loss     llm.Loss // what the attempt's translation does not carry
	chat     telemetry.SpanRef
	reason   Reason        // why the last attempt did not do
	wait     time.Duration // the pause before the next

	out      []byte
	stream   stream
	overhead time.Duration
	mark     time.Time // since when the gateway itself has been at work; zero while it waits

	status  int // sent to the client, 0 = none yet
	outcome Outcome
	failure string // error.type
}

// watching is a policy that has seen the request.
type watching struct {
	policy  policy.Policy
	watch   policy.Watch
	request guarding
	answer  guarding
}

// guarding is what a policy tells of one side of the call.
type guarding struct {
	report policy.Report
	span   telemetry.SpanRef // NoSpan until it is known when it began
}

// Reply is a response that the gateway itself gives. It ends the call.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

func newCall() *Call {
	c := &Call{}
	c.stream.init(c)
	return c
}

// recognise finds the dialect in which the client speaks, by the path, so that even a refusal comes in the right one. Of dialects
// that share a path it is the one that the provider of the route's first target speaks.
func (c *Call) recognise() {
	if c.route != nil && c.route.plain {
		c.inbound = openai.Dialect{}
		return
	}
	h := &c.llm.Head
	if c.route != nil && c.route.conf.Known.Any && h.Method == http.MethodPost && !c.rewritten() {
		c.recogniseAny()
		return
	}
	if c.route != nil && strings.Trim(h.Path, "/") == "" && h.Method == http.MethodPost {
		h.Path = c.barePath()
	}
	for _, in := range c.state.snapshot.inbounds {
		api, ok := in.Accepts(h.Method, h.Path)
		if !ok {
			continue
		}
		spoken := c.route != nil && c.route.groups[0][0].backend.speaks(in.Dialect(), h.Path)
		if !spoken && c.ownRerank(api) {
			continue
		}
		if c.inbound == nil || spoken {
			c.inbound, c.api = in, api
		}
		if spoken {
			break
		}
	}
	if c.inbound != nil {
		return
	}
	c.inbound, c.api = openai.Dialect{}, ""
	if in := c.misused(); in != nil {
		c.inbound, c.wrongMethod = in, true
	} else if c.route != nil {
		c.inbound = c.inboundOf(c.route.groups[0][0].backend.provider.At(h.Path).Outbound.Dialect())
	}
}

// ownRerank reports whether api is Cohere's rerank and the first target's provider speaks OpenAI's formats: of these many have a
// rerank of their own at the same path (Voyage, Together, vLLM), which passes through.
func (c *Call) ownRerank(api llm.API) bool {
	return api == llm.CohereRerank && c.route != nil && c.route.groups[0][0].backend.speaks(llm.OpenAI, c.llm.Head.Path)
}

// misused is the dialect of which the path is an API, when the method is not one that the path has: these APIs are called with
// POST. OpenAI has lists at some of their paths, and OPTIONS asks for any.
func (c *Call) misused() llm.Inbound {
	h := &c.llm.Head
	if h.Method == http.MethodPost || h.Method == http.MethodOptions {
		return nil
	}
	for _, in := range c.state.snapshot.inbounds {
		if _, ok := in.Accepts(http.MethodPost, h.Path); ok {
			if in.Dialect() == llm.OpenAI && (h.Method == http.MethodGet || h.Method == http.MethodHead) {
				return nil
			}
			return in
		}
	}
	return nil
}

// barePath is the path that a route's bare prefix stands for: its first target's own.
func (c *Call) barePath() string {
	t := &c.route.groups[0][0]
	return strings.Replace(t.backend.provider.Bare, "{model}", t.modelFor(""), 1)
}

func (c *Call) inboundOf(d llm.Dialect) llm.Inbound {
	for _, in := range c.state.snapshot.inbounds {
		if in.Dialect() == d {
			return in
		}
	}
	return openai.Dialect{}
}

// ID is the call's: 16 lower-case hexadecimal digits, unique in the process and not to be guessed.
func (c *Call) ID() string { return c.llm.ID }

// Route is the name of the route that Request chose.
func (c *Call) Route() string { return c.llm.Route }

// Dialect is the wire format that the client speaks, as far as is known.
func (c *Call) Dialect() llm.Dialect { return c.inbound.Dialect() }

// BodyLimit is how many bytes of request body the data plane reads; more is for RequestTooLarge.
func (c *Call) BodyLimit() int64 { return c.state.snapshot.Limits.Body }

// Request takes the whole request body: it parses, runs the policies, and plans the attempts. A Reply ends the call; nil
// means that Attempt is next. The body must not change until Close.
func (c *Call) Request(body []byte) *Reply {
	now := time.Now()
	c.work(now)
	if len(body) > 0 {
		c.trace.Span(telemetry.Root).Float(telemetry.SpanwayRequestRead, now.Sub(c.in.Received).Seconds())
	}
	c.body = body
	if c.route == nil {
		return c.refuse(OutcomeClientError, llm.Errorf(http.StatusNotFound, "route_not_found", "no route matches %s %s", c.in.Head.Method, printable(c.in.Head.Path)))
	}
	if climbs(c.in.Head.Path) {
		return c.refuse(OutcomeClientError, llm.Errorf(http.StatusBadRequest, "invalid_path", "the path has a segment . or .."))
	}
	if c.wrongMethod {
		r := c.refuse(OutcomeClientError, llm.Errorf(http.StatusMethodNotAllowed, "method_not_allowed", "%s takes POST, not %s", printable(c.llm.Head.Path), printable(c.in.Head.Method)))
		r.Header["Allow"] = []string{http.MethodPost}
		return r
	}
	if c.api != "" {
		if r := c.parse(body); r != nil {
			return r
		}
	} else if last := c.routes[len(c.routes)-1]; len(last.match.models) == 0 && last != c.route {
		c.route = last // a path that passes through names no model
		c.llm.Head.Path = c.pathOf(last)
	}
	if r := c.models(); r != nil {
		return r
	}
	if r := c.selectRoute(); r != nil {
		return r
	}
	c.loss.Allow = c.route.conf.Lossy
	c.route.makePlan(&c.plan, now)
	if r := c.limit(now); r != nil {
		return r
	}
	if c.route.answers() {
		return c.answer()
	}
	if r := c.unusable(); r != nil {
		return r
	}
	c.takeCredential()
	if c.llm.Request == nil {
		return nil
	}
	if r := c.check(); r != nil {
		return r
	}
	c.chatSpan(c.plan.steps[0])
	c.noteSkipped(now)
	return nil
}

// reread parses the request anew after a policy has replaced its body.
func (c *Call) reread() error {
	r, err := c.inbound.ParseRequest(c.api, &c.llm.Head, c.llm.Request.Raw)
	if err == nil {
		c.llm.Request = r
	}
	return err
}

func (c *Call) parse(body []byte) *Reply {
	if !utf8.Valid(body) {
		return c.refuse(OutcomeClientError, llm.Errorf(http.StatusBadRequest, "invalid_request_error", "the request body is not valid UTF-8"))
	}
	req, err := c.inbound.ParseRequest(c.api, &c.llm.Head, body)
	if err != nil {
		return c.refuse(OutcomeClientError, asError(err))
	}
	c.llm.Request = req
	return nil
}

// selectRoute picks the first candidate that takes the request's model.
func (c *Call) selectRoute() *Reply {
	model := ""
	if c.llm.Request != nil {
		model = c.llm.Request.Model
	}
	for _, r := range c.routes {
		if r.match.model(model) {
			if r != c.route {
				rest := strings.TrimSuffix(r.match.strip(c.in.Head.Path), "/")
				if c.route = r; rest != "" && !r.conf.Known.Any {
					c.llm.Head.Path = rest
				}
			}
			c.llm.Route = r.Name
			if r.plain {
				c.api, c.llm.Request = "", nil
			}
			return nil
		}
	}
	c.chatSpan(nil)
	what := "the request names no model"
	if model != "" {
		what = "the model " + printable(model) + " does not exist here"
	}
	e := llm.Errorf(http.StatusNotFound, "model_not_found", "%s: no route for %s takes it", what, printable(c.in.Head.Path))
	e.Param = "model"
	return c.refuse(OutcomeClientError, e)
}

// check runs the policies on the request.
func (c *Call) check() *Reply {
	for _, p := range c.route.policies {
		start := time.Now()
		w := c.guard(p)
		var err error
		w.watch, err = p.Check(c.ctx, &c.llm, &w.request.report, &w.answer.report)
		c.guardSpan(p.Name(), "request", &w.request, start, time.Now())
		if w.watch != nil {
			c.policies = append(c.policies, w)
		}
		if err == nil && c.llm.Request.Stale {
			err = c.reread()
		}
		if err != nil {
			c.endIfGone()
			c.chatSpan(c.plan.steps[0])
			e := asError(err)
			return c.refuse(outcomeOf(e), e)
		}
	}
	return nil
}

// endIfGone ends the call when what has failed did so because nobody waits for it any more.
func (c *Call) endIfGone() {
	if c.ctx.Err() == nil {
		return
	}
	r := ReasonClientGone
	if errors.Is(context.Cause(c.ctx), ErrShutdown) {
		r = ReasonShutdown
	}
	c.end(outcomeOfReason(r), string(r))
}

// Abandon ends a call that got no further for a reason outside the pipeline: the client went, the body was not readable,
// time ran out. The Reply is for a client that still listens.
func (c *Call) Abandon(r Reason) *Reply {
	switch r {
	case ReasonClientGone:
		c.end(OutcomeClientGone, string(r))
		return nil
	case ReasonShutdown:
		return c.refuse(OutcomeShutdown, llm.Errorf(http.StatusServiceUnavailable, string(r), "the gateway is shutting down"))
	case ReasonTooLarge:
		return c.refuse(OutcomeClientError, llm.Errorf(http.StatusRequestEntityTooLarge, "request_too_large", "the request body is larger than %d bytes", c.BodyLimit()))
	case ReasonSlowBody:
		return c.refuse(OutcomeClientError, llm.Errorf(http.StatusRequestTimeout, string(r), "the request body did not come in time"))
	case ReasonTimeout:
		return c.refuse(OutcomeTimeout, llm.Errorf(http.StatusGatewayTimeout, string(r), "the call took longer than the route allows"))
	}
	return c.refuse(OutcomeClientError, llm.Errorf(http.StatusBadRequest, string(r), "the request body could not be read"))
}

// Refuse ends the call with e.
func (c *Call) Refuse(e *llm.Error) *Reply { return c.refuse(outcomeOf(e), e) }

func (c *Call) refuse(o Outcome, e *llm.Error) *Reply {
	c.end(o, e.Type)
	r := c.reply(e.Status, c.inbound.Error(e))
	if e.Type == llm.NotImplemented {
		r.Header["X-Should-Retry"] = []string{"false"} // client libraries try again after any other 5xx
	}
	return r
}

// reply answers with JSON; a HEAD has no body, nor is it said what that would have been (Gateway API's conformance suite).
func (c *Call) reply(status int, body []byte) *Reply {
	c.status = status
	if c.in.Head.Method == http.MethodHead {
		return &Reply{Status: status, Header: http.Header{}}
	}
	return &Reply{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// end names the outcome; the first to do so is right.
func (c *Call) end(o Outcome, failure string) {
	if c.outcome == "" {
		c.outcome, c.failure = o, failure
	}
}

// Sent tells the status that reached the client.
func (c *Call) Sent(status int) { c.status = status }

// work tells that the gateway itself is at work from now on, and rest that it waits: for the provider, for a backoff's end.
// What lies between is its overhead.
func (c *Call) work(now time.Time) {
	if c.mark.IsZero() {
		c.mark = now
	}
}

func (c *Call) rest(now time.Time) {
	if !c.mark.IsZero() {
		c.overhead += now.Sub(c.mark)
		c.mark = time.Time{}
	}
}

// asError is what of err a client may see.
func asError(err error) *llm.Error {
	var e *llm.Error
	if errors.As(err, &e) {
		return e
	}
	return &llm.Error{Status: http.StatusInternalServerError, Type: "internal_error", Message: "internal error", Err: err}
}

// printable bounds what of the client's own text is put into a message.
func printable(s string) string {
	const bound = 200
	if len(s) > bound {
		s = s[:bound] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// Inspects reports whether the pipeline reads the response's body, which must then not be compressed.
func (c *Call) Inspects() bool { return c.api != "" }

// Timeout bounds the whole call; 0 = no bound.
func (c *Call) Timeout() time.Duration { return c.route.conf.Timeout.Request }
