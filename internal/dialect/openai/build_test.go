package openai

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// fixed is a codec of a request in another dialect.
type fixed struct{ c llm.Conversation }

func (f fixed) Conversation([]byte) (*llm.Conversation, error) { return &f.c, nil }
func (fixed) Field(f llm.Field) string                         { return string(f) }

func (fixed) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }

func TestBuildRequest(t *testing.T) {
	r := llm.NewRequest(llm.AnthropicMessages, llm.Anthropic, llm.OpChat, nil, fixed{llm.Conversation{
		System: []llm.Part{{Text: "be brief"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Text: "a"}, {Kind: llm.PartBlob, MIME: "image/png", Data: "AAAA"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://x"},
				{Kind: llm.PartBlob, MIME: "application/pdf", Data: "BBBB", Name: "n.pdf"}, {Kind: llm.PartBlob, MIME: "audio/wav", Data: "CCCC"},
				{Kind: llm.PartBlob, Data: "iVBORw0KGgoAAAANSUhEUg=="}, {Kind: llm.PartFile, ID: "f"},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartReasoning, Text: "hm", Signature: "s"}, {Kind: llm.PartToolCall, ID: "c1", Name: "f", Text: `{"x":1}`},
				{Kind: llm.PartToolCall, Name: "g"}, {Kind: llm.PartToolCall, Name: "g"},
			}},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Kind: llm.PartToolResult, Name: "g", Text: "1"}, {Kind: llm.PartToolResult, ID: "c1", Text: "42"},
				{Kind: llm.PartToolResult, Name: "g", Text: "2"}, {Text: "go on"},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}},
			{Role: llm.RoleUser},
		},
		Tools:      []llm.Tool{{Name: "f", Description: "d", Schema: []byte(`{"type":"object"}`), Strict: llm.Some(true)}, {Name: "g"}},
		ToolChoice: "tool", ToolChoiceName: "f", ParallelToolCalls: llm.Some(false), User: "u", OutputSchema: []byte(`{"type":"string"}`),
	}})
	r.Stream, r.StreamUsage = true, true
	r.Params = llm.Params{Temperature: llm.Some(0.5), TopP: llm.Some(1e-7), TopK: llm.Some(3.0), MaxTokens: some(5), Seed: some(6), ChoiceCount: some(2),
		Stop: []string{"a", "b"}, ReasoningLevel: "low", OutputType: "json"}
	api, body, err := Dialect{}.BuildRequest(r, "gpt-4o", new(llm.Loss))
	if err != nil || api != llm.OpenAIChat {
		t.Fatal(api, err)
	}
	const want = `{"model":"gpt-4o","messages":[{"role":"system","content":"be brief"},
		{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"image_url","image_url":{"url":"https://x"}},
			{"type":"file","file":{"file_data":"data:application/pdf;base64,BBBB","filename":"n.pdf"}},{"type":"input_audio","input_audio":{"data":"CCCC","format":"wav"}},
			{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="}},{"type":"file","file":{"file_id":"f"}}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
			{"id":"call_1","type":"function","function":{"name":"g","arguments":"{}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"call_1","content":"1"},{"role":"tool","tool_call_id":"c1","content":"42"},{"role":"tool","tool_call_id":"call_2","content":"2"},
		{"role":"user","content":"go on"},{"role":"assistant","refusal":"no","content":null},{"role":"user","content":""}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"g"}}],
		"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"temperature":0.5,"top_p":1e-07,"max_tokens":5,"seed":6,"n":2,
		"reasoning_effort":"low","stop":["a","b"],"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"string"}}},
		"stream":true,"stream_options":{"include_usage":true},"user":"u"}`
	if d := cmp.Diff(decoded(t, []byte(want)), decoded(t, body)); d != "" {
		t.Errorf("%s\n%s", d, body)
	}
}

// TestBuildRequestAgain builds recorded chats anew: what is understood of them stays the same.
func TestBuildRequestAgain(t *testing.T) {
	n := 0
	for _, x := range exchange.Load(t, "openai.chat") {
		r := parse(t, llm.OpenAIChat, string(x.Request.Body))
		_, body, err := Dialect{}.BuildRequest(r, r.Model, new(llm.Loss))
		if err != nil {
			continue // what cannot be said again, such as parts of a type that was made up
		}
		n++
		again := parse(t, llm.OpenAIChat, string(body))
		if d := cmp.Diff(r.Params, again.Params); d != "" && r.Params.OutputType != "text" && !r.Params.TopK.Set && r.Params.ServiceTier == "" {
			t.Errorf("%s: %s", x.ID, d)
		}
		if again.Model != r.Model || again.Stream != r.Stream || again.StreamUsage != r.StreamUsage {
			t.Errorf("%s: %q stream %v usage %v", x.ID, again.Model, again.Stream, again.StreamUsage)
		}
		was, err := r.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		is, err := again.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		withoutReasoning(was)
		if d := cmp.Diff(was, is); d != "" {
			t.Errorf("%s: %s", x.ID, d)
		}
	}
	if n < 150 {
		t.Errorf("only %d chats could be built", n)
	}
}

// withoutReasoning takes out what chat completions does not take back.
func withoutReasoning(c *llm.Conversation) {
	for i := range c.Messages {
		m := &c.Messages[i]
		var kept []llm.Part
		for _, p := range m.Parts {
			if p.Kind != llm.PartReasoning {
				kept = append(kept, p)
			}
		}
		m.Parts = kept
	}
}

func TestBuildRequestErrors(t *testing.T) {
	user := func(p llm.Part) llm.Conversation {
		return llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{p}}}}
	}
	tests := []struct {
		name    string
		op      llm.Op
		c       llm.Conversation
		status  int
		message string
		param   string
	}{
		{name: "embeddings", op: llm.OpEmbeddings, status: 501, message: "The provider behind this route speaks OpenAI's API, to which only conversations can be translated."},
		{name: "server tool", op: llm.OpChat, status: 400, c: llm.Conversation{Tools: []llm.Tool{{Name: "web_search", Raw: []byte(`{}`)}}},
			message: `The provider behind this route does not take the tool "web_search".`, param: "tools"},
		{name: "video", op: llm.OpChat, status: 400, c: user(llm.Part{Kind: llm.PartBlob, MIME: "video/mp4"}),
			message: "The provider behind this route does not take content of type video/mp4.", param: "messages"},
		{name: "unknown blob", op: llm.OpChat, status: 400, c: user(llm.Part{Kind: llm.PartBlob, Name: "x", Data: "AAAA"}),
			message: `The provider behind this route does not take content of type "x".`, param: "messages"},
		{name: "unknown part", op: llm.OpChat, status: 400, c: user(llm.Part{Kind: llm.PartOther, Name: "search_result"}),
			message: `The provider behind this route does not take content of type "search_result".`, param: "messages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := llm.NewRequest(llm.AnthropicMessages, llm.Anthropic, tt.op, nil, fixed{tt.c})
			_, _, err := Dialect{}.BuildRequest(r, "m", new(llm.Loss))
			var e *llm.Error
			if !errors.As(err, &e) || e.Status != tt.status || e.Message != tt.message || e.Param != tt.param {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMaxTokens(t *testing.T) {
	for model, want := range map[string]string{"gpt-4o": "max_tokens", "o3-mini": "max_completion_tokens", "gpt-5-nano": "max_completion_tokens", "llama3.2": "max_tokens"} {
		if got := maxTokens(model); got != want {
			t.Errorf("%s: %s", model, got)
		}
	}
}
