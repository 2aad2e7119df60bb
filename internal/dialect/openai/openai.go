// Package openai speaks OpenAI's HTTP APIs, and those of the many hosts that are compatible with them, to clients and to
// providers: chat completions, legacy completions, responses, embeddings and image generation. Wire formats: OpenAI API
// reference (platform.openai.com/docs/api-reference); fields that other hosts add are named where they are read.
//
// [Dialect] implements both [llm.Inbound] and [llm.Outbound]. Requests are scanned once ([Dialect.ParseRequest]) and
// decoded only when somebody asks for the conversation; responses are read frame by frame ([Dialect.NewReader]).
// Responses of providers of other dialects are written as chat completions, as Responses or as embeddings
// ([Dialect.NewWriter]); requests of other dialects become chat completions or embeddings ([Dialect.BuildRequest]).
package openai

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Dialect is OpenAI's family of wire formats. It has no state and is safe for concurrent use.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.OpenAI }

// endpoint is the end of the paths of one API.
type endpoint struct {
	suffix string
	api    llm.API
}

// endpoints is in order of matching: the end of chat completions' path is also that of completions.
var endpoints = [...]endpoint{
	{"/chat/completions", llm.OpenAIChat},
	{"/completions", llm.OpenAICompletions},
	{"/responses", llm.OpenAIResponses},
	{"/embeddings", llm.OpenAIEmbeddings},
	{"/images/generations", llm.OpenAIImages},
}

// Accepts implements llm.Inbound: a POST to a path that ends as OpenAI's paths do, whatever stands before ("/v1",
// "/openai/v1", Azure's "/openai/deployments/{deployment}", or nothing). What lies below a response or an image is not
// understood and passes through.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	if method != http.MethodPost {
		return "", false
	}
	for _, e := range &endpoints {
		if strings.HasSuffix(path, e.suffix) {
			return e.api, true
		}
	}
	return "", false
}

// Error implements llm.Inbound: the object that OpenAI's client libraries decode. Its code is e.Type where that says more
// than the type, which follows from the status.
func (Dialect) Error(e *llm.Error) []byte {
	return append(appendError(nil, e), '}')
}

// StreamError implements llm.Inbound. Responses has an event for it (API reference, "error" streaming event); the other APIs
// get the error object as a data frame, which is how OpenAI's hosts report an error once a stream has begun.
func (Dialect) StreamError(r *llm.Request, e *llm.Error) []byte {
	if r != nil && r.API == llm.OpenAIResponses {
		dst := append([]byte(nil), "event: error\ndata: {\"type\":\"error\",\"code\":"...)
		dst = appendOrNull(dst, e.Type)
		dst = append(dst, `,"message":`...)
		dst = jsonscan.AppendString(dst, e.Message)
		dst = append(dst, `,"param":`...)
		dst = appendOrNull(dst, e.Param)
		return append(dst, ",\"sequence_number\":0}\n\n"...)
	}
	dst := append([]byte(nil), "data: "...)
	dst = appendError(dst, e)
	return append(dst, "}\n\n"...)
}

// appendError appends the error member and the brace before it, without the brace that closes the object.
func appendError(dst []byte, e *llm.Error) []byte {
	typ := errorType(e)
	code := e.Type
	if code == typ {
		code = ""
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = jsonscan.AppendString(dst, typ)
	dst = append(dst, `,"param":`...)
	dst = appendOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = appendOrNull(dst, code)
	return append(dst, '}')
}

// errorType is OpenAI's type for a status (API guide, "Error codes").
func errorType(e *llm.Error) string {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case e.Status == 0 || e.Status >= 500:
		return "server_error"
	}
	return invalidRequest
}

// invalidRequest is OpenAI's type for a request that is the client's mistake.
const invalidRequest = "invalid_request_error"

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonscan.AppendString(dst, s)
}

// ModelsList encodes the answer to GET /models (API reference, "List models") for models of the given names.
func ModelsList(ids []string) []byte {
	dst := []byte(`{"object":"list","data":[`)
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = jsonscan.AppendString(dst, id)
		dst = append(dst, `,"object":"model","created":0,"owned_by":"spanway"}`...)
	}
	return append(dst, "]}"...)
}
