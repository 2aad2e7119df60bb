package bedrock_test

import (
	"bytes"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// claudeStream is a stream of Claude's of a hundred pieces of text.
func claudeStream() []byte {
	all := [][]byte{modelChunk(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":16,"output_tokens":1}}}`)}
	for range 100 {
		all = append(all, modelChunk(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" distributed"}}`))
	}
	all = append(all, modelChunk(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":21}}`),
		modelChunk(`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":16,"outputTokenCount":21}}`))
	return bytes.Join(all, nil)
}

func BenchmarkInvokeStream(b *testing.B) {
	body := claudeStream()
	for name, want := range map[string]llm.Want{"meta": llm.WantMeta, "parts": llm.WantParts} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				r := d.NewReader(llm.BedrockInvoke, head(200, eventStream), want)
				if err := r.Read(body, true, func(*llm.Event) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInvokeRequest(b *testing.B) {
	body := []byte(invokeBodies[0].body)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := d.ParseRequest(llm.BedrockInvoke, &llm.Head{Path: "/model/m/invoke"}, body); err != nil {
			b.Fatal(err)
		}
	}
}
