package writer_test

import (
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: d, API: llm.WriterChat, Head: &llm.Head{},
	Request: `{"model":"palmyra-x5","temperature":0.2,"max_tokens":256,"stream":true,"messages":[{"role":"system","content":"Be brief."},TURNS]}`,
	Turn:    `{"role":"user","content":"TEXT"},{"role":"assistant","content":"TEXT"}`,
	Answer:  &llm.Head{Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}},
	Chunk:   `data: {"id":"b0a8a3b5","object":"chat.completion.chunk","created":1741569952,"model":"palmyra-x5","choices":[{"index":0,"finish_reason":null,"delta":{"content":" word","role":"assistant"}}]}` + "\n\n",
	Last:    `data: {"id":"b0a8a3b5","object":"chat.completion.chunk","created":1741569952,"model":"palmyra-x5","choices":[{"index":0,"finish_reason":"stop","delta":{"content":""}}],"usage":{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59}}` + "\n\n",
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
