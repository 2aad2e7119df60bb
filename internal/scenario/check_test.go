package scenario

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/telemetry"
)

// goodTrace is a call with a request guard that took two attempts.
func goodTrace() []Span {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	span := func(id, parent, name string, kind telemetry.Kind, from, to int, attrs map[string]any) Span {
		return Span{ID: id, ParentID: parent, Trace: "t", Name: name, Kind: kind, Start: at(from), End: at(to), Attrs: attrs}
	}
	attempt := func(n int64, more map[string]any) map[string]any {
		a := map[string]any{"http.request.method": "POST", "url.full": "http://p/v1", "server.address": "p", "server.port": int64(1),
			"network.protocol.version": "1.1", "spanway.backend": "b", "spanway.provider": "openai", "spanway.attempt": n}
		maps.Copy(a, more)
		return a
	}
	spans := []Span{
		span("s", "0000", "POST /v1", kindServer, 0, 100, map[string]any{"http.request.method": "POST", "http.route": "/v1", "url.scheme": "http",
			"url.path": "/v1/x", "network.protocol.version": "1.1", "user_agent.original": "u", "client.address": "c", "client.port": int64(2),
			"server.address": "g", "spanway.route": "r", "spanway.outcome": "ok", "http.response.status_code": int64(200)}),
		span("g", "s", "run_guardrail pii", kindInternal, 1, 2, map[string]any{"spanway.guardrail.name": "pii", "spanway.guardrail.kind": "regex",
			"spanway.guardrail.phase": "request", "spanway.guardrail.action": "mask", "spanway.guardrail.result": "passed"}),
		span("c", "s", "chat m", kindClient, 2, 100, map[string]any{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
			"gen_ai.request.model": "m", "server.address": "p", "server.port": int64(1), "spanway.backend": "b", "spanway.attempts": int64(2),
			"spanway.route": "r", "spanway.outcome": "ok", "spanway.gateway.overhead": 0.001, "gen_ai.usage.input_tokens": int64(3),
			"gen_ai.input.messages":  `[{"role":"user","parts":[{"type":"text","content":"hi"}]}]`,
			"gen_ai.output.messages": `[{"role":"assistant","parts":[],"finish_reason":"stop"}]`}),
		span("1", "c", "POST", kindClient, 3, 20, attempt(1, map[string]any{"error.type": "503", "http.response.status_code": int64(503)})),
		span("2", "c", "POST", kindClient, 40, 100, attempt(2, map[string]any{"http.response.status_code": int64(200),
			"http.request.resend_count": int64(1), "spanway.retry.reason": "503"})),
	}
	spans[1].Parent, spans[3].Failed = "POST /v1", true
	return spans
}

// TestCheck breaks one rule after the other.
func TestCheck(t *testing.T) {
	if got := Check(goodTrace()); len(got) > 0 {
		t.Fatalf("a good trace: %q", got)
	}
	const server, guard, call, first, last = 0, 1, 2, 3, 4
	set := func(i int, k string, v any) func([]Span) { return func(s []Span) { s[i].Attrs[k] = v } }
	unset := func(i int, k string) func([]Span) { return func(s []Span) { delete(s[i].Attrs, k) } }
	for _, tc := range []struct {
		name  string
		spoil func([]Span)
		want  string
	}{
		{"a span without end", func(s []Span) { s[last].End = time.Time{} }, "never"},
		{"a span after its parent's end", func(s []Span) { s[last].End = s[last].End.Add(time.Second) }, "not within"},
		{"a span of another trace", func(s []Span) { s[last].Trace = "u" }, "another trace"},
		{"a second root", func(s []Span) { s[call].ParentID = "?" }, "SERVER is the first span"},
		{"time that nothing explains", func(s []Span) { s[server].End = s[server].End.Add(time.Second) }, "none of its children"},
		{"error.type without Error", set(call, "error.type", "x"), "status Error false"},
		{"Error without error.type", unset(first, "error.type"), "status Error true"},
		{"a number as text", set(call, "gen_ai.usage.input_tokens", "3"), "is a string"},
		{"a prompt attribute", set(call, "gen_ai.prompt.0", "x"), "take it for content"},
		{"a credential", set(last, "url.full", "http://p/v1?key=sk-1"), "holds a credential"},
		{"an unknown outcome", set(server, "spanway.outcome", "fine"), "unknown outcome"},
		{"no status", unset(server, "http.response.status_code"), "no http.response.status_code"},
		{"no url", unset(server, "url.path"), "no url.path"},
		{"5xx without Error", set(server, "http.response.status_code", int64(502)), "status Error false with 502"},
		{"the raw path in the name", func(s []Span) { s[server].Name = "POST /v1/x" }, `should be "POST /v1"`},
		{"a name without the model", func(s []Span) { s[call].Name = "chat" }, `should be "chat m"`},
		{"an operation of its own", set(call, "gen_ai.operation.name", "talk"), "not in the registry"},
		{"stream false", set(call, "gen_ai.request.stream", false), "not true"},
		{"one choice", set(call, "gen_ai.request.choice.count", int64(1)), "choice.count is 1"},
		{"a first chunk that is no event", set(call, "gen_ai.response.time_to_first_chunk", 0.1), "time_to_first_chunk"},
		{"messages that are no JSON", set(call, "gen_ai.input.messages", "["), "unexpected end"},
		{"a part of no known type", set(call, "gen_ai.input.messages", `[{"role":"user","parts":[{"type":"image"}]}]`), "part of type"},
		{"a text without content", set(call, "gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text"}]}]`), "without content"},
		{"an answer without its end", set(call, "gen_ai.output.messages", `[{"role":"assistant","parts":[]}]`), "no finish_reason"},
		{"attempts that are not counted", set(call, "spanway.attempts", int64(1)), "spanway.attempts is 1 of 2"},
		{"a failed call that ended well", func(s []Span) { s[call].Failed, s[call].Attrs["error.type"] = true, "x" }, "outcome ok"},
		{"the first provider's name in the end", set(call, "gen_ai.provider.name", "groq"), "the last attempt's openai"},
		{"an attempt without its number", set(last, "spanway.attempt", int64(3)), "want 2"},
		{"an attempt without reason", unset(last, "spanway.retry.reason"), "resend_count 1, retry.reason"},
		{"usage on an attempt", set(last, "gen_ai.usage.input_tokens", int64(3)), "nothing twice"},
		{"an attempt without answer or error", unset(last, "http.response.status_code"), "is an error of an attempt"},
		{"a guard that failed", func(s []Span) { s[guard].Failed, s[guard].Attrs["error.type"] = true, "x" }, "never fails"},
		{"a guard below the call", func(s []Span) { s[guard].Parent = "chat m" }, "not below SERVER"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spans := goodTrace()
			tc.spoil(spans)
			got := Check(spans)
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tc.want) }) {
				t.Errorf("found %q, want something with %q", got, tc.want)
			}
		})
	}
}
