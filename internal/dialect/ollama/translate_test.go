package ollama_test

import (
	"errors"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func TestBuildRequest(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"everything", `{"model":"c","system":"be brief","max_tokens":5,"temperature":0.5,"top_p":0.9,"top_k":3,"stop_sequences":["x"],"stream":true,
			"messages":[
				{"role":"user","content":[{"type":"text","text":"look"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]},
				{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"a":1}}]},
				{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"two"},{"type":"text","text":"and?"}]}],
			"tools":[{"name":"f","description":"does f","input_schema":{"type":"object"}}]}`,
			`{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"look","images":["QUJD"]},` +
				`{"role":"assistant","content":"","tool_calls":[{"id":"1","function":{"name":"f","arguments":{"a":1}}}]},` +
				`{"role":"tool","content":"two","tool_name":"f","tool_call_id":"1"},{"role":"user","content":"and?"}],` +
				`"tools":[{"type":"function","function":{"name":"f","description":"does f","parameters":{"type":"object"}}}],"stream":true,` +
				`"options":{"temperature":0.5,"top_p":0.9,"top_k":3,"num_predict":5,"stop":["x"]}}`},
		{"structured", `{"model":"c","max_tokens":5,"messages":[{"role":"user","content":"a"}],
			"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}}`,
			`{"model":"m","messages":[{"role":"user","content":"a"}],"stream":false,"format":{"type":"object"},"think":"low","options":{"num_predict":5}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := anthropic.Dialect{}.ParseRequest(llm.AnthropicMessages, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			api, body, err := ollama.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
			if err != nil || api != llm.OllamaChat {
				t.Fatal(api, err)
			}
			if d := cmp.Diff(tt.want, string(body)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBuildRequestRefuses(t *testing.T) {
	const messages = `"messages":[{"role":"user","content":"a"}]`
	for _, tt := range []struct {
		api    llm.API
		body   string
		status int
	}{
		{llm.AnthropicComplete, `{"prompt":"a"}`, http.StatusNotImplemented},
		{llm.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}]}]}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{` + messages + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{` + messages + `,"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"}}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{` + messages + `,"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"none"}}`, http.StatusBadRequest},
		{llm.AnthropicMessages, `{` + messages + `,"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`, http.StatusBadRequest},
	} {
		r, err := anthropic.Dialect{}.ParseRequest(tt.api, &llm.Head{}, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = ollama.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != tt.status {
			t.Errorf("%s: %v, want status %d", tt.body, err, tt.status)
		}
	}
}

// TestWriterExchanges writes recorded Anthropic responses for an Ollama client, streamed and not, and reads them back: text,
// tool calls and counts survive.
func TestWriterExchanges(t *testing.T) {
	for _, x := range exchange.Load(t, "anthropic.messages") {
		if x.Response.Status != http.StatusOK {
			continue
		}
		want := exchange.Read(t, anthropic.Dialect{}.NewReader(x.API, x.Response.Head(), llm.WantParts), [][]byte{x.Response.Body})
		for _, stream := range []bool{false, true} {
			w, err := ollama.Dialect{}.NewWriter(&llm.Request{API: llm.OllamaChat, Stream: stream}, new(llm.Loss))
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
			got := exchange.Read(t, ollama.Dialect{}.NewReader(llm.OllamaChat, head(200, w.ContentType()), llm.WantParts), [][]byte{out})
			for _, d := range x.DiffMessages(got.Messages()) {
				t.Errorf("%s: %s", x.ID, d)
			}
			if got.Model != want.Model || got.Usage.Input != want.Usage.Input || got.Usage.Output != want.Usage.Output || !got.Last {
				t.Errorf("%s: got %s %+v, want %s %+v", x.ID, got.Model, got.Usage, want.Model, want.Usage)
			}
		}
	}
}

func TestWriter(t *testing.T) {
	evs := []llm.Event{
		{ID: "r1", Model: "n"},
		{Choices: []llm.Choice{{}}, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "hm"}, {Text: "a"}}},
		{Choices: []llm.Choice{{Index: 1}}, Parts: []llm.Part{{Choice: 1, Text: "lost"}, {Kind: llm.PartBlob}}},
		{Parts: []llm.Part{{Text: "b"}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 1, ID: "1", Name: "f", Text: `{"x"`}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 1, Text: `:1}`}}},
		{Choices: []llm.Choice{{Finish: "max_tokens"}}},
		{Usage: &llm.Usage{Input: llm.Some[int64](3), Output: llm.Some[int64](5)}, Last: true},
	}
	const (
		begin = `{"model":"n","created_at":"T","message":{"role":"assistant",`
		calls = `"tool_calls":[{"id":"1","function":{"index":0,"name":"f","arguments":{"x":1}}}]`
		end   = `"done_reason":"length","done":true,"prompt_eval_count":3,"eval_count":5}`
	)
	created := regexp.MustCompile(`"created_at":"[-0-9]+T[0-9:.]+Z"`)
	for _, tt := range []struct {
		name   string
		stream bool
		err    *llm.Error
		want   string
	}{
		{"unstreamed", false, nil, begin + `"content":"ab","thinking":"hm",` + calls + `},` + end},
		{"unstreamed error", false, &llm.Error{Status: 503, Message: "m"}, `{"error":"m"}`},
		{"streamed", true, nil, begin + `"content":"a","thinking":"hm"},"done":false}` + "\n" + begin + `"content":"b"},"done":false}` + "\n" +
			begin + `"content":"",` + calls + `},"done":false}` + "\n" + begin + `"content":""},` + end + "\n"},
		{"streamed error", true, &llm.Error{Status: 503, Message: "m"},
			begin + `"content":"a","thinking":"hm"},"done":false}` + "\n" + begin + `"content":"b"},"done":false}` + "\n" +
				begin + `"content":"",` + calls + `},"done":false}` + "\n" + `{"error":"m"}` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := ollama.Dialect{}.NewWriter(&llm.Request{API: llm.OllamaChat, Model: "alias", Stream: tt.stream}, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			var out []byte
			for i := range evs {
				if out, err = w.Write(out, &evs[i]); err != nil {
					t.Fatal(err)
				}
			}
			if out, err = w.Close(out, tt.err); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, created.ReplaceAllString(string(out), `"created_at":"T"`)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	var e *llm.Error
	if _, err := (ollama.Dialect{}).NewWriter(&llm.Request{API: llm.OllamaGenerate}, new(llm.Loss)); !errors.As(err, &e) || e.Status != http.StatusNotImplemented {
		t.Errorf("generate: %v, want 501", err)
	}
	w, err := ollama.Dialect{}.NewWriter(&llm.Request{API: llm.OllamaChat, Stream: true}, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(nil, &llm.Event{Parts: []llm.Part{{Kind: llm.PartToolCall, Name: "f", Text: `{"x"`}}}); err != nil {
		t.Fatal(err)
	}
	if out, err := w.Close([]byte("> "), nil); !errors.As(err, &e) || e.Status != http.StatusBadGateway || string(out) != "> " {
		t.Errorf("arguments that are no JSON: %q, %v, want 502", out, err)
	}
}
