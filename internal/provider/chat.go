package provider

import (
	"net/url"

	"github.com/spanway/spanway/internal/llm"
)

// chats are the APIs of conversations by dialect.
var chats = map[llm.Dialect]llm.API{
	llm.OpenAI: llm.OpenAIChat, llm.Anthropic: llm.AnthropicMessages, llm.Gemini: llm.GeminiGenerate, llm.Bedrock: llm.BedrockConverse,
	llm.Cohere: llm.CohereChat, llm.Mistral: llm.MistralChat, llm.WriterAI: llm.WriterChat, llm.Ollama: llm.OllamaChat,
}

// Chat is the call that a conversation is to p in p's own format: where a client of that dialect sends it, for an answer in one piece
// or, where the path tells, as a stream. want is what configuration names for a dialect. The model may be missing: the path then is
// no API's where the model belongs into it.
func (p *Provider) Chat(model string, want llm.Dialect, stream bool) (d llm.Dialect, api llm.API, path, query string) {
	e := &p.Endpoints[0]
	for i := range p.Endpoints {
		if o := &p.Endpoints[i]; o.Outbound.Dialect() == want || want == "" && !o.Asked && o.Serves != nil && o.Serves(model) {
			e = o
			break
		}
	}
	d, path = e.Outbound.Dialect(), p.Bare
	api = chats[d]
	model = url.PathEscape(model)
	switch d {
	case llm.Gemini:
		path = "/models/" + model + ":generateContent"
		if stream {
			path, query = "/models/"+model+":streamGenerateContent", "alt=sse"
		}
	case llm.Bedrock:
		path = "/model/" + model + "/converse"
		if stream {
			path += "-stream"
		}
	case llm.Anthropic, llm.OpenAI:
		path = suffixes[api]
	case llm.Ollama:
		path = "/api/chat"
	}
	return d, api, path, query
}

// Owns reports whether path, the client's, is below one that belongs to one endpoint of p alone.
func (p *Provider) Owns(path string) bool {
	for i := range p.Endpoints {
		if e := &p.Endpoints[i]; e.Own != "" && within(path, e.Own) {
			return true
		}
	}
	return false
}
