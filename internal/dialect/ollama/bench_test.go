package ollama_test

import (
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
)

func BenchmarkParseRequest(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"1KB", 1 << 10}, {"64KB", 64 << 10}} {
		text := strings.Repeat("lorem ipsum dolor ", size.n/18)
		body := []byte(`{"model":"llama3.2","messages":[{"role":"user","content":"` + text + `"}],"options":{"temperature":0.5,"num_predict":100}}`)
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (ollama.Dialect{}).ParseRequest(llm.OllamaChat, &llm.Head{}, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	stream := []byte(strings.Repeat(chunk, 50))
	h := head(200, lines)
	emit := func(*llm.Event) error { return nil }
	for _, want := range []struct {
		name string
		want llm.Want
	}{{"meta", llm.WantMeta}, {"parts", llm.WantParts}} {
		b.Run(want.name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				r := ollama.Dialect{}.NewReader(llm.OllamaChat, h, want.want)
				for i := 0; i < len(stream); i += len(chunk) {
					if err := r.Read(stream[i:i+len(chunk)], i+len(chunk) == len(stream), emit); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
