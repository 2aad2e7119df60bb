package telemetry

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// values are the attributes of s by name, as plain Go values.
func values(s *Span) map[string]any {
	out := map[string]any{}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		switch a.Type {
		case TypeString:
			out[a.Key.String()] = a.Str
		case TypeInt:
			out[a.Key.String()] = a.Int()
		case TypeFloat:
			out[a.Key.String()] = a.Float()
		case TypeBool:
			out[a.Key.String()] = a.Bool()
		case TypeStrings:
			out[a.Key.String()] = a.Strs
		}
	}
	return out
}

func TestSetRequest(t *testing.T) {
	full := llm.Params{
		Temperature: llm.Some(0.0), TopP: llm.Some(0.9), TopK: llm.Some(40.0), FrequencyPenalty: llm.Some(0.1),
		PresencePenalty: llm.Some(-0.1), MaxTokens: llm.Some[int64](100), Seed: llm.Some[int64](0),
		ChoiceCount: llm.Some[int64](2), Stop: []string{"END"}, EncodingFormats: []string{"float"}, OutputType: "json",
		ReasoningLevel: "high", ServiceTier: "flex", ConversationID: "conv_1", PreviousResponseID: "resp_0",
	}
	tests := map[string]struct {
		provider string
		request  llm.Request
		want     map[string]any
	}{
		"nothing that was not sent": {
			provider: "openai",
			request:  llm.Request{API: llm.OpenAIChat, Op: llm.OpChat},
			want: map[string]any{"gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat",
				"openai.api.type": "chat_completions"},
		},
		"everything": {
			provider: "azure.ai.openai",
			request:  llm.Request{API: llm.OpenAIResponses, Op: llm.OpChat, Model: "gpt-4o", Stream: true, Params: full},
			want: map[string]any{
				"gen_ai.provider.name": "azure.ai.openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
				"gen_ai.request.stream": true, "gen_ai.request.temperature": 0.0, "gen_ai.request.top_p": 0.9,
				"gen_ai.request.top_k": int64(40), "gen_ai.request.frequency_penalty": 0.1,
				"gen_ai.request.presence_penalty": -0.1, "gen_ai.request.max_tokens": int64(100),
				"gen_ai.request.seed": int64(0), "gen_ai.request.choice.count": int64(2),
				"gen_ai.request.stop_sequences": []string{"END"}, "gen_ai.request.encoding_formats": []string{"float"},
				"gen_ai.output.type": "json", "gen_ai.request.reasoning.level": "high", "gen_ai.conversation.id": "conv_1",
				"gen_ai.request.previous_response.id": "resp_0", "openai.api.type": "responses",
				"openai.request.service_tier": "flex",
			},
		},
		"embeddings": {
			provider: "openai",
			request: llm.Request{API: llm.OpenAIEmbeddings, Op: llm.OpEmbeddings, Params: llm.Params{
				Dimensions: llm.Some[int64](256)}},
			want: map[string]any{"gen_ai.provider.name": "openai", "gen_ai.operation.name": "embeddings",
				"gen_ai.embeddings.dimension.count": int64(256)},
		},
		"another provider, the OpenAI dialect": {
			provider: "groq",
			request: llm.Request{API: llm.OpenAIChat, Op: llm.OpChat, Model: "m", Params: llm.Params{
				ServiceTier: "flex", TopK: llm.Some(0.5), ChoiceCount: llm.Some[int64](1)}},
			want: map[string]any{"gen_ai.provider.name": "groq", "gen_ai.operation.name": "chat",
				"gen_ai.request.model": "m", "gen_ai.request.top_k": 0.5},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var s Span
			s.String(GenAIProviderName, tt.provider)
			s.SetRequest(&tt.request)
			s.SetRequest(&tt.request)
			if diff := cmp.Diff(tt.want, values(&s)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSetRequestAfterFailover(t *testing.T) {
	var s Span
	r := llm.Request{API: llm.OpenAIChat, Op: llm.OpChat, Model: "alias", Params: llm.Params{ServiceTier: "flex"}}
	s.String(GenAIProviderName, "openai")
	s.String(GenAIRequestModel, "gpt-4o")
	s.SetRequest(&r)
	s.String(GenAIProviderName, "anthropic")
	s.String(GenAIRequestModel, "claude-sonnet-4-5")
	s.SetRequest(&r)
	want := map[string]any{"gen_ai.provider.name": "anthropic", "gen_ai.operation.name": "chat",
		"gen_ai.request.model": "claude-sonnet-4-5"}
	if diff := cmp.Diff(want, values(&s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSetResult(t *testing.T) {
	var res llm.Result
	res.Add(&llm.Event{ID: "r1", Model: "m-1", ServiceTier: "default", Fingerprint: "fp", Dimensions: 3,
		Choices: []llm.Choice{{Index: 0, Finish: "stop"}, {Index: 1}},
		Usage:   &llm.Usage{Input: llm.Some[int64](0), Output: llm.Some[int64](7), Reasoning: llm.Some[int64](2)}})
	common := map[string]any{
		"gen_ai.response.id": "r1", "gen_ai.response.model": "m-1", "gen_ai.embeddings.dimension.count": int64(3),
		"gen_ai.response.finish_reasons": []string{"stop", "error"}, "gen_ai.usage.input_tokens": int64(0),
		"gen_ai.usage.output_tokens": int64(7), "gen_ai.usage.reasoning.output_tokens": int64(2),
	}
	for provider, more := range map[string]map[string]any{
		"openai":  {"openai.response.service_tier": "default", "openai.response.system_fingerprint": "fp"},
		"mistral": {},
	} {
		var s Span
		s.String(GenAIProviderName, provider)
		s.SetResult(&res)
		want := map[string]any{"gen_ai.provider.name": provider}
		for _, m := range []map[string]any{common, more} {
			for k, v := range m {
				want[k] = v
			}
		}
		if diff := cmp.Diff(want, values(&s)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", provider, diff)
		}
	}
	var s Span
	s.SetResult(&llm.Result{})
	if len(s.Attrs) != 0 {
		t.Errorf("an empty result sets %v", values(&s))
	}
	s.Bool(GenAIRequestStream, true)
	res.Truncated = true
	s.SetResult(&res)
	if got := values(&s); got["spanway.stream.chunks"] != int64(1) || got["spanway.truncated"] != true {
		t.Errorf("stream: %v", got)
	}
}
