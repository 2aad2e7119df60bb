package ollama_test

import (
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: ollama.Dialect{}, API: llm.OllamaChat, Head: &llm.Head{},
	Request: `{"model":"llama3.2","options":{"temperature":0.5,"num_predict":100},"messages":[{"role":"system","content":"Be brief."},TURNS]}`,
	Turn:    `{"role":"user","content":"TEXT"},{"role":"assistant","content":"TEXT"}`,
	Answer:  head(200, lines),
	Chunk:   chunk,
	Last:    `{"model":"llama3","created_at":"2024-05-24T20:26:47.1Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"prompt_eval_count":7,"eval_count":100}` + "\n",
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
