package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genai"

	"github.com/spanway/spanway/internal/demo"
	"github.com/spanway/spanway/internal/scenario"
)

// refusedBeforeAnAttempt holds a trace to that of a call that the gateway refuses: a logical span that fails, no attempt.
func refusedBeforeAnAttempt(t *testing.T, spans []scenario.Span, errorType, outcome string) {
	t.Helper()
	s := scenario.Find(spans, "gen_ai.operation.name")
	if s == nil || !s.Failed || s.Attrs["error.type"] != errorType || s.Attrs["spanway.outcome"] != outcome {
		t.Errorf("logical span %+v, want error.type %q and outcome %q", s, errorType, outcome)
	}
	if a := scenario.Find(spans, "spanway.attempt"); a != nil {
		t.Errorf("there is an attempt: %+v", a)
	}
}

// saysMessage is what a message of Anthropic's says, in one line a part.
func saysMessage(t *testing.T, s seen) string {
	t.Helper()
	var m anthropic.Message
	if len(s.Values) > 0 {
		m, _ = s.Values[len(s.Values)-1].(anthropic.Message)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", m.ID, m.Model, m.Role)
	for _, c := range m.Content {
		fmt.Fprintf(&b, "\n%s %s%s%s %s", c.Type, c.Text, c.Thinking, c.ID, c.Name)
		if c.Type == "tool_use" {
			fmt.Fprintf(&b, " %s", c.Input)
		}
	}
	fmt.Fprintf(&b, "\n%s %d+%d/%d", m.StopReason, m.Usage.InputTokens, m.Usage.CacheReadInputTokens, m.Usage.OutputTokens)
	return b.String()
}

// saysContent is what the contents of a Gemini response, one or several, say, in one line a part.
func saysContent(t *testing.T, s seen) string {
	t.Helper()
	var b strings.Builder
	text, finish, usage := "", genai.FinishReason(""), &genai.GenerateContentResponseUsageMetadata{}
	for i, v := range s.Values {
		r, ok := v.(genai.GenerateContentResponse)
		if !ok {
			t.Fatalf("the library returned %T", v)
		}
		if i == 0 {
			fmt.Fprintf(&b, "%s %s", r.ResponseID, r.ModelVersion)
		}
		for _, c := range r.Candidates {
			if c.Content != nil {
				for _, p := range c.Content.Parts {
					text += p.Text
					if f := p.FunctionCall; f != nil {
						args, err := json.Marshal(f.Args)
						if err != nil {
							t.Fatal(err)
						}
						fmt.Fprintf(&b, "\ncall %s %s %s", f.ID, f.Name, args)
					}
				}
			}
			if c.FinishReason != "" {
				finish = c.FinishReason
			}
		}
		if r.UsageMetadata != nil {
			usage = r.UsageMetadata
		}
	}
	fmt.Fprintf(&b, "\ntext %s\n%s %d/%d", text, finish, usage.PromptTokenCount, usage.CandidatesTokenCount)
	return b.String()
}

// lastLine is the last line of an answer of Ollama's.
func lastLine(t *testing.T, s seen) string {
	t.Helper()
	if len(s.Values) == 0 {
		return ""
	}
	var m struct {
		Model   string
		Message struct{ Content string }
		Reason  string `json:"done_reason"`
		Prompt  int    `json:"prompt_eval_count"`
		Eval    int    `json:"eval_count"`
	}
	if err := json.Unmarshal([]byte(s.Values[len(s.Values)-1].(string)), &m); err != nil {
		t.Error(err)
	}
	return fmt.Sprint(m.Model, " ", m.Message.Content, " ", m.Reason, " ", m.Prompt, "/", m.Eval)
}

func saysCompletion(t *testing.T, s seen) string {
	t.Helper()
	return fmt.Sprintf("%+v", tell(t, s))
}

// TestPairs is one client library against providers of other dialects: what it is told, where the provider was asked, and
// what the trace says of it.
func TestPairs(t *testing.T) {
	const gpt, flash, llama = "gpt-4.1-2025-04-14", "gemini-2.5-flash", "llama3.2"
	r := newRig(t)
	for _, x := range []struct {
		name, path, script string
		do                 func(context.Context, string) seen
		says               func(*testing.T, seen) string
		want, target       string
		span               want
	}{
		{"Anthropic to OpenAI", "/openai", "openai/chat", claude(message), saysMessage,
			"chatcmpl-BqGj1 " + gpt + " assistant\ntext Bonjour ! L’été à Paris… \"très\" chaud. \nend_turn 139+1280/10", "/v1/chat/completions",
			want{name: "chat " + claude45, attrs: answered("openai", claude45, gpt, "chatcmpl-BqGj1", 1419, 10, "stop")}},
		{"Anthropic to OpenAI, streamed", "/openai", "openai/stream", claude(messageStream), saysMessage,
			"chatcmpl-S1 " + gpt + " assistant\ntext Hello wörld 🌍 \nmax_tokens 19+0/12", "/v1/chat/completions",
			want{name: "chat " + claude45, attrs: answered("openai", claude45, gpt, "chatcmpl-S1", 19, 12, "length")}},
		{"Anthropic to OpenAI, tools", "/openai", "openai/tools", claude(messageWithTools), saysMessage,
			"chatcmpl-tools " + gpt + " assistant\ntool_use call_abc123 get_weather {\"location\":\"Paris\"}\ntool_use call_def456 get_time {\"zone\":\"Europe/Paris\"}\ntool_use 82+0/17",
			"/v1/chat/completions", want{name: "chat " + claude45, attrs: answered("openai", claude45, gpt, "chatcmpl-tools", 82, 17, "tool_calls")}},
		{"Anthropic to OpenAI, tools streamed", "/openai", "openai/stream_tools", claude(messageStream), saysMessage,
			"chatcmpl-T1 " + gpt + " assistant\ntool_use call_abc123 get_weather {\"location\":\"Paris\"}\ntool_use call_def456 get_time {\"zone\":\"Europe/Paris\"}\ntool_use 0+0/0",
			"/v1/chat/completions", want{name: "chat " + claude45, attrs: map[string]any{"gen_ai.usage.input_tokens": nil}}},
		{"Anthropic to Vertex AI", "/flash", "gemini/content", claude(message), saysMessage,
			"eCrIaJ2EKv gemini-2.5-flash assistant\nthinking Thinking… \ntext Hello “there”! \nend_turn 4+4/62",
			"/v1/projects/proj/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent",
			want{name: "chat " + flash, attrs: answered("gcp.vertex_ai", flash, flash, "eCrIaJ2EKv", 8, 62, "STOP")}},
		{"Anthropic to Ollama, whose own this is too", "/ollama", "anthropic/stream", claude(messageStream), saysMessage,
			"msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY " + dated45 + " assistant\ntext Hello wörld 🌍 \nend_turn 25+100/15", "/v1/messages",
			want{name: "chat " + claude45, attrs: answered("ollama", claude45, dated45, "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", 125, 15, "end_turn")}},
		{"OpenAI to Gemini, whose own this is too", "/gemini/v1", "openai/stream", openAI(askStream(flash, includeUsage)), saysCompletion,
			"{ID:chatcmpl-S1 Model:" + gpt + " Content:Hello wörld 🌍 Finish:length Calls:[] Usage:{Prompt:19 Completion:12 Total:31 Cached:0}}",
			"/v1beta/openai/chat/completions", want{name: "chat " + flash, attrs: answered("gcp.gemini", flash, gpt, "chatcmpl-S1", 19, 12, "length")}},
		{"OpenAI to Ollama, whose own this is too", "/ollama/v1", "openai/chat", openAI(ask(llama, nil)), saysCompletion,
			"{ID:chatcmpl-BqGj1 Model:" + gpt + " Content:Bonjour ! L’été à Paris… \"très\" chaud. Finish:stop Calls:[] Usage:{Prompt:1419 Completion:10 Total:1429 Cached:1280}}",
			"/v1/chat/completions", want{name: "chat " + llama, attrs: answered("ollama", llama, gpt, "chatcmpl-BqGj1", 1419, 10, "stop")}},
		{"OpenAI to Vertex AI", "/vertex/v1", "gemini/content", openAI(ask(flash, anonymous)), saysCompletion,
			"{ID:eCrIaJ2EKv Model:gemini-2.5-flash Content:Hello “there”! Finish:stop Calls:[] Usage:{Prompt:8 Completion:62 Total:70 Cached:4}}",
			"/v1/projects/proj/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent",
			want{name: "chat " + flash, attrs: answered("gcp.vertex_ai", flash, flash, "eCrIaJ2EKv", 8, 62, "STOP")}},
		{"OpenAI to Vertex AI, streamed", "/vertex/v1", "gemini/stream", openAI(askStream(flash, includeUsage)), saysCompletion,
			"{ID:st1 Model:gemini-2.5-flash Content:Hello wörld 🌍 Finish:tool_calls Calls:[call_st1_0 get_weather {\"location\": \"Paris\"}] Usage:{Prompt:8 Completion:17 Total:25 Cached:0}}",
			"/v1/projects/proj/locations/europe-west4/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
			want{name: "chat " + flash, attrs: answered("gcp.vertex_ai", flash, flash, "st1", 8, 17, "STOP")}},
		{"Google to OpenAI", "/openai", "openai/tools", gemini(generate), saysContent,
			"chatcmpl-tools " + gpt + "\ncall call_abc123 get_weather {\"location\":\"Paris\"}\ncall call_def456 get_time {\"zone\":\"Europe/Paris\"}\ntext \nSTOP 82/17",
			"/v1/chat/completions", want{name: "generate_content " + flash, attrs: answered("openai", flash, gpt, "chatcmpl-tools", 82, 17, "tool_calls")}},
		{"Google to OpenAI, streamed", "/openai", "openai/stream", gemini(generateStream), saysContent,
			"chatcmpl-S1 " + gpt + "\ntext Hello wörld 🌍\nMAX_TOKENS 19/12",
			"/v1/chat/completions", want{name: "generate_content " + flash, attrs: answered("openai", flash, gpt, "chatcmpl-S1", 19, 12, "length")}},
		{"Google to Anthropic", "/anthropic", "anthropic/tools", gemini(generate), saysContent,
			"msg_tools " + dated45 + "\ncall toolu_01A09q90qw90lq917835lq9 get_weather {\"location\":\"Paris\",\"unit\":\"c\"}\ncall toolu_02B get_time {}\ntext I'll look both up.\nSTOP 472/91", "/v1/messages", want{name: "generate_content " + flash, attrs: answered("anthropic", flash, dated45, "msg_tools", 472, 91, "tool_use")}},
		{"Google to Anthropic, streamed", "/anthropic", "anthropic/stream", gemini(generateStream), saysContent,
			"msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY " + dated45 + "\ntext Hello wörld 🌍\nSTOP 125/15", "/v1/messages", want{name: "generate_content " + flash, attrs: answered("anthropic", flash, dated45, "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", 125, 15, "end_turn")}},
		{"Ollama to Anthropic", "/anthropic", "anthropic/message", ollama("POST", "/api/chat", `{"model":"llama3.2","stream":false,"messages":[{"role":"user","content":"Hi"}]}`), lastLine,
			dated45 + " Hi! My name is Claude – “nice” to meet you. stop 2093/15", "/v1/messages", want{name: "chat " + llama, attrs: answered("anthropic", llama, dated45, "msg_01XFDUDYJgAACzvnptvVoYEL", 2093, 15, "end_turn")}},
		{"Ollama to Anthropic, streamed", "/anthropic", "anthropic/stream", ollama("POST", "/api/chat", `{"model":"llama3.2","messages":[{"role":"user","content":"Hi"}]}`), lastLine,
			dated45 + "  stop 125/15", "/v1/messages", want{name: "chat " + llama, attrs: answered("anthropic", llama, dated45, "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", 125, 15, "end_turn")}},
		{"Ollama to OpenAI", "/openai", "openai/chat", ollama("POST", "/api/chat", `{"model":"llama3.2","stream":false,"messages":[{"role":"user","content":"Hi"}]}`), lastLine,
			gpt + " Bonjour ! L’été à Paris… \"très\" chaud. stop 1419/10", "/v1/chat/completions",
			want{name: "chat " + llama, attrs: answered("openai", llama, gpt, "chatcmpl-BqGj1", 1419, 10, "stop")}},
		{"Ollama to OpenAI, streamed", "/openai", "openai/stream", ollama("POST", "/api/chat", `{"model":"llama3.2","messages":[{"role":"user","content":"Hi"}]}`), lastLine,
			gpt + "  length 19/12", "/v1/chat/completions",
			want{name: "chat " + llama, attrs: answered("openai", llama, gpt, "chatcmpl-S1", 19, 12, "length")}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, sent := r.through(t, x.do, x.path, x.script)
			if got.Failure != (failure{}) {
				t.Fatalf("the library failed with %+v", got.Failure)
			}
			if d := cmp.Diff(x.want, x.says(t, got)); d != "" {
				t.Errorf("the client is told (-want +got):\n%s", d)
			}
			if len(sent) != 1 || sent[0].Target != x.target {
				t.Errorf("the provider received %+v, want one request to %s", sent, x.target)
			}
			if b := sent[0].Body; x.target == "/v1/chat/completions" && strings.HasPrefix(x.name, "OpenAI") == strings.Contains(b, `"include_usage":true`) &&
				strings.Contains(b, `"stream":true`) {
				t.Errorf("a client whose dialect always reports usage: the provider is not asked for it: %s", b)
			}
			x.span.check(t, r.gw.Trace(t))
		})
	}
}

// TestPairsErrors is what a client library makes of another provider's error, and of what the gateway refuses to translate.
func TestPairsErrors(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		name, path, script string // no script: the provider is not asked
		do                 func(context.Context, string) seen
		fails              failure
		errorType, outcome string
	}{
		{"Anthropic to OpenAI, 429", "/openai", "openai/429", claude(message),
			failure{Kind: "anthropic.Error", Status: 429, Type: "rate_limit_error", Raw: "Rate limit reached"}, "rate_limit_exceeded", "rate_limited"},
		{"Anthropic to OpenAI, in the middle of a stream", "/openai", "openai/stream_error", claude(messageStream),
			failure{Kind: "anthropic.Error", Status: 200, Type: "api_error", Raw: "Sorry about that"}, "server_overloaded", "upstream_error"},
		{"Google to OpenAI, 401", "/openai", "openai/401", gemini(generate),
			failure{Kind: "genai.APIError", Status: 401, Type: "UNAUTHENTICATED", Message: "Incorrect API key"}, "invalid_api_key", "client_error"},
		{"Google to OpenAI, in the middle of a stream", "/openai", "openai/stream_error", gemini(generateStream),
			failure{Kind: "genai.APIError", Status: 500, Type: "INTERNAL", Message: "Sorry about that"}, "server_overloaded", "upstream_error"},
		{"OpenAI to Vertex AI, 429", "/vertex/v1", "gemini/429", openAI(ask("gemini-2.5-flash", nil)),
			failure{Kind: "openai.Error", Status: 429, Type: "rate_limit_error", Message: "exceeded your current quota"}, "RESOURCE_EXHAUSTED", "rate_limited"},
		{"OpenAI to Vertex AI, in the middle of a stream", "/vertex/v1", "gemini/stream_error", openAI(askStream("gemini-2.5-flash", nil)),
			failure{Kind: "ssestream.StreamError", Raw: "overloaded"}, "UNAVAILABLE", "upstream_error"},
		{"Ollama to OpenAI, 404", "/openai", "openai/404", ollama("POST", "/api/chat", `{"model":"gpt-9","messages":[{"role":"user","content":"Hi"}]}`),
			failure{Status: 404, Raw: `{"error":"The model`}, "model_not_found", "client_error"},
		{"Anthropic's completions to OpenAI", "/openai", "", claude(legacy), failure{Kind: "anthropic.Error", Status: 501, Type: "api_error"}, "not_implemented", "client_error"},
		{"Google to Anthropic, 529", "/anthropic", "anthropic/529", gemini(generate),
			failure{Kind: "genai.APIError", Status: 529, Message: "Overloaded"}, "overloaded_error", "upstream_error"},
		{"Google's embeddings to OpenAI, 401", "/openai", "openai/401", gemini(embed),
			failure{Kind: "genai.APIError", Status: 401, Type: "UNAUTHENTICATED", Message: "Incorrect API key"}, "invalid_api_key", "client_error"},
		{"Ollama to Anthropic, 401", "/anthropic", "anthropic/401", ollama("POST", "/api/chat", `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`),
			failure{Status: 401, Raw: `{"error":"invalid x-api-key`}, "authentication_error", "client_error"},
		{"Ollama's generate to OpenAI", "/openai", "", ollama("POST", "/api/generate", `{"model":"m","prompt":"Hi"}`),
			failure{Status: 501, Raw: `{"error":"`}, "not_implemented", "client_error"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var scripts []string
			if x.script != "" {
				scripts = append(scripts, x.script)
			}
			got, sent := r.through(t, x.do, x.path, scripts...)
			(&trip{fails: x.fails}).outcome(t, got)
			if len(sent) != len(scripts) {
				t.Errorf("the provider received %d requests, want %d", len(sent), len(scripts))
			}
			spans := r.gw.Trace(t)
			if x.script == "" {
				refusedBeforeAnAttempt(t, spans, x.errorType, x.outcome)
				return
			}
			s := scenario.Find(spans, "gen_ai.operation.name")
			(&want{name: s.Name, failed: x.errorType, attrs: map[string]any{"spanway.outcome": x.outcome}}).check(t, spans)
		})
	}
}

// TestDemo asks the demo provider in its four dialects: it is what a newcomer meets first.
func TestDemo(t *testing.T) {
	up := httptest.NewServer(demo.Handler(demo.Options{}))
	defer up.Close()
	gw := scenario.Start(t, strings.ReplaceAll(`
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends: {demo: {provider: demo, url: "UPSTREAM"}}
routes: [{name: demo, match: {path: /demo}, targets: [[{backend: demo, model: demo-tool}]]}]
`, "UPSTREAM", up.URL))
	for _, x := range []struct {
		name string
		do   func(context.Context, string) seen
		path string
		span string
	}{
		{"OpenAI", openAI(chatToolsStream), "/v1", "chat demo-tool"},
		{"Anthropic", claude(messageStream), "", "chat demo-tool"},
		{"Google", gemini(generateStream), "", "generate_content demo-tool"},
		{"Ollama", ollama("POST", "/api/chat", `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`), "", "chat demo-tool"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := x.do(t.Context(), gw.URL+"/demo"+x.path)
			values, err := json.Marshal(got.Values)
			if err != nil || got.Failure != (failure{}) || !bytes.Contains(values, []byte("get_weather")) {
				t.Errorf("the library failed with %+v and saw %s", got.Failure, values)
			}
			(&want{name: x.span, attrs: map[string]any{"gen_ai.provider.name": "demo", "spanway.outcome": "ok"}}).check(t, gw.Trace(t))
		})
	}
}
