package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"testing"

	"google.golang.org/genai"
)

// geminiCall is a call of Google's library; what it returns are values to compare.
type geminiCall func(ctx context.Context, c *genai.Client) ([]any, error)

// gemini makes a call by way of the Gemini API.
func gemini(call geminiCall) func(context.Context, string) seen {
	return googleAt(call, func(base string) *genai.ClientConfig {
		return &genai.ClientConfig{Backend: genai.BackendGeminiAPI, APIKey: "AIza-test", HTTPOptions: genai.HTTPOptions{BaseURL: base}}
	})
}

// vertex makes a call by way of Vertex AI, with a token of Google's in each request.
func vertex(call geminiCall) func(context.Context, string) seen {
	return googleAt(call, func(base string) *genai.ClientConfig {
		return &genai.ClientConfig{Backend: genai.BackendVertexAI, Project: "acme", Location: "us-central1",
			HTTPClient: &http.Client{Transport: bearer("ya29.token")}, HTTPOptions: genai.HTTPOptions{BaseURL: base, APIVersion: "v1"}}
	})
}

// bearer is a transport that authorizes requests with a token.
type bearer string

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func googleAt(call geminiCall, config func(base string) *genai.ClientConfig) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		c, err := genai.NewClient(ctx, config(base))
		if err != nil {
			return seen{Failure: otherFailure(err, base)}
		}
		values, err := call(ctx, c)
		s := seen{Values: values}
		var e genai.APIError
		switch {
		case errors.As(err, &e):
			details, err := json.Marshal(e.Details)
			if err != nil {
				return seen{Failure: otherFailure(err, base)}
			}
			s.Failure = failure{Kind: "genai.APIError", Status: e.Code, Type: e.Status, Message: e.Message, Raw: string(details)}
		case err != nil:
			s.Failure = otherFailure(err, base)
		}
		return s
	}
}

func contentConfig() *genai.GenerateContentConfig {
	temperature, topK := float32(0.5), float32(40)
	return &genai.GenerateContentConfig{Temperature: &temperature, TopK: &topK, MaxOutputTokens: 200, StopSequences: []string{"END"},
		SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser),
		Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "get_weather", Description: "Looks it up.",
			Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"location": {Type: genai.TypeString}}}}}}}}
}

func generate(ctx context.Context, c *genai.Client) ([]any, error) {
	return value(c.Models.GenerateContent(ctx, "gemini-2.5-flash", genai.Text("Hi <there> & “you”!"), contentConfig()))
}

func generateStream(ctx context.Context, c *genai.Client) ([]any, error) {
	return yielded(c.Models.GenerateContentStream(ctx, "gemini-2.5-flash", genai.Text("Hi!"), contentConfig()))
}

// yielded are the results of a call that streams.
func yielded[T any](s iter.Seq2[*T, error]) (out []any, err error) {
	for v, err := range s {
		if err != nil {
			return out, err
		}
		out = append(out, *v)
	}
	return out, nil
}

func embed(ctx context.Context, c *genai.Client) ([]any, error) {
	return value(c.Models.EmbedContent(ctx, "gemini-embedding-001", genai.Text("one"), &genai.EmbedContentConfig{TaskType: "CLUSTERING"}))
}

func countContent(ctx context.Context, c *genai.Client) ([]any, error) {
	return value(c.Models.CountTokens(ctx, "gemini-2.5-flash", genai.Text("Hi!"), nil))
}

func TestGemini(t *testing.T) {
	const model = "gemini-2.5-flash"
	for _, backend := range []struct {
		route, system, embeds string
		do                    func(geminiCall) func(context.Context, string) seen
		embedded              want
	}{
		{"/gemini", "gcp.gemini", "gemini/embed", gemini, want{name: "embeddings gemini-embedding-001",
			attrs: map[string]any{"gen_ai.provider.name": "gcp.gemini", "gen_ai.embeddings.dimension.count": int64(3)}}},
		{"/vertex", "gcp.vertex_ai", "gemini/vertex_embed", vertex, want{}}, // models/…:predict passes through
	} {
		r := newRig(t)
		failed := func(typ, outcome string) []want {
			return []want{{name: "generate_content " + model, failed: typ, attrs: map[string]any{"gen_ai.provider.name": backend.system,
				"gen_ai.request.model": model, "spanway.outcome": outcome}}}
		}
		r.same(t, "", backend.route, []trip{
			{name: "content", answers: []string{"gemini/content"}, do: backend.do(generate), spans: []want{{name: "generate_content " + model,
				attrs: with(answered(backend.system, model, model, "eCrIaJ2EKv", 8, 62, "STOP"), "gen_ai.usage.cache_read.input_tokens", int64(4),
					"gen_ai.usage.reasoning.output_tokens", int64(40), "gen_ai.request.max_tokens", int64(200), "gen_ai.request.top_k", int64(40),
					"gen_ai.request.temperature", 0.5, "gen_ai.request.stop_sequences", []string{"END"})}}},
			{name: "tools", answers: []string{"gemini/tools"}, do: backend.do(generate), spans: []want{{name: "generate_content " + model,
				attrs: answered(backend.system, model, model, "tools1", 60, 15, "STOP")}}},
			{name: "streamed", answers: []string{"gemini/stream"}, do: backend.do(generateStream), spans: []want{{name: "generate_content " + model,
				attrs: with(answered(backend.system, model, model, "st1", 8, 17, "STOP"), "gen_ai.request.stream", true)}}},
			{name: "embeddings", answers: []string{backend.embeds}, do: backend.do(embed), spans: []want{backend.embedded}},
			{name: "count of tokens", answers: []string{"gemini/count"}, do: backend.do(countContent), spans: make([]want, 1)},
			{name: "400", answers: []string{"gemini/400"}, do: backend.do(generate), spans: failed("INVALID_ARGUMENT", "client_error"),
				fails: failure{Kind: "genai.APIError", Status: 400, Type: "INVALID_ARGUMENT", Raw: "API_KEY_INVALID"}},
			{name: "404 of a stream", answers: []string{"gemini/404"}, do: backend.do(generateStream), spans: failed("NOT_FOUND", "client_error"),
				fails: failure{Kind: "genai.APIError", Status: 404, Type: "NOT_FOUND"}},
			{name: "429", answers: []string{"gemini/429"}, do: backend.do(generate), spans: failed("RESOURCE_EXHAUSTED", "rate_limited"),
				fails: failure{Kind: "genai.APIError", Status: 429, Type: "RESOURCE_EXHAUSTED", Raw: "retryDelay"}},
			{name: "503", answers: []string{"gemini/503"}, do: backend.do(generate), spans: failed("UNAVAILABLE", "upstream_error"),
				fails: failure{Kind: "genai.APIError", Status: 503, Type: "UNAVAILABLE"}},
			{name: "in the middle of a stream", answers: []string{"gemini/stream_error"}, do: backend.do(generateStream),
				spans: failed("UNAVAILABLE", "upstream_error"), fails: failure{Kind: "genai.APIError", Status: 503, Type: "UNAVAILABLE"}},
		})
	}
}
