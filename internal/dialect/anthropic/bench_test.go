package anthropic_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

func BenchmarkParseRequest(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		body := []byte(`{"model":"claude-x","max_tokens":1024,"stream":true,"messages":[{"role":"user","content":"` +
			strings.Repeat("Tell me a story. ", size/17) + `"}]}`)
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{}, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadStream(b *testing.B) {
	frames := []string{start, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`}
	for range 50 {
		frames = append(frames, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" OpenTelemetry"}     }`)
	}
	frames = append(frames, `{"type":"content_block_stop","index":0}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":99}}`, stop)
	var chunks [][]byte
	for _, f := range frames {
		chunks = append(chunks, []byte(sse(f)))
	}
	h := head(200, "text/event-stream; charset=utf-8")
	for name, want := range map[string]llm.Want{"meta": llm.WantMeta, "parts": llm.WantParts} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			emit := func(*llm.Event) error { return nil }
			for b.Loop() {
				r := d.NewReader(llm.AnthropicMessages, h, want)
				for _, c := range chunks {
					if err := r.Read(c, false, emit); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
