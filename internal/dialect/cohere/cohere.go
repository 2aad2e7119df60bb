// Package cohere reads and writes the wire formats of Cohere's API (docs.cohere.com, API reference): chat of version 2 and of
// version 1, generate, embed and rerank.
//
// [Dialect] is both sides of it. What clients send is scanned once by ParseRequest; its conversation is decoded, or its texts
// edited in place, when somebody asks. What the provider answers is read by a decoder of a few members per frame
// (response.go), whose content is looked at only when it is wanted (parts.go). Chat of version 2 and embed are translated, both
// ways: clients of other dialects reach Cohere through BuildRequest (build.go), and Cohere's clients read other providers
// through the writers.
package cohere

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Dialect implements llm.Inbound and llm.Outbound. It has no state.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.Cohere }

// Accepts implements llm.Inbound: POST of chat, generate, embed and rerank below /v1, of chat, embed and rerank below /v2, and
// these below any prefix. All else of the API passes through.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	i := strings.LastIndexByte(path, '/')
	if method != http.MethodPost || i < 0 {
		return "", false
	}
	v1, v2 := strings.HasSuffix(path[:i], "/v1"), strings.HasSuffix(path[:i], "/v2")
	if !v1 && !v2 {
		return "", false
	}
	switch path[i+1:] {
	case "chat":
		if v1 {
			return llm.CohereChatV1, true
		}
		return llm.CohereChat, true
	case "generate":
		return llm.CohereGenerate, v1
	case "embed":
		if v1 {
			return llm.CohereEmbedV1, true
		}
		return llm.CohereEmbed, true
	case "rerank":
		return llm.CohereRerank, true
	}
	return "", false
}

// NewReader implements llm.Outbound.
func (Dialect) NewReader(api llm.API, h *llm.Head, want llm.Want) llm.Reader {
	return dialect.NewReader(llm.Cohere, dialect.FramingOf(h, dialect.Whole), newDecoder(api, h.Status, want))
}

// Error implements llm.Inbound: {"message":"…"} (API reference, Errors).
func (Dialect) Error(e *llm.Error) []byte {
	b := append([]byte(nil), `{"message":`...)
	return append(jsonscan.AppendString(b, e.Message), '}')
}

// StreamError implements llm.Inbound: the event that ends a stream, which says that it failed. Version 1's chat has no member
// for the reason: it gets that of version 2, error.
func (Dialect) StreamError(r *llm.Request, e *llm.Error) []byte {
	message := jsonscan.AppendString(nil, e.Message)
	var b []byte
	switch r.API {
	case llm.CohereChatV1:
		b = append(b, `{"is_finished":true,"event_type":"stream-end","finish_reason":"ERROR","error":`...)
		b = append(append(b, message...), `,"response":{"text":"","finish_reason":"ERROR"}}`...)
	case llm.CohereGenerate:
		b = append(b, `{"is_finished":true,"event_type":"stream-error","finish_reason":"ERROR","err":`...)
		b = append(append(b, message...), '}')
	default:
		b = append(b, "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":"...)
		b = append(append(b, message...), ",\"finish_reason\":\"ERROR\"}}\n\n"...)
		return append(b, done...)
	}
	if r.StreamSSE {
		return append(append([]byte("data: "), b...), "\n\n"...)
	}
	return append(b, '\n')
}

// done ends a stream of version 2.
const done = "data: [DONE]\n\n"
