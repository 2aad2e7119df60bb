package mistral_test

import (
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: d, API: llm.MistralChat, Head: &llm.Head{},
	Request: `{"model":"mistral-small-latest","temperature":0.2,"max_tokens":256,"stream":true,"messages":[{"role":"system","content":"Be brief."},TURNS]}`,
	Turn:    `{"role":"user","content":"TEXT"},{"role":"assistant","content":"TEXT"}`,
	Answer:  &llm.Head{Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}},
	Chunk:   `data: {"id":"b0a8a3b5c3d14b3d","object":"chat.completion.chunk","created":1741569952,"model":"mistral-small-latest","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}` + "\n\n",
	Last:    `data: {"id":"b0a8a3b5c3d14b3d","object":"chat.completion.chunk","created":1741569952,"model":"mistral-small-latest","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"total_tokens":59,"completion_tokens":50}}` + "\n\ndata: [DONE]\n\n",
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
