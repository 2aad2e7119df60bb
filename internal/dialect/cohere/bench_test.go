package cohere_test

import (
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: cohere.Dialect{}, API: llm.CohereChat, Head: &llm.Head{},
	Request: `{"model":"command-a-03-2025","stream":true,"temperature":0.5,"max_tokens":100,"messages":[{"role":"system","content":"Be brief."},TURNS]}`,
	Turn:    `{"role":"user","content":"TEXT"},{"role":"assistant","content":"TEXT"}`,
	Answer:  head(200, "text/event-stream"),
	First:   "event: message-start\ndata: {\"id\":\"29f14a5a\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[]}}}\n\n",
	Chunk:   "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\" lorem\"}}}}\n\n",
	Last:    "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":7,\"output_tokens\":100}}}}\n\n",
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
