package scenario

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/telemetry"
)

const (
	kindServer   = telemetry.KindServer
	kindClient   = telemetry.KindClient
	kindInternal = telemetry.KindInternal
)

var kindNames = map[telemetry.Kind]string{kindServer: "SERVER", kindClient: "CLIENT", kindInternal: "INTERNAL"}

// role is what a span is for.
type role int

const (
	roleServer  role = iota
	roleCall         // the logical operation
	roleAttempt      // one request to a provider
	roleGuard        // one guardrail, on one side
)

func roleOf(s *Span) role {
	switch {
	case s.Kind == kindServer:
		return roleServer
	case s.Attrs["gen_ai.operation.name"] != nil:
		return roleCall
	case s.Attrs["spanway.guardrail.name"] != nil || strings.HasPrefix(s.Name, "run_guardrail"):
		return roleGuard
	}
	return roleAttempt
}

// unexplained bounds the time of a span that its children leave uncovered. The gateway itself takes far less than a
// millisecond; a busy machine may stop it for longer, and several times where the call goes from one process to another.
const (
	unexplained       = 250 * time.Millisecond
	unexplainedBehind = time.Second
)

// Values that the conventions list (semantic conventions 1.41, GenAI attributes), and our own outcomes.
var (
	operations = []string{"chat", "text_completion", "generate_content", "embeddings", "rerank"} // rerank is ours: the registry has none
	outcomes   = []string{"ok", "client_error", "upstream_error", "blocked", "rate_limited", "client_gone", "upstream_cut", "timeout", "shutdown"}
	system     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	methods    = regexp.MustCompile(`^([A-Z]+|_OTHER)$`)
	partTypes  = []string{"text", "reasoning", "tool_call", "tool_call_response", "blob", "file", "uri", "server_tool_call", "server_tool_call_response", "refusal", "generic"}
	roles      = []string{"system", "user", "assistant", "tool"}
)

// types are the attributes whose values are not strings.
var types = map[string]any{
	"ai.moderation.flagged": false,
	"client.port":           int64(0), "server.port": int64(0), "http.response.status_code": int64(0), "http.request.resend_count": int64(0),
	"gen_ai.request.temperature": 0.0, "gen_ai.request.top_p": 0.0, "gen_ai.request.frequency_penalty": 0.0,
	"gen_ai.request.presence_penalty": 0.0, "gen_ai.request.max_tokens": int64(0), "gen_ai.request.seed": int64(0),
	"gen_ai.request.top_k": int64(0), "gen_ai.request.choice.count": int64(0), "gen_ai.request.stop_sequences": []string{},
	"gen_ai.request.encoding_formats": []string{}, "gen_ai.request.stream": false, "gen_ai.response.finish_reasons": []string{},
	"gen_ai.response.time_to_first_chunk": 0.0, "gen_ai.usage.input_tokens": int64(0), "gen_ai.usage.output_tokens": int64(0),
	"gen_ai.usage.cache_read.input_tokens": int64(0), "gen_ai.usage.cache_creation.input_tokens": int64(0),
	"gen_ai.usage.reasoning.output_tokens": int64(0), "gen_ai.embeddings.dimension.count": int64(0), "spanway.attempt": int64(0),
	"spanway.attempts": int64(0), "spanway.gateway.overhead": 0.0, "spanway.retry.backoff": 0.0, "spanway.request.read": 0.0, "spanway.stream.chunks": int64(0), "spanway.truncated": false, "spanway.translation.dropped": []string{},
	"gen_ai.usage.cache_write.input_tokens": int64(0), "llm.token_count.prompt": int64(0), "llm.token_count.completion": int64(0),
	"llm.token_count.total": int64(0), "llm.token_count.prompt_details.cache_read": int64(0),
	"llm.token_count.prompt_details.cache_write": int64(0), "llm.token_count.completion_details.reasoning": int64(0),
	"spanway.cost.usd": 0.0, "spanway.cost.input_usd": 0.0, "spanway.cost.output_usd": 0.0, "spanway.cost.cache_usd": 0.0,
}

// checker collects what is wrong with one trace.
type checker struct {
	spans    []Span
	problems []string
	gaps     time.Duration // bound of what is unexplained
	status   int64         // that the client got; 0 = none
	attempts int64
}

// Check names every rule of the telemetry contract that the trace breaks: those that hold whatever the call was and however it
// ended.
func Check(spans []Span) []string { return check(spans, unexplained) }

func check(spans []Span, gaps time.Duration) []string {
	c := &checker{spans: spans, gaps: gaps}
	c.tree()
	for i := range spans {
		s := &spans[i]
		c.common(s)
		switch roleOf(s) {
		case roleServer:
			c.server(s)
		case roleCall:
			c.call(s)
		case roleAttempt:
			c.attempt(s)
		case roleGuard:
			c.guard(s)
		}
	}
	c.calls()
	return c.problems
}

func (c *checker) say(s *Span, format string, args ...any) {
	c.problems = append(c.problems, s.Name+": "+fmt.Sprintf(format, args...))
}

func (c *checker) need(s *Span, keys ...string) {
	for _, k := range keys {
		if _, ok := s.Attrs[k]; !ok {
			c.say(s, "no %s", k)
		}
	}
}

// tree: one SERVER span is the root, every other span lies below it, in time too, and siblings leave no time unexplained.
func (c *checker) tree() {
	byID := map[string]*Span{}
	for i := range c.spans {
		byID[c.spans[i].ID] = &c.spans[i]
	}
	for i := range c.spans {
		s := &c.spans[i]
		if s.End.IsZero() || s.End.Before(s.Start) {
			c.say(s, "ends at %v, before its start or never", s.End)
		}
		if s.Trace != c.spans[0].Trace {
			c.say(s, "is of another trace")
		}
		p := byID[s.ParentID]
		if root := s.Kind == kindServer; root != (p == nil) || root != (i == 0) {
			c.say(s, "kind %d and parent %q: SERVER is the first span and the only one without a parent here", s.Kind, s.ParentID)
		}
		if p != nil && (s.Start.Before(p.Start) || s.End.After(p.End)) {
			c.say(s, "is not within %s", p.Name)
		}
		if gap := c.gap(s); gap > c.gaps {
			c.say(s, "%v are in none of its children", gap)
		}
	}
}

// gap is the longest time of s that none of its children covers. Between attempts there may be a pause.
func (c *checker) gap(s *Span) time.Duration {
	var children []*Span
	for i := range c.spans {
		if c.spans[i].ParentID == s.ID {
			children = append(children, &c.spans[i])
		}
	}
	if len(children) == 0 {
		return 0
	}
	slices.SortFunc(children, func(a, b *Span) int { return a.Start.Compare(b.Start) })
	var longest time.Duration
	at := s.Start
	for _, k := range children {
		if paused := roleOf(k) == roleAttempt && k.Attrs["http.request.resend_count"] != nil; !paused {
			longest = max(longest, k.Start.Sub(at))
		}
		if k.End.After(at) {
			at = k.End
		}
	}
	return max(longest, s.End.Sub(at))
}

func (c *checker) common(s *Span) {
	if _, typed := s.Attrs["error.type"]; typed != s.Failed {
		c.say(s, "error.type %v and status Error %v", s.Attrs["error.type"], s.Failed)
	}
	for k, v := range s.Attrs {
		want := any("")
		if w, ok := types[k]; ok {
			want = w
		}
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", v) {
			c.say(s, "%s is a %T, want a %T", k, v, want)
		}
		if strings.HasPrefix(k, "gen_ai.prompt") {
			c.say(s, "%s: backends take it for content", k)
		}
		if text := fmt.Sprint(v); strings.Contains(text, "sk-") {
			c.say(s, "%s holds a credential: %s", k, text)
		}
	}
	if o, ok := s.Attrs["spanway.outcome"].(string); ok && !slices.Contains(outcomes, o) {
		c.say(s, "unknown outcome %s", o)
	}
}

func (c *checker) server(s *Span) {
	c.need(s, "http.request.method", "url.scheme", "url.path", "network.protocol.version", "user_agent.original", "client.address",
		"client.port", "server.address", "spanway.outcome")
	name, _ := s.Attrs["http.request.method"].(string)
	if r, ok := s.Attrs["http.route"].(string); ok {
		name += " " + r
		c.need(s, "spanway.route")
	}
	if s.Name != name {
		c.say(s, "the name should be %q", name)
	}
	c.status, _ = s.Attrs["http.response.status_code"].(int64)
	if c.status == 0 && s.Attrs["spanway.outcome"] != "client_gone" {
		c.say(s, "no http.response.status_code")
	}
	if s.Failed != (c.status >= 500) {
		c.say(s, "status Error %v with %d", s.Failed, c.status)
	}
}

func (c *checker) call(s *Span) {
	c.need(s, "spanway.route", "spanway.outcome", "spanway.gateway.overhead")
	op, _ := s.Attrs["gen_ai.operation.name"].(string)
	name := op
	if m, ok := s.Attrs["gen_ai.request.model"].(string); ok {
		name += " " + m
	}
	if s.Name != name || s.Kind != kindClient {
		c.say(s, "name and kind should be %q, CLIENT", name)
	}
	if !slices.Contains(operations, op) {
		c.say(s, "operation %q is not in the registry", op)
	}
	if ok := s.Attrs["spanway.outcome"] == "ok"; ok == s.Failed {
		c.say(s, "outcome %v and status Error %v", s.Attrs["spanway.outcome"], s.Failed)
	}
	if v, ok := s.Attrs["gen_ai.request.stream"]; ok && v != true {
		c.say(s, "gen_ai.request.stream is set and not true")
	}
	if s.Attrs["gen_ai.request.choice.count"] == int64(1) {
		c.say(s, "gen_ai.request.choice.count is 1")
	}
	_, timed := s.Attrs["gen_ai.response.time_to_first_chunk"]
	if timed != slices.Contains(s.Events, "gen_ai.first_chunk") || timed && s.Attrs["gen_ai.request.stream"] == nil {
		c.say(s, "time_to_first_chunk %v with events %v", timed, s.Events)
	}
	c.content(s)
}

// content: what was captured is JSON after the conventions' schemas.
func (c *checker) content(s *Span) {
	for _, k := range []string{"gen_ai.input.messages", "gen_ai.output.messages"} {
		text, ok := s.Attrs[k].(string)
		if !ok {
			continue
		}
		var messages []struct {
			Role   string           `json:"role"`
			Parts  []map[string]any `json:"parts"`
			Finish string           `json:"finish_reason"`
		}
		if err := json.Unmarshal([]byte(text), &messages); err != nil {
			c.say(s, "%s: %v", k, err)
			continue
		}
		for _, m := range messages {
			if !slices.Contains(roles, m.Role) || m.Parts == nil {
				c.say(s, "%s: role %q, parts %v", k, m.Role, m.Parts)
			}
			if k == "gen_ai.output.messages" && m.Finish == "" {
				c.say(s, "%s: no finish_reason", k)
			}
			c.parts(s, k, m.Parts)
		}
	}
	if text, ok := s.Attrs["gen_ai.system_instructions"].(string); ok {
		var parts []map[string]any
		if err := json.Unmarshal([]byte(text), &parts); err != nil {
			c.say(s, "gen_ai.system_instructions: %v", err)
		}
		c.parts(s, "gen_ai.system_instructions", parts)
	}
}

func (c *checker) parts(s *Span, key string, parts []map[string]any) {
	for _, p := range parts {
		typ, _ := p["type"].(string)
		if !slices.Contains(partTypes, typ) {
			c.say(s, "%s: part of type %q", key, typ)
		}
		required := map[string]string{"text": "content", "reasoning": "content", "tool_call": "name", "tool_call_response": "response"}
		if k := required[typ]; k != "" && p[k] == nil {
			c.say(s, "%s: a %s without %s", key, typ, k)
		}
	}
}

func (c *checker) attempt(s *Span) {
	c.need(s, "http.request.method", "url.full", "server.address", "server.port", "spanway.backend", "spanway.provider", "spanway.attempt")
	if s.Kind != kindClient || !methods.MatchString(s.Name) || s.Name != s.Attrs["http.request.method"] {
		c.say(s, "an attempt is a CLIENT span named by its method")
	}
	c.provider(s, "spanway.provider")
	c.attempts++
	if s.Attrs["spanway.attempt"] != c.attempts {
		c.say(s, "spanway.attempt is %v, want %d", s.Attrs["spanway.attempt"], c.attempts)
	}
	resent, _ := s.Attrs["http.request.resend_count"].(int64)
	if _, why := s.Attrs["spanway.retry.reason"]; resent != c.attempts-1 || why != (c.attempts > 1) {
		c.say(s, "attempt %d has resend_count %d, retry.reason %v", c.attempts, resent, s.Attrs["spanway.retry.reason"])
	}
	status, answered := s.Attrs["http.response.status_code"].(int64)
	if answered {
		c.need(s, "network.protocol.version")
	}
	if status >= 400 && !s.Failed || !answered && !s.Failed {
		c.say(s, "status %d (0 = none) is an error of an attempt", status)
	}
	for k := range s.Attrs {
		if strings.HasPrefix(k, "gen_ai.") {
			c.say(s, "%s: attempts count nothing twice", k)
		}
	}
}

func (c *checker) provider(s *Span, key string) {
	if p, _ := s.Attrs[key].(string); !system.MatchString(p) {
		c.say(s, "%s is %q", key, p)
	}
}

func (c *checker) guard(s *Span) {
	c.need(s, "spanway.guardrail.name", "spanway.guardrail.kind", "spanway.guardrail.phase", "spanway.guardrail.action", "spanway.guardrail.result")
	if s.Name != fmt.Sprint("run_guardrail ", s.Attrs["spanway.guardrail.name"]) {
		c.say(s, "does not name its guardrail")
	}
	calls := true
	switch s.Attrs["spanway.guardrail.kind"] {
	case "webhook":
		c.need(s, "ai.webhook.endpoint", "ai.webhook.result")
	case "moderation":
		c.need(s, "ai.moderation.model")
	default:
		calls = false
	}
	if calls && s.Kind != kindClient {
		c.say(s, "a guardrail that calls out is a CLIENT span")
	} else if !calls && (s.Failed || s.Kind != kindInternal) {
		c.say(s, "a guardrail is an INTERNAL span that never fails")
	}
	if s.Parent != c.spans[0].Name {
		c.say(s, "is not below SERVER but %q", s.Parent)
	}
}

// calls: the logical span counts the attempts, and names the provider of the last.
func (c *checker) calls() {
	for i := range c.spans {
		s := &c.spans[i]
		if roleOf(s) != roleCall || c.attempts == 0 {
			continue
		}
		c.need(s, "server.address", "server.port", "spanway.backend")
		c.provider(s, "gen_ai.provider.name")
		if s.Attrs["spanway.attempts"] != c.attempts {
			c.say(s, "spanway.attempts is %v of %d", s.Attrs["spanway.attempts"], c.attempts)
		}
		var last *Span
		for j := range c.spans {
			if roleOf(&c.spans[j]) == roleAttempt {
				if last = &c.spans[j]; last.ParentID != s.ID {
					c.say(last, "is not below %s", s.Name)
				}
			}
		}
		for call, attempt := range map[string]string{"gen_ai.provider.name": "spanway.provider", "server.address": "server.address", "server.port": "server.port", "spanway.backend": "spanway.backend"} {
			if s.Attrs[call] != last.Attrs[attempt] {
				c.say(s, "%s is %v, the last attempt's %v", call, s.Attrs[call], last.Attrs[attempt])
			}
		}
	}
}
