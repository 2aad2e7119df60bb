package cohere_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

// build translates a request of another dialect.
func build(t testing.TB, in llm.Inbound, api llm.API, body string, loss *llm.Loss) (llm.API, string, error) {
	t.Helper()
	r, err := in.ParseRequest(api, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, b, err := cohere.Dialect{}.BuildRequest(r, "command-a-03-2025", loss)
	return got, string(b), err
}

func TestBuildChat(t *testing.T) {
	const head = `{"stream":false,"model":"command-a-03-2025","messages":[`
	for _, tt := range []struct {
		name string
		in   llm.Inbound
		api  llm.API
		body string
		want string
	}{
		{"every parameter", openai.Dialect{}, llm.OpenAIChat, `{"messages":[{"role":"user","content":"a < b"}],"stream":true,"temperature":0.5,"top_p":0.9,"frequency_penalty":0.5,
			"presence_penalty":1,"max_completion_tokens":9,"seed":3,"stop":["x"],"logprobs":true,"n":1,"reasoning_effort":"high"}`,
			`{"stream":true,"model":"command-a-03-2025","messages":[{"role":"user","content":"a < b"}],"max_tokens":9,"stop_sequences":["x"],"temperature":0.5,"seed":3,"frequency_penalty":0.5,"presence_penalty":1,"p":0.9,"logprobs":true,"thinking":{"type":"enabled"}}`},
		{"tools", openai.Dialect{}, llm.OpenAIChat, `{"messages":[{"role":"developer","content":"s"},{"role":"user","content":[{"type":"text","text":"u"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"high"}}]},
			{"role":"assistant","content":"I look.","reasoning_content":"Hm.","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},
			{"role":"tool","tool_call_id":"c1","content":"1"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"2"}]}],
			"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"number"}}},"strict":true}},{"type":"function","function":{"name":"g","strict":true}}],"tool_choice":"required"}`,
			head + `{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"u"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"high"}}]},` +
				`{"role":"assistant","content":"I look.","tool_plan":"Hm.","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"c1","content":"1"},{"role":"tool","tool_call_id":"c2","content":"2"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"number"}}}}},` +
				`{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],"strict_tools":true,"tool_choice":"REQUIRED"}`},
		{"a schema, and thoughts without calls", openai.Dialect{}, llm.OpenAIChat, `{"messages":[{"role":"user","content":"u"},{"role":"assistant","reasoning_content":"Hm.","content":"a"},{"role":"user","content":"v"}],
			"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"reasoning_effort":"none"}`,
			head + `{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"a"}]},{"role":"user","content":"v"}],"response_format":{"type":"json_object","json_schema":{"type":"object"}},"thinking":{"type":"disabled"}}`},
		{"Anthropic's", anthropic.Dialect{}, llm.AnthropicMessages, `{"max_tokens":9,"top_k":40,"system":"s","thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"u"}],
			"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}}`,
			head + `{"role":"system","content":"s"},{"role":"user","content":"u"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"max_tokens":9,"k":40,"tool_choice":"REQUIRED","thinking":{"type":"enabled","token_budget":1024}}`},
		{"calls without ids", ollama.Dialect{}, llm.OllamaChat, `{"stream":false,"messages":[{"role":"user","content":"u","images":["iVBORw0KGgoA"]},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{}}}]},
			{"role":"tool","tool_name":"f","content":"1"},{"role":"tool","tool_name":"f","content":"2"}]}`,
			head + `{"role":"user","content":[{"type":"text","text":"u"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoA"}}]},{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"call_1","content":"1"},{"role":"tool","tool_call_id":"call_2","content":"2"}]}`},
	} {
		api, got, err := build(t, tt.in, tt.api, tt.body, &llm.Loss{})
		if err != nil || api != llm.CohereChat {
			t.Errorf("%s: %v, %s", tt.name, err, api)
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// TestBuildLosses names in the client's words what Cohere cannot be given, and goes on without it where that is allowed.
func TestBuildLosses(t *testing.T) {
	const f = `{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}`
	for _, tt := range []struct{ body, field string }{
		{`"top_p":1`, "top_p"}, {`"frequency_penalty":-1`, "frequency_penalty"}, {`"presence_penalty":1.5`, "presence_penalty"},
		{`"stop":["1","2","3","4","5","6"]`, "stop"}, {`"n":2`, "n"}, {`"logprobs":true,"top_logprobs":2`, "top_logprobs"}, {`"reasoning_effort":"low"`, "reasoning_effort"},
		{`"user":"u"`, "user"}, {`"parallel_tool_calls":false,"tools":[` + f + `]`, "parallel_tool_calls"},
		{`"tools":[` + f + `],"tool_choice":{"type":"function","function":{"name":"f"}}`, "tool_choice"},
		{`"tools":[{"type":"function","function":{"name":"f","strict":true}},` + f + `]`, "tools.function.strict"},
		{`"logit_bias":{"1":2}`, "logit_bias"}, {`"service_tier":"flex"`, "service_tier"},
	} {
		body := `{"messages":[{"role":"user","content":"u"}],` + tt.body + `}`
		_, _, err := build(t, openai.Dialect{}, llm.OpenAIChat, body, &llm.Loss{})
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 400 || !strings.HasSuffix(tt.field, e.Param) && !strings.HasPrefix(e.Param, "tools") {
			t.Errorf("%s: %v, want 400 for %s", tt.body, err, tt.field)
		}
		loss := llm.Loss{Allow: true}
		if _, _, err := build(t, openai.Dialect{}, llm.OpenAIChat, body, &loss); err != nil || len(loss.Dropped) != 1 {
			t.Errorf("%s: %v, dropped %q", tt.body, err, loss.Dropped)
		}
	}
	for _, body := range []string{
		`{"messages":[{"role":"user","content":"u","images":["AAAA"]}]}`,
		`{"messages":[{"role":"tool","tool_name":"f","content":"1"}]}`,
	} {
		var e *llm.Error
		if _, _, err := build(t, ollama.Dialect{}, llm.OllamaChat, body, &llm.Loss{}); !errors.As(err, &e) || e.Status != 400 {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, api := range []llm.API{llm.CohereChatV1, llm.CohereGenerate, llm.CohereRerank} {
		var e *llm.Error
		if _, _, err := build(t, cohere.Dialect{}, api, `{}`, &llm.Loss{}); !errors.As(err, &e) || e.Status != 501 {
			t.Errorf("%s: %v, want 501", api, err)
		}
	}
}

func TestBuildEmbed(t *testing.T) {
	for _, tt := range []struct{ body, want, field string }{
		{`{"texts":["a","b"],"input_type":"search_query","output_dimension":256,"embedding_types":["base64"]}`,
			`{"model":"command-a-03-2025","input_type":"search_query","texts":["a","b"],"output_dimension":256,"embedding_types":["float"]}`, ""},
		{`{"texts":["a"]}`, `{"model":"command-a-03-2025","input_type":"search_document","texts":["a"],"embedding_types":["float"]}`, ""},
		{`{"inputs":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}],"input_type":"image"}`,
			`{"model":"command-a-03-2025","input_type":"image","inputs":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}],"embedding_types":["float"]}`, ""},
		{`{"texts":["a"],"input_type":"similarity"}`, "", "input_type"},
		{`{"texts":["a"],"embedding_types":["int8"]}`, "", "embedding_types"},
		{`{"texts":["a"],"truncate":"NONE"}`, "", "truncate"},
	} {
		api, got, err := build(t, cohere.Dialect{}, llm.CohereEmbed, tt.body, &llm.Loss{})
		var e *llm.Error
		if got != tt.want || (tt.field != "") != (errors.As(err, &e) && e.Status == 400 && e.Param == tt.field) || err == nil && api != llm.CohereEmbed {
			t.Errorf("%s: %s, %s, %v", tt.body, api, got, err)
		}
	}
}

// TestBuildIdentity translates Cohere's own requests to Cohere: they say the same afterwards.
func TestBuildIdentity(t *testing.T) {
	n := 0
	for _, x := range recordings(t) {
		if apiOf(x) != llm.CohereChat {
			continue
		}
		n++
		r := parse(t, llm.CohereChat, string(x.Request.Body))
		_, body, err := cohere.Dialect{}.BuildRequest(r, r.Model, &llm.Loss{})
		if err != nil {
			t.Errorf("%s: %v", x.ID, err)
			continue
		}
		again := parse(t, llm.CohereChat, string(body))
		want, _ := r.Conversation()
		got, err := again.Conversation()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil || cmp.Diff(r.Params, again.Params) != "" || r.Stream != again.Stream {
			t.Errorf("%s: %v %s", x.ID, err, d)
		}
	}
	if n == 0 {
		t.Error("no recording of chat")
	}
}
