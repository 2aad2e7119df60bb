// Package gemini reads and writes Google's generateContent and embedContent, as the Gemini API (ai.google.dev, API
// reference, "Generating content" and "Embeddings") and Vertex AI (cloud.google.com, Vertex AI REST reference,
// publishers.models) speak them. Both spell one set of messages in JSON; where they differ it is said.
//
// [Dialect] is the whole interface. Model and kind of call stand in the path, so that a body is scanned for its
// parameters alone.
package gemini

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Dialect implements llm.Inbound and llm.Outbound for the Gemini API and Vertex AI. It has no state.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.Gemini }

// The methods of a model resource that are understood.
const (
	generate       = "generateContent"
	streamGenerate = "streamGenerateContent"
	embed          = "embedContent"
	batchEmbed     = "batchEmbedContents"
)

// Accepts implements llm.Inbound: POST of {prefix}/models/{model}:{method}, for tunedModels and endpoints (Vertex AI's
// tuned models) too. Other methods (countTokens, predict, …) are not accepted.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	if method != http.MethodPost {
		return "", false
	}
	switch _, verb := target(path); verb {
	case generate, streamGenerate:
		return llm.GeminiGenerate, true
	case embed, batchEmbed:
		return llm.GeminiEmbed, true
	}
	return "", false
}

// target takes the model and the method out of an escaped path; both are empty when it names none.
func target(path string) (model, method string) {
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", ""
	}
	i := strings.LastIndexByte(path, ':')
	if i < 0 {
		return "", ""
	}
	resource := "/" + path[:i]
	for _, collection := range [...]string{"/models/", "/tunedModels/", "/endpoints/"} {
		if _, id, ok := cutLast(resource, collection); ok && id != "" {
			return id, path[i+1:]
		}
	}
	return "", ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// ParseRequest implements llm.Inbound. Field names are taken in both spellings that Google's JSON parser takes, camelCase
// and snake_case. The model is the path's; ModelAt stays {0,0}.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	op := llm.OpGenerateContent
	if api == llm.GeminiEmbed {
		op = llm.OpEmbeddings
	}
	r := llm.NewRequest(api, llm.Gemini, op, body, codec{})
	var method string
	if r.Model, method = target(h.Path); method == streamGenerate {
		r.Stream, r.StreamUsage, r.StreamArray = true, true, !asksSSE(h.Query)
	}
	it := jsonscan.Object(body)
	for it.Next() {
		topField(&r.Params, string(it.Key()), it.Value())
	}
	if err := it.Err(); err != nil {
		return nil, llm.Errorf(http.StatusBadRequest, "INVALID_ARGUMENT", "The request body is not a JSON object: %v.", err)
	}
	return r, nil
}

// asksSSE reports whether a query holds alt=sse (Google APIs' system parameters: alt and $alt).
func asksSSE(query string) bool {
	q, err := url.ParseQuery(query)
	return err == nil && (q.Get("alt") == "sse" || q.Get("$alt") == "sse")
}

// NewReader implements llm.Outbound. A body that is not an event stream is read as what it begins like: a stream asked for
// without alt=sse is one JSON array, and errors come as an object or as an array of one.
func (Dialect) NewReader(_ llm.API, h *llm.Head, want llm.Want) llm.Reader {
	f := dialect.FramingOf(h, dialect.JSON)
	return dialect.NewReader(llm.Gemini, f, &decoder{
		parts:  want == llm.WantParts,
		json:   f == dialect.JSON,
		status: h.Status,
	})
}
