package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func parse(t testing.TB, api llm.API, body string) *llm.Request {
	t.Helper()
	r, err := Dialect{}.ParseRequest(api, &llm.Head{Method: "POST"}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConversation(t *testing.T) {
	text := func(s string) []llm.Part { return []llm.Part{{Text: s}} }
	tests := []struct {
		name string
		api  llm.API
		body string
		want llm.Conversation
	}{
		{
			name: "chat", api: llm.OpenAIChat,
			body: `{"messages":[
				{"role":"developer","content":"be brief"},
				{"role":"user","name":"ann","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
					{"type":"image_url","image_url":{"url":"https://x/y.png"}},{"type":"input_audio","input_audio":{"data":"BBBB","format":"mp3"}},
					{"type":"file","file":{"file_id":"f1"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,CCCC"}},{"type":"video_url"}]},
				{"role":"assistant","content":null,"reasoning_content":"hm","refusal":"no","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
				{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"4"},{"type":"text","text":"2"}]},
				{"role":"function","name":"g","content":"7"}],
				"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"c"}}],
				"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"user":"u",
				"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"string"}}}}`,
			want: llm.Conversation{
				Messages: []llm.Message{
					{Role: llm.RoleSystem, Parts: text("be brief")},
					{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{
						{Text: "see"}, {Kind: llm.PartBlob, MIME: "image/png", Data: "AAAA"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://x/y.png"},
						{Kind: llm.PartBlob, MIME: "audio/mpeg", Data: "BBBB"}, {Kind: llm.PartFile, ID: "f1"},
						{Kind: llm.PartBlob, MIME: "application/pdf", Data: "CCCC", Name: "a.pdf"},
						{Kind: llm.PartOther, Name: "video_url", Raw: []byte(`{"type":"video_url"}`)},
					}},
					{Role: llm.RoleAssistant, Parts: []llm.Part{
						{Kind: llm.PartReasoning, Text: "hm"}, {Kind: llm.PartRefusal, Text: "no"}, {Kind: llm.PartToolCall, ID: "c1", Name: "f", Text: "{}"},
					}},
					{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "c1", Text: "42"}}},
					{Role: llm.RoleTool, Name: "g", Parts: []llm.Part{{Kind: llm.PartToolResult, Name: "g", Text: "7"}}},
				},
				Tools: []llm.Tool{
					{Name: "f", Description: "d", Schema: []byte(`{"type":"object"}`), Strict: llm.Some(true)},
					{Name: "c", Raw: []byte(`{"type":"custom","custom":{"name":"c"}}`)},
				},
				ToolChoice: "tool", ToolChoiceName: "f", ParallelToolCalls: llm.Some(false), User: "u",
				OutputSchema: []byte(`{"type":"string"}`), OutputName: "n",
			},
		},
		{
			name: "functions", api: llm.OpenAIChat,
			body: `{"messages":[{"role":"assistant","content":"","function_call":{"name":"f","arguments":"1"}}],"functions":[{"name":"f"}],"function_call":"auto"}`,
			want: llm.Conversation{
				Messages: []llm.Message{{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartToolCall, Name: "f", Text: "1"}}}},
				Tools:    []llm.Tool{{Name: "f"}}, ToolChoice: "auto",
			},
		},
		{
			name: "completions", api: llm.OpenAICompletions, body: `{"prompt":["a","b",[1,2]]}`,
			want: llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Parts: text("a")}, {Role: llm.RoleUser, Parts: text("b")}},
				Extra: []llm.Extra{{Field: "prompt", Raw: []byte(`["a","b",[1,2]]`)}}},
		},
		{
			name: "embeddings", api: llm.OpenAIEmbeddings, body: `{"model":"m","input":"a","user":"u","input_type":"query","encoding_format":"base64","dimensions":3,"truncate":"END"}`,
			want: llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Parts: text("a")}}, User: "u", Inputs: [][]llm.Part{text("a")},
				InputType: llm.InputSearchQuery, Extra: []llm.Extra{{Field: "truncate", Raw: []byte(`"END"`)}}},
		},
		{
			name: "embeddings of tokens", api: llm.OpenAIEmbeddings, body: `{"input":[1,2]}`,
			want: llm.Conversation{Extra: []llm.Extra{{Field: "input", Raw: []byte(`[1,2]`)}}},
		},
		{
			name: "chat, all options", api: llm.OpenAIChat,
			body: `{"model":"m","temperature":1,"logprobs":true,"top_logprobs":2,"logit_bias":{},"metadata":{ },"store":false,"modalities":["text"],"verbosity":"medium","n":2,"user":"",
				"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"prediction":null,"service_tier":"auto","prompt_cache_key":"k","safety_identifier":"s",
				"thinking":{"type":"enabled","budget_tokens":9},"reasoning":{"exclude":true,"effort":"low"},"frobnicate":[1],"response_format":{"type":"json_schema","json_schema":{"schema":{},"strict":false,"description":"d"}}}`,
			want: llm.Conversation{Logprobs: true, TopLogprobs: some(2), Thinking: "on", ThinkingBudget: some(9), ShowThinking: llm.Some(false),
				OutputSchema: []byte("{}"), OutputStrict: llm.Some(false),
				Extra: []llm.Extra{{Field: "prompt_cache_key", Raw: []byte(`"k"`)}, {Field: "safety_identifier", Raw: []byte(`"s"`)}, {Field: "frobnicate", Raw: []byte(`[1]`)},
					{Field: "response_format.json_schema.description", Raw: []byte(`"d"`)}}},
		},
		{
			name: "chat, what is beside the text", api: llm.OpenAIChat,
			body: `{"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"image_url","image_url":{"url":"https://x","detail":"low"},"prompt_cache_breakpoint":{"mode":"explicit","ttl":"30m"}},
					{"type":"file","file":{"file_data":"AAAA","filename":"a.PDF"},"x":1}]},
				{"role":"user","content":"b","cache_control":{"type":"ephemeral","ttl":"1h"}},
				{"role":"assistant","content":"c","annotations":[],"audio":{"id":"a"},"tool_calls":[{"id":"1","type":"custom","custom":{"name":"f","input":"x"}},{"id":"2","function":{"name":"g","arguments":"{}"},"extra_content":{}}]},
				{"role":"tool","tool_call_id":"2","content":[{"type":"text","text":"4"},{"type":"image_url","image_url":{"url":"https://y"}},{"type":"text","text":"2","cache_control":{}}]}],
				"tools":[{"type":"function","function":{"name":"g"},"cache_control":{"type":"ephemeral"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{}}}`,
			want: llm.Conversation{
				Messages: []llm.Message{
					{Role: llm.RoleUser, Parts: []llm.Part{{Text: "a", Cache: "default"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://x", Detail: "low", Cache: "30m"},
						{Kind: llm.PartBlob, MIME: "application/pdf", Data: "AAAA", Name: "a.PDF"}}},
					{Role: llm.RoleUser, Parts: []llm.Part{{Text: "b", Cache: "1h"}}},
					{Role: llm.RoleAssistant, Parts: []llm.Part{{Text: "c"},
						{Kind: llm.PartOther, Name: "custom_tool_call", Raw: []byte(`{"id":"1","type":"custom","custom":{"name":"f","input":"x"}}`)},
						{Kind: llm.PartToolCall, ID: "2", Name: "g", Text: "{}"}}},
					{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "2", Text: "42", Cache: "default"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://y"}}},
				},
				Tools: []llm.Tool{{Name: "g", Cache: "default"}},
				Extra: []llm.Extra{{Field: "messages.content.x", Raw: []byte("1")}, {Field: "messages.audio", Raw: []byte(`{"id":"a"}`)},
					{Field: "messages.tool_calls.extra_content", Raw: []byte("{}")}, {Field: "tool_choice", Raw: []byte(`{"type":"allowed_tools","allowed_tools":{}}`)}},
			},
		},
		{
			name: "chat, reasoning", api: llm.OpenAIChat,
			body: `{"messages":[{"role":"assistant","content":"a","reasoning_content":"hmhmmha","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s1"},{"type":"reasoning.encrypted","data":"e"},
					{"type":"reasoning.text","text":"mh","signature":"s2"},{"type":"reasoning.text","signature":"s3"}],"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}]},
				{"role":"assistant","reasoning":"r"},{"role":"assistant","reasoning_details":[{"type":"reasoning.summary","summary":"u"}]}]}`,
			want: llm.Conversation{Messages: []llm.Message{
				{Role: llm.RoleAssistant, Parts: []llm.Part{
					{Kind: llm.PartReasoning, Text: "hm", Signature: "s1"}, {Kind: llm.PartReasoning, Data: "e"}, {Kind: llm.PartReasoning, Text: "hm"},
					{Kind: llm.PartReasoning, Text: "mh", Signature: "s2"}, {Kind: llm.PartReasoning, Text: "a"}, {Text: "a"},
					{Kind: llm.PartReasoning, Signature: "s3"}, {Kind: llm.PartToolCall, ID: "1", Name: "f", Text: "{}"},
				}},
				{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "r"}}},
				{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "u"}}},
			}},
		},
		{
			name: "responses, all options", api: llm.OpenAIResponses,
			body: `{"model":"m","max_output_tokens":5,"store":true,"truncation":"disabled","background":false,"metadata":{},"top_logprobs":2,"include":["message.output_text.logprobs","reasoning.encrypted_content","web_search_call.results"],
				"reasoning":{"effort":"low","summary":"auto","context":"x"},"text":{"verbosity":"low","format":{"type":"json_schema","name":"n","strict":true,"schema":{}}},"max_tool_calls":3,"service_tier":"flex","stream_options":{"include_obfuscation":true},
				"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":true,"conversation":"c","previous_response_id":"p","user":"u"}`,
			want: llm.Conversation{Logprobs: true, TopLogprobs: some(2), ShowThinking: llm.Some(true), OutputSchema: []byte("{}"), OutputName: "n", OutputStrict: llm.Some(true),
				ToolChoice: "tool", ToolChoiceName: "f", ParallelToolCalls: llm.Some(true), User: "u",
				Extra: []llm.Extra{{Field: "include", Raw: []byte(`["message.output_text.logprobs","reasoning.encrypted_content","web_search_call.results"]`)}, {Field: "reasoning.context", Raw: []byte(`"x"`)},
					{Field: "text.verbosity", Raw: []byte(`"low"`)}, {Field: "max_tool_calls", Raw: []byte("3")}}},
		},
		{
			name: "responses, items", api: llm.OpenAIResponses,
			body: `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"high"},{"type":"input_image","file_id":"f"},{"type":"input_file","file_url":"https://x/a.pdf?q"},
					{"type":"input_file","filename":"b.pdf","file_data":"data:application/pdf;base64,BBBB"},{"type":"input_audio","input_audio":{"data":"CCCC","format":"wav"}}]},
				{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"signature:abc"},{"type":"reasoning","summary":[],"encrypted_content":"e"},
				{"type":"message","role":"assistant","id":"m","status":"completed","phase":"commentary","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[{"token":"a"}]},{"type":"refusal","refusal":"no"}]},
				{"type":"custom_tool_call","call_id":"1","name":"c","input":"x"},{"type":"custom_tool_call_output","call_id":"1","output":"y"},
				{"type":"function_call_output","call_id":"2","output":[{"type":"input_text","text":"t"},{"type":"input_image","image_url":"https://y"}],"status":"completed"}],"tools":[{"type":"custom","name":"c"}]}`,
			want: llm.Conversation{
				Messages: []llm.Message{
					{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartBlob, MIME: "image/png", Data: "AAAA", Detail: "high"}, {Kind: llm.PartFile, ID: "f", MIME: "image/*"},
						{Kind: llm.PartURI, MIME: "application/pdf", URI: "https://x/a.pdf?q"}, {Kind: llm.PartBlob, MIME: "application/pdf", Data: "BBBB", Name: "b.pdf"},
						{Kind: llm.PartBlob, MIME: "audio/wav", Data: "CCCC"}}},
					{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "s", Signature: "abc"}, {Kind: llm.PartReasoning, Data: "e"}, {Text: "a"},
						{Kind: llm.PartRefusal, Text: "no"},
						{Kind: llm.PartOther, Name: "custom_tool_call", Raw: []byte(`{"type":"custom_tool_call","call_id":"1","name":"c","input":"x"}`)},
						{Kind: llm.PartOther, Name: "custom_tool_call_output", Raw: []byte(`{"type":"custom_tool_call_output","call_id":"1","output":"y"}`)}}},
					{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "2", Text: "t"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://y"}}},
				},
				Tools: []llm.Tool{{Name: "c", Raw: []byte(`{"type":"custom","name":"c"}`)}},
				Extra: []llm.Extra{{Field: "input.phase", Raw: []byte(`"commentary"`)}},
			},
		},
		{
			name: "responses", api: llm.OpenAIResponses,
			body: `{"instructions":"i","input":[{"role":"user","content":"a"},{"type":"message","role":"developer","content":[{"type":"input_text","text":"b"},{"type":"input_image","image_url":"https://x"},{"type":"input_file","file_id":"f"}]},
				{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"e"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"4"},
				{"type":"item_reference","id":"x"}],"tools":[{"type":"function","name":"f","parameters":{},"strict":false},{"type":"web_search"}],"tool_choice":"required","text":{"format":{"type":"json_schema","schema":{}}}}`,
			want: llm.Conversation{
				System: text("i"),
				Messages: []llm.Message{
					{Role: llm.RoleUser, Parts: text("a")},
					{Role: llm.RoleSystem, Parts: []llm.Part{{Text: "b"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://x"}, {Kind: llm.PartFile, ID: "f"}}},
					{Role: llm.RoleAssistant, Parts: []llm.Part{
						{Kind: llm.PartReasoning, Text: "s", Data: "e"}, {Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "{}"},
					}},
					{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "c", Text: "4"}}},
					{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartOther, Name: "item_reference", Raw: []byte(`{"type":"item_reference","id":"x"}`)}}},
				},
				Tools: []llm.Tool{
					{Name: "f", Schema: []byte(`{}`), Strict: llm.Some(false)},
					{Name: "web_search", Raw: []byte(`{"type":"web_search"}`)},
				},
				ToolChoice: "required", OutputSchema: []byte(`{}`),
			},
		},
		{
			name: "responses of a text", api: llm.OpenAIResponses, body: `{"input":"a"}`,
			want: llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser, Parts: text("a")}}},
		},
		{name: "nothing of the right type", api: llm.OpenAIChat, body: `{"messages":7,"tools":"x","functions":{},"tool_choice":null,"parallel_tool_calls":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, tt.api, tt.body).Conversation()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEditText(t *testing.T) {
	tests := []struct {
		name, body, want string
		api              llm.API
		roles            string
	}{
		{
			name: "chat", api: llm.OpenAIChat, roles: "system user user assistant assistant assistant assistant assistant tool assistant",
			body: `{ "messages":[{"content":"<a>","role":"developer"}, {"role":"user","content":[{"type":"text","text":"<b\n\u00e9>"},{"type":"image_url","image_url":{"url":"<x>"}},{"type":"text","text":"<c>"}]},
				{"role":"assistant","content":"<d>","refusal":"<e>","tool_calls":[{"function":{"name":"<f>","arguments":"{\"a\":\"<g>\", \"n\":1}"}},{"custom":{"input":"<i>"}}],"reasoning_details":[{"text":"<j>","data":"x"}]},{"role":"tool","content":"<h>"}],
				"tools":[{"function":{"description":"<t>"}}],"prediction":{"type":"content","content":"<p>"}}`,
			want: `{ "messages":[{"content":"[<a>]","role":"developer"}, {"role":"user","content":[{"type":"text","text":"[<b\né>]"},{"type":"image_url","image_url":{"url":"<x>"}},{"type":"text","text":"[<c>]"}]},
				{"role":"assistant","content":"[<d>]","refusal":"[<e>]","tool_calls":[{"function":{"name":"<f>","arguments":"{\"a\":\"[<g>]\", \"n\":1}"}},{"custom":{"input":"[<i>]"}}],"reasoning_details":[{"text":"[<j>]","data":"x"}]},{"role":"tool","content":"[<h>]"}],
				"tools":[{"function":{"description":"<t>"}}],"prediction":{"type":"content","content":"[<p>]"}}`,
		},
		{
			name: "completions", api: llm.OpenAICompletions, roles: "user user user",
			body: `{"prompt":["<a>",[1],"<b>"],"suffix":"<c>","stop":"<d>"}`,
			want: `{"prompt":["[<a>]",[1],"[<b>]"],"suffix":"[<c>]","stop":"<d>"}`,
		},
		{name: "embeddings", api: llm.OpenAIEmbeddings, roles: "user", body: `{"input":"<a>"}`, want: `{"input":"[<a>]"}`},
		{name: "images", api: llm.OpenAIImages, roles: "user", body: `{"prompt":"<a>"}`, want: `{"prompt":"[<a>]"}`},
		{
			name: "responses", api: llm.OpenAIResponses, roles: "user user system assistant assistant tool tool assistant assistant assistant assistant assistant user user",
			body: `{"input":[{"role":"user","content":"<a>"},{"role":"user","content":[{"type":"input_text","text":"<b>"}]},{"role":"developer","content":"<c>"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"<d>"}]},
				{"type":"function_call","arguments":"{\"a\":[\"<x>\"]}"},{"type":"function_call_output","output":"<e>"},{"type":"function_call_output","output":[{"type":"input_text","text":"<f>"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"<g>"}],"content":[{"type":"reasoning_text","text":"<j>"}]},{"type":"custom_tool_call","input":"<k>"},{"type":"local_shell_call","action":{"type":"exec","command":["<l>"]}},{"type":"code_interpreter_call","code":"<m>"}],
				"prompt":{"id":"p","variables":{"v":"<h>","w":{"type":"input_text","text":"<i>"}}}}`,
			want: `{"input":[{"role":"user","content":"[<a>]"},{"role":"user","content":[{"type":"input_text","text":"[<b>]"}]},{"role":"developer","content":"[<c>]"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"[<d>]"}]},
				{"type":"function_call","arguments":"{\"a\":[\"[<x>]\"]}"},{"type":"function_call_output","output":"[<e>]"},{"type":"function_call_output","output":[{"type":"input_text","text":"[<f>]"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"[<g>]"}],"content":[{"type":"reasoning_text","text":"[<j>]"}]},{"type":"custom_tool_call","input":"[<k>]"},{"type":"local_shell_call","action":{"type":"exec","command":["[<l>]"]}},{"type":"code_interpreter_call","code":"[<m>]"}],
				"prompt":{"id":"p","variables":{"v":"[<h>]","w":{"type":"input_text","text":"[<i>]"}}}}`,
		},
		{
			name: "responses of a text", api: llm.OpenAIResponses, roles: "user system",
			body: `{"input":"<a>","instructions":"<b>"}`, want: `{"input":"[<a>]","instructions":"[<b>]"}`,
		},
		{name: "no text", api: llm.OpenAIChat, body: `{"messages":[{"role":"user","content":null}]}`, want: `{"messages":[{"role":"user","content":null}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := parse(t, tt.api, tt.body)
			var roles []string
			changed, err := r.EditText(func(role llm.Role, s string) (string, bool) {
				roles = append(roles, string(role))
				return "[" + s + "]", true
			})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(r.Raw)); d != "" {
				t.Error(d)
			}
			if got := strings.Join(roles, " "); got != tt.roles || changed != (roles != nil) {
				t.Errorf("roles %q, want %q; changed %v", got, tt.roles, changed)
			}
		})
	}
}

// TestEditTextRecordings edits every recorded request: with nothing to change the body is the same bytes, and with every
// text replaced by itself it is the same JSON.
func TestEditTextRecordings(t *testing.T) {
	for _, x := range exchange.Load(t, "openai.chat", "openai.completions", "openai.responses", "openai.embeddings", "openai.images") {
		_, codec := operation(x.API)
		n := 0
		same, err := codec.EditText(x.Request.Body, func(_ llm.Role, s string) (string, bool) {
			n++
			return s, false
		})
		if err != nil || !bytes.Equal(same, x.Request.Body) {
			t.Errorf("%s/%s: changed, %v", x.API, x.ID, err)
		}
		if n == 0 && !bytes.Contains(x.Request.Body, []byte(`"messages":[]`)) && !bytes.Contains(x.Request.Body, []byte(`"prompt":""`)) {
			t.Errorf("%s/%s: no text in %.200s", x.API, x.ID, x.Request.Body)
		}
		spliced, err := codec.EditText(x.Request.Body, func(_ llm.Role, s string) (string, bool) { return s, true })
		if err != nil {
			t.Errorf("%s/%s: %v", x.API, x.ID, err)
		}
		if d := cmp.Diff(decoded(t, x.Request.Body), decoded(t, spliced)); d != "" {
			t.Errorf("%s/%s: %s", x.API, x.ID, d)
		}
	}
}

func decoded(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}
