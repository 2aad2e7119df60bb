package provider

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/llm"
)

// TestHostedChoice picks the endpoint of clouds that host Anthropic's models beside others.
func TestHostedChoice(t *testing.T) {
	for _, tt := range []struct {
		provider    string
		client      llm.Dialect
		path, model string
		want        llm.Dialect
		native      bool
	}{
		{"vertexai", llm.Gemini, "/v1beta/models/gemini-x:generateContent", "gemini-x", llm.Gemini, true},
		{"vertexai", llm.Anthropic, "/v1/messages", "claude-x", llm.Anthropic, true},
		{"vertexai", llm.Anthropic, "/v1/messages", "gemini-x", llm.Gemini, false},
		{"vertexai", llm.OpenAI, "/v1/chat/completions", "claude-x", llm.Anthropic, false},
		{"vertexai", llm.OpenAI, "/v1/chat/completions", "gemini-x", llm.Gemini, false},
		{"foundry", llm.OpenAI, "/v1/chat/completions", "gpt-x", llm.OpenAI, true},
		{"foundry", llm.OpenAI, "/v1/chat/completions", "claude-x", llm.Anthropic, false},
		{"foundry", llm.Anthropic, "/v1/messages", "claude-x", llm.Anthropic, true},
		{"foundry", llm.Anthropic, "/v1/messages", "gpt-x", llm.OpenAI, false},
		{"foundry", llm.Anthropic, "/anthropic/v1/messages", "our-deployment", llm.Anthropic, true},
	} {
		p, _ := Lookup(tt.provider)
		e, native := p.Choose(Query{Dialect: tt.client, Path: tt.path, Model: tt.model})
		if e.Outbound.Dialect() != tt.want || native != tt.native {
			t.Errorf("%s, %s client, %s %s: %s, %v", tt.provider, tt.client, tt.path, tt.model, e.Outbound.Dialect(), native)
		}
	}
}

func TestHostedBodies(t *testing.T) {
	const hosted = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict"
	for _, tt := range []struct {
		name, provider, path, body, want string
	}{
		{"to Vertex AI", "vertexai", "/v1/messages", `{"model":"claude-x", "messages":[]}`,
			`{"anthropic_version":"vertex-2023-10-16","messages":[]}`},
		{"of Vertex AI's client", "vertexai", hosted, `{"messages":[],"anthropic_version":"v"}`, `{"messages":[],"anthropic_version":"v"}`},
		{"of Vertex AI's client to Anthropic", "anthropic", hosted, `{"messages":[],"anthropic_version":"v"}`,
			`{"model":"claude-y","stream":true,"messages":[]}`},
		{"of Anthropic's client to Anthropic", "anthropic", "/v1/messages", `{"messages":[],"model":"claude-y"}`, `{"messages":[],"model":"claude-y"}`},
	} {
		p, _ := Lookup(tt.provider)
		r, err := anthropic.Dialect{}.ParseRequest(llm.AnthropicMessages, &llm.Head{Path: tt.path}, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		e, _ := p.Endpoint(llm.Anthropic)
		got, err := e.Adapt(r, r.Raw, "claude-y")
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}
