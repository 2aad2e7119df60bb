package openai_test

import (
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

const opening = `data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306",`

var measured = cost.Dialect{
	Dialect: openai.Dialect{}, API: llm.OpenAIChat, Head: &llm.Head{},
	Request: `{"model":"gpt-4o-mini","temperature":0.2,"max_tokens":256,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"system","content":"Be brief."},TURNS]}`,
	Turn:    `{"role":"user","content":"TEXT"},{"role":"assistant","content":"TEXT"}`,
	Answer:  &llm.Head{Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}},
	Chunk:   opening + `"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3dE"}` + "\n\n",
	Last: opening + `"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}` + "\n\n" +
		opening + `"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59}}` + "\n\ndata: [DONE]\n\n",
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
