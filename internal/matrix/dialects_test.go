// Package matrix proves what translation carries: each feature of requests and answers, from each client's API to each
// provider's. What it finds is written to docs/translation.md. It has tests only.
//
// A feature is told once in neutral terms and once in the words of each API that can say it (testdata). A new dialect is a row
// of the table dialects, and a file per feature there.
package matrix

import (
	"net/http"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

// model is the one that every request names.
const model = "m"

// dialect is one wire format, as what clients speak and as what providers do.
type dialect struct {
	api   llm.API
	title string // of the API
	in    llm.Inbound
	path  string
	// provider is whose backends take this API; "" = clients only.
	provider string
	out      llm.Outbound
	// adds are what the API demands, so that a request has it whatever the client said.
	adds []string
	on   string // the level of reasoning that comes to the same as turning it on; "" = none does
	// levels is true where a level of reasoning is told only of reasoning that is on: turning it on besides says no more.
	levels bool
	// shows is true where reasoning is always part of the answer: a request that it be shown says no more than its absence.
	shows bool
}

// dialects are all of them, in the order of the tables.
var dialects = []dialect{
	{api: llm.OpenAIChat, title: "OpenAI chat completions", in: openai.Dialect{}, path: "/v1/chat/completions", provider: "OpenAI", out: openai.Dialect{}, levels: true},
	{api: llm.OpenAIResponses, title: "OpenAI Responses", in: openai.Dialect{}, path: "/v1/responses", out: openai.Dialect{}},
	{api: llm.AnthropicMessages, title: "Anthropic Messages", in: anthropic.Dialect{}, path: "/v1/messages", provider: "Anthropic", out: anthropic.Dialect{},
		adds: []string{string(llm.FieldMaxTokens)}},
	{api: llm.GeminiGenerate, title: "Gemini generateContent", in: gemini.Dialect{}, path: "/v1beta/models/m:generateContent", provider: "Gemini, Vertex AI", out: gemini.Dialect{}, levels: true},
	{api: llm.CohereChat, title: "Cohere chat (v2)", in: cohere.Dialect{}, path: "/v2/chat", provider: "Cohere", out: cohere.Dialect{}, on: "high", shows: true},
	{api: llm.BedrockConverse, title: "Bedrock Converse", in: bedrock.Dialect{}, path: "/model/m/converse", provider: "Bedrock", out: bedrock.Dialect{}, shows: true},
	{api: llm.MistralChat, title: "Mistral chat", in: mistral.Dialect{}, path: "/v1/chat/completions", provider: "Mistral", out: mistral.Dialect{}, shows: true, on: "high", levels: true},
	{api: llm.OllamaChat, title: "Ollama chat", in: ollama.Dialect{}, path: "/api/chat", provider: "Ollama", out: ollama.Dialect{}, shows: true, levels: true},
}

// backends are the dialects that providers speak.
func backends() []*dialect {
	var out []*dialect
	for i := range dialects {
		if dialects[i].provider != "" {
			out = append(out, &dialects[i])
		}
	}
	return out
}

// native reports whether c's requests reach providers that speak b as they are.
func native(c, b *dialect) bool { return c.in.Dialect() == b.out.Dialect() }

// parse reads body as a client's request.
func (d *dialect) parse(body []byte) (*llm.Request, error) {
	return d.in.ParseRequest(d.api, &llm.Head{Method: http.MethodPost, Path: d.path, Header: http.Header{}}, body)
}
