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

func (f fixed) Conversation([]byte) (*llm.Conversation, error)    { return &f.c, nil }
func (fixed) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error) { return body, nil }
func (fixed) Field(f llm.Field) string                            { return string(f) }

func (fixed) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }

func build(t testing.TB, r *llm.Request, model string, loss *llm.Loss) string {
	t.Helper()
	api, body, err := Dialect{}.BuildRequest(r, model, loss)
	if err != nil || api != llm.OpenAIChat && api != llm.OpenAIEmbeddings {
		t.Fatal(api, err)
	}
	return string(body)
}

func same(t testing.TB, want, got string) {
	t.Helper()
	if d := cmp.Diff(decoded(t, []byte(want)), decoded(t, []byte(got))); d != "" {
		t.Errorf("%s\n%s", d, got)
	}
}

func TestBuildRequest(t *testing.T) {
	r := llm.NewRequest(llm.AnthropicMessages, llm.Anthropic, llm.OpChat, nil, fixed{llm.Conversation{
		System: []llm.Part{{Text: "be brief"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{
				{Text: "a"}, {Kind: llm.PartBlob, MIME: "image/png", Data: "AAAA", Detail: "low"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://x", Detail: "high"},
				{Kind: llm.PartBlob, MIME: "application/pdf", Data: "BBBB", Name: "n.pdf"}, {Kind: llm.PartBlob, MIME: "audio/wav", Data: "CCCC"},
				{Kind: llm.PartBlob, Data: "iVBORw0KGgoAAAANSUhEUg=="}, {Kind: llm.PartBlob, MIME: "audio/mp3", Data: "DDDD"},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartToolCall, ID: "c1", Name: "f", Text: `{"x":1}`},
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
		ToolChoice: "tool", ToolChoiceName: "f", ParallelToolCalls: llm.Some(false), User: "u",
		OutputSchema: []byte(`{"type":"string"}`), OutputName: "n", OutputStrict: llm.Some(true), Logprobs: true, TopLogprobs: some(3),
	}})
	r.Stream = true
	r.Params = llm.Params{Temperature: llm.Some(0.5), TopP: llm.Some(1e-7), MaxTokens: some(5), Seed: some(6), ChoiceCount: some(2),
		FrequencyPenalty: llm.Some(0.25), PresencePenalty: llm.Some(-1.0),
		Stop: []string{"a", "b"}, ReasoningLevel: "LOW", OutputType: "json", ServiceTier: "flex"}
	same(t, `{"model":"gpt-4o","messages":[{"role":"system","content":"be brief"},
		{"role":"user","name":"ann","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x","detail":"high"}},
			{"type":"file","file":{"file_data":"data:application/pdf;base64,BBBB","filename":"n.pdf"}},{"type":"input_audio","input_audio":{"data":"CCCC","format":"wav"}},
			{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="}},{"type":"input_audio","input_audio":{"data":"DDDD","format":"mp3"}}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
			{"id":"call_1","type":"function","function":{"name":"g","arguments":"{}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"call_1","content":"1"},{"role":"tool","tool_call_id":"c1","content":"42"},{"role":"tool","tool_call_id":"call_2","content":"2"},
		{"role":"user","content":"go on"},{"role":"assistant","refusal":"no","content":null},{"role":"user","content":""}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"g"}}],
		"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"temperature":0.5,"top_p":1e-07,"max_tokens":5,"seed":6,"n":2,
		"frequency_penalty":0.25,"presence_penalty":-1,"logprobs":true,"top_logprobs":3,"service_tier":"flex",
		"reasoning_effort":"low","stop":["a","b"],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"string"},"strict":true}},
		"stream":true,"stream_options":{"include_usage":true},"user":"u"}`, build(t, r, "gpt-4o", new(llm.Loss)))
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
		if d := cmp.Diff(r.Params, again.Params); d != "" && r.Params.OutputType != "text" {
			t.Errorf("%s: %s", x.ID, d)
		}
		if again.Model != r.Model || again.Stream != r.Stream || again.StreamUsage != r.Stream {
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
		if r.Params.ReasoningLevel != "" {
			was.Thinking = "" // a level says so too
		}
		if d := cmp.Diff(was, is); d != "" {
			t.Errorf("%s: %s", x.ID, d)
		}
	}
	if n < 150 {
		t.Errorf("only %d chats could be built", n)
	}
}

// TestBuildResponses translates Responses for hosts that have chat completions alone.
func TestBuildResponses(t *testing.T) {
	r := parse(t, llm.OpenAIResponses, `{"model":"m","instructions":"i","store":false,"max_output_tokens":7,"text":{"format":{"type":"json_schema","name":"n","schema":{}}},
		"include":["reasoning.encrypted_content","message.output_text.logprobs"],"reasoning":{"effort":"high"},
		"input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"https://x","detail":"auto"},{"type":"input_file","file_id":"f"}]},
			{"type":"function_call","call_id":"c","name":"g","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"4"}]}]}`)
	same(t, `{"model":"x","messages":[{"role":"system","content":"i"},{"role":"user","content":[{"type":"text","text":"a"},
		{"type":"image_url","image_url":{"url":"https://x","detail":"auto"}},{"type":"file","file":{"file_id":"f"}}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c","content":"4"}],"max_tokens":7,"logprobs":true,"reasoning_effort":"high",
		"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}`, build(t, r, "x", new(llm.Loss)))
}

func said(parts ...llm.Part) llm.Conversation {
	return llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Parts: parts}}}
}

// TestBuildRequestLosses refuses what chat completions has no place for, by its name, and goes on without it where that is
// allowed.
func TestBuildRequestLosses(t *testing.T) {
	as := func(role llm.Role, parts ...llm.Part) llm.Conversation {
		return llm.Conversation{Messages: []llm.Message{{Role: role, Parts: parts}}}
	}
	tests := []struct {
		name    string
		params  llm.Params
		c       llm.Conversation
		dropped []string
		want    string // of what is built where the loss is allowed, without model
	}{
		{name: "top_k", params: llm.Params{TopK: llm.Some(3.0)}, dropped: []string{"top_k"}, want: `{"messages":[]}`},
		{name: "server tool", c: llm.Conversation{Tools: []llm.Tool{{Name: "web_search", Raw: []byte(`{}`)}}}, dropped: []string{"tools.type"}, want: `{"messages":[]}`},
		{name: "cache", c: said(llm.Part{Text: "a", Cache: "1h"}), dropped: []string{"cache_control"}, want: `{"messages":[{"role":"user","content":"a"}]}`},
		{name: "reasoning", c: as(llm.RoleAssistant, llm.Part{Kind: llm.PartReasoning, Text: "hm", Signature: "s"}, llm.Part{Text: "a"}),
			dropped: []string{"messages.reasoning", "messages.reasoning.signature"}, want: `{"messages":[{"role":"assistant","content":"a"}]}`},
		{name: "results", c: as(llm.RoleTool, llm.Part{Kind: llm.PartToolResult, ID: "c", Text: "x", IsError: true}, llm.Part{Kind: llm.PartBlob, MIME: "image/png", Data: "AAAA"}),
			dropped: []string{"messages.tool_result.is_error", "messages.tool_result.content"}, want: `{"messages":[{"role":"tool","tool_call_id":"c","content":"x"}]}`},
		{name: "video", c: said(llm.Part{Kind: llm.PartBlob, MIME: "video/mp4"}), dropped: []string{"messages.content"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "unknown blob", c: said(llm.Part{Kind: llm.PartBlob, Name: "x", Data: "AAAA"}), dropped: []string{"messages.image"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "unknown part", c: said(llm.Part{Kind: llm.PartOther, Name: "search_result"}), dropped: []string{"messages.content"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "file of another provider", c: said(llm.Part{Kind: llm.PartFile, ID: "file_1"}), dropped: []string{"messages.file"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "text document", c: said(llm.Part{Kind: llm.PartBlob, MIME: "text/plain", Data: "AAAA"}), dropped: []string{"messages.document"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "document by URL", c: said(llm.Part{Kind: llm.PartURI, MIME: "application/pdf", URI: "https://x"}), dropped: []string{"messages.document_url"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "image in a bucket", c: said(llm.Part{Kind: llm.PartURI, MIME: "image/png", URI: "gs://x"}), dropped: []string{"messages.image_url"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "image of the assistant", c: as(llm.RoleAssistant, llm.Part{Kind: llm.PartBlob, MIME: "image/png", Data: "AAAA"}), dropped: []string{"messages.image"}, want: `{"messages":[{"role":"assistant","content":null}]}`},
		{name: "ogg", c: said(llm.Part{Kind: llm.PartBlob, MIME: "audio/ogg", Data: "AAAA"}), dropped: []string{"messages.audio"}, want: `{"messages":[{"role":"user","content":""}]}`},
		{name: "thinking on", c: llm.Conversation{Thinking: "on", ThinkingBudget: some(5)}, dropped: []string{"thinking.budget_tokens", "thinking"}, want: `{"messages":[]}`},
		{name: "level", params: llm.Params{ReasoningLevel: "turbo"}, dropped: []string{"reasoning_effort"}, want: `{"messages":[]}`},
		{name: "tier", params: llm.Params{ServiceTier: "standard_only"}, dropped: []string{"service_tier"}, want: `{"messages":[]}`},
		{name: "extra", c: llm.Conversation{Extra: []llm.Extra{{Field: "container", Raw: []byte(`"c"`)}}}, dropped: []string{"container"}, want: `{"messages":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := llm.NewRequest(llm.AnthropicMessages, llm.Anthropic, llm.OpChat, nil, fixed{tt.c})
			r.Params = tt.params
			_, _, err := Dialect{}.BuildRequest(r, "m", new(llm.Loss))
			var e *llm.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Param != tt.dropped[0] {
				t.Errorf("refused with %v", err)
			}
			loss := llm.Loss{Allow: true}
			body := build(t, r, "m", &loss)
			if d := cmp.Diff(tt.dropped, loss.Dropped); d != "" {
				t.Error(d)
			}
			same(t, `{"model":"m",`+tt.want[1:], body)
		})
	}
}

func TestBuildEffort(t *testing.T) {
	for _, tt := range []struct{ model, level, thinking, want string }{
		{"gpt-5.1", "", "off", `{"model":"gpt-5.1","messages":[],"reasoning_effort":"none"}`},
		{"gpt-4o", "", "off", `{"model":"gpt-4o","messages":[]}`},
		{"o3", "MEDIUM", "on", `{"model":"o3","messages":[],"reasoning_effort":"medium"}`},
	} {
		r := llm.NewRequest(llm.OllamaChat, llm.Ollama, llm.OpChat, nil, fixed{llm.Conversation{Thinking: tt.thinking}})
		r.Params.ReasoningLevel = tt.level
		same(t, tt.want, build(t, r, tt.model, new(llm.Loss)))
	}
}

func TestBuildEmbeddings(t *testing.T) {
	c := llm.Conversation{Inputs: [][]llm.Part{{{Text: "a"}}, {{Text: "b"}}}, User: "u"}
	r := llm.NewRequest(llm.GeminiEmbed, llm.Gemini, llm.OpEmbeddings, nil, fixed{c})
	r.Params.Dimensions = some(3)
	same(t, `{"model":"e","input":["a","b"],"dimensions":3,"encoding_format":"float","user":"u"}`, build(t, r, "e", new(llm.Loss)))

	c = llm.Conversation{Inputs: [][]llm.Part{{{Text: "a"}}}, InputType: llm.InputSearchQuery}
	r = llm.NewRequest(llm.CohereEmbed, llm.Cohere, llm.OpEmbeddings, nil, fixed{c})
	r.Params.EncodingFormats = []string{"int8"}
	loss := llm.Loss{Allow: true}
	same(t, `{"model":"e","input":["a"],"encoding_format":"float"}`, build(t, r, "e", &loss))
	if d := cmp.Diff([]string{"encoding_format", "input_type"}, loss.Dropped); d != "" {
		t.Error(d)
	}
	for name, parts := range map[string][]llm.Part{"two texts": {{Text: "a"}, {Text: "b"}}, "an image": {{Kind: llm.PartBlob}}, "nothing": nil} {
		r = llm.NewRequest(llm.GeminiEmbed, llm.Gemini, llm.OpEmbeddings, nil, fixed{llm.Conversation{Inputs: [][]llm.Part{parts}}})
		_, _, err := Dialect{}.BuildRequest(r, "e", &llm.Loss{Allow: true})
		if e := (*llm.Error)(nil); !errors.As(err, &e) || e.Status != 400 || e.Param != "input" {
			t.Errorf("%s in one input: %v, want it refused though losses are allowed", name, err)
		}
	}
}

func TestBuildUntranslatable(t *testing.T) {
	for _, op := range []llm.Op{llm.OpTextCompletion, llm.OpGenerateContent, llm.OpRerank} {
		_, _, err := Dialect{}.BuildRequest(llm.NewRequest(llm.CohereRerank, llm.Cohere, op, nil, fixed{}), "m", new(llm.Loss))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 501 || e.Type != llm.NotImplemented {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestMaxTokens(t *testing.T) {
	for model, want := range map[string]string{"gpt-4o": "max_tokens", "o3-mini": "max_completion_tokens", "gpt-5-nano": "max_completion_tokens", "llama3.2": "max_tokens"} {
		if got := maxTokens(model); got != want {
			t.Errorf("%s: %s", model, got)
		}
	}
}
