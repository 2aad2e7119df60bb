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

func BenchmarkBuildRequest(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		c := llm.Conversation{System: []llm.Part{{Text: "Be brief."}}, Messages: []llm.Message{user(llm.Part{Text: strings.Repeat("Tell me a story. ", size/17)})}}
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := d.BuildRequest(requestOf(c, llm.Params{}), "m", new(llm.Loss)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	ev := llm.Event{ID: "i", Model: "m", Parts: []llm.Part{{Text: strings.Repeat(" word", 8)}}}
	for name, stream := range map[string]bool{"stream": true, "whole": false} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(50 * int64(len(ev.Parts[0].Text)))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				w, err := d.NewWriter(request(stream), new(llm.Loss))
				if err != nil {
					b.Fatal(err)
				}
				out = out[:0]
				for range 50 {
					if out, err = w.Write(out, &ev); err != nil {
						b.Fatal(err)
					}
				}
				if out, err = w.Close(out, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
