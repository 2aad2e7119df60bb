package sdk

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"

	"github.com/spanway/spanway/internal/scenario"
)

// TestStreamUsage asks the provider for a stream's usage where the route wants it and the client does not: the client's
// stream is the one that it would get, the trace has the usage.
func TestStreamUsage(t *testing.T) {
	const frame = `"choices":[],"usage":{`
	full := script(t, "openai/stream")
	plain := full
	plain.body = strings.Join(slices.DeleteFunc(full.frames(), func(f string) bool { return strings.Contains(f, frame) }), "")
	if plain.body == full.body {
		t.Fatal("the script has no frame of usage")
	}
	span := want{name: "chat gpt-4.1", attrs: answered("openai", "gpt-4.1", "gpt-4.1-2025-04-14", "chatcmpl-S1", 19, 12, "length")}
	r := newRig(t)
	for _, x := range []struct {
		name    string
		call    openAICall
		without answer // what the provider answers to the request as the client made it
		sends   string // stream_options as the provider gets them
	}{
		{"nothing is said", askStream("gpt-4.1", nil), plain, `"stream_options":{"include_usage":true}`},
		{"other options", askStream("gpt-4.1", func(p *openai.ChatCompletionNewParams) {
			p.StreamOptions.IncludeObfuscation = openai.Bool(false)
		}), plain, `"stream_options":{"include_usage":true,"include_obfuscation":false}`},
		{"it is refused", askStream("gpt-4.1", func(p *openai.ChatCompletionNewParams) {
			p.StreamOptions.IncludeUsage = openai.Bool(false)
		}), plain, `"stream_options":{"include_usage":true}`},
		{"it is asked for", askStream("gpt-4.1", includeUsage), full, `"stream_options":{"include_usage":true}`},
	} {
		t.Run(x.name, func(t *testing.T) {
			r.up.tell([]answer{x.without})
			want := openAI(x.call)(t.Context(), r.up.URL+"/v1")
			asked := r.up.take()
			r.up.tell([]answer{full})
			got := openAI(x.call)(t.Context(), r.gw.URL+"/usage/v1")
			if d := cmp.Diff(want, got, whole); d != "" {
				t.Errorf("the client sees something else (-direct +gateway):\n%s", d)
			}
			sent := r.up.take()
			if len(sent) != 1 || len(asked) != 1 || strings.Count(sent[0].Body, "stream_options") != 1 || !strings.Contains(sent[0].Body, x.sends) {
				t.Fatalf("the provider received %+v, want %s", sent, x.sends)
			}
			equalJSON(t, "the rest of the request", withoutOptions(t, asked[0].Body), withoutOptions(t, sent[0].Body))
			span.check(t, r.gw.Trace(t))
		})
	}
}

// TestStreamUsageElsewhere leaves alone what reports its usage anyway.
func TestStreamUsageElsewhere(t *testing.T) {
	newRig(t).same(t, "/v1", "/usage", []trip{
		{name: "chat", answers: []string{"openai/chat"}, do: openAI(chat), spans: []want{{name: "chat gpt-4.1",
			attrs: map[string]any{"gen_ai.usage.output_tokens": int64(10)}}}},
		{name: "response streamed", answers: []string{"openai/response_stream"}, do: openAI(responseStream), spans: []want{{name: "chat gpt-4.1",
			attrs: map[string]any{"gen_ai.usage.output_tokens": int64(11)}}}},
		{name: "error of a stream", answers: []string{"openai/404"}, do: openAI(chatStream), fails: failure{Status: 404},
			spans: []want{{name: "chat gpt-4.1", failed: "model_not_found"}}},
	})
}

// TestFailover goes on to another provider: the logical span tells of the one that answered.
func TestFailover(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		path, script, span string
		attrs              map[string]any
	}{
		{"/failover", "anthropic/message", "chat claude-sonnet-4-5", with(answered("anthropic", claude45, dated45, "msg_01XFDUDYJgAACzvnptvVoYEL", 2093, 15, "end_turn"),
			"openai.api.type", nil, "azure.resource_provider.namespace", nil, "spanway.attempts", int64(2), "spanway.request.model_alias", "gpt-4.1", "error.type", nil)},
		{"/back", "openai/chat", "chat gpt-4.1", with(answered("openai", "gpt-4.1", "gpt-4.1-2025-04-14", "chatcmpl-BqGj1", 1419, 10, "stop"),
			"openai.api.type", "chat_completions", "spanway.request.model_alias", nil, "error.type", nil)},
	} {
		t.Run(x.path, func(t *testing.T) {
			got, sent := r.through(t, openAI(ask("gpt-4.1", nil)), x.path+"/v1", "openai/500", x.script)
			if tell(t, got).Finish != "stop" || len(sent) != 2 {
				t.Errorf("the client saw %+v, the provider received %+v", got, sent)
			}
			spans := r.gw.Trace(t)
			s := scenario.Find(spans, "gen_ai.operation.name")
			if s.Name != x.span || s.Failed {
				t.Errorf("logical span %+v, want %q", s, x.span)
			}
			(&want{attrs: x.attrs}).logical(t, s)
		})
	}
}

// TestNotRetried is a request that no further try can help: the library is told so.
func TestNotRetried(t *testing.T) {
	r := newRig(t)
	got, _ := r.through(t, openAIRetrying(2, completion), "/anthropic/v1")
	if got.Failure.Status != 501 {
		t.Errorf("the library failed with %+v", got.Failure)
	}
	r.gw.Trace(t) // which fails when there are several
}

// TestHangUp is a library that hangs up because it has what it waits for, or because the provider has failed in its stream,
// while the provider leaves the response open: neither is a client that went away too early.
func TestHangUp(t *testing.T) {
	r := newRig(t)
	ok := want{name: "chat gpt-4.1", attrs: answered("openai", "gpt-4.1", "gpt-4.1-2025-04-14", "chatcmpl-S1", 19, 12, "length")}
	for _, x := range []struct {
		name, path, script string
		do                 func(context.Context, string) seen
		fails              failure
		span               want
	}{
		{"OpenAI", "/openai/v1", "openai/stream", openAI(chatStream), failure{}, ok},
		{"OpenAI, read for its usage", "/usage/v1", "openai/stream", openAI(askStream("gpt-4.1", nil)), failure{}, ok},
		{"OpenAI's error", "/openai/v1", "openai/stream_error", openAI(chatStream), failure{Kind: "ssestream.StreamError"},
			want{name: "chat gpt-4.1", failed: "server_overloaded", attrs: map[string]any{"spanway.outcome": "upstream_error"}}},
		{"Anthropic's error", "/anthropic", "anthropic/stream_error", claude(messageStream), failure{Type: "overloaded_error"},
			want{name: "chat claude-sonnet-4-5", failed: "overloaded_error", attrs: map[string]any{"spanway.outcome": "upstream_error"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := script(t, x.script)
			a.hold = true
			r.up.tell([]answer{a})
			got := x.do(t.Context(), r.gw.URL+x.path)
			(&trip{fails: x.fails}).outcome(t, got)
			x.span.check(t, r.gw.Trace(t))
		})
	}
}

// TestCut is a provider whose connection breaks in the middle of a stream: the library is told so as its dialect can.
func TestCut(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		name, path, script string
		do                 func(context.Context, string) seen
		fails              failure
	}{
		{"OpenAI", "/openai/v1", "openai/stream", openAI(chatStream), failure{Kind: "ssestream.StreamError", Raw: "upstream_cut"}},
		{"OpenAI to Anthropic", "/anthropic/v1", "anthropic/stream", openAI(askStream(claude45, nil)), failure{Kind: "ssestream.StreamError", Raw: "upstream_cut"}},
		{"Anthropic", "/anthropic", "anthropic/stream", claude(messageStream), failure{Kind: "anthropic.Error", Type: "api_error", Raw: "ended before its end"}},
		{"Google", "/gemini", "gemini/stream", gemini(generateStream), failure{Kind: "genai.APIError", Message: "ended before its end"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := script(t, x.script)
			frames := a.frames()
			a.body, a.cut = strings.Join(frames[:len(frames)/2], ""), true
			r.up.tell([]answer{a})
			got := x.do(t.Context(), r.gw.URL+x.path)
			(&trip{fails: x.fails}).outcome(t, got)
			if len(got.Values) == 0 {
				t.Error("what came before the cut is lost")
			}
			s := scenario.Find(r.gw.Trace(t), "gen_ai.operation.name")
			if s.Attrs["spanway.outcome"] != "upstream_cut" || !s.Failed {
				t.Errorf("logical span %+v", s)
			}
		})
	}
}

// withoutOptions is a request's body without stream_options.
func withoutOptions(t *testing.T, body string) string {
	t.Helper()
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "stream_options")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
