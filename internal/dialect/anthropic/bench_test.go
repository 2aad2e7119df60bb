package anthropic_test

import (
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: d, API: llm.AnthropicMessages, Head: &llm.Head{},
	Request: `{"model":"claude-x","max_tokens":1024,"stream":true,"system":"Be brief.","messages":[TURNS]}`,
	Turn:    `{"role":"user","content":"TEXT"},{"role":"assistant","content":"TEXT"}`,
	Answer:  head(200, "text/event-stream"),
	First:   sse(start) + sse(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
	Chunk:   sse(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" OpenTelemetry"}     }`),
	Last: sse(`{"type":"content_block_stop","index":0}`) +
		sse(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":99}}`) + sse(stop),
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
