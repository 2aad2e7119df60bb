package bedrock_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

func BenchmarkParseRequest(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		body := []byte(`{"inferenceConfig":{"maxTokens":1024},"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("Tell me a story. ", size/17) + `"}]}]}`)
		h := &llm.Head{Path: "/model/us.amazon.nova-lite-v1%3A0/converse-stream"}
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.ParseRequest(llm.BedrockConverse, h, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadStream(b *testing.B) {
	chunks := [][]byte{event("messageStart", `{"p":"abcdefgh","role":"assistant"}`)}
	for range 100 {
		chunks = append(chunks, event("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":" OpenTelemetry"},"p":"abcdefghijklmnop"}`))
	}
	chunks = append(chunks, event("contentBlockStop", `{"contentBlockIndex":0,"p":"abc"}`), event("messageStop", `{"p":"abcd","stopReason":"end_turn"}`),
		event("metadata", `{"metrics":{"latencyMs":411},"p":"a","usage":{"inputTokens":7,"outputTokens":6,"totalTokens":13}}`))
	size := 0
	for _, c := range chunks {
		size += len(c)
	}
	h := head(200, eventStream)
	for name, want := range map[string]llm.Want{"meta": llm.WantMeta, "parts": llm.WantParts} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			emit := func(*llm.Event) error { return nil }
			for b.Loop() {
				r := d.NewReader(llm.BedrockConverse, h, want)
				for _, c := range chunks {
					if err := r.Read(c, false, emit); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkWriteStream(b *testing.B) {
	ev := parts(llm.Part{Text: " OpenTelemetry"})
	r, err := d.ParseRequest(llm.BedrockConverse, &llm.Head{Path: "/model/m/converse-stream"}, []byte(`{}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		w, err := d.NewWriter(r, new(llm.Loss))
		if err != nil {
			b.Fatal(err)
		}
		for range 100 {
			if out, err = w.Write(out[:0], &ev); err != nil {
				b.Fatal(err)
			}
		}
	}
}

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
