package cohere

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// badRequest is the error.type of a request that the dialect refuses; Cohere itself has none.
const badRequest = "invalid_request_error"

// ParseRequest implements llm.Inbound.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	op, codec := kindOf(api)
	r := llm.NewRequest(api, llm.Cohere, op, body, codec)
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "model":
			if jsonscan.KindOf(v) == jsonscan.Text {
				r.Model, r.ModelAt = jsonscan.String(v), it.At()
			}
		case "stream":
			r.Stream = jsonscan.Bool(v) && op != llm.OpEmbeddings && op != llm.OpRerank
		case "embedding_types":
			r.Params.EncodingFormats = jsonscan.Strings(v)
		case "output_dimension":
			dialect.SetInt(&r.Params.Dimensions, v)
		default:
			if op == llm.OpChat || op == llm.OpTextCompletion {
				generation(&r.Params, it.Key(), v)
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, llm.Errorf(http.StatusBadRequest, badRequest, "The request body is not a JSON object: %v.", err)
	}
	r.StreamUsage = r.Stream
	r.StreamSSE = r.Stream && (api == llm.CohereChat || asksForEvents(h.Header))
	return r, nil
}

// asksForEvents reports whether a client of version 1 takes a stream as server-sent events: the header is Accepts (API
// reference, chat of version 1).
func asksForEvents(h http.Header) bool {
	return strings.Contains(h.Get("Accepts"), "text/event-stream") || strings.Contains(h.Get("Accept"), "text/event-stream")
}

// kindOf is the operation of an API, and what reads its requests.
func kindOf(api llm.API) (llm.Op, llm.Codec) {
	switch api {
	case llm.CohereChatV1:
		return llm.OpChat, chatV1Codec{}
	case llm.CohereGenerate:
		return llm.OpTextCompletion, generateCodec{}
	case llm.CohereEmbed, llm.CohereEmbedV1:
		return llm.OpEmbeddings, embedCodec{}
	case llm.CohereRerank:
		return llm.OpRerank, rerankCodec{}
	}
	return llm.OpChat, chatCodec{}
}

// generation reads a parameter of chat or generate. The max_tokens of embed, which bounds its inputs, is none.
func generation(p *llm.Params, key, v []byte) {
	switch string(key) {
	case "temperature":
		dialect.SetFloat(&p.Temperature, v)
	case "p":
		dialect.SetFloat(&p.TopP, v)
	case "k":
		dialect.SetFloat(&p.TopK, v)
	case "frequency_penalty":
		dialect.SetFloat(&p.FrequencyPenalty, v)
	case "presence_penalty":
		dialect.SetFloat(&p.PresencePenalty, v)
	case "max_tokens":
		dialect.SetInt(&p.MaxTokens, v)
	case "seed":
		dialect.SetInt(&p.Seed, v)
	case "stop_sequences":
		p.Stop = jsonscan.Strings(v)
	case "num_generations":
		if n, ok := jsonscan.Int(v); ok && n != 1 {
			p.ChoiceCount = llm.Some(n)
		}
	case "conversation_id":
		p.ConversationID = jsonscan.String(v)
	case "response_format":
		switch jsonscan.String(jsonscan.Get(v, "type")) {
		case "json_object":
			p.OutputType = "json"
		case "text":
			p.OutputType = "text"
		}
	}
}
