package gemini_test

import (
	"testing"

	"github.com/spanway/spanway/internal/bench/cost"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/llm"
)

var measured = cost.Dialect{
	Dialect: gemini.Dialect{}, API: llm.GeminiGenerate, Head: &llm.Head{Path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent", Query: "alt=sse"},
	Request: `{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[TURNS],"generationConfig":{"temperature":0.5,"maxOutputTokens":100}}`,
	Turn:    `{"role":"user","parts":[{"text":"TEXT"}]},{"role":"model","parts":[{"text":"TEXT"}]}`,
	Answer:  head(200, events),
	Chunk:   chunk,
	Last:    "data: {\"candidates\": [{\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 7,\"candidatesTokenCount\": 100}}\r\n\r\n",
}

func BenchmarkCost(b *testing.B) { measured.Benchmark(b) }

func TestCost(t *testing.T) { measured.Test(t) }
