// Package mistral speaks Mistral AI's API to clients and to providers: chat completions (those of agents included),
// fill-in-the-middle completions and embeddings (Mistral AI API reference, docs.mistral.ai/api).
//
// The formats are OpenAI's with differences: what is the same (frames, errors in streams, texts and their edits) is read by
// internal/dialect/openai, and [Dialect] adds the rest. Content is a text or a list of chunks, of which a thinking chunk holds
// reasoning; media are chunks of Mistral's own form; the seed is random_seed. Mistral refuses every member that it does not
// know, so [Adapt] renames those that OpenAI's client libraries send under another name.
package mistral

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Dialect is Mistral's family of wire formats. It has no state and is safe for concurrent use.
type Dialect struct{}

var (
	_ llm.Inbound  = Dialect{}
	_ llm.Outbound = Dialect{}
)

// invalidRequest is Mistral's type for a request that is the client's mistake.
const invalidRequest = "invalid_request_error"

// Dialect implements llm.Inbound and llm.Outbound.
func (Dialect) Dialect() llm.Dialect { return llm.Mistral }

// Accepts implements llm.Inbound: a POST to a path that ends as Mistral's paths do. Agents complete chats under a path of their
// own ("Agents Completion"), with agent_id in the place of a model.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	switch {
	case method != http.MethodPost:
	case strings.HasSuffix(path, "/chat/completions"), strings.HasSuffix(path, "/agents/completions"):
		return llm.MistralChat, true
	case strings.HasSuffix(path, "/fim/completions"):
		return llm.MistralFIM, true
	case strings.HasSuffix(path, "/embeddings"):
		return llm.MistralEmbed, true
	}
	return "", false
}

// alike is the API of OpenAI's whose bodies have the form of api's requests, and answer that of its answers: a
// fill-in-the-middle completion is asked for as a completion, and answered as a chat completion.
func alike(api llm.API) (asked, answered llm.API) {
	switch api {
	case llm.MistralEmbed:
		return llm.OpenAIEmbeddings, llm.OpenAIEmbeddings
	case llm.MistralFIM:
		return llm.OpenAICompletions, llm.OpenAIChat
	}
	return llm.OpenAIChat, llm.OpenAIChat
}

// ParseRequest implements llm.Inbound. Streams of Mistral's report usage unasked.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	asked, _ := alike(api)
	o, err := openai.Dialect{}.ParseRequest(asked, h, body)
	if err != nil {
		return nil, err
	}
	r := llm.NewRequest(api, llm.Mistral, o.Op, body, codecOf(api))
	r.Model, r.ModelAt, r.Stream, r.Params = o.Model, o.ModelAt, o.Stream, o.Params
	r.StreamUsage = r.Stream
	return r, nil
}

// Rewrite implements llm.Inbound.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	o := *r
	_, o.API = alike(r.API)
	return openai.Dialect{}.Rewrite(dst, &o, ev)
}

// Error implements llm.Inbound: Mistral's errors are flat.
func (Dialect) Error(e *llm.Error) []byte {
	typ := e.Type
	if typ == "" {
		typ = invalidRequest
		if e.Status >= http.StatusInternalServerError {
			typ = "internal_server_error"
		}
	}
	dst := append([]byte(nil), `{"object":"error","message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = jsonscan.AppendString(dst, typ)
	dst = append(dst, `,"param":`...)
	if e.Param == "" {
		return append(dst, `null,"code":null}`...)
	}
	return append(jsonscan.AppendString(dst, e.Param), `,"code":null}`...)
}

// StreamError implements llm.Inbound. Mistral documents no error within a stream. OpenAI's is one that both Mistral's client
// libraries, which find no chunk in it, and OpenAI's, which many use here, raise.
func (Dialect) StreamError(_ *llm.Request, e *llm.Error) []byte {
	return openai.Dialect{}.StreamError(nil, e)
}
