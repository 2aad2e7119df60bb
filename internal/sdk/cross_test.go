package sdk

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
)

// through makes one call by way of the gateway and returns what the library saw and the provider received.
func (r *rig) through(t *testing.T, do func(context.Context, string) seen, path string, scripts ...string) (seen, []request) {
	t.Helper()
	var answers []answer
	for _, name := range scripts {
		answers = append(answers, script(t, name))
	}
	r.up.tell(answers)
	s := do(t.Context(), r.gw.URL+path)
	return s, r.up.take()
}

// told is what a chat completion says, streamed or not.
type told struct {
	ID, Model, Content, Finish string
	Calls                      []string // id, name, arguments
	Usage                      tokens
}

type tokens struct{ Prompt, Completion, Total, Cached int64 }

// tell reads the last value of s, which is the completion, or what the library accumulated.
func tell(t *testing.T, s seen) told {
	t.Helper()
	if len(s.Values) == 0 || s.Failure != (failure{}) {
		t.Fatalf("the library returned %d values and failed with %+v", len(s.Values), s.Failure)
	}
	c, ok := s.Values[len(s.Values)-1].(openai.ChatCompletion)
	if !ok || len(c.Choices) != 1 || c.Choices[0].Message.Role != "assistant" || !strings.HasPrefix(string(c.Object), "chat.completion") {
		t.Fatalf("the library made of it: %+v", s.Values)
	}
	m := c.Choices[0].Message
	out := told{ID: c.ID, Model: c.Model, Content: m.Content, Finish: c.Choices[0].FinishReason,
		Usage: tokens{c.Usage.PromptTokens, c.Usage.CompletionTokens, c.Usage.TotalTokens, c.Usage.PromptTokensDetails.CachedTokens}}
	for _, call := range m.ToolCalls {
		if call.Type != "function" || !json.Valid([]byte(call.Function.Arguments)) {
			t.Errorf("tool call %+v", call)
		}
		out.Calls = append(out.Calls, call.ID+" "+call.Function.Name+" "+call.Function.Arguments)
	}
	return out
}

// equalJSON compares two JSON texts by meaning.
func equalJSON(t *testing.T, what, want, got string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Errorf("%s is not JSON: %v\n%s", what, err, got)
		return
	}
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

const (
	claude45 = "claude-sonnet-4-5"
	dated45  = "claude-sonnet-4-5-20250929"
)

// ask is a call of the chat completions API to model, with what edit adds.
func ask(model string, edit func(p *openai.ChatCompletionNewParams)) openAICall {
	return func(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
		p := asking(model, edit)
		return value(c.Chat.Completions.New(ctx, p, head))
	}
}

func askStream(model string, edit func(p *openai.ChatCompletionNewParams)) openAICall {
	return func(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
		return accumulated(c.Chat.Completions.NewStreaming(ctx, asking(model, edit), head))
	}
}

func asking(model string, edit func(p *openai.ChatCompletionNewParams)) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hi!")}}
	if edit != nil {
		edit(&p)
	}
	return p
}

func includeUsage(p *openai.ChatCompletionNewParams) {
	p.StreamOptions.IncludeUsage = openai.Bool(true)
}

// weather offers two tools.
func weather(p *openai.ChatCompletionNewParams) {
	p.Tools = []openai.ChatCompletionToolUnionParam{
		openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_weather", Description: openai.String("Looks it up."),
			Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"location": map[string]any{"type": "string"}}}}),
		openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_time"}),
	}
	p.ParallelToolCalls = openai.Bool(false)
}

// answerTools goes on where the model has called two tools, one of which fails.
func answerTools(p *openai.ChatCompletionNewParams) {
	weather(p)
	call := func(id, name, args string) openai.ChatCompletionMessageToolCallUnionParam {
		return openai.ChatCompletionMessageToolCallUnionParam{OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
			ID: id, Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: name, Arguments: args}}}
	}
	p.Messages = append(p.Messages,
		openai.ChatCompletionMessageParamUnion{OfAssistant: &openai.ChatCompletionAssistantMessageParam{
			Content:   openai.ChatCompletionAssistantMessageParamContentUnion{OfString: openai.String("I'll look both up.")},
			ToolCalls: []openai.ChatCompletionMessageToolCallUnionParam{call("toolu_1", "get_weather", `{"location":"Paris"}`), call("toolu_2", "get_time", "{}")}}},
		openai.ToolMessage("sunny", "toolu_1"),
		openai.ToolMessage("unknown zone", "toolu_2"),
		openai.UserMessage("So?"))
}

// show adds an image in the request and one elsewhere.
func show(p *openai.ChatCompletionNewParams) {
	p.Messages = append([]openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.DeveloperMessage("No lists.")},
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.TextContentPart("What is the difference?"),
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64,iVBORw0KGgo="}),
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "https://example.org/otter.jpg"}),
		}))
}

func parameters(p *openai.ChatCompletionNewParams) {
	p.Temperature, p.TopP, p.MaxCompletionTokens = openai.Float(0.5), openai.Float(0.9), openai.Int(64)
	p.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"END", "STOP"}}
	p.User, p.Seed = openai.String("user-1"), openai.Int(7)
}

// anonymous are the parameters of which providers without a place for an end user have all.
func anonymous(p *openai.ChatCompletionNewParams) {
	parameters(p)
	p.User = param.Opt[string]{}
}

func TestOpenAIToAnthropic(t *testing.T) {
	const tools = `[{"name":"get_weather","description":"Looks it up.","input_schema":{"type":"object","properties":{"location":{"type":"string"}}}},
		{"name":"get_time","input_schema":{"type":"object"}}]`
	const hi = `[{"role":"user","content":[{"type":"text","text":"Hi!"}]}]`
	span := func(id string, in, out int64, finish string) want {
		return want{name: "chat " + claude45, attrs: with(answered("anthropic", claude45, dated45, id, in, out, finish),
			"gen_ai.operation.name", "chat", "openai.api.type", nil, "spanway.request.model_alias", nil)}
	}
	streamed := span("msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", 125, 15, "end_turn")
	renamed := span("msg_stop", 9, 5, "stop_sequence")
	renamed.attrs = with(renamed.attrs, "spanway.request.model_alias", "fast")
	calledUsage := tokens{472, 89, 561, 0}
	r := newRig(t)
	for _, x := range []struct {
		name, route, script string
		call                openAICall
		sends               string // the provider's request
		tells               told
		span                want
	}{
		{"unary", "/anthropic", "anthropic/message", ask(claude45, nil), `{"model":"claude-sonnet-4-5","max_tokens":4096,"messages":` + hi + `}`,
			told{ID: "msg_01XFDUDYJgAACzvnptvVoYEL", Model: dated45, Content: "Hi! My name is Claude – “nice” to meet you.", Finish: "stop", Usage: tokens{2093, 15, 2108, 2051}},
			span("msg_01XFDUDYJgAACzvnptvVoYEL", 2093, 15, "end_turn")},
		{"parameters, and a stop sequence", "/renamed", "anthropic/stop", ask("fast", func(p *openai.ChatCompletionNewParams) { parameters(p); p.Seed = param.Opt[int64]{} }),
			`{"model":"claude-sonnet-4-5","max_tokens":64,"temperature":0.5,"top_p":0.9,"stop_sequences":["END","STOP"],"metadata":{"user_id":"user-1"},"messages":` + hi + `}`,
			told{ID: "msg_stop", Model: dated45, Content: "One, two, ", Finish: "stop", Usage: tokens{9, 5, 14, 0}}, renamed},
		{"streamed with usage", "/anthropic", "anthropic/stream", askStream(claude45, includeUsage), `{"model":"claude-sonnet-4-5","max_tokens":4096,"stream":true,"messages":` + hi + `}`,
			told{ID: "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", Model: dated45, Content: "Hello wörld 🌍", Finish: "stop", Usage: tokens{125, 15, 140, 100}}, streamed},
		{"streamed", "/anthropic", "anthropic/stream", askStream(claude45, nil), `{"model":"claude-sonnet-4-5","max_tokens":4096,"stream":true,"messages":` + hi + `}`,
			told{ID: "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", Model: dated45, Content: "Hello wörld 🌍", Finish: "stop"}, streamed},
		{"tools", "/anthropic", "anthropic/tools", ask(claude45, weather), `{"model":"claude-sonnet-4-5","max_tokens":4096,"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"messages":` + hi + `,"tools":` + tools + `}`,
			told{ID: "msg_tools", Model: dated45, Content: "I'll look both up.", Finish: "tool_calls", Usage: tokens{472, 91, 563, 0},
				Calls: []string{`toolu_01A09q90qw90lq917835lq9 get_weather {"location":"Paris","unit":"c"}`, "toolu_02B get_time {}"}},
			span("msg_tools", 472, 91, "tool_use")},
		{"tools streamed", "/anthropic", "anthropic/stream_tools", askStream(claude45, func(p *openai.ChatCompletionNewParams) { weather(p); includeUsage(p) }), "",
			told{ID: "msg_014p7gG3wDgGV9EUtLvnow3U", Model: dated45, Content: "Okay.", Finish: "tool_calls", Usage: calledUsage,
				Calls: []string{`toolu_01T1x1fJ34qAmk2tNTrN7Up6 get_weather {"location": "San Francisco, CA"}`, "toolu_02 get_time {}"}},
			span("msg_014p7gG3wDgGV9EUtLvnow3U", 472, 89, "tool_use")},
		{"results of tools", "/anthropic", "anthropic/stop", ask(claude45, answerTools), `{"model":"claude-sonnet-4-5","max_tokens":4096,
			"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"tools":` + tools + `,"messages":[
			{"role":"user","content":[{"type":"text","text":"Hi!"}]},
			{"role":"assistant","content":[{"type":"text","text":"I'll look both up."},
				{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"location":"Paris"}},{"type":"tool_use","id":"toolu_2","name":"get_time","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"sunny"}]},
				{"type":"tool_result","tool_use_id":"toolu_2","content":[{"type":"text","text":"unknown zone"}]},{"type":"text","text":"So?"}]}]}`,
			told{ID: "msg_stop", Model: dated45, Content: "One, two, ", Finish: "stop", Usage: tokens{9, 5, 14, 0}}, span("msg_stop", 9, 5, "stop_sequence")},
		{"system text and images", "/anthropic", "anthropic/stop", ask(claude45, show), `{"model":"claude-sonnet-4-5","max_tokens":4096,
			"system":[{"type":"text","text":"Be brief."},{"type":"text","text":"No lists."}],"messages":[{"role":"user","content":[
			{"type":"text","text":"What is the difference?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},
			{"type":"image","source":{"type":"url","url":"https://example.org/otter.jpg"}}]}]}`,
			told{ID: "msg_stop", Model: dated45, Content: "One, two, ", Finish: "stop", Usage: tokens{9, 5, 14, 0}}, span("msg_stop", 9, 5, "stop_sequence")},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, sent := r.through(t, openAI(x.call), x.route+"/v1", x.script)
			if d := cmp.Diff(x.tells, tell(t, got)); d != "" {
				t.Errorf("the client is told (-want +got):\n%s", d)
			}
			if id := "req_011CSHoEeqs5C35K2UUqR7Fy"; got.Header.Get("X-Request-Id") != id {
				t.Errorf("X-Request-Id %q, want %q", got.Header.Get("X-Request-Id"), id)
			}
			if len(sent) != 1 || sent[0].Target != "/v1/messages" {
				t.Fatalf("the provider received %+v", sent)
			}
			h := sent[0].Header
			if h.Get("X-Api-Key") != "sk-test" || h.Get("Anthropic-Version") == "" || h.Get("Authorization") != "" || h.Get("Content-Type") != "application/json" {
				t.Errorf("the provider received the head %v", h)
			}
			if x.sends != "" {
				equalJSON(t, "the provider's request", x.sends, sent[0].Body)
			}
			x.span.check(t, r.gw.Trace(t))
		})
	}
}

// TestOpenAIToAnthropicReasoning finds the model's reasoning where clients of OpenAI-compatible providers look for it.
func TestOpenAIToAnthropicReasoning(t *testing.T) {
	r := newRig(t)
	got, _ := r.through(t, openAI(askStream(claude45, nil)), "/anthropic/v1", "anthropic/stream_tools")
	reasoning := ""
	for _, v := range got.Values {
		if c, ok := v.(openai.ChatCompletionChunk); ok && len(c.Choices) > 0 {
			if f, ok := c.Choices[0].Delta.JSON.ExtraFields["reasoning_content"]; ok {
				var s string
				if err := json.Unmarshal([]byte(f.Raw()), &s); err != nil {
					t.Error(err)
				}
				reasoning += s
			}
		}
	}
	if want := "They want the weather."; reasoning != want {
		t.Errorf("reasoning %q, want %q", reasoning, want)
	}
}

func TestOpenAIToAnthropicErrors(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		name, script string // no script: the provider is not asked
		call         openAICall
		fails        failure
		retryAfter   string
		errorType    string
		outcome      string
	}{
		{"400", "anthropic/400", ask(claude45, nil), failure{Status: 400, Type: "invalid_request_error", Message: "all messages must have non-empty content"}, "",
			"invalid_request_error", "client_error"},
		{"401 of a stream", "anthropic/401", askStream(claude45, nil), failure{Status: 401, Type: "invalid_request_error", Code: "authentication_error", Message: "invalid x-api-key"}, "",
			"authentication_error", "client_error"},
		{"429", "anthropic/429", ask(claude45, nil), failure{Status: 429, Type: "rate_limit_error", Message: "50 requests per minute"}, "1", "rate_limit_error", "rate_limited"},
		{"529", "anthropic/529", ask(claude45, nil), failure{Status: 529, Type: "server_error", Code: "overloaded_error", Message: "Overloaded"}, "",
			"overloaded_error", "upstream_error"},
		{"in the middle of a stream", "anthropic/stream_error", askStream(claude45, nil), failure{Kind: "ssestream.StreamError", Raw: "overloaded_error"}, "",
			"overloaded_error", "upstream_error"},
		{"two choices", "", ask(claude45, func(p *openai.ChatCompletionNewParams) { p.N = openai.Int(2) }),
			failure{Status: 400, Type: "invalid_request_error", Param: "n", Message: "n: Anthropic"}, "", "invalid_request_error", "client_error"},
		{"a seed", "", ask(claude45, func(p *openai.ChatCompletionNewParams) { p.Seed = openai.Int(7) }),
			failure{Status: 400, Type: "invalid_request_error", Param: "seed", Message: "seed: Anthropic"}, "", "invalid_request_error", "client_error"},
		{"a temperature that is too high", "", ask(claude45, func(p *openai.ChatCompletionNewParams) { p.Temperature = openai.Float(1.5) }),
			failure{Status: 400, Type: "invalid_request_error", Param: "temperature", Message: "0 to 1"}, "", "invalid_request_error", "client_error"},
		{"embeddings", "", embeddings, failure{Status: 501, Kind: "openai.Error"}, "", "not_implemented", "client_error"},
		{"images", "", images, failure{Status: 501, Kind: "openai.Error"}, "", "not_implemented", "client_error"},
		{"completions", "", completion, failure{Status: 501, Kind: "openai.Error"}, "", "not_implemented", "client_error"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var scripts []string
			if x.script != "" {
				scripts = append(scripts, x.script)
			}
			got, sent := r.through(t, openAI(x.call), "/anthropic/v1", scripts...)
			(&trip{fails: x.fails}).outcome(t, got)
			if id := "req_011CSHoEeqs5C35K2UUqR7Fy"; x.script != "" && got.Header.Get("X-Request-Id") != id {
				t.Errorf("X-Request-Id %q, want %q", got.Header.Get("X-Request-Id"), id)
			}
			if got.Header.Get("Retry-After") != x.retryAfter {
				t.Errorf("Retry-After %q, want %q", got.Header.Get("Retry-After"), x.retryAfter)
			}
			if len(sent) != len(scripts) {
				t.Errorf("the provider received %d requests, want %d", len(sent), len(scripts))
			}
			spans := r.gw.Trace(t)
			if x.script != "" {
				(&want{name: "chat " + claude45, failed: x.errorType, attrs: map[string]any{"spanway.outcome": x.outcome, "gen_ai.provider.name": "anthropic"}}).check(t, spans)
				return
			}
			refusedBeforeAnAttempt(t, spans, x.errorType, x.outcome)
		})
	}
}
