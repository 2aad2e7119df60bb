package cohere_test

import (
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
)

func BenchmarkParseRequest(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"1KB", 1 << 10}, {"64KB", 64 << 10}} {
		text := strings.Repeat("lorem ipsum dolor ", size.n/18)
		body := []byte(`{"model":"command-a-03-2025","messages":[{"role":"user","content":"` + text + `"}],"temperature":0.5,"max_tokens":100}`)
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (cohere.Dialect{}).ParseRequest(llm.CohereChat, &llm.Head{}, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	const chunk = "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\" lorem\"}}}}\n\n"
	stream := []byte(strings.Repeat(chunk, 50))
	h := head(200, "text/event-stream")
	emit := func(*llm.Event) error { return nil }
	for _, want := range []struct {
		name string
		want llm.Want
	}{{"meta", llm.WantMeta}, {"parts", llm.WantParts}} {
		b.Run(want.name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				r := cohere.Dialect{}.NewReader(llm.CohereChat, h, want.want)
				for i := 0; i < len(stream); i += len(chunk) {
					if err := r.Read(stream[i:i+len(chunk)], i+len(chunk) == len(stream), emit); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
