// Package bedrock reads and writes the wire formats of Amazon Bedrock's runtime (Amazon Bedrock API reference, Amazon Bedrock
// Runtime): Converse and ConverseStream, and InvokeModel and InvokeModelWithResponseStream. Streams are AWS event streams
// (frame.EventStream).
//
// [Dialect] is both sides of it. Model and kind of call stand in the path; which of the two APIs it is decides which of the
// package's halves does the work: the files of Converse, or those whose names begin with invoke.
package bedrock

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// Dialect implements llm.Inbound and llm.Outbound. The zero value is ready to use.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.Bedrock }

// The operations of a model that are understood, as the path ends.
const (
	converse       = "converse"
	converseStream = "converse-stream"
	invoke         = "invoke"
	invokeStream   = "invoke-with-response-stream"
)

// Accepts implements llm.Inbound: POST of {prefix}/model/{modelId}/{operation}. Other operations (count-tokens,
// async-invoke, guardrails) are not accepted.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	if method != http.MethodPost {
		return "", false
	}
	switch _, verb := target(path); verb {
	case converse, converseStream:
		return llm.BedrockConverse, true
	case invoke, invokeStream:
		return llm.BedrockInvoke, true
	}
	return "", false
}

// target takes the model, decoded, and the operation out of an escaped path; both are empty when it names none.
func target(path string) (model, verb string) {
	_, rest, ok := strings.Cut(path, "/model/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 1 {
		return "", ""
	}
	model, err := url.PathUnescape(rest[:i])
	if err != nil {
		return "", ""
	}
	return model, rest[i+1:]
}

// ParseRequest implements llm.Inbound. The model is the path's, ARNs whole; ModelAt stays {0,0}.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	model, verb := target(h.Path)
	stream := verb == converseStream || verb == invokeStream
	var r *llm.Request
	var err error
	if api == llm.BedrockInvoke {
		r, err = parseInvoke(model, body)
	} else {
		r, err = parseConverse(body)
	}
	if err != nil {
		return nil, err
	}
	r.Model, r.Stream, r.StreamUsage = model, stream, stream
	return r, nil
}

// NewReader implements llm.Outbound.
func (Dialect) NewReader(api llm.API, h *llm.Head, want llm.Want) llm.Reader {
	if api == llm.BedrockInvoke {
		return newInvokeReader(h, want)
	}
	return newConverseReader(h, want)
}

// Rewrite implements llm.Inbound.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	if r != nil && r.API == llm.BedrockInvoke {
		return rewriteInvoke(dst, ev)
	}
	return rewriteConverse(dst, ev)
}

// NewWriter implements llm.Inbound for Converse and ConverseStream.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	if r.API != llm.BedrockConverse {
		return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "InvokeModel is answered by Bedrock only")
	}
	return newConverseWriter(r, loss)
}
