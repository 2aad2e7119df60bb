package anthropic_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/llm"
)

var d anthropic.Dialect

func TestAccepts(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		api          llm.API
	}{
		{"POST", "/v1/messages", llm.AnthropicMessages},
		{"POST", "/messages", llm.AnthropicMessages},
		{"POST", "/some/prefix/v1/messages", llm.AnthropicMessages},
		{"POST", "/v1/complete", llm.AnthropicComplete},
		{"GET", "/v1/messages", ""},
		{"POST", "/v1/messages/count_tokens", ""},
		{"POST", "/v1/messages/batches", ""},
		{"POST", "/v1/threads/thread_1/messages", ""},
		{"POST", "/v1/submessages", ""},
		{"POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@20250929:rawPredict", llm.AnthropicMessages},
		{"POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict", llm.AnthropicMessages},
		{"POST", "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", ""},
		{"POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:predict", ""},
		{"POST", "/v1/projects/p/locations/l/publishers/mistralai/models/codestral:rawPredict", ""},
		{"POST", "", ""},
		{"POST", "/", ""},
	} {
		api, ok := d.Accepts(tt.method, tt.path)
		if api != tt.api || ok != (tt.api != "") {
			t.Errorf("%s %q: got %q, %v", tt.method, tt.path, api, ok)
		}
	}
}

// TestParseHosted reads model and stream from Vertex AI's paths.
func TestParseHosted(t *testing.T) {
	const at = "/v1/projects/p/locations/l/publishers/anthropic/models/"
	for _, tt := range []struct {
		path, body, model string
		stream            bool
	}{
		{at + "claude-x@20250929:rawPredict", `{"messages":[]}`, "claude-x@20250929", false},
		{at + "claude-x%4020250929:streamRawPredict", `{"stream":true}`, "claude-x@20250929", true},
		{at + "claude-x:streamRawPredict", `{}`, "claude-x", true},
		{"/v1/messages", `{"model":"claude-y"}`, "claude-y", false},
	} {
		r, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{Path: tt.path}, []byte(tt.body))
		if err != nil || r.Model != tt.model || r.Stream != tt.stream || r.StreamUsage != tt.stream {
			t.Errorf("%s: %+v, %v", tt.path, r, err)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		api        llm.API
		want       llm.Request
	}{
		{"empty", ` {} `, llm.AnthropicMessages, llm.Request{}},
		{"all", `{"model":"claude-x","stream":true,"max_tokens":7,"temperature":0.5,"top_p":0.25,"top_k":40,
			"stop_sequences":["a","b"],"service_tier":"standard_only","output_config":{"effort":"max","format":{"type":"json_schema"}},
			"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"max_tokens"}]}`,
			llm.AnthropicMessages, llm.Request{Model: "claude-x", Stream: true, StreamUsage: true, Params: llm.Params{
				Temperature: llm.Some(0.5), TopP: llm.Some(0.25), TopK: llm.Some(40.0), MaxTokens: llm.Some[int64](7),
				Stop: []string{"a", "b"}, ServiceTier: "standard_only", ReasoningLevel: "max", OutputType: "json"}}},
		{"nulls", `{"model":null,"stream":null,"max_tokens":null,"temperature":null,"stop_sequences":null,"output_config":null,
			"service_tier":null}`, llm.AnthropicMessages, llm.Request{}},
		{"null beside the beta's name", `{"output_format":{"type":"json_schema"},"output_config":{"effort":null,"format":null}}`,
			llm.AnthropicMessages, llm.Request{Params: llm.Params{OutputType: "json"}}},
		{"of the wrong types", `{"model":[1],"stream":"true","max_tokens":"7","temperature":{},"stop_sequences":1,"output_config":[]}`,
			llm.AnthropicMessages, llm.Request{}},
		{"default tier, beta format", `{"service_tier":"auto","output_format":{"type":"json_schema","schema":{}}}`,
			llm.AnthropicMessages, llm.Request{Params: llm.Params{OutputType: "json"}}},
		{"model twice", `{"model":"a","model":"b"}`, llm.AnthropicMessages, llm.Request{Model: "b"}},
		{"complete", `{"model":"claude-2","prompt":"x","max_tokens_to_sample":9,"stream":true}`, llm.AnthropicComplete,
			llm.Request{Model: "claude-2", Stream: true, Params: llm.Params{MaxTokens: llm.Some[int64](9)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := d.ParseRequest(tt.api, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.API, tt.want.Dialect, tt.want.Op, tt.want.Raw = tt.api, llm.Anthropic, llm.OpChat, []byte(tt.body)
			if tt.api == llm.AnthropicComplete {
				tt.want.Op = llm.OpTextCompletion
			}
			opts := cmp.Options{cmpopts.IgnoreUnexported(llm.Request{}), cmpopts.IgnoreFields(llm.Request{}, "ModelAt")}
			if diff := cmp.Diff(&tt.want, got, opts); diff != "" {
				t.Error(diff)
			}
			at := tt.body[got.ModelAt[0]:got.ModelAt[1]]
			if want := `"` + got.Model + `"`; got.Model != "" && at != want || got.Model == "" && at != "" {
				t.Errorf("ModelAt is at %s, want %s", at, want)
			}
		})
	}
}

func TestParseRequestMalformed(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{``, "at byte 0"},
		{`[]`, "expected an object at byte 0"},
		{`{"model":"x"`, "unexpected end at byte 12"},
		{`{"model":"x","messages":[}`, "at byte 25"},
		{`{} {}`, "at byte 3"},
		{`{"a":` + strings.Repeat("[", 600), "nested too deeply"},
	} {
		_, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{}, []byte(tt.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Type != "invalid_request_error" || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%.40s: got %v, want 400 with %q", tt.body, err, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		status    int
		typ, want string
	}{
		{400, "guardrail_rejected", "invalid_request_error"},
		{401, "", "authentication_error"},
		{402, "", "billing_error"},
		{403, "guardrail_rejected", "permission_error"},
		{404, "", "not_found_error"},
		{405, "", "invalid_request_error"},
		{413, "", "request_too_large"},
		{429, "", "rate_limit_error"},
		{500, "", "api_error"},
		{501, "", "api_error"},
		{502, "overloaded_error", "api_error"},
		{504, "", "timeout_error"},
		{529, "", "overloaded_error"},
		{0, "overloaded_error", "overloaded_error"},
		{0, "server_error", "api_error"},
	} {
		e := &llm.Error{Status: tt.status, Type: tt.typ, Message: "a \"message\"\n"}
		want := `{"type":"error","error":{"type":"` + tt.want + `","message":"a \"message\"\n"}}`
		if got := string(d.Error(e)); got != want {
			t.Errorf("%d %s: got %s, want %s", tt.status, tt.typ, got, want)
		}
		if got, want := string(d.StreamError(nil, e)), "event: error\ndata: "+want+"\n\n"; got != want {
			t.Errorf("%d %s in a stream: got %s, want %s", tt.status, tt.typ, got, want)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{`{}`, `{"model":"m","max_tokens":1e3,"output_config":{"format":{"type":1}}}`, `[`, `{"model":"\ud800"}`,
		`{"m\u006fdel":"m","messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"x"}]}]}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{}, body)
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Status != 400 {
				t.Fatalf("got %v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("malformed body accepted")
		}
		if _, err := r.Conversation(); err != nil && !errors.As(err, new(*llm.Error)) {
			t.Fatal(err)
		}
	})
}
