package translate

import (
	"encoding/json"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// What a refused client gets unless the policy says otherwise, and what a webhook's or a moderation's absence means.
const (
	rejectMessage = "The request was rejected due to inappropriate content"
	rejectStatus  = 403

	moderationMessage = "Rejected by guardrails moderation"

	failClosed = "closed"
	failReject = "reject"

	askTimeout = 5 * time.Second
)

// aiEffect is what the field ai does to a route.
type aiEffect struct {
	steps  []ir.Policy
	stream bool
	guards bool // something is checked
}

func (a *aiEffect) apply(s *site, r *ir.Route) {
	if s.AI {
		r.Policies = append(slices.Clip(r.Policies), a.steps...)
		r.Known.Stream = a.stream
	}
}

// readAI reads the field ai. What is asked is first checked as the client sent it; then the policy's own messages and fields come in.
func (p *trafficPolicy) readAI(c *v1alpha1.AIPolicy) *aiEffect {
	a := &aiEffect{stream: deref(c.RouteType, v1alpha1.RouteChat) == v1alpha1.RouteChatStreaming}
	if g := c.PromptGuard; g != nil {
		if g.Request != nil {
			a.steps = append(a.steps, p.requestGuards("spec.ai.promptGuard.request", g.Request)...)
		}
		if g.Response != nil {
			a.steps = append(a.steps, p.responseGuards("spec.ai.promptGuard.response", g.Response)...)
		}
		a.guards = len(a.steps) > 0
	}
	if e := c.PromptEnrichment; e != nil && len(e.Prepend)+len(e.Append) > 0 {
		a.steps = append(a.steps, ir.Policy{Enrich: &ir.Enrich{
			Prepend: p.messages("spec.ai.promptEnrichment.prepend", e.Prepend),
			Append:  p.messages("spec.ai.promptEnrichment.append", e.Append),
		}})
	}
	var fields []ir.FieldDefault
	for i := range c.Defaults {
		d := &c.Defaults[i]
		if value, ok := p.literal("spec.ai.defaults["+strconv.Itoa(i)+"].value", d); ok {
			fields = append(fields, ir.FieldDefault{Field: d.Field, Value: value, Override: deref(d.Override, false)})
		}
	}
	if len(fields) > 0 {
		a.steps = append(a.steps, ir.Policy{Defaults: fields})
	}
	return a
}

// literal is a default's value as JSON: as it is where it is JSON, else as a text. What looks like an array or an object has to be
// one.
func (p *trafficPolicy) literal(field string, d *v1alpha1.FieldDefault) (string, bool) {
	text := strings.TrimSpace(d.Value)
	if json.Valid([]byte(text)) {
		return text, true
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") || strings.HasSuffix(text, "}") || strings.HasSuffix(text, "]") {
		p.fault(field, "field %q contains invalid JSON string: %s", d.Field, d.Value)
		return "", false
	}
	out, err := json.Marshal(d.Value)
	return string(out), err == nil
}

func (p *trafficPolicy) messages(field string, list []v1alpha1.Message) []ir.Message {
	var out []ir.Message
	for i := range list {
		role := strings.ToLower(strings.TrimSpace(list[i].Role))
		switch role {
		case "system", "developer", "user", "assistant":
		case "model": // Gemini's name
			role = "assistant"
		default:
			p.fault(field+"["+strconv.Itoa(i)+"].role", "%q is none of system, developer, user and assistant", list[i].Role)
		}
		out = append(out, ir.Message{Role: role, Content: list[i].Content})
	}
	return out
}

// requestGuards are the guards of what is asked: webhook, patterns, moderation.
func (p *trafficPolicy) requestGuards(field string, c *v1alpha1.PromptGuardRequest) []ir.Policy {
	var out []ir.Policy
	reject, failure := ir.Rejection{Status: rejectStatus, Message: rejectMessage}, failClosed
	moderated := ir.Rejection{Status: rejectStatus, Message: moderationMessage}
	if r := c.CustomResponse; r != nil {
		reject.Status, reject.Message = int(deref(r.StatusCode, rejectStatus)), deref(r.Message, rejectMessage)
		failure = failReject
		moderated.Status, moderated.Message = reject.Status, deref(r.Message, moderationMessage)
	}
	if c.Webhook != nil {
		g := &ir.Guard{Name: "request-webhook", Request: "check", Reject: reject, Webhook: p.webhook(field+".webhook", c.Webhook, failure)}
		out = append(out, ir.Policy{Guard: g})
	}
	if c.Regex != nil {
		g := &ir.Guard{Name: "request-regex", Request: p.action(field+".regex.action", c.Regex), Reject: reject}
		if p.patterns(field+".regex", c.Regex, g) {
			out = append(out, ir.Policy{Guard: g})
		}
	}
	if m := c.Moderation; m != nil {
		if m.OpenAIModeration == nil {
			p.fault(field+".moderation", "names no provider: want openAIModeration")
			return out
		}
		o := m.OpenAIModeration
		model := deref(o.Model, "")
		if model == "" {
			model = "omni-moderation-latest"
		}
		at := field + ".moderation.openAIModeration"
		out = append(out, ir.Policy{Guard: &ir.Guard{Name: "request-moderation", Request: "check", Reject: moderated, Moderation: &ir.Moderation{
			URL: "https://api.openai.com/v1", Model: model, Key: p.token(p.name.Namespace, at+".authToken", &o.AuthToken), Timeout: askTimeout, Failure: failure}}})
	}
	return out
}

// responseGuards are the guards of what is answered: webhook, patterns, which are always masked.
func (p *trafficPolicy) responseGuards(field string, c *v1alpha1.PromptGuardResponse) []ir.Policy {
	var out []ir.Policy
	reject := ir.Rejection{Status: rejectStatus, Message: rejectMessage}
	if c.Webhook != nil {
		g := &ir.Guard{Name: "response-webhook", Response: "check", Reject: reject, Webhook: p.webhook(field+".webhook", c.Webhook, failClosed)}
		out = append(out, ir.Policy{Guard: g})
	}
	if c.Regex != nil {
		if p.action(field+".regex.action", c.Regex) == "reject" {
			p.warn(field+".regex.action", "responses are masked, whatever the action")
		}
		g := &ir.Guard{Name: "response-regex", Response: "mask", Reject: reject}
		if p.patterns(field+".regex", c.Regex, g) {
			out = append(out, ir.Policy{Guard: g})
		}
	}
	return out
}

func (p *trafficPolicy) action(field string, c *v1alpha1.Regex) string {
	switch deref(c.Action, v1alpha1.RegexMask) {
	case v1alpha1.RegexMask:
		return "mask"
	case v1alpha1.RegexReject:
		return "reject"
	}
	p.fault(field, "%q is neither MASK nor REJECT", *c.Action)
	return "reject"
}

// patterns puts what is looked for into g. Every pattern is without regard to case, "." matches a line's end, and ^ and $ match
// at lines. False, if there is nothing to look for.
func (p *trafficPolicy) patterns(field string, c *v1alpha1.Regex, g *ir.Guard) bool {
	g.Regex = &ir.RegexGuard{}
	for _, b := range c.Builtins {
		g.Regex.Builtins = append(g.Regex.Builtins, string(b))
	}
	for i := range c.Matches {
		at := field + ".matches[" + strconv.Itoa(i) + "].pattern"
		text := deref(c.Matches[i].Pattern, "")
		if text == "" {
			p.fault(at, "is missing")
			continue
		}
		one := ir.Pattern{Regex: "(?ims)" + text}
		re, err := regexp.Compile(one.Regex)
		if err != nil || re.MatchString("") {
			p.fault(at, "%q cannot be looked for: patterns are in RE2's syntax, which has no lookaround and no backreferences, and match no empty text", text)
			continue
		}
		g.Regex.Patterns = append(g.Regex.Patterns, one)
	}
	if len(c.Builtins)+len(c.Matches) == 0 {
		p.warn(field, "has neither matches nor builtins: nothing is looked for")
		return false
	}
	return true
}

func (p *trafficPolicy) webhook(field string, c *v1alpha1.Webhook, failure string) *ir.Webhook {
	w := &ir.Webhook{Timeout: askTimeout, Failure: failure}
	host, name := c.Host, ".host"
	if host == nil {
		host, name = c.Endpoint, ".endpoint"
	}
	switch {
	case host == nil || c.Host != nil && c.Endpoint != nil:
		p.fault(field, "needs one address: want host, or endpoint, which is the same")
	case checkHost(&p.judge, field+name+".host", host.Host):
		w.URL = "http://" + net.JoinHostPort(host.Host, strconv.Itoa(int(host.Port)))
	}
	if len(c.ForwardHeaders) > 0 && len(c.ForwardHeaderMatches) > 0 {
		p.fault(field, "forwardHeaders and forwardHeaderMatches set the same, in the shapes of two generations: set one of them")
	}
	headers, at := c.ForwardHeaders, field+".forwardHeaders"
	if len(headers) == 0 {
		headers, at = c.ForwardHeaderMatches, field+".forwardHeaderMatches"
	}
	w.Forward = p.headerMatches(at, headers)
	return w
}

// headerMatches is list in the order of the names.
func (j *judge) headerMatches(field string, list []gwv1.HTTPHeaderMatch) []ir.HeaderMatch {
	var out []ir.HeaderMatch
	for i := range list {
		h, at := &list[i], field+"["+strconv.Itoa(i)+"]"
		m := ir.HeaderMatch{Name: strings.ToLower(string(h.Name))}
		switch {
		case !isToken(m.Name) || isHop(m.Name):
			j.fault(at+".name", "%q is no header that can be sent on", h.Name)
			continue
		case deref(h.Type, gwv1.HeaderMatchExact) == gwv1.HeaderMatchExact:
			m.Exact = h.Value
		default:
			if _, err := regexp.Compile(h.Value); err != nil {
				j.fault(at+".value", "%q is no regular expression in RE2's syntax", h.Value)
				continue
			}
			m.Regex = h.Value
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b ir.HeaderMatch) int { return strings.Compare(a.Name, b.Name) })
	return out
}
