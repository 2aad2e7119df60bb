// Package anthropic reads and writes the wire formats of Anthropic's Messages API and of its legacy Text Completions API
// (Anthropic API reference: Messages, Streaming messages, Errors, Text Completions).
//
// [Dialect] is both sides of it. What clients send is scanned once by ParseRequest; its conversation is decoded, or its
// texts edited in place, when somebody asks. What the provider answers is read by a decoder of a few members per frame
// (response.go), whose content is looked at only when it is wanted (parts.go). Clients of other dialects reach an Anthropic
// provider through BuildRequest (build.go), and Anthropic's clients read other providers through the writers of writer.go.
package anthropic

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
func (Dialect) Dialect() llm.Dialect { return llm.Anthropic }

// Accepts takes POST …/messages and POST …/complete below any prefix, and the messages of Vertex AI, whose path names the
// model. Everything else of the API, counting tokens and batches included, passes through, as do the messages of OpenAI's
// threads.
func (Dialect) Accepts(method, path string) (llm.API, bool) {
	switch {
	case method != http.MethodPost || strings.Contains(path, "/threads/"):
	case strings.HasSuffix(path, "/messages"):
		return llm.AnthropicMessages, true
	case strings.HasSuffix(path, "/complete"):
		return llm.AnthropicComplete, true
	}
	if model, _ := hosted(path); model != "" && method == http.MethodPost {
		return llm.AnthropicMessages, true
	}
	return "", false
}

// hosted takes model and method out of a path of Vertex AI (Vertex AI REST reference, publishers.models.rawPredict and
// streamRawPredict): …/publishers/anthropic/models/{model}:{method}. The model is "" for any other path, and for the counting of
// tokens, which has the form of a model.
func hosted(path string) (model string, streamed bool) {
	_, rest, ok := strings.Cut(path, "/publishers/anthropic/models/")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i < 0 {
		return "", false
	}
	method := rest[i+1:]
	if rest[:i] == "count-tokens" || method != "rawPredict" && method != "streamRawPredict" {
		return "", false
	}
	model, err := url.PathUnescape(rest[:i])
	if err != nil {
		return rest[:i], method == "streamRawPredict"
	}
	return model, method == "streamRawPredict"
}
