package gemini_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func TestBuildRequest(t *testing.T) {
	for _, tt := range []struct{ name, model, body, want string }{
		{"everything", "gemini-2.0-flash", `{"model":"m","system":"be brief","max_tokens":5,"temperature":0.5,"top_p":0.9,"top_k":3,"stop_sequences":["x"],
			"messages":[
				{"role":"user","content":[{"type":"text","text":"<look>"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},
					{"type":"image","source":{"type":"url","url":"https://x.example/a.jpg?b=1"}}]},
				{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"a":1}},{"type":"tool_use","id":"2","name":"g","input":{}}]},
				{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"{\"b\":2}"},
					{"type":"tool_result","tool_use_id":"2","content":"gone","is_error":true},{"type":"text","text":"and?"}]}],
			"tools":[{"name":"f","description":"does f","input_schema":{"type":"object"}},{"name":"g","input_schema":{"type":"object"}}],
			"tool_choice":{"type":"tool","name":"f"}}`,
			`{"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[` +
				`{"role":"user","parts":[{"text":"\u003clook\u003e"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"fileData":{"mimeType":"image/jpeg","fileUri":"https://x.example/a.jpg?b=1"}}]},` +
				`{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{"a":1}}},{"functionCall":{"id":"2","name":"g","args":{}}}]},` +
				`{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"b":2}}},{"functionResponse":{"id":"2","name":"g","response":{"error":"gone"}}},{"text":"and?"}]}],` +
				`"tools":[{"functionDeclarations":[{"name":"f","description":"does f","parametersJsonSchema":{"type":"object"}},{"name":"g","parametersJsonSchema":{"type":"object"}}]}],` +
				`"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},` +
				`"generationConfig":{"temperature":0.5,"topP":0.9,"topK":3,"maxOutputTokens":5,"stopSequences":["x"]}}`},
		{"structured, with a budget", "gemini-2.5-flash", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}],
			"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}}`,
			`{"contents":[{"role":"user","parts":[{"text":"a"}]}],"generationConfig":{"maxOutputTokens":5,"responseMimeType":"application/json",` +
				`"responseJsonSchema":{"type":"object"},"thinkingConfig":{"thinkingBudget":1024}}}`},
		{"with a level", "gemini-3-pro", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}],"output_config":{"effort":"high"}}`,
			`{"contents":[{"role":"user","parts":[{"text":"a"}]}],"generationConfig":{"maxOutputTokens":5,"thinkingConfig":{"thinkingLevel":"high"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := anthropic.Dialect{}.ParseRequest(llm.AnthropicMessages, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			api, body, err := gemini.Dialect{}.BuildRequest(r, tt.model, new(llm.Loss))
			if err != nil || api != llm.GeminiGenerate {
				t.Fatal(api, err)
			}
			if d := cmp.Diff(tt.want, string(body)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBuildRequestFromOllama(t *testing.T) {
	body := `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"see","images":["iVBORw0KGgo="]},{"role":"user","content":"?"},
		{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]},{"role":"tool","tool_name":"f","content":"4"}]}`
	r, err := ollama.Dialect{}.ParseRequest(llm.OllamaChat, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := gemini.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[` +
		`{"role":"user","parts":[{"text":"see"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}},{"text":"?"}]},` +
		`{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},` +
		`{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"4"}}}]}]}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

func TestBuildRequestRefuses(t *testing.T) {
	for _, tt := range []struct {
		api    llm.API
		body   string
		status int
	}{
		{llm.AnthropicComplete, `{"prompt":"a"}`, http.StatusNotImplemented},
		{llm.AnthropicMessages, `{"messages":[]}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x.example/a"}}]}]}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"a"}]}]}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{"messages":[{"role":"user","content":"a"}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`, http.StatusBadRequest},
	} {
		r, err := anthropic.Dialect{}.ParseRequest(tt.api, &llm.Head{}, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = gemini.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != tt.status {
			t.Errorf("%s: %v, want status %d", tt.body, err, tt.status)
		}
	}
}

// TestWriterExchanges writes recorded Anthropic responses for a Gemini client, as events, as an array and unstreamed, and
// reads them back: text, tool calls and counts survive.
func TestWriterExchanges(t *testing.T) {
	for _, x := range exchange.Load(t, "anthropic.messages") {
		if x.Response.Status != http.StatusOK {
			continue
		}
		want := exchange.Read(t, anthropic.Dialect{}.NewReader(x.API, x.Response.Head(), llm.WantParts), [][]byte{x.Response.Body})
		for _, r := range []*llm.Request{
			{API: llm.GeminiGenerate},
			{API: llm.GeminiGenerate, Stream: true},
			{API: llm.GeminiGenerate, Stream: true, StreamArray: true},
		} {
			w, err := gemini.Dialect{}.NewWriter(r, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			var out []byte
			err = anthropic.Dialect{}.NewReader(x.API, x.Response.Head(), llm.WantParts).Read(x.Response.Body, true, func(ev *llm.Event) error {
				out, err = w.Write(out, ev)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if out, err = w.Close(out, nil); err != nil {
				t.Fatal(err)
			}
			got := exchange.Read(t, gemini.Dialect{}.NewReader(llm.GeminiGenerate, head(200, w.ContentType()), llm.WantParts), [][]byte{out})
			for _, d := range x.DiffMessages(got.Messages()) {
				t.Errorf("%s: %s", x.ID, d)
			}
			if got.ID != want.ID || got.Model != want.Model || got.Usage.Input != want.Usage.Input || got.Usage.Output != want.Usage.Output {
				t.Errorf("%s: got %s %s %+v, want %s %s %+v", x.ID, got.ID, got.Model, got.Usage, want.ID, want.Model, want.Usage)
			}
			if len(got.FinishReasons()) != len(want.FinishReasons()) {
				t.Errorf("%s: finish reasons %q of %q", x.ID, got.FinishReasons(), want.FinishReasons())
			}
		}
	}
}

func TestWriter(t *testing.T) {
	evs := []llm.Event{
		{ID: "r1", Model: "m"},
		{Choices: []llm.Choice{{}}, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "hm"}, {Text: "a"}}},
		{Parts: []llm.Part{{Text: "b"}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 1, ID: "1", Name: "f", Text: `{"x"`}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 1, Text: `:1}`}}},
		{Choices: []llm.Choice{{Finish: "tool_calls"}}},
		{Usage: &llm.Usage{Input: llm.Some[int64](3), Output: llm.Some[int64](5), Reasoning: llm.Some[int64](2)}, Last: true},
	}
	const (
		tail  = `,"modelVersion":"m","responseId":"r1"}`
		usage = `"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":3,"totalTokenCount":8,"thoughtsTokenCount":2}`
		call  = `{"functionCall":{"id":"1","name":"f","args":{"x":1}}}`
	)
	chunks := []string{
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"a"}]},"index":0}]` + tail,
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"b"}]},"index":0}]` + tail,
		`{"candidates":[{"content":{"role":"model","parts":[` + call + `]},"finishReason":"STOP","index":0}]` + tail,
		`{` + usage + tail,
	}
	const refusal = `{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`
	for _, tt := range []struct {
		name    string
		request llm.Request
		events  []llm.Event
		err     *llm.Error
		want    string
	}{
		{"unstreamed", llm.Request{}, evs, nil,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"ab"},` + call + `]},"finishReason":"STOP","index":0}],` + usage + tail},
		{"unstreamed error", llm.Request{}, evs, &llm.Error{Status: 503, Message: "m"}, refusal},
		{"events", llm.Request{Stream: true}, evs, nil, "data: " + strings.Join(chunks, "\r\n\r\ndata: ") + "\r\n\r\n"},
		{"events and an error", llm.Request{Stream: true}, evs[:2], &llm.Error{Status: 503, Message: "m"},
			"data: " + chunks[0] + "\r\n\r\ndata: " + refusal + "\r\n\r\n"},
		{"array", llm.Request{Stream: true, StreamArray: true}, evs, nil, "[" + strings.Join(chunks, ",\r\n") + "\r\n]"},
		{"array and an error", llm.Request{Stream: true, StreamArray: true}, evs[:2], &llm.Error{Status: 503, Message: "m"},
			"[" + chunks[0] + ",\r\n" + refusal + "]"},
		{"array of an error", llm.Request{Stream: true, StreamArray: true}, nil, &llm.Error{Status: 503, Message: "m"}, "[" + refusal + "]"},
		{"array of nothing", llm.Request{Stream: true, StreamArray: true}, nil, nil, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.API = llm.GeminiGenerate
			w, err := gemini.Dialect{}.NewWriter(&tt.request, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			var out []byte
			for i := range tt.events {
				if out, err = w.Write(out, &tt.events[i]); err != nil {
					t.Fatal(err)
				}
			}
			if out, err = w.Close(out, tt.err); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(out)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	var e *llm.Error
	w, err := gemini.Dialect{}.NewWriter(&llm.Request{API: llm.GeminiGenerate, Stream: true}, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(nil, &llm.Event{
		Parts:   []llm.Part{{Kind: llm.PartToolCall, Name: "f", Text: `{"x"`}},
		Choices: []llm.Choice{{Finish: "tool_use"}},
	})
	if !errors.As(err, &e) || e.Status != http.StatusBadGateway {
		t.Errorf("arguments that are no JSON: %v, want 502", err)
	}
}

func TestWriterFinish(t *testing.T) {
	for given, want := range map[string]string{
		"stop": "STOP", "end_turn": "STOP", "tool_use": "STOP", "length": "MAX_TOKENS", "max_tokens": "MAX_TOKENS",
		"content_filter": "SAFETY", "refusal": "SAFETY", "RECITATION": "SAFETY", "compaction": "OTHER",
	} {
		w, err := gemini.Dialect{}.NewWriter(&llm.Request{API: llm.GeminiGenerate, Stream: true}, new(llm.Loss))
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(nil, &llm.Event{Choices: []llm.Choice{{Index: 2, Finish: given}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := "data: {\"candidates\":[{\"finishReason\":\"" + want + "\",\"index\":2}]}\r\n\r\n"; got != string(out) {
			t.Errorf("%s: got %q, want %q", given, out, got)
		}
	}
}

func TestToolChoice(t *testing.T) {
	for _, tt := range []struct{ given, config string }{
		{`{"type":"auto"}`, `{"mode":"AUTO"}`},
		{`{"type":"any"}`, `{"mode":"ANY"}`},
		{`{"type":"none"}`, `{"mode":"NONE"}`},
		{`{"type":"tool","name":"f"}`, `{"mode":"ANY","allowedFunctionNames":["f"]}`},
	} {
		r, err := anthropic.Dialect{}.ParseRequest(llm.AnthropicMessages, &llm.Head{}, []byte(
			`{"messages":[{"role":"user","content":"a"}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":`+tt.given+`}`))
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := gemini.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
		if err != nil {
			t.Fatal(err)
		}
		if want := `"toolConfig":{"functionCallingConfig":` + tt.config + `}`; !strings.Contains(string(body), want) {
			t.Errorf("%s: %s lacks %s", tt.given, body, want)
		}
		want, err := r.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		back, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := back.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		if got.ToolChoice != want.ToolChoice || got.ToolChoiceName != want.ToolChoiceName {
			t.Errorf("%s comes back as %q %q, want %q %q", tt.given, got.ToolChoice, got.ToolChoiceName, want.ToolChoice, want.ToolChoiceName)
		}
	}
}
