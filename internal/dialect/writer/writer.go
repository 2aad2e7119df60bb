// Package writer speaks Writer's chat API to clients and to providers (Writer API reference, "Chat completion", POST /v1/chat).
//
// The format is OpenAI's with differences, so [Dialect] hands what is the same to internal/dialect/openai: a stream has no end of
// its own ([DONE]), each of its chunks has both a message and a delta, and what a field does not say is null. Tools may be
// Writer's own (knowledge graphs, other models, the web).
package writer

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

// Dialect is Writer's chat API. It has no state and is safe for concurrent use.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.WriterAI }

// Accepts implements llm.Inbound: POST /v1/chat below any prefix, or /chat, which other providers have, too: whose it is depends
// on the provider.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	if method == http.MethodPost && (path == "/chat" || strings.HasSuffix(path, "/v1/chat")) {
		return llm.WriterChat, true
	}
	return "", false
}

// ParseRequest implements llm.Inbound.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	o, err := openai.Dialect{}.ParseRequest(llm.OpenAIChat, h, body)
	if err != nil {
		return nil, err
	}
	r := llm.NewRequest(api, llm.WriterAI, o.Op, body, openai.Codec(llm.OpenAIChat))
	r.Model, r.ModelAt, r.Stream, r.Params, r.StreamUsage = o.Model, o.ModelAt, o.Stream, o.Params, o.StreamUsage
	return r, nil
}

// NewReader implements llm.Outbound.
func (Dialect) NewReader(_ llm.API, h *llm.Head, want llm.Want) llm.Reader {
	return openai.NewReaderAs(llm.WriterAI, llm.OpenAIChat, h, want)
}

// alike is r as a request of OpenAI's.
func alike(r *llm.Request) *llm.Request {
	o := *r
	o.API = llm.OpenAIChat
	return &o
}

// Rewrite implements llm.Inbound.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	return openai.Dialect{}.Rewrite(dst, alike(r), ev)
}

// NewWriter implements llm.Inbound.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	w, err := openai.Dialect{}.NewWriter(alike(r), loss)
	if err != nil {
		return nil, err
	}
	return writer{w}, nil
}

// writer is OpenAI's, without the end that Writer's streams do not have.
type writer struct{ llm.Writer }

// Close implements llm.Writer.
func (w writer) Close(dst []byte, e *llm.Error) ([]byte, error) {
	dst, err := w.Writer.Close(dst, e)
	return bytes.TrimSuffix(dst, []byte("data: [DONE]\n\n")), err
}

// Error implements llm.Inbound.
func (Dialect) Error(e *llm.Error) []byte { return openai.Dialect{}.Error(e) }

// StreamError implements llm.Inbound.
func (Dialect) StreamError(_ *llm.Request, e *llm.Error) []byte {
	return openai.Dialect{}.StreamError(nil, e)
}
