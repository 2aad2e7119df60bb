package frame

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSplit feeds streams of 100 frames in reads of the usual sizes: one frame, 4 KiB, and 32 KiB.
func BenchmarkSplit(b *testing.B) {
	payload := `{"id":"chatcmpl-9a8b7c","object":"chat.completion.chunk","created":1754000000,"model":"gpt-4o-mini-2024-07-18",` +
		`"service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" token"},` +
		`"logprobs":null,"finish_reason":null}],"usage":null}`
	for _, s := range []struct{ name, splitter, frame string }{
		{"sse", "sse", "data: " + payload + "\n\n"},
		{"sse-event", "sse", "event: content_block_delta\ndata: " + payload + "\n\n"},
		{"sse-crlf", "sse", "data: " + payload + "\r\n\r\n"},
		{"ndjson", "ndjson", payload + "\n"},
		{"array", "array", "," + payload},
		{"aws", "aws", message(payload, ":event-type", "contentBlockDelta", ":content-type", "application/json", ":message-type", "event")},
	} {
		stream := []byte(strings.Repeat(s.frame, 100))
		for _, size := range []int{len(s.frame), 4 << 10, 32 << 10} {
			b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) {
				sp, frames := splitters[s.splitter](1<<20), 0
				emit := func(f Frame) error {
					if f.Data != nil {
						frames++
					}
					return nil
				}
				if s.splitter == "array" {
					if err := sp.Split([]byte("[0"), false, emit); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				for b.Loop() {
					for rest := stream; len(rest) > 0; {
						n := min(size, len(rest))
						if err := sp.Split(rest[:n], false, emit); err != nil {
							b.Fatal(err)
						}
						rest = rest[n:]
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
			})
		}
	}
}
