package ollama_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
)

func TestAccepts(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		api          llm.API
	}{
		{"POST", "/api/chat", llm.OllamaChat},
		{"POST", "api/chat", llm.OllamaChat},
		{"POST", "/some/where/api/generate", llm.OllamaGenerate},
		{"POST", "/api/embed", llm.OllamaEmbed},
		{"POST", "/api/embeddings", llm.OllamaEmbed},
		{"GET", "/api/chat", ""},
		{"POST", "/api/tags", ""},
		{"POST", "/xapi/chat", ""},
		{"POST", "/api/chat/", ""},
		{"POST", "/v1/chat/completions", ""},
		{"POST", "/chat", ""},
		{"POST", "chat", ""},
		{"POST", "", ""},
	} {
		api, ok := ollama.Dialect{}.Accepts(tt.method, tt.path)
		if api != tt.api || ok != (tt.api != "") {
			t.Errorf("Accepts(%s, %s) = %q, %v, want %q", tt.method, tt.path, api, ok, tt.api)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		api  llm.API
		body string
		want llm.Request
	}{
		{"everything", llm.OllamaChat, `{"model":"m:1b","stream":true,"format":"json","think":"high","options":{"temperature":0,"top_p":0.9,
			"top_k":40,"num_predict":5,"stop":["a","b"],"seed":7,"frequency_penalty":1,"presence_penalty":-1.5,"num_ctx":4096}}`,
			llm.Request{Op: llm.OpChat, Model: "m:1b", ModelAt: [2]int{9, 15}, Stream: true, StreamUsage: true, Params: llm.Params{
				Temperature: llm.Some(0.0), TopP: llm.Some(0.9), TopK: llm.Some(40.0), MaxTokens: llm.Some[int64](5),
				Stop: []string{"a", "b"}, Seed: llm.Some[int64](7), FrequencyPenalty: llm.Some(1.0), PresencePenalty: llm.Some(-1.5),
				OutputType: "json", ReasoningLevel: "high",
			}}},
		{"streams by default", llm.OllamaGenerate, `{"options":null,"format":"","think":true}`,
			llm.Request{Op: llm.OpTextCompletion, Stream: true, StreamUsage: true}},
		{"streams when stream is null", llm.OllamaChat, `{"stream":null}`, llm.Request{Op: llm.OpChat, Stream: true, StreamUsage: true}},
		{"not streamed", llm.OllamaChat, `{"stream":false,"options":{"stop":"x"}}`, llm.Request{Op: llm.OpChat, Params: llm.Params{Stop: []string{"x"}}}},
		{"schema", llm.OllamaChat, `{"stream":false,"format":{"type":"object"}}`, llm.Request{Op: llm.OpChat, Params: llm.Params{OutputType: "json"}}},
		{"embeddings never stream", llm.OllamaEmbed, `{"stream":true,"dimensions":64}`,
			llm.Request{Op: llm.OpEmbeddings, Params: llm.Params{Dimensions: llm.Some[int64](64)}}},
		{"no model", llm.OllamaEmbed, `{"model":1}`, llm.Request{Op: llm.OpEmbeddings}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ollama.Dialect{}.ParseRequest(tt.api, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.API, want.Dialect, want.Raw = tt.api, llm.Ollama, []byte(tt.body)
			if d := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(llm.Request{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRequestMalformed(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"", "at byte 0"},
		{"[]", "at byte 0"},
		{`{"model":}`, "at byte 9"},
		{`{} x`, "at byte 3"},
	} {
		_, err := ollama.Dialect{}.ParseRequest(llm.OllamaChat, &llm.Head{}, []byte(tt.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != http.StatusBadRequest || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%q: %v, want a 400 that says %q", tt.body, err, tt.want)
		}
	}
}

func TestConversation(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       llm.Conversation
	}{
		{"chat", `{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"see","images":["QUJD"]},
			{"role":"assistant","content":"","thinking":"hm","tool_calls":[{"id":"1","function":{"name":"f","arguments":{"a": 1}}}]},
			{"role":"tool","tool_name":"f","tool_call_id":"1","content":"4"}],
			"tools":[{"type":"function","function":{"name":"f","description":"does f","parameters":{"type":"object"}}},{"type":"x"}],
			"format":{"type":"object"}}`,
			llm.Conversation{
				Messages: []llm.Message{
					{Role: llm.RoleSystem, Parts: []llm.Part{{Text: "be brief"}}},
					{Role: llm.RoleUser, Parts: []llm.Part{{Text: "see"}, {Kind: llm.PartBlob, Index: 1, Data: "QUJD"}}},
					{Role: llm.RoleAssistant, Parts: []llm.Part{
						{Kind: llm.PartReasoning, Text: "hm"},
						{Kind: llm.PartToolCall, Index: 1, ID: "1", Name: "f", Text: `{"a": 1}`},
					}},
					{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "1", Name: "f", Text: "4"}}},
				},
				Tools: []llm.Tool{
					{Name: "f", Description: "does f", Schema: []byte(`{"type":"object"}`)},
					{Name: "x", Raw: []byte(`{"type":"x"}`)},
				},
				OutputSchema: []byte(`{"type":"object"}`),
			}},
		{"generate", `{"images":["QUJD"],"system":"s","prompt":"p"}`, llm.Conversation{
			System:   []llm.Part{{Text: "s"}},
			Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: "p"}, {Kind: llm.PartBlob, Index: 1, Data: "QUJD"}}}},
		}},
		{"what has no neutral form, and what says nothing", `{"messages":[{"role":"TOOL","content":"","images":["QUJD"],"x":1}],"keep_alive":"5m","format":"json","truncate":false,"shift":true,
			"logprobs":true,"top_logprobs":3,"think":true,"raw":false,"template":"","context":[],
			"options":{"num_ctx":8192,"mirostat":0,"repeat_penalty":1.2,"temperature":0.5,"num_gpu":null,"repeat_last_n":64}}`,
			llm.Conversation{
				Messages: []llm.Message{{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult}, {Kind: llm.PartBlob, Index: 1, Data: "QUJD"}}}},
				Thinking: "on", Logprobs: true, TopLogprobs: llm.Some[int64](3),
				Extra: []llm.Extra{
					{Field: "messages.x", Raw: []byte("1")},
					{Field: "keep_alive", Raw: []byte(`"5m"`)},
					{Field: "truncate", Raw: []byte("false")},
					{Field: "options.num_ctx", Raw: []byte("8192")},
					{Field: "options.repeat_penalty", Raw: []byte("1.2")},
				},
			}},
		{"no thinking", `{"messages":[{"content":"a"}],"think":false}`, llm.Conversation{
			Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: "a"}}}}, Thinking: "off",
		}},
		{"odd shapes", `{"messages":[1,{"content":["x"]}],"tools":{},"system":"","prompt":null,"images":1}`,
			llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ollama.Dialect{}.ParseRequest(llm.OllamaChat, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Conversation()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestConversationOfEmbeddings(t *testing.T) {
	for _, tt := range []struct {
		body string
		want [][]llm.Part
	}{
		{`{"input":["a","b"],"truncate":true}`, [][]llm.Part{{{Text: "a"}}, {{Text: "b"}}}},
		{`{"input":"a"}`, [][]llm.Part{{{Text: "a"}}}},
		{`{"prompt":"a"}`, [][]llm.Part{{{Text: "a"}}}},
	} {
		r, err := ollama.Dialect{}.ParseRequest(llm.OllamaEmbed, &llm.Head{}, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		want := &llm.Conversation{Inputs: tt.want}
		for _, in := range tt.want {
			want.Messages = append(want.Messages, llm.Message{Role: llm.RoleUser, Parts: in})
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestEditText(t *testing.T) {
	for _, tt := range []struct{ name, body, want, seen string }{
		{"messages", `{"messages": [{"content":"a <b>","role":"assistant","tool_calls":[{"function":{"arguments":{"k":"a"}}}]},{"role":"tool","content":"c"}], "x":1.0}`,
			`{"messages": [{"content":"A <B>","role":"assistant","tool_calls":[{"function":{"arguments":{"k":"A"}}}]},{"role":"tool","content":"C"}], "x":1.0}`,
			"assistant:a <b>|assistant:a|tool:c"},
		{"arguments as text", `{"messages":[{"role":"assistant","thinking":"t","tool_calls":[{"function":{"name":"f","arguments":"{\"k\":\"a\"}"}}]}]}`,
			`{"messages":[{"role":"assistant","thinking":"T","tool_calls":[{"function":{"name":"f","arguments":"{\"k\":\"A\"}"}}]}]}`,
			"assistant:t|assistant:a"},
		{"generate", `{"prompt":"p","suffix":"s","system":"t","template":"u"}`, `{"prompt":"P","suffix":"S","system":"T","template":"u"}`, "user:p|user:s|system:t"},
		{"embed one", `{"input":"a"}`, `{"input":"A"}`, "user:a"},
		{"embed many", `{"input":["a",1,"b"]}`, `{"input":["A",1,"B"]}`, "user:a|user:b"},
		{"nothing", `{"messages":[{"content":"A"}]}`, `{"messages":[{"content":"A"}]}`, "user:A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ollama.Dialect{}.ParseRequest(llm.OllamaChat, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var seen []string
			if _, err := r.EditText(func(role llm.Role, text string) (string, bool) {
				seen = append(seen, string(role)+":"+text)
				return strings.ToUpper(text), strings.ToUpper(text) != text
			}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(r.Raw)); d != "" {
				t.Error(d)
			}
			if got := strings.Join(seen, "|"); got != tt.seen {
				t.Errorf("offered %q, want %q", got, tt.seen)
			}
		})
	}
}
