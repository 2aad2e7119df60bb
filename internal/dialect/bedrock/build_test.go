package bedrock_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// saying is a request of another dialect that says c.
type saying struct{ c *llm.Conversation }

func (s saying) Conversation([]byte) (*llm.Conversation, error)    { return s.c, nil }
func (s saying) EditText(b []byte, _ llm.TextEdit) ([]byte, error) { return b, nil }
func (saying) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error) { return body, nil }
func (s saying) Field(f llm.Field) string                          { return string(f) }
func request(p llm.Params, c *llm.Conversation) *llm.Request {
	r := llm.NewRequest(llm.OpenAIChat, llm.OpenAI, llm.OpChat, nil, saying{c})
	r.Params = p
	return r
}

func user(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.RoleUser, Parts: parts} }

func text(s string) llm.Part { return llm.Part{Text: s} }

const (
	claudeID = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	novaID   = "us.amazon.nova-2-lite-v1:0"
)

func TestBuildRequest(t *testing.T) {
	hi := []llm.Message{user(text("hi"))}
	tools := []llm.Tool{{Name: "f", Strict: llm.Some(true), Cache: "default"}}
	for _, tt := range []struct {
		name, model string
		params      llm.Params
		c           llm.Conversation
		want        string // "" = refused
		refused     string // the field
	}{
		{name: "parameters", params: llm.Params{MaxTokens: llm.Some(int64(9)), Temperature: llm.Some(0.5), TopP: llm.Some(1.0), Stop: []string{"a", ""}, ServiceTier: "flex"},
			c: llm.Conversation{Messages: hi}, want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":9,"temperature":0.5,"topP":1,"stopSequences":["a"]},"serviceTier":{"type":"flex"}}`},
		{name: "too warm", params: llm.Params{Temperature: llm.Some(1.5)}, c: llm.Conversation{Messages: hi}, refused: "temperature"},
		{name: "top_k of Claude", model: claudeID, params: llm.Params{TopK: llm.Some(5.0)}, c: llm.Conversation{Messages: hi},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"top_k":5}}`},
		{name: "top_k of Nova", model: novaID, params: llm.Params{TopK: llm.Some(5.0)}, c: llm.Conversation{Messages: hi},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"inferenceConfig":{"topK":5}}}`},
		{name: "top_k of whom", model: "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", params: llm.Params{TopK: llm.Some(5.0)},
			c: llm.Conversation{Messages: hi}, refused: "top_k"},
		{name: "a service tier of others", params: llm.Params{ServiceTier: "scale"}, c: llm.Conversation{Messages: hi}, refused: "service_tier"},
		{name: "thinking", model: claudeID, params: llm.Params{ReasoningLevel: "HIGH"}, c: llm.Conversation{Messages: hi, Thinking: "on", ThinkingBudget: llm.Some(int64(2000)), ShowThinking: llm.Some(false)},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"outputConfig":{"effort":"high"},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"}}}`},
		{name: "no thinking", model: claudeID, params: llm.Params{ReasoningLevel: "none"}, c: llm.Conversation{Messages: hi},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"disabled"}}}`},
		{name: "thinking as it likes", model: claudeID, c: llm.Conversation{Messages: hi, Thinking: "on"},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"adaptive"}}}`},
		{name: "an effort that there is not", model: claudeID, params: llm.Params{ReasoningLevel: "minimal"}, c: llm.Conversation{Messages: hi}, refused: "reasoning_effort"},
		{name: "reasoning of Nova", model: novaID, params: llm.Params{ReasoningLevel: "low"}, c: llm.Conversation{Messages: hi, Thinking: "on"},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}}`},
		{name: "an effort of reasoning that is off, for Nova", model: novaID, params: llm.Params{ReasoningLevel: "low"}, c: llm.Conversation{Messages: hi, Thinking: "off"}, refused: "reasoning_effort"},
		{name: "an effort of none of reasoning that is on", model: claudeID, params: llm.Params{ReasoningLevel: "none"}, c: llm.Conversation{Messages: hi, Thinking: "on"}, refused: "reasoning_effort"},
		{name: "a budget for Nova", model: novaID, c: llm.Conversation{Messages: hi, ThinkingBudget: llm.Some(int64(2000))}, refused: "thinking.budget_tokens"},
		{name: "reasoning of gpt-oss", model: "openai.gpt-oss-120b-1:0", params: llm.Params{ReasoningLevel: "low"}, c: llm.Conversation{Messages: hi},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"reasoning_effort":"low"}}`},
		{name: "thinking of whom", model: "x", c: llm.Conversation{Messages: hi, Thinking: "on"}, refused: "thinking"},
		{name: "a schema", params: llm.Params{OutputType: "json"}, c: llm.Conversation{Messages: hi, OutputSchema: []byte(`{"a":"<"}`), OutputName: "n"},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"a\":\"<\"}","name":"n"}}}}}`},
		{name: "JSON without a schema", params: llm.Params{OutputType: "json"}, c: llm.Conversation{Messages: hi}, refused: "response_format"},
		{name: "tools", c: llm.Conversation{Messages: hi, Tools: tools, ToolChoice: "tool", ToolChoiceName: "f"},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}},"strict":true}},{"cachePoint":{"type":"default"}}],"toolChoice":{"tool":{"name":"f"}}}}`},
		{name: "any tool, one at a time", model: claudeID, c: llm.Conversation{Messages: hi, Tools: tools[:1], ToolChoice: "required", ParallelToolCalls: llm.Some(false)},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}},"strict":true}},{"cachePoint":{"type":"default"}}],"toolChoice":{"any":{}}},"additionalModelRequestFields":{"tool_choice":{"type":"any","disable_parallel_tool_use":true}}}`},
		{name: "one tool at a time of Nova", model: novaID, c: llm.Conversation{Messages: hi, Tools: tools, ParallelToolCalls: llm.Some(false)}, refused: "parallel_tool_calls"},
		{name: "no tool", c: llm.Conversation{Messages: hi, Tools: tools, ToolChoice: "none"}, refused: "tool_choice"},
		{name: "a tool of none", c: llm.Conversation{Messages: hi, ToolChoice: "required"}, refused: "tool_choice"},
		{name: "a user", c: llm.Conversation{Messages: hi, User: "u"}, refused: "user"},
		{name: "what only the client has", c: llm.Conversation{Messages: hi, Extra: []llm.Extra{{Field: "logit_bias"}}}, refused: "logit_bias"},
		{name: "system", c: llm.Conversation{System: []llm.Part{{Text: "a", Cache: "1h"}}, Messages: []llm.Message{{Role: llm.RoleSystem, Parts: []llm.Part{text("b"), text(" ")}}, hi[0]}},
			want: `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"system":[{"text":"a"},{"cachePoint":{"type":"default","ttl":"1h"}},{"text":"b"}]}`},
		{name: "a mark for a day", c: llm.Conversation{Messages: []llm.Message{user(llm.Part{Text: "a", Cache: "24h"})}}, refused: "cache_control"},
		{name: "nothing", c: llm.Conversation{}, refused: "messages"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build(t, tt.model, request(tt.params, &tt.c), tt.want, tt.refused)
		})
	}
}

func build(t *testing.T, model string, r *llm.Request, want, refused string) {
	t.Helper()
	api, body, err := d.BuildRequest(r, model, new(llm.Loss))
	if refused != "" {
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param != refused || !strings.Contains(e.Message, refused) {
			t.Fatalf("got %s and %v, want a refusal of %s", body, err, refused)
		}
		return
	}
	if err != nil || api != llm.BedrockConverse {
		t.Fatalf("%s: %v", api, err)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, string(body))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := d.ParseRequest(api, &llm.Head{Path: "/model/m/converse"}, body)
	if err != nil {
		t.Fatal(err)
	}
	// A service tier is Bedrock's own on the way back: each provider prices its tiers.
	if c, err := again.Conversation(); err != nil || len(c.Extra) > 0 && c.Extra[0].Field != "serviceTier" {
		t.Errorf("what was built does not read back: %v, %+v", err, c)
	}
}

func decoded(t *testing.T, s string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v: %s", err, s)
	}
	return v
}

func TestBuildMessages(t *testing.T) {
	call := func(id, name, args string) llm.Part {
		return llm.Part{Kind: llm.PartToolCall, ID: id, Name: name, Text: args}
	}
	result := func(id, name, s string) llm.Part {
		return llm.Part{Kind: llm.PartToolResult, ID: id, Name: name, Text: s}
	}
	model := func(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.RoleAssistant, Parts: parts} }
	tool := func(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.RoleTool, Parts: parts} }
	png := llm.Part{Kind: llm.PartBlob, MIME: "image/png", Data: "aGk="}
	pdf := llm.Part{Kind: llm.PartBlob, MIME: "application/pdf", Data: "aGk=", Name: "My_report: 2026.final.pdf"}
	for _, tt := range []struct {
		name, model string
		messages    []llm.Message
		want        string
		refused     string
	}{
		{name: "turns alternate", messages: []llm.Message{user(text("a")), user(text("b")), model(text("c")), model(text("d")), user(text("e"))},
			want: `[{"role":"user","content":[{"text":"a"},{"text":"b"}]},{"role":"assistant","content":[{"text":"c"},{"text":"d"}]},{"role":"user","content":[{"text":"e"}]}]`},
		{name: "tools", messages: []llm.Message{user(text("a")), model(call("call|1", "f", `{"a":1}`), call("c2", "g", "")), tool(result("c2", "", "two")),
			tool(llm.Part{Kind: llm.PartToolResult, ID: "call|1", Text: "no", IsError: true, Cache: "5m"}, png), user(text("go on"))},
			want: `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"call_1","name":"f","input":{"a":1}}},{"toolUse":{"toolUseId":"c2","name":"g","input":{}}}]},` +
				`{"role":"user","content":[{"toolResult":{"toolUseId":"c2","content":[{"text":"two"}]}},{"toolResult":{"toolUseId":"call_1","content":[{"text":"no"},{"image":{"format":"png","source":{"bytes":"aGk="}}}],"status":"error"}},{"cachePoint":{"type":"default","ttl":"5m"}},{"text":"go on"}]}]`},
		{name: "tools without ids", messages: []llm.Message{user(text("a")), model(call("", "f", ""), call("", "f", "")), tool(result("", "f", "1")), tool(result("", "f", "2"))},
			want: `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"tooluse_0","name":"f","input":{}}},{"toolUse":{"toolUseId":"tooluse_1","name":"f","input":{}}}]},` +
				`{"role":"user","content":[{"toolResult":{"toolUseId":"tooluse_0","content":[{"text":"1"}]}},{"toolResult":{"toolUseId":"tooluse_1","content":[{"text":"2"}]}}]}]`},
		{name: "a result before its text", messages: []llm.Message{user(text("a")), model(call("c", "f", "")), user(text("b")), tool(result("c", "", "1"))},
			want: `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"1"}]}},{"text":"b"}]}]`},
		{name: "a result of no call", messages: []llm.Message{tool(result("", "f", "1"))}, refused: "messages[0]"},
		{name: "arguments that are none", messages: []llm.Message{user(text("a")), model(call("c", "f", "[1]"))}, refused: "messages[1]"},
		{name: "media", messages: []llm.Message{user(png, llm.Part{Kind: llm.PartBlob, Data: "/9j/4AAQSkZJRg=="}, pdf, pdf,
			llm.Part{Kind: llm.PartBlob, MIME: "audio/mpeg", Data: "aGk="}, llm.Part{Kind: llm.PartBlob, MIME: "video/quicktime", Data: "aGk="},
			llm.Part{Kind: llm.PartBlob, MIME: "text/plain; charset=utf-8", Data: "aGk="}, llm.Part{Kind: llm.PartURI, MIME: "image/png", URI: "data:image/png;base64,aGk="},
			llm.Part{Kind: llm.PartURI, MIME: "image/gif", URI: "s3://b/k"})},
			want: `[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"aGk="}}},{"image":{"format":"jpeg","source":{"bytes":"/9j/4AAQSkZJRg=="}}},` +
				`{"document":{"format":"pdf","name":"My report 2026 final","source":{"bytes":"aGk="}}},{"document":{"format":"pdf","name":"My report 2026 final 2","source":{"bytes":"aGk="}}},` +
				`{"audio":{"format":"mp3","source":{"bytes":"aGk="}}},{"video":{"format":"mov","source":{"bytes":"aGk="}}},{"document":{"format":"txt","name":"document","source":{"bytes":"aGk="}}},` +
				`{"image":{"format":"png","source":{"bytes":"aGk="}}},{"image":{"format":"gif","source":{"s3Location":{"uri":"s3://b/k"}}}}]}]`},
		{name: "an image on the web", messages: []llm.Message{user(llm.Part{Kind: llm.PartURI, MIME: "image/*", URI: "https://example.com/a.png"})}, refused: "messages.image_url"},
		{name: "a document on the web", messages: []llm.Message{user(llm.Part{Kind: llm.PartURI, MIME: "application/pdf", URI: "https://example.com/a.pdf"})}, refused: "messages.document_url"},
		{name: "a format that there is not", messages: []llm.Message{user(llm.Part{Kind: llm.PartBlob, MIME: "image/tiff", Data: "aGk="})}, refused: "messages.image"},
		{name: "an uploaded file", messages: []llm.Message{user(llm.Part{Kind: llm.PartFile, ID: "f"})}, refused: "messages.file"},
		{name: "a provider's own", messages: []llm.Message{user(llm.Part{Kind: llm.PartOther, Name: "x"})}, refused: "messages.content"},
		{name: "reasoning", model: claudeID, messages: []llm.Message{user(text("a")), model(llm.Part{Kind: llm.PartReasoning, Text: "t", Signature: "s"}, llm.Part{Kind: llm.PartReasoning, Data: "eA=="}, text("b"))},
			want: `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"reasoningContent":{"redactedContent":"eA=="}},{"text":"b"}]}]`},
		{name: "reasoning that is not signed, for Claude", model: claudeID, messages: []llm.Message{user(text("a")), model(llm.Part{Kind: llm.PartReasoning, Text: "t"})}, refused: "messages.reasoning"},
		{name: "reasoning that is not signed", model: novaID, messages: []llm.Message{user(text("a")), model(llm.Part{Kind: llm.PartReasoning, Text: "t"})},
			want: `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t"}}}]}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build(t, tt.model, request(llm.Params{}, &llm.Conversation{Messages: tt.messages}), `{"messages":`+tt.want+`}`, tt.refused)
		})
	}
}

func TestBuildLossy(t *testing.T) {
	c := &llm.Conversation{User: "u", Tools: []llm.Tool{{Name: "f", Strict: llm.Some(true), Cache: "5m"}}, ToolChoice: "none", Messages: []llm.Message{
		user(text("hi"), llm.Part{Kind: llm.PartURI, URI: "https://example.com/a.png"}, llm.Part{Kind: llm.PartOther})}}
	loss := &llm.Loss{Allow: true}
	_, body, err := d.BuildRequest(request(llm.Params{Seed: llm.Some(int64(1)), TopK: llm.Some(0.5)}, c), "m", loss)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`), decoded(t, string(body))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"seed", "user", "top_k", "messages.image_url", "messages.content", "tool_choice", "tools", "tools.strict", "cache_control"}, loss.Dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	r := llm.NewRequest(llm.OpenAIImages, llm.OpenAI, llm.OpGenerateContent, nil, saying{c})
	var e *llm.Error
	if _, _, err := d.BuildRequest(r, "m", loss); !errors.As(err, &e) || e.Status != 501 {
		t.Errorf("images: %v", err)
	}
}
