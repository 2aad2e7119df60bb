// Package ollama reads and writes Ollama's native API (github.com/ollama/ollama, docs/api.md): /api/chat, /api/generate,
// /api/embed and its predecessor /api/embeddings. Responses stream as newline-delimited JSON unless the request says
// otherwise. Ollama's OpenAI-compatible endpoint is the openai dialect's.
package ollama

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Dialect implements llm.Inbound and llm.Outbound for Ollama's native API. It has no state.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.Ollama }

// Accepts implements llm.Inbound: POST of {prefix}/api/{chat,generate,embed,embeddings}.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	if method != http.MethodPost {
		return "", false
	}
	i := strings.LastIndexByte(path, '/')
	if i < 0 || !strings.HasSuffix("/"+path[:i], "/api") {
		return "", false
	}
	switch path[i+1:] {
	case "chat":
		return llm.OllamaChat, true
	case "generate":
		return llm.OllamaGenerate, true
	case "embed", "embeddings":
		return llm.OllamaEmbed, true
	}
	return "", false
}

// ParseRequest implements llm.Inbound.
func (Dialect) ParseRequest(api llm.API, _ *llm.Head, body []byte) (*llm.Request, error) {
	op := llm.OpChat
	switch api {
	case llm.OllamaGenerate:
		op = llm.OpTextCompletion
	case llm.OllamaEmbed:
		op = llm.OpEmbeddings
	}
	r := llm.NewRequest(api, llm.Ollama, op, body, codec{embeds: api == llm.OllamaEmbed})
	streams := api != llm.OllamaEmbed
	r.Stream = streams
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "model":
			if jsonscan.KindOf(v) == jsonscan.Text {
				r.Model, r.ModelAt = jsonscan.String(v), it.At()
			}
		case "stream":
			r.Stream = streams && jsonscan.KindOf(v) != jsonscan.False
		case "options":
			options(&r.Params, v)
		case "format":
			r.Params.OutputType = outputType(v)
		case "think":
			r.Params.ReasoningLevel = jsonscan.String(v)
		case "dimensions":
			dialect.SetInt(&r.Params.Dimensions, v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, llm.Errorf(http.StatusBadRequest, badRequest, "The request body is not a JSON object: %v.", err)
	}
	r.StreamUsage = r.Stream
	return r, nil
}

// badRequest is the error.type of a request that the dialect refuses; Ollama itself has none.
const badRequest = "invalid_request_error"

// options reads the model parameters, which a client may leave out or send as null.
func options(p *llm.Params, v []byte) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "temperature":
			dialect.SetFloat(&p.Temperature, v)
		case "top_p":
			dialect.SetFloat(&p.TopP, v)
		case "top_k":
			dialect.SetFloat(&p.TopK, v)
		case "num_predict":
			dialect.SetInt(&p.MaxTokens, v)
		case "stop":
			p.Stop = jsonscan.Strings(v)
		case "seed":
			dialect.SetInt(&p.Seed, v)
		case "frequency_penalty":
			dialect.SetFloat(&p.FrequencyPenalty, v)
		case "presence_penalty":
			dialect.SetFloat(&p.PresencePenalty, v)
		}
	}
}

// outputType reads format: "json", or a JSON schema; "" and null ask for nothing.
func outputType(v []byte) string {
	if jsonscan.KindOf(v) == jsonscan.Dict || jsonscan.String(v) == "json" {
		return "json"
	}
	return ""
}

// NewReader implements llm.Outbound.
func (Dialect) NewReader(_ llm.API, h *llm.Head, want llm.Want) llm.Reader {
	return dialect.NewReader(llm.Ollama, dialect.FramingOf(h, dialect.Whole), &decoder{
		parts:  want == llm.WantParts,
		status: h.Status,
	})
}

// Error implements llm.Inbound: {"error":"message"}.
func (Dialect) Error(e *llm.Error) []byte {
	b := append([]byte(nil), `{"error":`...)
	return append(jsonscan.AppendString(b, e.Message), '}')
}

// StreamError implements llm.Inbound: the error as one more line.
func (d Dialect) StreamError(_ *llm.Request, e *llm.Error) []byte {
	return append(d.Error(e), '\n')
}
