package openai

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

func TestAccepts(t *testing.T) {
	tests := []struct {
		method, path string
		want         llm.API
	}{
		{"POST", "/v1/chat/completions", llm.OpenAIChat},
		{"POST", "/chat/completions", llm.OpenAIChat},
		{"POST", "/openai/deployments/gpt%2F4/chat/completions", llm.OpenAIChat},
		{"POST", "/v1/completions", llm.OpenAICompletions},
		{"POST", "/openai/v1/responses", llm.OpenAIResponses},
		{"POST", "/embeddings", llm.OpenAIEmbeddings},
		{"POST", "/v1/images/generations", llm.OpenAIImages},
		{"GET", "/v1/chat/completions", ""},
		{"GET", "/v1/models", ""},
		{"POST", "/v1/responses/resp_1", ""},
		{"POST", "/v1/responses/resp_1/cancel", ""},
		{"POST", "/v1/images/edits", ""},
		{"POST", "/xcompletions", ""},
		{"POST", "/", ""},
		{"POST", "", ""},
	}
	for _, tt := range tests {
		if got, ok := (Dialect{}).Accepts(tt.method, tt.path); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Accepts(%s %s) = %q, %v, want %q", tt.method, tt.path, got, ok, tt.want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	tests := []struct {
		name       string
		api        llm.API
		path, body string
		op         llm.Op
		model      string
		stream     bool
		usage      bool
		params     llm.Params
	}{
		{
			name: "chat", api: llm.OpenAIChat, op: llm.OpChat, model: "gpt-4o", stream: true, usage: true,
			body: `{"model":"gpt-4o","messages":[],"temperature":0,"top_p":0.5,"top_k":40.0,"frequency_penalty":1,"presence_penalty":-1,
				"max_tokens":5,"max_completion_tokens":6,"seed":7,"n":2,"stop":"END","response_format":{"type":"json_schema"},
				"reasoning_effort":"low","service_tier":"flex","stream":true,"stream_options":{"include_usage":true}}`,
			params: llm.Params{Temperature: llm.Some(0.0), TopP: llm.Some(0.5), TopK: llm.Some(40.0), FrequencyPenalty: llm.Some(1.0),
				PresencePenalty: llm.Some(-1.0), MaxTokens: llm.Some(int64(6)), Seed: llm.Some(int64(7)), ChoiceCount: llm.Some(int64(2)),
				Stop: []string{"END"}, OutputType: "json", ReasoningLevel: "low", ServiceTier: "flex"},
		},
		{
			name: "null is absent", api: llm.OpenAIChat, op: llm.OpChat,
			body: `{"model":null,"temperature":null,"stop":null,"stream":null,"n":null,"response_format":null,"reasoning":null}`,
		},
		{
			name: "effort by two names", api: llm.OpenAIChat, op: llm.OpChat, model: "m",
			body:   `{"model":"m","reasoning_effort":"low","reasoning":{"effort":"high"}}`,
			params: llm.Params{ReasoningLevel: "low"},
		},
		{
			name: "dimensions by another name", api: llm.OpenAIEmbeddings, op: llm.OpEmbeddings, model: "e",
			body:   `{"model":"e","input":"x","output_dimension":256}`,
			params: llm.Params{Dimensions: llm.Some(int64(256))},
		},
		{
			name: "what goes without saying", api: llm.OpenAIChat, op: llm.OpChat, model: "m", stream: true,
			body: `{"n":1,"service_tier":"auto","stream":true,"stream_options":{"include_usage":false},"model":"m"}`,
		},
		{
			name: "wrong types", api: llm.OpenAIChat, op: llm.OpChat,
			body: `{"model":5,"temperature":"hot","stop":7,"stream":"true","n":1.5,"stream_options":[],"response_format":"json","conversation":1}`,
		},
		{
			name: "model by deployment", api: llm.OpenAIChat, op: llm.OpChat, model: "my/gpt",
			path: "/openai/deployments/my%2Fgpt/chat/completions", body: `{}`,
		},
		{
			name: "body before deployment", api: llm.OpenAIChat, op: llm.OpChat, model: "gpt-4o",
			path: "/openai/deployments/x/chat/completions", body: `{"model":"gpt-4o"}`,
		},
		{
			name: "completion", api: llm.OpenAICompletions, op: llm.OpTextCompletion, model: "davinci", stream: true,
			body:   ` {"model":"davinci","prompt":"x","stop":["a","b"],"stream":true} `,
			params: llm.Params{Stop: []string{"a", "b"}},
		},
		{
			name: "responses", api: llm.OpenAIResponses, op: llm.OpChat, model: "o3", stream: true, usage: true,
			body: `{"model":"o3","input":"x","stream":true,"max_output_tokens":9,"reasoning":{"effort":"high"},"text":{"format":{"type":"text"}},
				"conversation":{"id":"conv_1"},"previous_response_id":"resp_0"}`,
			params: llm.Params{MaxTokens: llm.Some(int64(9)), ReasoningLevel: "high", OutputType: "text", ConversationID: "conv_1",
				PreviousResponseID: "resp_0"},
		},
		{
			name: "conversation by name", api: llm.OpenAIResponses, op: llm.OpChat, body: `{"conversation":"conv_2"}`,
			params: llm.Params{ConversationID: "conv_2"},
		},
		{
			name: "embeddings", api: llm.OpenAIEmbeddings, op: llm.OpEmbeddings, model: "e",
			body:   `{"model":"e","input":"x","dimensions":256,"encoding_format":"base64"}`,
			params: llm.Params{Dimensions: llm.Some(int64(256)), EncodingFormats: []string{"base64"}},
		},
		{
			name: "images", api: llm.OpenAIImages, op: llm.OpGenerateContent, model: "i", body: `{"model":"i","n":1,"response_format":"url"}`,
			params: llm.Params{OutputType: "image"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Dialect{}.ParseRequest(tt.api, &llm.Head{Method: http.MethodPost, Path: tt.path}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if r.Op != tt.op || r.Model != tt.model || r.Stream != tt.stream || r.StreamUsage != tt.usage || r.API != tt.api || r.Dialect != llm.OpenAI {
				t.Errorf("got %s %q stream %v usage %v", r.Op, r.Model, r.Stream, r.StreamUsage)
			}
			if d := cmp.Diff(tt.params, r.Params); d != "" {
				t.Error(d)
			}
			at := string(r.Raw[r.ModelAt[0]:r.ModelAt[1]])
			if strings.Contains(tt.body, `"model":"`) != (at == `"`+r.Model+`"`) {
				t.Errorf("ModelAt is %q", at)
			}
		})
	}
}

func TestParseRequestErrors(t *testing.T) {
	tests := []struct{ body, message string }{
		{``, "The request body is empty: expected a JSON object."},
		{" \n", "The request body is empty: expected a JSON object."},
		{`[]`, "The request body is not a JSON object: expected an object at byte 0."},
		{`{"model":"m",}`, "The request body is not a JSON object: expected a member name at byte 13."},
		{`{"model":"m"`, "The request body is not a JSON object: unexpected end at byte 12."},
		{`{"model":"m"} x`, "The request body is not a JSON object: unexpected data after the value at byte 14."},
		{strings.Repeat(`{"a":`, 600), "The request body is not a JSON object: nested too deeply (more than 512 levels)."},
	}
	for _, tt := range tests {
		_, err := Dialect{}.ParseRequest(llm.OpenAIChat, &llm.Head{}, []byte(tt.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Type != "invalid_request_error" || e.Message != tt.message {
			t.Errorf("%.40q: %v, want %q", tt.body, err, tt.message)
		}
	}
}

func TestError(t *testing.T) {
	tests := []struct {
		err              llm.Error
		api              llm.API
		body, streamBody string
	}{
		{
			err:        llm.Error{Status: 400, Type: "invalid_request_error", Message: `bad "x"`, Param: "messages"},
			body:       `{"error":{"message":"bad \"x\"","type":"invalid_request_error","param":"messages","code":null}}`,
			streamBody: "data: " + `{"error":{"message":"bad \"x\"","type":"invalid_request_error","param":"messages","code":null}}` + "\n\n",
		},
		{
			err:        llm.Error{Status: 403, Type: "guardrail_rejected", Message: "no"},
			api:        llm.OpenAIResponses,
			body:       `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"guardrail_rejected"}}`,
			streamBody: "event: error\ndata: " + `{"type":"error","code":"guardrail_rejected","message":"no","param":null,"sequence_number":0}` + "\n\n",
		},
		{
			err:        llm.Error{Status: 429, Message: "slow"},
			body:       `{"error":{"message":"slow","type":"rate_limit_error","param":null,"code":null}}`,
			streamBody: "data: " + `{"error":{"message":"slow","type":"rate_limit_error","param":null,"code":null}}` + "\n\n",
		},
		{
			err:        llm.Error{Type: "overloaded", Message: "later"},
			body:       `{"error":{"message":"later","type":"server_error","param":null,"code":"overloaded"}}`,
			streamBody: "data: " + `{"error":{"message":"later","type":"server_error","param":null,"code":"overloaded"}}` + "\n\n",
		},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.body, string(Dialect{}.Error(&tt.err))); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(tt.streamBody, string(Dialect{}.StreamError(&llm.Request{API: tt.api}, &tt.err))); d != "" {
			t.Error(d)
		}
	}
}

func TestModelsList(t *testing.T) {
	want := `{"object":"list","data":[{"id":"a\"b","object":"model","created":0,"owned_by":"spanway"},{"id":"c","object":"model","created":0,"owned_by":"spanway"}]}`
	if d := cmp.Diff(want, string(ModelsList([]string{`a"b`, "c"}))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(`{"object":"list","data":[]}`, string(ModelsList(nil))); d != "" {
		t.Error(d)
	}
}
