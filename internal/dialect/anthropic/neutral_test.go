package anthropic_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// neutral is a request of no dialect in particular, whose fields have their neutral names.
type neutral struct{ c *llm.Conversation }

func (n neutral) Conversation([]byte) (*llm.Conversation, error)     { return n.c, nil }
func (neutral) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }
func (neutral) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error)  { return body, nil }
func (neutral) Field(f llm.Field) string                             { return dialect.Names{}.Of(f) }
func requestOf(c llm.Conversation, p llm.Params) *llm.Request {
	r := llm.NewRequest(llm.MistralChat, llm.Mistral, llm.OpChat, nil, neutral{&c})
	r.Params = p
	return r
}

func user(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.RoleUser, Parts: parts} }
func assistant(parts ...llm.Part) llm.Message {
	return llm.Message{Role: llm.RoleAssistant, Parts: parts}
}
func toolSays(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.RoleTool, Parts: parts} }

// TestBuildNeutral says what becomes of each neutral value: what is sent, and what is refused or, where losses are allowed,
// dropped.
func TestBuildNeutral(t *testing.T) {
	hi := user(llm.Part{Text: "hi"})
	const said = `{"role":"user","content":[{"type":"text","text":"hi"}]}`
	say := func(m ...llm.Message) llm.Conversation {
		return llm.Conversation{Messages: append([]llm.Message{hi}, m...)}
	}
	with := func(set func(c *llm.Conversation)) llm.Conversation {
		c := say()
		set(&c)
		return c
	}
	params := func(set func(p *llm.Params)) (p llm.Params) {
		set(&p)
		return p
	}
	function := []llm.Tool{{Name: "f", Schema: []byte(`{"type":"object"}`)}}
	png := llm.Part{Kind: llm.PartBlob, MIME: "image/png", Data: "iVBORw0KGgo="}
	const pngOut = `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}`
	for _, tt := range []struct {
		name    string
		c       llm.Conversation
		p       llm.Params
		want    string // members beside model, max_tokens and the first message
		more    string // messages after it
		dropped []string
	}{
		{name: "thinking on", c: with(func(c *llm.Conversation) { c.Thinking = "on" }), want: `"thinking":{"type":"adaptive"}`},
		{name: "thinking off", c: with(func(c *llm.Conversation) { c.Thinking = "off" }), want: `"thinking":{"type":"disabled"}`},
		{name: "a budget", c: with(func(c *llm.Conversation) { c.ThinkingBudget, c.ShowThinking = llm.Some[int64](2000), llm.Some(true) }),
			want: `"max_tokens":6096,"thinking":{"type":"enabled","budget_tokens":2000,"display":"summarized"}`},
		{name: "a budget within a limit", c: with(func(c *llm.Conversation) { c.ThinkingBudget, c.ShowThinking = llm.Some[int64](2000), llm.Some(false) }),
			p:    params(func(p *llm.Params) { p.MaxTokens = llm.Some[int64](3000) }),
			want: `"max_tokens":3000,"thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"}`},
		{name: "a budget beyond the limit", c: with(func(c *llm.Conversation) { c.Thinking, c.ThinkingBudget = "on", llm.Some[int64](2000) }),
			p:    params(func(p *llm.Params) { p.MaxTokens = llm.Some[int64](2000) }),
			want: `"max_tokens":2000,"thinking":{"type":"adaptive"}`, dropped: []string{"thinking.budget_tokens"}},
		{name: "too small a budget", c: with(func(c *llm.Conversation) { c.ThinkingBudget = llm.Some[int64](1023) }), dropped: []string{"thinking.budget_tokens"}},
		{name: "a budget for nothing", c: with(func(c *llm.Conversation) { c.Thinking, c.ThinkingBudget = "off", llm.Some[int64](2000) }),
			want: `"thinking":{"type":"disabled"}`, dropped: []string{"thinking.budget_tokens"}},
		{name: "thinking shown", c: with(func(c *llm.Conversation) { c.ShowThinking = llm.Some(true) }), want: `"thinking":{"type":"adaptive","display":"summarized"}`},
		{name: "thinking not shown", c: with(func(c *llm.Conversation) { c.ShowThinking = llm.Some(false) })},
		{name: "effort", c: say(), p: llm.Params{ReasoningLevel: "HIGH"}, want: `"output_config":{"effort":"high"}`},
		{name: "least effort", c: say(), p: llm.Params{ReasoningLevel: "minimal"}, dropped: []string{"reasoning_effort"}},
		{name: "sampling", c: say(), p: llm.Params{Temperature: llm.Some(1.0), TopP: llm.Some(0.5), TopK: llm.Some(40.0), Stop: []string{"x"}},
			want: `"temperature":1,"top_p":0.5,"top_k":40,"stop_sequences":["x"]`},
		{name: "sampling beyond", c: say(), p: llm.Params{Temperature: llm.Some(1.01), TopK: llm.Some(0.5), Stop: []string{"\n", "x"}, Seed: llm.Some[int64](1),
			ChoiceCount: llm.Some[int64](2), PresencePenalty: llm.Some(0.1), FrequencyPenalty: llm.Some(0.1), ServiceTier: "flex"},
			want: `"stop_sequences":["x"]`, dropped: []string{"frequency_penalty", "presence_penalty", "seed", "n", "temperature", "top_k", "stop", "service_tier"}},
		{name: "its own tier", c: say(), p: llm.Params{ServiceTier: "standard_only"}, want: `"service_tier":"standard_only"`},
		{name: "log probabilities", c: with(func(c *llm.Conversation) { c.Logprobs, c.TopLogprobs = true, llm.Some[int64](3) }), dropped: []string{"logprobs", "top_logprobs"}},
		{name: "JSON", c: say(), p: llm.Params{OutputType: "json"}, dropped: []string{"response_format"}},
		{name: "JSON with a schema", c: with(func(c *llm.Conversation) { c.OutputSchema = []byte(`{"type":"object"}`) }), p: llm.Params{OutputType: "json", ReasoningLevel: "low"},
			want: `"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}`},
		{name: "a schema that is none", c: with(func(c *llm.Conversation) { c.OutputSchema = []byte(`true`) }), p: llm.Params{OutputType: "json"},
			dropped: []string{"response_format.json_schema"}},
		{name: "images in the answer", c: say(), p: llm.Params{OutputType: "image"}, dropped: []string{"modalities"}},
		{name: "extra members", c: with(func(c *llm.Conversation) { c.Extra = []llm.Extra{{Field: "logit_bias"}} }), dropped: []string{"logit_bias"}},
		{name: "caches", c: llm.Conversation{System: []llm.Part{{Text: "s", Cache: "1h"}}, Messages: []llm.Message{hi, user(llm.Part{Text: "x", Cache: "default"}, llm.Part{Text: " ", Cache: "5m"})},
			Tools: []llm.Tool{{Name: "f", Cache: "5m", Strict: llm.Some(true)}, {Name: "g", Cache: "24h"}}},
			want: `"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],"tools":[{"name":"f","input_schema":{"type":"object"},"strict":true,` +
				`"cache_control":{"type":"ephemeral","ttl":"5m"}},{"name":"g","input_schema":{"type":"object"}}],` +
				`"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}]`,
			dropped: []string{"cache_control"}},
		{name: "tools that are not functions", c: with(func(c *llm.Conversation) { c.Tools = []llm.Tool{{Name: "w", Raw: []byte(`{}`)}} }), dropped: []string{"tools.type"}},
		{name: "no tool to choose", c: with(func(c *llm.Conversation) { c.ToolChoice = "required" }), dropped: []string{"tool_choice"}},
		{name: "one tool at a time", c: with(func(c *llm.Conversation) {
			c.Tools, c.ToolChoice, c.ToolChoiceName, c.ParallelToolCalls = function, "tool", "f", llm.Some(false)
		}),
			want: `"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}`},
		{name: "calls without ids", c: say(
			assistant(llm.Part{Kind: llm.PartToolCall, Name: "f"}, llm.Part{Kind: llm.PartToolCall, Name: "g"}, llm.Part{Kind: llm.PartToolCall, Name: "f"}),
			toolSays(llm.Part{Kind: llm.PartToolResult, Name: "f", Text: "1"}, llm.Part{Kind: llm.PartToolResult, Name: "f", Text: "2"}, llm.Part{Kind: llm.PartToolResult, Name: "g", Text: "3"})),
			more: `,{"role":"assistant","content":[{"type":"tool_use","id":"toolu_0","name":"f","input":{}},{"type":"tool_use","id":"toolu_1","name":"g","input":{}},` +
				`{"type":"tool_use","id":"toolu_2","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_0","content":[{"type":"text","text":"1"}]},` +
				`{"type":"tool_result","tool_use_id":"toolu_2","content":[{"type":"text","text":"2"}]},{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"3"}]}]}`},
		{name: "ids that the API would refuse, and twice the same", c: say(
			assistant(llm.Part{Kind: llm.PartToolCall, ID: "f.g:0", Name: "f"}), toolSays(llm.Part{Kind: llm.PartToolResult, ID: "f.g:0", Text: "1"}),
			assistant(llm.Part{Kind: llm.PartToolCall, ID: "f.g:0", Name: "f"}), toolSays(llm.Part{Kind: llm.PartToolResult, ID: "f.g:0", Text: "2"})),
			more: `,{"role":"assistant","content":[{"type":"tool_use","id":"f_g_0","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"f_g_0",` +
				`"content":[{"type":"text","text":"1"}]}]},{"role":"assistant","content":[{"type":"tool_use","id":"f_g_0_1","name":"f","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"f_g_0_1","content":[{"type":"text","text":"2"}]}]}`},
		{name: "results with images and errors, before what the user says", c: say(
			assistant(llm.Part{Kind: llm.PartToolCall, ID: "a", Name: "f"}, llm.Part{Kind: llm.PartToolCall, ID: "b", Name: "f"}),
			user(llm.Part{Text: "look"}),
			toolSays(llm.Part{Kind: llm.PartToolResult, ID: "a", Text: "see"}, png, llm.Part{Kind: llm.PartToolResult, ID: "b", Text: "no", IsError: true, Cache: "default"},
				llm.Part{Kind: llm.PartBlob, MIME: "text/plain", Data: "aGk="}, llm.Part{Kind: llm.PartBlob, MIME: "audio/wav", Data: "aGk="})),
			more: `,{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"see"},` + pngOut + `]},` +
				`{"type":"tool_result","tool_use_id":"b","is_error":true,"cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"no"},` +
				`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}}]},{"type":"text","text":"look"}]}`,
			dropped: []string{"messages.tool_result.content"}},
		{name: "reasoning", c: say(
			assistant(llm.Part{Kind: llm.PartReasoning, Text: "hm", Signature: "s"}, llm.Part{Kind: llm.PartReasoning, Data: "d"}, llm.Part{Kind: llm.PartReasoning, Signature: "t"},
				llm.Part{Kind: llm.PartReasoning, Text: "unsigned"}, llm.Part{Kind: llm.PartRefusal, Text: "no"})),
			more: `,{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},` +
				`{"type":"thinking","thinking":"","signature":"t"},{"type":"text","text":"no"}]}`,
			dropped: []string{"messages.reasoning"}},
		{name: "media", c: say(assistant(llm.Part{Text: "?"}), user(
			llm.Part{Kind: llm.PartBlob, Data: "iVBORw0KGgo="}, llm.Part{Kind: llm.PartBlob, MIME: "image/jpg", Data: "aa=="},
			llm.Part{Kind: llm.PartURI, URI: "https://x/y"}, llm.Part{Kind: llm.PartURI, URI: "https://x/y", MIME: "application/pdf", Name: "T"},
			llm.Part{Kind: llm.PartBlob, MIME: "text/plain; charset=utf-8", Data: "aGk=", Name: "T"})),
			more: `,{"role":"assistant","content":[{"type":"text","text":"?"}]},{"role":"user","content":[` + pngOut + `,{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"aa=="}},` +
				`{"type":"image","source":{"type":"url","url":"https://x/y"}},{"type":"document","source":{"type":"url","url":"https://x/y"},"title":"T"},` +
				`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"},"title":"T"}]}`},
		{name: "media that has no place", c: say(assistant(png, llm.Part{Text: "?"}), user(llm.Part{Text: "!"},
			llm.Part{Kind: llm.PartBlob, MIME: "image/bmp", Data: "aGk="}, llm.Part{Kind: llm.PartURI, URI: "gs://b/o", MIME: "image/png"},
			llm.Part{Kind: llm.PartBlob, MIME: "application/zip", Data: "aGk="}, llm.Part{Kind: llm.PartURI, URI: "https://x/y.csv", MIME: "text/csv"},
			llm.Part{Kind: llm.PartBlob, MIME: "audio/wav", Data: "aGk="}, llm.Part{Kind: llm.PartFile, ID: "f"}, llm.Part{Kind: llm.PartOther, Name: "x"},
			llm.Part{Kind: llm.PartBlob, MIME: "text/csv", Data: "aGk="})),
			more: `,{"role":"assistant","content":[{"type":"text","text":"?"}]},{"role":"user","content":[{"type":"text","text":"!"},` +
				`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}}]}`,
			dropped: []string{"messages.audio", "messages.file", "messages.content", "messages.image", "messages.image_url", "messages.document", "messages.document_url"}},
		{name: "who speaks, and how closely to look", c: say(llm.Message{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{{Text: "x"}, {Kind: llm.PartURI, URI: "https://x/y", Detail: "high"}}}),
			want:    `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"text","text":"x"},{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]`,
			dropped: []string{"messages.name", "messages.image_url.detail"}},
		{name: "the system's images", c: llm.Conversation{System: []llm.Part{{Text: "s"}, png}, Messages: []llm.Message{hi}}, want: `"system":[{"type":"text","text":"s"}]`,
			dropped: []string{"messages.image"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			loss := llm.Loss{Allow: true}
			_, got, err := d.BuildRequest(requestOf(tt.c, tt.p), "m", &loss)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]json.RawMessage{}
			if err := json.Unmarshal([]byte(`{"model":"m","max_tokens":4096,"messages":[`+said+tt.more+`]}`), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(`{`+tt.want+`}`), &want); err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, b), decoded(t, got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.dropped, loss.Dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
			_, _, err = d.BuildRequest(requestOf(tt.c, tt.p), "m", new(llm.Loss))
			var e *llm.Error
			if refused := errors.As(err, &e) && e.Status == 400; refused != (len(tt.dropped) > 0) || refused && e.Param != tt.dropped[0] {
				t.Errorf("where losses are refused: %v, want a refusal of %v", err, tt.dropped)
			}
		})
	}
}

// What no dialect can mean is refused, losses allowed or not.
func TestBuildNeutralRefuses(t *testing.T) {
	for name, m := range map[string]llm.Message{
		"a result of nothing":     toolSays(llm.Part{Kind: llm.PartToolResult, Name: "f"}),
		"no result":               toolSays(llm.Part{Text: "x"}),
		"a call of the user's":    user(llm.Part{Kind: llm.PartToolCall, Name: "f"}),
		"a result of the model's": assistant(llm.Part{Kind: llm.PartToolResult, ID: "x"}),
		"arguments of a list":     assistant(llm.Part{Kind: llm.PartToolCall, Name: "f", Text: "[]"}),
		"a text that is cut":      user(llm.Part{Kind: llm.PartBlob, MIME: "text/plain", Data: "a"}),
		"nobody":                  {Role: "robot"},
		"nothing":                 user(),
	} {
		var e *llm.Error
		_, _, err := d.BuildRequest(requestOf(llm.Conversation{Messages: []llm.Message{m}}, llm.Params{}), "m", &llm.Loss{Allow: true})
		if !errors.As(err, &e) || e.Status != 400 {
			t.Errorf("%s: got %v, want a 400", name, err)
		}
	}
}
