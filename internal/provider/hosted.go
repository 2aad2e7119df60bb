package provider

import (
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Clouds host Anthropic's models beside others, by Anthropic's own API with differences.

func isClaude(model string) bool  { return strings.HasPrefix(model, "claude") }
func notClaude(model string) bool { return !isClaude(model) }

// vertexai is the row of Google's Vertex AI.
func vertexai() Provider {
	return Provider{Name: "vertexai", System: "gcp.vertex_ai", Bare: "/models/{model}:generateContent", Endpoints: []Endpoint{
		{Outbound: gemini.Dialect{}, Base: "/v1", Header: "Authorization", Prefix: "Bearer ", Locate: locateVertex, Adapt: gemini.OneInput, Serves: notClaude},
		{Outbound: anthropic.Dialect{}, Base: "/v1", Header: "Authorization", Prefix: "Bearer ", Locate: locateVertexAnthropic, Adapt: vertexBody, Serves: isClaude},
	}}
}

// vertexBody is a message's body for Vertex AI (Anthropic's API on Vertex AI): the path names the model, and the body the version
// of the API.
func vertexBody(_ *llm.Request, body []byte, _ string) ([]byte, error) {
	m := dialect.MembersOf(body)
	m.Drop("model")
	if m.Get("anthropic_version") != nil {
		return m.Result(""), nil
	}
	return m.Result(`"anthropic_version":"vertex-2023-10-16"`), nil
}

// directBody is the body of a message that a client made for Vertex AI, for Anthropic's own API.
func directBody(r *llm.Request, body []byte, model string) ([]byte, error) {
	if r.API != llm.AnthropicMessages || r.ModelAt != [2]int{} || model == "" {
		return body, nil
	}
	m := dialect.MembersOf(body)
	if m.Get("model") != nil {
		return body, nil
	}
	m.Drop("anthropic_version")
	add := `"model":` + string(jsonscan.AppendString(nil, model))
	if r.Stream && m.Get("stream") == nil {
		add += `,"stream":true`
	}
	return m.Result(add), nil
}

// foundry is the row of Azure AI Foundry: models of many makers by the Azure AI Model Inference API, whose format is OpenAI's, and
// by OpenAI's v1 paths; Anthropic's by their own API.
func foundry() Provider {
	const namespace = "Microsoft.CognitiveServices"
	claude := anthropicAt("/anthropic/v1")
	claude.Own, claude.Serves, claude.Locate, claude.Namespace = "/anthropic", isClaude, locateFoundryAnthropic, namespace
	return Provider{Name: "foundry", System: "azure.ai.inference", Bare: "/chat/completions", Endpoints: []Endpoint{
		{Outbound: openai.Dialect{}, Header: "Api-Key", Locate: locateFoundry, Namespace: namespace, Serves: notClaude},
		claude,
	}}
}
