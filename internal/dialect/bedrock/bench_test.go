package bedrock_test

import (
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: d, API: llm.BedrockConverse, Head: &llm.Head{Path: "/model/us.amazon.nova-lite-v1%3A0/converse-stream"},
	Request: `{"system":[{"text":"Be brief."}],"inferenceConfig":{"maxTokens":1024},"messages":[TURNS]}`,
	Turn:    `{"role":"user","content":[{"text":"TEXT"}]},{"role":"assistant","content":[{"text":"TEXT"}]}`,
	Answer:  head(200, eventStream),
	First:   string(event("messageStart", `{"p":"abcdefgh","role":"assistant"}`)),
	Chunk:   string(event("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":" OpenTelemetry"},"p":"abcdefghijklmnop"}`)),
	Last: string(event("contentBlockStop", `{"contentBlockIndex":0,"p":"abc"}`)) + string(event("messageStop", `{"p":"abcd","stopReason":"end_turn"}`)) +
		string(event("metadata", `{"metrics":{"latencyMs":411},"p":"a","usage":{"inputTokens":7,"outputTokens":6,"totalTokens":13}}`)),
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }

func BenchmarkRewrite(b *testing.B) {
	ev := &llm.Event{Raw: event("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"4012888888881881"},"p":"abc"}`), Parts: []llm.Part{{Text: "<CREDIT_CARD>"}}}
	b.SetBytes(int64(len(ev.Raw)))
	b.ReportAllocs()
	var out []byte
	var err error
	for b.Loop() {
		if out, err = d.Rewrite(out[:0], nil, ev); err != nil {
			b.Fatal(err)
		}
	}
}
