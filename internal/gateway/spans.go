package gateway

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
	"github.com/spanway/spanway/internal/telemetry"
)

// serverSpan begins the trace: SERVER, named anew when the route is known.
func (c *Call) serverSpan() {
	in := &c.in
	c.chat = telemetry.NoSpan
	c.attempt.span = telemetry.NoSpan
	s := c.trace.Span(c.trace.StartSpan(method(in.Head.Method), telemetry.KindServer, telemetry.NoSpan, in.Received))
	s.String(telemetry.HTTPRequestMethod, method(in.Head.Method))
	if method(in.Head.Method) != in.Head.Method {
		s.String(telemetry.HTTPRequestMethodOriginal, printable(in.Head.Method))
	}
	s.String(telemetry.URLScheme, in.Scheme)
	s.String(telemetry.URLPath, printable(in.Head.Path))
	if in.Head.Query != "" {
		s.String(telemetry.URLQuery, telemetry.RedactQuery(in.Head.Query))
	}
	s.String(telemetry.NetworkProtocolVersion, in.Protocol)
	s.String(telemetry.UserAgentOriginal, printable(header(in.Head.Header, "User-Agent")))
	host, port := splitHostPort(in.Client)
	s.String(telemetry.ClientAddress, host)
	if port > 0 {
		s.Int(telemetry.ClientPort, int64(port))
	}
	if host, port = splitHostPort(in.Host); host != "" {
		s.String(telemetry.ServerAddress, host)
		if port > 0 {
			s.Int(telemetry.ServerPort, int64(port))
		}
	}
}

// method is m when it is one that the conventions know, else _OTHER (HTTP spans, http.request.method).
func method(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return m
	}
	return "_OTHER"
}

func splitHostPort(s string) (string, int) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return s, 0
	}
	n, _ := strconv.Atoi(port)
	return host, n
}

// guard prepares what p is to tell of the call. The spans of policies that call out begin with their first question, whose
// header carries the span's context.
func (c *Call) guard(p policy.Policy) *watching {
	w := &watching{policy: p, request: guarding{span: telemetry.NoSpan}, answer: guarding{span: telemetry.NoSpan}}
	if p.Blocking() {
		for _, g := range []*guarding{&w.request, &w.answer} {
			g.report.Inject = func(h http.Header) {
				if g.span == telemetry.NoSpan {
					g.span = c.trace.StartSpan("run_guardrail "+p.Name(), telemetry.KindClient, telemetry.Root, time.Now())
				}
				c.state.traces.Inject(c.trace, g.span, h)
			}
		}
	}
	return w
}

// guardSpan records one guardrail on one side of the call.
func (c *Call) guardSpan(name, phase string, g *guarding, start, end time.Time) {
	rep := &g.report
	if !rep.Ran {
		return
	}
	t := c.trace
	if g.span == telemetry.NoSpan {
		g.span = t.StartSpan("run_guardrail "+name, telemetry.KindInternal, telemetry.Root, start)
	}
	c.overhead -= rep.Waited
	s := t.Span(g.span)
	s.String(telemetry.SpanwayGuardrailName, name)
	s.String(telemetry.SpanwayGuardrailKind, rep.Kind)
	s.String(telemetry.SpanwayGuardrailPhase, phase)
	s.String(telemetry.SpanwayGuardrailAction, rep.Action)
	s.String(telemetry.SpanwayGuardrailResult, rep.Result)
	s.String(telemetry.SpanwayGuardrailRule, rep.Rule)
	switch rep.Kind {
	case "regex":
		s.String(telemetry.AIRegexAction, rep.Action)
		s.String(telemetry.AIRegexResult, rep.Result)
	case "webhook":
		s.String(telemetry.AIWebhookEndpoint, rep.Endpoint)
		s.String(telemetry.AIWebhookResult, webhookResult(rep.Result))
		s.String(telemetry.AIWebhookRejectReason, rep.Reason)
	case "moderation":
		s.String(telemetry.AIModerationModel, rep.Model)
		if rep.Failed == "" {
			s.Bool(telemetry.AIModerationFlagged, rep.Result == "rejected")
		}
	}
	for i := range rep.Hits {
		if ev := s.Event("spanway.guardrail.hit", rep.Hits[i].Time); ev != nil {
			ev.String(telemetry.SpanwayGuardrailRule, rep.Hits[i].Rule)
		}
	}
	if rep.Failed != "" {
		s.Fail(rep.Failed)
	}
	t.EndSpan(g.span, end)
}

// webhookResult is the word that kgateway has for a result.
func webhookResult(result string) string {
	if result == "masked" {
		return "modified"
	}
	return result
}

// chatSpan begins the logical operation. t is the first target, nil when the call is refused before there is one.
func (c *Call) chatSpan(t *target) {
	r := c.llm.Request
	if r == nil || c.chat != telemetry.NoSpan || c.route.conf.Spans == "off" {
		return
	}
	model := r.Model
	if t != nil {
		model = t.modelOf(r)
	}
	c.chat = c.trace.StartSpan(spanName(r.Op, model), telemetry.KindClient, telemetry.Root, time.Now())
	s := c.trace.Span(c.chat)
	s.String(telemetry.GenAIOperationName, string(r.Op))
	if t != nil {
		c.nameProvider(s, t.backend, model)
	} else {
		s.String(telemetry.GenAIProviderName, spokenTo(r.Dialect))
	}
	s.SetRequest(r)
	c.nameModel(s, model)
	s.String(telemetry.SpanwayRoute, c.route.Name)
}

// spokenTo is the provider whose format d is: the best name there is for one that was never chosen.
func spokenTo(d llm.Dialect) string {
	if d == llm.Gemini {
		return "gcp.gemini"
	}
	return string(d)
}

func spanName(op llm.Op, model string) string {
	if model == "" {
		return string(op)
	}
	return string(op) + " " + model
}

func (c *Call) nameProvider(s *telemetry.Span, b *Backend, model string) {
	s.String(telemetry.GenAIProviderName, b.System)
	s.String(telemetry.ServerAddress, b.Address)
	if b.Port > 0 {
		s.Int(telemetry.ServerPort, int64(b.Port))
	}
	s.String(telemetry.SpanwayBackend, b.Name)
	e, _ := b.endpoint(c, model)
	s.String(telemetry.AzureResourceProviderNamespace, e.Namespace)
}

func (c *Call) nameModel(s *telemetry.Span, model string) {
	s.String(telemetry.GenAIRequestModel, model)
	if named := c.llm.Request.Model; model != named {
		s.String(telemetry.SpanwayRequestModelAlias, named)
	}
}

// providerSpan makes the logical span tell of the backend that is being tried.
func (c *Call) providerSpan(a *Attempt) {
	if c.chat == telemetry.NoSpan || c.step == 1 {
		return
	}
	s := c.trace.Span(c.chat)
	s.Unset(telemetry.AzureResourceProviderNamespace)
	s.Unset(telemetry.SpanwayRequestModelAlias)
	c.nameProvider(s, a.Backend, a.model)
	c.nameModel(s, a.model)
	s.SetRequest(c.llm.Request) // some attributes belong to some providers only
	s.Name = spanName(c.llm.Request.Op, a.model)
}

// attemptSpan begins a's span and puts its context upstream.
func (c *Call) attemptSpan(a *Attempt) {
	c.providerSpan(a)
	parent := c.chat
	if parent == telemetry.NoSpan {
		parent = telemetry.Root
	}
	a.issued = time.Now()
	c.tried++
	o, b := &a.out, a.Backend
	a.span = c.trace.StartSpan(method(o.Method), telemetry.KindClient, parent, a.issued)
	s := c.trace.Span(a.span)
	s.String(telemetry.HTTPRequestMethod, method(o.Method))
	url := b.Scheme + "://" + b.Host + o.Path
	if o.Query != "" {
		url = telemetry.RedactURL(url + "?" + o.Query)
	}
	s.String(telemetry.URLFull, url)
	s.String(telemetry.ServerAddress, b.Address)
	s.Int(telemetry.ServerPort, int64(b.Port))
	s.String(telemetry.SpanwayBackend, b.Name)
	s.String(telemetry.SpanwayProvider, b.System)
	s.Int(telemetry.SpanwayAttempt, int64(c.tried))
	if c.tried > 1 {
		s.Int(telemetry.HTTPRequestResendCount, int64(c.tried-1))
		s.String(telemetry.SpanwayRetryReason, string(c.reason))
		if c.wait > 0 {
			s.Float(telemetry.SpanwayBackoff, c.wait.Seconds())
		}
	}
	if b.conf.Propagate {
		c.state.traces.Inject(c.trace, a.span, o.Header)
	} else {
		c.state.traces.Strip(o.Header)
	}
}

func (c *Call) responseSpan(a *Attempt, status int, protocol string) {
	s := c.trace.Span(a.span)
	s.Int(telemetry.HTTPResponseStatusCode, int64(status))
	s.String(telemetry.NetworkProtocolVersion, protocol)
}

// endAttempt ends a's span, with failure when it did not do.
func (c *Call) endAttempt(a *Attempt, failure string, now time.Time) {
	if a.span == telemetry.NoSpan {
		return
	}
	s := c.trace.Span(a.span)
	if failure == "" && a.status >= 400 {
		failure = statusText(a.status)
	}
	if failure != "" && s.End.IsZero() {
		s.Fail(failure)
	}
	c.trace.EndSpan(a.span, now)
}

func (c *Call) firstChunk(now time.Time) {
	c.result.FirstChunk = now
	if r := c.llm.Request; r == nil || !r.Stream || c.stream.status >= http.StatusBadRequest {
		return
	}
	s := c.trace.Span(c.chat)
	s.Float(telemetry.GenAIResponseTimeToFirstChunk, now.Sub(c.attempt.issued).Seconds())
	s.Event("gen_ai.first_chunk", now)
}

// captures reports whether this call's content is recorded.
func (c *Call) captures() bool {
	if c.route.conf.Spans == "metadata" || !c.trace.Sampled {
		return false
	}
	if c.route.conf.Capture.Set {
		return c.route.capture
	}
	return c.state.traces.CaptureContent()
}
