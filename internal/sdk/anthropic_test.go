package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// anthropicCall is a call of Anthropic's library; what it returns are values to compare.
type anthropicCall func(ctx context.Context, c anthropic.Client, head option.RequestOption) ([]any, error)

// claude makes a call without retries by the library.
func claude(call anthropicCall) func(context.Context, string) seen { return claudeRetrying(0, call) }

func claudeRetrying(retries int, call anthropicCall) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		var s seen
		var resp *http.Response
		c := anthropic.NewClient(option.WithBaseURL(base), option.WithAPIKey("sk-ant-test"), option.WithMaxRetries(retries),
			option.WithHeader("anthropic-beta", "interleaved-thinking-2025-05-14"))
		values, err := call(ctx, c, option.WithResponseInto(&resp))
		s.Values = values
		s.head(resp)
		var e *anthropic.Error
		switch {
		case errors.As(err, &e):
			s.head(e.Response)
			s.Failure = failure{Kind: "anthropic.Error", Status: e.StatusCode, Type: string(e.Type()), Code: e.RequestID,
				Message: strings.ReplaceAll(e.Error(), base, "BASE"), Raw: e.RawJSON()}
		case err != nil:
			s.Failure = otherFailure(err, base)
		}
		return s
	}
}

func messageParams() anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: "claude-sonnet-4-5", MaxTokens: 1024, Temperature: anthropic.Float(0.5), TopK: anthropic.Int(5), StopSequences: []string{"END"},
		System:   []anthropic.TextBlockParam{{Text: "Be brief.", CacheControl: anthropic.NewCacheControlEphemeralParam()}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hi <there> & “you”!"))},
	}
}

func messageTools() anthropic.MessageNewParams {
	p := messageParams()
	for _, name := range []string{"get_weather", "get_time"} {
		p.Tools = append(p.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{Name: name, Description: anthropic.String("Looks it up."),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"location": map[string]any{"type": "string"}}}}})
	}
	return p
}

func message(ctx context.Context, c anthropic.Client, head option.RequestOption) ([]any, error) {
	return value(c.Messages.New(ctx, messageParams(), head))
}

func messageWithTools(ctx context.Context, c anthropic.Client, head option.RequestOption) ([]any, error) {
	return value(c.Messages.New(ctx, messageTools(), head))
}

func messageStream(ctx context.Context, c anthropic.Client, head option.RequestOption) (out []any, err error) {
	s := c.Messages.NewStreaming(ctx, messageTools(), head)
	defer s.Close()
	var m anthropic.Message
	for s.Next() {
		if err := m.Accumulate(s.Current()); err != nil {
			return out, err
		}
		out = append(out, s.Current())
	}
	return append(out, m), s.Err()
}

func countTokens(ctx context.Context, c anthropic.Client, head option.RequestOption) ([]any, error) {
	p := messageParams()
	return value(c.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: p.Model, Messages: p.Messages}, head))
}

// legacy is a call of the Text Completions API.
func legacy(ctx context.Context, c anthropic.Client, head option.RequestOption) ([]any, error) {
	//nolint:staticcheck // deprecated, and still served
	return value(c.Completions.New(ctx, anthropic.CompletionNewParams{Model: "claude-2.1", MaxTokensToSample: 9,
		Prompt: "\n\nHuman: Hi\n\nAssistant:"}, head))
}

func TestAnthropic(t *testing.T) {
	const asked, model = "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"
	newRig(t).same(t, "", "/anthropic", []trip{
		{name: "message", answers: []string{"anthropic/message"}, do: claude(message), spans: []want{{name: "chat " + asked,
			attrs: with(answered("anthropic", asked, model, "msg_01XFDUDYJgAACzvnptvVoYEL", 12+30+2051, 15, "end_turn"),
				"gen_ai.usage.cache_read.input_tokens", int64(2051), "gen_ai.usage.cache_creation.input_tokens", int64(30),
				"gen_ai.request.temperature", 0.5, "gen_ai.request.top_k", int64(5), "gen_ai.request.max_tokens", int64(1024),
				"gen_ai.request.stop_sequences", []string{"END"}, "gen_ai.request.stream", nil)}}},
		{name: "tools", answers: []string{"anthropic/tools"}, do: claude(messageWithTools), spans: []want{{name: "chat " + asked,
			attrs: answered("anthropic", asked, model, "msg_tools", 472, 91, "tool_use")}}},
		{name: "streamed", answers: []string{"anthropic/stream"}, do: claude(messageStream), spans: []want{{name: "chat " + asked,
			attrs: with(answered("anthropic", asked, model, "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", 125, 15, "end_turn"),
				"gen_ai.request.stream", true)}}},
		{name: "tools streamed", answers: []string{"anthropic/stream_tools"}, do: claude(messageStream), spans: []want{{name: "chat " + asked,
			attrs: answered("anthropic", asked, model, "msg_014p7gG3wDgGV9EUtLvnow3U", 472, 89, "tool_use")}}},
		{name: "legacy completion", answers: []string{"anthropic/legacy"}, do: claude(legacy), spans: []want{{name: "text_completion claude-2.1",
			attrs: map[string]any{"gen_ai.response.id": "compl_018CKm6gsux7P8yMcwZbeCPw", "gen_ai.response.model": "claude-2.1",
				"gen_ai.response.finish_reasons": []string{"stop_sequence"}, "gen_ai.request.max_tokens": int64(9)}}}},
		{name: "count of tokens", answers: []string{"anthropic/count"}, do: claude(countTokens), spans: make([]want, 1)},
	})
}

func TestAnthropicErrors(t *testing.T) {
	failed := func(typ, outcome string) []want {
		return []want{{name: "chat claude-sonnet-4-5", failed: typ, attrs: map[string]any{"spanway.outcome": outcome,
			"gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.response.model": nil, "gen_ai.usage.input_tokens": nil}}}
	}
	apiError := func(status int, typ string) failure {
		return failure{Kind: "anthropic.Error", Status: status, Type: typ, Code: "req_011CSHoEeqs5C35K2UUqR7Fy"}
	}
	newRig(t).same(t, "", "/anthropic", []trip{
		{name: "400", answers: []string{"anthropic/400"}, do: claude(message), spans: failed("invalid_request_error", "client_error"),
			fails: apiError(400, "invalid_request_error")},
		{name: "401", answers: []string{"anthropic/401"}, do: claude(messageStream), spans: failed("authentication_error", "client_error"),
			fails: apiError(401, "authentication_error")},
		{name: "429", answers: []string{"anthropic/429"}, do: claude(message), spans: failed("rate_limit_error", "rate_limited"),
			fails: apiError(429, "rate_limit_error")},
		{name: "529", answers: []string{"anthropic/529"}, do: claude(message), spans: failed("overloaded_error", "upstream_error"),
			fails: apiError(529, "overloaded_error")},
		{name: "529, retried by the library", answers: []string{"anthropic/529", "anthropic/message"}, do: claudeRetrying(1, message),
			spans: append(failed("overloaded_error", "upstream_error"),
				want{name: "chat claude-sonnet-4-5", attrs: map[string]any{"gen_ai.response.id": "msg_01XFDUDYJgAACzvnptvVoYEL"}})},
		{name: "in the middle of a stream", answers: []string{"anthropic/stream_error"}, do: claude(messageStream),
			fails: failure{Kind: "anthropic.Error", Status: 200, Type: "overloaded_error"},
			spans: []want{{name: "chat claude-sonnet-4-5", failed: "overloaded_error",
				attrs: map[string]any{"spanway.outcome": "upstream_error", "gen_ai.response.id": "msg_err", "gen_ai.usage.input_tokens": int64(25)}}}},
	})
}

// TestAnthropicAccumulates makes sure that the scripts say what they are meant to say: inputs of tools arrive in pieces.
func TestAnthropicAccumulates(t *testing.T) {
	r := newRig(t)
	r.up.tell([]answer{script(t, "anthropic/stream_tools")})
	got := claude(messageStream)(t.Context(), r.gw.URL+"/anthropic")
	m, ok := got.Values[len(got.Values)-1].(anthropic.Message)
	if !ok || len(m.Content) != 4 {
		t.Fatalf("accumulated %+v", got)
	}
	for i, want := range map[int]string{2: `{"location": "San Francisco, CA"}`, 3: `{}`} {
		if s := string(m.Content[i].Input); s != want || !json.Valid(m.Content[i].Input) {
			t.Errorf("input of block %d: %s, want %s", i, s, want)
		}
	}
}
