package provider

import (
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// TestLocate holds the paths that calls get to the providers' own API references.
func TestLocate(t *testing.T) {
	native := func(api llm.API, path, query string) Call {
		return Call{API: api, Path: path, Query: query, Native: true, Model: "m"}
	}
	for _, c := range []struct {
		name, provider string
		dialect        llm.Dialect
		conf           Config // Base "" = the endpoint's own
		call           Call
		path, query    string
	}{
		{"openai with version", "openai", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/v1/chat/completions", ""},
		{"openai without version", "openai", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/chat/completions", "a=b"), "/v1/chat/completions", "a=b"},
		{"openai files", "openai", llm.OpenAI, Config{}, native("", "/v1/files/f-1/content", ""), "/v1/files/f-1/content", ""},
		{"openai files without version", "openai", llm.OpenAI, Config{}, native("", "/files", ""), "/v1/files", ""},
		{"groq", "groq", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/openai/v1/chat/completions", ""},
		{"groq with its own path", "groq", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/openai/v1/chat/completions", ""), "/openai/v1/chat/completions", ""},
		{"groq models", "groq", llm.OpenAI, Config{}, native("", "/v1/models", ""), "/openai/v1/models", ""},
		{"perplexity", "perplexity", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/chat/completions", ""},
		{"fireworks", "fireworks", llm.OpenAI, Config{}, native(llm.OpenAIEmbeddings, "/embeddings", ""), "/inference/v1/embeddings", ""},
		{"openrouter", "openrouter", llm.OpenAI, Config{}, native(llm.OpenAIResponses, "/v1/responses", ""), "/api/v1/responses", ""},
		{"a prefix of the client's own", "openai", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/beta/chat/completions", ""), "/beta/chat/completions", ""},
		{"url with a path", "openai", llm.OpenAI, Config{Base: "/proxy/v1", Explicit: true}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/proxy/v1/chat/completions", ""},
		{"anthropic", "anthropic", llm.Anthropic, Config{}, native(llm.AnthropicMessages, "/v1/messages", "beta=true"), "/v1/messages", "beta=true"},
		{"anthropic count_tokens", "anthropic", llm.Anthropic, Config{}, native("", "/v1/messages/count_tokens", ""), "/v1/messages/count_tokens", ""},
		{"anthropic, translated", "anthropic", llm.Anthropic, Config{}, Call{API: llm.AnthropicMessages, Path: "/v1/chat/completions", Query: "x=y"}, "/v1/messages", ""},
		{"azure deployment of the client", "azure", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/openai/deployments/d/chat/completions", "api-version=1"), "/openai/deployments/d/chat/completions", "api-version=1"},
		{"azure deployment configured", "azure", llm.OpenAI, Config{Deployment: "prod", APIVersion: "2024-10-21"}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/openai/deployments/prod/chat/completions", "api-version=2024-10-21"},
		{"azure deployment by model", "azure", llm.OpenAI, Config{APIVersion: "2024-10-21"}, native(llm.OpenAIEmbeddings, "/v1/embeddings", ""), "/openai/deployments/m/embeddings", "api-version=2024-10-21"},
		{"azure v1", "azure", llm.OpenAI, Config{}, native(llm.OpenAIResponses, "/v1/responses", ""), "/openai/v1/responses", ""},
		{"azure v1, preview", "azure", llm.OpenAI, Config{APIVersion: "preview"}, native(llm.OpenAIChat, "/chat/completions", ""), "/openai/v1/chat/completions", "api-version=preview"},
		{"azure responses, dated", "azure", llm.OpenAI, Config{APIVersion: "2025-04-01-preview"}, native(llm.OpenAIResponses, "/v1/responses", ""), "/openai/responses", "api-version=2025-04-01-preview"},
		{"azure responses, dated by the client", "azure", llm.OpenAI, Config{}, native(llm.OpenAIResponses, "/openai/responses", "api-version=2025-04-01-preview"), "/openai/responses", "api-version=2025-04-01-preview"},
		{"azure responses, deployment", "azure", llm.OpenAI, Config{Deployment: "prod"}, native(llm.OpenAIResponses, "/v1/responses", ""), "/openai/v1/responses", ""},
		{"azure responses, dated deployment", "azure", llm.OpenAI, Config{Deployment: "prod", APIVersion: "2025-04-01-preview"}, native(llm.OpenAIResponses, "/responses", ""), "/openai/responses", "api-version=2025-04-01-preview"},
		{"azure responses, v1 path", "azure", llm.OpenAI, Config{}, native(llm.OpenAIResponses, "/openai/v1/responses", ""), "/openai/v1/responses", ""},
		{"azure response", "azure", llm.OpenAI, Config{}, native("", "/openai/v1/responses/resp_1", ""), "/openai/v1/responses/resp_1", ""},
		{"foundry", "foundry", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/models/chat/completions", "api-version=2024-05-01-preview"},
		{"foundry with its own path", "foundry", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/models/chat/completions", "api-version=2024-12-01"), "/models/chat/completions", "api-version=2024-12-01"},
		{"foundry embeddings", "foundry", llm.OpenAI, Config{APIVersion: "2025-04-01"}, native(llm.OpenAIEmbeddings, "/embeddings", ""), "/models/embeddings", "api-version=2025-04-01"},
		{"foundry, the portal's url", "foundry", llm.OpenAI, Config{Base: "/models", Explicit: true}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/models/chat/completions", "api-version=2024-05-01-preview"},
		{"foundry v1", "foundry", llm.OpenAI, Config{APIVersion: "v1"}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/openai/v1/chat/completions", ""},
		{"foundry v1, preview", "foundry", llm.OpenAI, Config{APIVersion: "preview"}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/openai/v1/chat/completions", "api-version=preview"},
		{"foundry v1, the client's", "foundry", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/openai/v1/chat/completions", ""), "/openai/v1/chat/completions", ""},
		{"foundry deployment", "foundry", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/openai/deployments/d/chat/completions", "api-version=2024-10-21"), "/openai/deployments/d/chat/completions", "api-version=2024-10-21"},
		{"foundry responses", "foundry", llm.OpenAI, Config{APIVersion: "2024-05-01-preview"}, native(llm.OpenAIResponses, "/v1/responses", ""), "/openai/v1/responses", ""},
		{"foundry models", "foundry", llm.OpenAI, Config{}, native("", "/v1/models", ""), "/openai/v1/models", ""},
		{"foundry info", "foundry", llm.OpenAI, Config{}, native("", "/models/info", ""), "/models/info", "api-version=2024-05-01-preview"},
		{"foundry, translated", "foundry", llm.OpenAI, Config{}, Call{API: llm.OpenAIChat, Path: "/v1/messages", Query: "beta=true", Model: "m"}, "/models/chat/completions", "api-version=2024-05-01-preview"},
		{"foundry claude", "foundry", llm.Anthropic, Config{}, native(llm.AnthropicMessages, "/v1/messages", "beta=true"), "/anthropic/v1/messages", "beta=true"},
		{"foundry claude with its own path", "foundry", llm.Anthropic, Config{Base: "/models", Explicit: true}, native(llm.AnthropicMessages, "/anthropic/v1/messages", ""), "/anthropic/v1/messages", ""},
		{"foundry claude, tokens", "foundry", llm.Anthropic, Config{}, native("", "/anthropic/v1/messages/count_tokens", ""), "/anthropic/v1/messages/count_tokens", ""},
		{"foundry claude, translated", "foundry", llm.Anthropic, Config{}, Call{API: llm.AnthropicMessages, Path: "/v1/chat/completions", Model: "m"}, "/anthropic/v1/messages", ""},
		{"mistral", "mistral", llm.Mistral, Config{}, native(llm.MistralChat, "/chat/completions", ""), "/v1/chat/completions", ""},
		{"mistral agents", "mistral", llm.Mistral, Config{}, native(llm.MistralChat, "/v1/agents/completions", ""), "/v1/agents/completions", ""},
		{"mistral fim", "mistral", llm.Mistral, Config{}, native(llm.MistralFIM, "/v1/fim/completions", ""), "/v1/fim/completions", ""},
		{"mistral, translated embeddings", "mistral", llm.Mistral, Config{}, Call{API: llm.MistralEmbed, Path: "/v2/embed", Model: "m"}, "/v1/embeddings", ""},
		{"writer", "writer", llm.WriterAI, Config{}, native(llm.WriterChat, "/v1/chat", ""), "/v1/chat", ""},
		{"writer, translated", "writer", llm.WriterAI, Config{}, Call{API: llm.WriterChat, Path: "/v1/chat/completions", Model: "m"}, "/v1/chat", ""},
		{"gemini", "gemini", llm.Gemini, Config{}, native(llm.GeminiGenerate, "/v1beta/models/m:generateContent", "key=k"), "/v1beta/models/m:generateContent", "key=k"},
		{"gemini without version", "gemini", llm.Gemini, Config{}, native(llm.GeminiGenerate, "/models/m:generateContent", ""), "/v1beta/models/m:generateContent", ""},
		{"gemini v1", "gemini", llm.Gemini, Config{}, native(llm.GeminiGenerate, "/v1/models/m:streamGenerateContent", "alt=sse"), "/v1/models/m:streamGenerateContent", "alt=sse"},
		{"gemini, another model", "gemini", llm.Gemini, Config{}, Call{API: llm.GeminiGenerate, Path: "/v1beta/models/alias:generateContent", Native: true, Model: "m/2", Rename: true}, "/v1beta/models/m%2F2:generateContent", ""},
		{"gemini count", "gemini", llm.Gemini, Config{}, native("", "/v1beta/models/m:countTokens", ""), "/v1beta/models/m:countTokens", ""},
		{"gemini, translated stream", "gemini", llm.Gemini, Config{}, Call{API: llm.GeminiGenerate, Path: "/v1/messages", Model: "m", Stream: true}, "/v1beta/models/m:streamGenerateContent", "alt=sse"},
		{"gemini, a translated embedding", "gemini", llm.Gemini, Config{}, Call{API: llm.GeminiEmbed, Path: "/v1/embeddings", Model: "m"}, "/v1beta/models/m:embedContent", ""},
		{"gemini, translated embeddings", "gemini", llm.Gemini, Config{}, Call{API: llm.GeminiBatchEmbed, Path: "/v1/embeddings", Model: "m"}, "/v1beta/models/m:batchEmbedContents", ""},
		{"gemini for OpenAI's clients", "gemini", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/v1/chat/completions", ""), "/v1beta/openai/chat/completions", ""},
		{"vertex whole path", "vertexai", llm.Gemini, Config{Project: "p", Location: "l"}, native(llm.GeminiGenerate, "/v1/projects/q/locations/r/publishers/google/models/m:generateContent", ""), "/v1/projects/q/locations/r/publishers/google/models/m:generateContent", ""},
		{"vertex for Gemini's clients", "vertexai", llm.Gemini, Config{Project: "p", Location: "l"}, native(llm.GeminiGenerate, "/v1beta/models/m:streamGenerateContent", "alt=sse"), "/v1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent", "alt=sse"},
		{"bedrock", "bedrock", llm.Bedrock, Config{}, native(llm.BedrockConverse, "/model/amazon.nova-micro-v1%3A0/converse", "a=b"), "/model/amazon.nova-micro-v1%3A0/converse", "a=b"},
		{"bedrock below a path", "bedrock", llm.Bedrock, Config{}, native(llm.BedrockInvoke, "/x/model/m:0/invoke", ""), "/x/model/m:0/invoke", ""},
		{"bedrock, another model", "bedrock", llm.Bedrock, Config{}, Call{API: llm.BedrockInvoke, Path: "/model/alias/invoke-with-response-stream", Native: true, Model: "arn:aws:bedrock:us-east-1:1:inference-profile/us.a", Rename: true}, "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a/invoke-with-response-stream", ""},
		{"bedrock, an ARN as it is", "bedrock", llm.Bedrock, Config{}, Call{API: llm.BedrockConverse, Path: "/model/arn:aws:p/q/converse", Native: true, Model: "arn:aws:p/q"}, "/model/arn%3Aaws%3Ap%2Fq/converse", ""},
		{"bedrock, url with a path", "bedrock", llm.Bedrock, Config{Base: "/proxy", Explicit: true}, native(llm.BedrockConverse, "/model/m/converse", ""), "/proxy/model/m/converse", ""},
		{"bedrock guardrail", "bedrock", llm.Bedrock, Config{}, native("", "/guardrail/g/version/1/apply", ""), "/guardrail/g/version/1/apply", ""},
		{"bedrock, translated", "bedrock", llm.Bedrock, Config{}, Call{API: llm.BedrockConverse, Path: "/v1/messages", Query: "x=y", Model: "us.amazon.nova-lite-v1:0"}, "/model/us.amazon.nova-lite-v1%3A0/converse", ""},
		{"bedrock, translated stream", "bedrock", llm.Bedrock, Config{}, Call{API: llm.BedrockConverse, Path: "/v1/messages", Model: "m", Stream: true}, "/model/m/converse-stream", ""},
		{"bedrock, translated embeddings", "bedrock", llm.Bedrock, Config{}, Call{API: llm.BedrockInvoke, Path: "/v1/embeddings", Model: "amazon.titan-embed-text-v2:0"}, "/model/amazon.titan-embed-text-v2%3A0/invoke", ""},
		{"bedrock for OpenAI's clients", "bedrock", llm.OpenAI, Config{}, native(llm.OpenAIResponses, "/openai/v1/responses", ""), "/openai/v1/responses", ""},
		{"vertex claude", "vertexai", llm.Anthropic, Config{Project: "p", Location: "l"}, native(llm.AnthropicMessages, "/v1/messages", "beta=true"), "/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict", ""},
		{"vertex claude, stream", "vertexai", llm.Anthropic, Config{Project: "p", Location: "l"}, Call{API: llm.AnthropicMessages, Path: "/v1/messages", Native: true, Model: "claude-x@20250929", Stream: true}, "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@20250929:streamRawPredict", ""},
		{"vertex claude, whole path", "vertexai", llm.Anthropic, Config{Project: "p", Location: "l"}, native(llm.AnthropicMessages, "/v1/projects/q/locations/r/publishers/anthropic/models/m:rawPredict", ""), "/v1/projects/q/locations/r/publishers/anthropic/models/m:rawPredict", ""},
		{"vertex claude, whole path, another model", "vertexai", llm.Anthropic, Config{Project: "p", Location: "l"}, Call{API: llm.AnthropicMessages, Path: "/v1/projects/q/locations/r/publishers/anthropic/models/alias:streamRawPredict", Native: true, Model: "m", Rename: true, Stream: true}, "/v1/projects/q/locations/r/publishers/anthropic/models/m:streamRawPredict", ""},
		{"vertex claude, tokens", "vertexai", llm.Anthropic, Config{Project: "p", Location: "l"}, native("", "/v1/projects/q/locations/r/publishers/anthropic/models/count-tokens:rawPredict", ""), "/v1/projects/q/locations/r/publishers/anthropic/models/count-tokens:rawPredict", ""},
		{"vertex claude, translated", "vertexai", llm.Anthropic, Config{Project: "p", Location: "l"}, Call{API: llm.AnthropicMessages, Path: "/v1/chat/completions", Model: "m", Stream: true}, "/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict", ""},
		{"anthropic for Vertex AI's clients", "anthropic", llm.Anthropic, Config{}, native(llm.AnthropicMessages, "/v1/projects/q/locations/r/publishers/anthropic/models/m:rawPredict", ""), "/v1/messages", ""},
		{"ollama chat", "ollama", llm.Ollama, Config{}, native(llm.OllamaChat, "/api/chat", ""), "/api/chat", ""},
		{"ollama tags", "ollama", llm.Ollama, Config{}, native("", "/api/tags", ""), "/api/tags", ""},
		{"ollama for OpenAI's clients", "ollama", llm.OpenAI, Config{}, native(llm.OpenAIChat, "/chat/completions", ""), "/v1/chat/completions", ""},
		{"ollama, translated", "ollama", llm.Ollama, Config{}, Call{API: llm.OllamaChat, Path: "/v1beta/models/m:generateContent", Model: "m"}, "/api/chat", ""},
		{"ollama, translated embeddings", "ollama", llm.Ollama, Config{}, Call{API: llm.OllamaEmbed, Path: "/v1/embeddings", Model: "m"}, "/api/embed", ""},
	} {
		p, ok := Lookup(c.provider)
		if !ok {
			t.Fatalf("no provider %s", c.provider)
		}
		e, ok := p.Endpoint(c.dialect)
		if !ok {
			t.Fatalf("%s does not speak %s", c.provider, c.dialect)
		}
		if !c.conf.Explicit {
			c.conf.Base = e.Base
		}
		if path, query := e.Locate(c.conf, c.call); path != c.path || query != c.query {
			t.Errorf("%s: %s?%s, want %s?%s", c.name, path, query, c.path, c.query)
		}
	}
}

// TestTable holds every row to what the pipeline relies on.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range Names() {
		p, ok := Lookup(n)
		if !ok || seen[n] || p.System == "" || p.Bare == "" || len(p.Endpoints) == 0 {
			t.Errorf("row %q is incomplete or there twice", n)
		}
		seen[n] = true
		for i := range p.Endpoints {
			if e := &p.Endpoints[i]; e.Outbound == nil || e.Header == "" || e.Locate == nil {
				t.Errorf("row %q, endpoint %d is incomplete", n, i)
			}
		}
	}
	if _, ok := Lookup("none"); ok {
		t.Error("found a provider that does not exist")
	}
}
