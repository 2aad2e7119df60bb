package gemini_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

const hello = `"messages":[{"role":"user","content":"a"}]`

// TestLoss refuses what Gemini has no place for, in the client's words, or drops it where the route allows that.
func TestLoss(t *testing.T) {
	const said = `{"contents":[{"role":"user","parts":[{"text":"a"}]}]`
	in := map[llm.API]llm.Inbound{llm.OpenAIChat: openai.Dialect{}, llm.AnthropicMessages: anthropic.Dialect{}, llm.OllamaChat: ollama.Dialect{}}
	for _, tt := range []struct {
		name, model string
		api         llm.API
		body, param string // param: "" = nothing is lost
		want        string // what is built when losses are allowed
	}{
		{"a level", "gemini-3-pro", llm.OpenAIChat, `{` + hello + `,"reasoning_effort":"high"}`, "", said + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"high"}}}`},
		{"a level as a budget", "gemini-2.5-flash", llm.OpenAIChat, `{` + hello + `,"reasoning_effort":"medium"}`, "", said + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":8192}}}`},
		{"a level that Gemini does not know", "gemini-3-pro", llm.OpenAIChat, `{` + hello + `,"reasoning_effort":"xhigh"}`, "reasoning_effort", said + `}`},
		{"no thinking, as a level", "gemini-2.5-flash", llm.OpenAIChat, `{` + hello + `,"reasoning_effort":"none"}`, "", said + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`},
		{"no thinking, of a model that always does", "gemini-3-pro", llm.OpenAIChat, `{` + hello + `,"reasoning_effort":"none"}`, "reasoning_effort", said + `}`},
		{"thinking of a model that never does", "gemini-2.0-flash", llm.OpenAIChat, `{` + hello + `,"reasoning_effort":"low"}`, "reasoning_effort", said + `}`},
		{"thinking turned on", "gemini-2.5-flash", llm.OllamaChat, `{` + hello + `,"think":true,"stream":false}`, "", said + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}}}`},
		{"thinking turned off", "gemini-flash-latest", llm.OllamaChat, `{` + hello + `,"think":false,"stream":false}`, "", said + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`},
		{"thinking turned off, of a model that always does", "gemini-3-pro", llm.OllamaChat, `{` + hello + `,"think":false,"stream":false}`, "think", said + `}`},
		{"a budget", "gemini-2.5-pro", llm.AnthropicMessages, `{"max_tokens":9,` + hello + `,"thinking":{"type":"enabled","budget_tokens":2048}}`, "",
			said + `,"generationConfig":{"maxOutputTokens":9,"thinkingConfig":{"thinkingBudget":2048,"includeThoughts":true}}}`},
		{"a budget of a model that never thinks", "gemini-2.0-flash", llm.AnthropicMessages, `{"max_tokens":9,` + hello + `,"thinking":{"type":"enabled","budget_tokens":2048}}`, "thinking.budget_tokens",
			said + `,"generationConfig":{"maxOutputTokens":9}}`},
		{"a budget of thinking that is off", "gemini-2.5-pro", llm.AnthropicMessages, `{"max_tokens":9,` + hello + `,"thinking":{"type":"disabled","budget_tokens":2048}}`, "thinking.budget_tokens",
			said + `,"generationConfig":{"maxOutputTokens":9,"thinkingConfig":{"thinkingBudget":0}}}`},
		{"log probabilities and answers", "gemini-2.5-pro", llm.OpenAIChat, `{` + hello + `,"logprobs":true,"top_logprobs":3,"n":2}`, "",
			said + `,"generationConfig":{"candidateCount":2,"responseLogprobs":true,"logprobs":3}}`},
		{"one call at a time", "gemini-2.5-pro", llm.OpenAIChat, `{` + hello + `,"parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"f"}}]}`, "parallel_tool_calls",
			said + `,"tools":[{"functionDeclarations":[{"name":"f"}]}]}`},
		{"a user", "gemini-2.5-pro", llm.OpenAIChat, `{` + hello + `,"user":"u"}`, "user", said + `}`},
		{"a bias", "gemini-2.5-pro", llm.OpenAIChat, `{` + hello + `,"logit_bias":{"5":1}}`, "logit_bias", said + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := in[tt.api].ParseRequest(tt.api, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = gemini.Dialect{}.BuildRequest(r, tt.model, new(llm.Loss))
			var e *llm.Error
			if tt.param == "" && err != nil || tt.param != "" && (!errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Param != tt.param) {
				t.Errorf("refused with %v, want a 400 for %q", err, tt.param)
			}
			loss := llm.Loss{Allow: true}
			_, body, err := gemini.Dialect{}.BuildRequest(r, tt.model, &loss)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(body)); d != "" {
				t.Error(d)
			}
			if got := len(loss.Dropped); (got > 0) != (tt.param != "") {
				t.Errorf("dropped %q", loss.Dropped)
			}
		})
	}
}

// TestToolMedia puts what a tool answered beside text into the function's response, for models that take it.
func TestToolMedia(t *testing.T) {
	body := `{"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"this"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]}]}]}`
	r, err := anthropic.Dialect{}.ParseRequest(llm.AnthropicMessages, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := gemini.Dialect{}.BuildRequest(r, "gemini-3-pro", new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},` +
		`{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"output":"this"},"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}}]}],"generationConfig":{"maxOutputTokens":9}}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	var e *llm.Error
	if _, _, err = (gemini.Dialect{}).BuildRequest(r, "gemini-2.5-pro", new(llm.Loss)); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Errorf("for a model before Gemini 3: %v, want 400", err)
	}
}

// TestSignatures puts signatures back onto the parts that they came from.
func TestSignatures(t *testing.T) {
	for _, tt := range []struct {
		name, content, want string
	}{
		{"of a thought", `[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"a"}]`, `[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},{"text":"a"}]`},
		{"of a call", `[{"type":"text","text":"a"},{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"tool_use","id":"1","name":"f","input":{}}]`,
			`[{"text":"a"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"c2ln"}]`},
		{"of a call behind text", `[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"text","text":"a"},{"type":"tool_use","id":"1","name":"f","input":{}}]`,
			`[{"text":"a"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"c2ln"}]`},
		{"of text and of a call", `[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"text","text":"a"},{"type":"thinking","thinking":"","signature":"c2lnMg=="},{"type":"tool_use","id":"1","name":"f","input":{}}]`,
			`[{"text":"a","thoughtSignature":"c2ln"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"c2lnMg=="}]`},
		{"at the end", `[{"type":"text","text":"a"},{"type":"thinking","thinking":"","signature":"c2ln"}]`, `[{"text":"a"},{"text":"","thoughtSignature":"c2ln"}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := anthropic.Dialect{}.ParseRequest(llm.AnthropicMessages, &llm.Head{}, []byte(`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":`+tt.content+`}]}`))
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := gemini.Dialect{}.BuildRequest(r, "gemini-3-pro", new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(`{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":`+tt.want+`}]}`, string(body)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestConversationExtra keeps what has no neutral form, and nothing that says no more than its absence.
func TestConversationExtra(t *testing.T) {
	body := `{"contents":[{"role":"function","parts":[{"functionResponse":{"name":"f","response":{"error":"gone"},"parts":[{"inlineData":{"mimeType":"image/png","data":"QQ=="}}]}},{"text":"a"}]},
			{"parts":[{"text":"","thoughtSignature":"c2ln"},{"inlineData":{"mimeType":"image/png","data":"QQ=="},"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}}]}],
		"cachedContent":"cachedContents/1","labels":{},"model":"models/m","safetySettings":[],
		"tools":[{"functionDeclarations":[{"name":"f","behavior":"BLOCKING","response":{"type":"STRING"}}],"codeExecution":{}}],
		"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f","g"]},"retrievalConfig":{}},
		"generation_config":{"response_modalities":["TEXT"],"responseMimeType":"text/x.enum","audioTimestamp":false,"mediaResolution":"MEDIA_RESOLUTION_UNSPECIFIED","speechConfig":{"languageCode":"de-DE"},
			"responseLogprobs":true,"logprobs":2,"thinking_config":{"thinking_budget":99,"include_thoughts":true}}}`
	r, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{
		Messages: []llm.Message{
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, Name: "f", Text: "gone", IsError: true}, {Kind: llm.PartBlob, Index: 1, MIME: "image/png", Data: "QQ=="}}},
			{Role: llm.RoleUser, Parts: []llm.Part{{Text: "a"}}},
			{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartReasoning, Signature: "c2ln"}, {Kind: llm.PartBlob, Index: 1, MIME: "image/png", Data: "QQ=="}}},
		},
		Tools:      []llm.Tool{{Name: "f"}, {Name: "codeExecution", Raw: []byte(`{"codeExecution":{}}`)}},
		ToolChoice: "required",
		Thinking:   "on", ThinkingBudget: llm.Some[int64](99), ShowThinking: llm.Some(true),
		Logprobs: true, TopLogprobs: llm.Some[int64](2),
		Extra: []llm.Extra{
			{Field: "contents.parts.mediaResolution", Raw: []byte(`{"level":"MEDIA_RESOLUTION_HIGH"}`)},
			{Field: "cachedContent", Raw: []byte(`"cachedContents/1"`)},
			{Field: "tools.functionDeclarations.response", Raw: []byte(`{"type":"STRING"}`)},
			{Field: "tool_config.function_calling_config.allowed_function_names", Raw: []byte(`["f","g"]`)},
			{Field: "generation_config.responseMimeType", Raw: []byte(`"text/x.enum"`)},
			{Field: "generation_config.speechConfig", Raw: []byte(`{"languageCode":"de-DE"}`)},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSchema(t *testing.T) {
	body := `{"generationConfig":{"responseSchema":{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"enum":["STRING"],"default":"NULL"},
		"n":{"type":5,"minItems":"1","maxItems":3,"items":{"anyOf":[{"type":"NUMBER"},{"type":"INTEGER"}]}}},"required":["n"],"propertyOrdering":["n","type"]}}}`
	r, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"object","properties":{"type":{"type":["string","null"],"enum":["STRING",null],"default":"NULL"},` +
		`"n":{"type":"array","minItems":1,"maxItems":3,"items":{"anyOf":[{"type":"number"},{"type":"integer"}]}}},"required":["n"],"propertyOrdering":["n","type"]}`
	if d := cmp.Diff(want, string(c.OutputSchema)); d != "" {
		t.Error(d)
	}
}
