package openai

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

func prompt(n int) []byte {
	return fmt.Appendf(nil, `{"model":"gpt-4o-mini","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"%s"}],"temperature":0.2,"max_tokens":256,"stream":true,"stream_options":{"include_usage":true}}`,
		strings.Repeat("lorem ipsum ", n/12))
}

func BenchmarkParseRequest(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			body, h := prompt(n), &llm.Head{Method: http.MethodPost, Path: "/v1/chat/completions"}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Dialect{}).ParseRequest(llm.OpenAIChat, h, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// chunks is a chat completion in n chunks, as OpenAI sends it.
func chunks(n int) [][]byte {
	const head = `data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306",`
	var out [][]byte
	for i := range n {
		out = append(out, fmt.Appendf(nil, head+`"choices":[{"index":0,"delta":{"content":" word%d"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3dE"}`+"\n\n", i))
	}
	return append(out,
		[]byte(head+`"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}`+"\n\n"),
		[]byte(head+`"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`+"\n\n"),
		[]byte("data: [DONE]\n\n"))
}

func BenchmarkReadStream(b *testing.B) {
	for _, bench := range []struct {
		name string
		want llm.Want
	}{{"meta", llm.WantMeta}, {"parts", llm.WantParts}} {
		b.Run(bench.name, func(b *testing.B) {
			in := chunks(50)
			b.SetBytes(int64(len(bytes.Join(in, nil))))
			b.ReportAllocs()
			for b.Loop() {
				read(b, in, bench.want)
			}
		})
	}
}

func read(tb testing.TB, in [][]byte, want llm.Want) {
	h := &llm.Head{Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}}
	r := Dialect{}.NewReader(llm.OpenAIChat, h, want)
	emit := func(*llm.Event) error { return nil }
	for i, p := range in {
		if err := r.Read(p, i == len(in)-1, emit); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestReadAllocations holds the promise that a stream's length costs no allocation when nobody wants its content.
func TestReadAllocations(t *testing.T) {
	short, long := chunks(10), chunks(1000)
	a := testing.AllocsPerRun(10, func() { read(t, short, llm.WantMeta) })
	b := testing.AllocsPerRun(10, func() { read(t, long, llm.WantMeta) })
	if a != b {
		t.Errorf("%v allocations for 10 chunks, %v for 1000", a, b)
	}
}

// BenchmarkBuild translates a request of another dialect.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			body := prompt(n)
			r := parse(b, llm.OpenAIChat, string(body))
			if _, err := r.Conversation(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := (Dialect{}).BuildRequest(r, "m", new(llm.Loss)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrite writes a stream of 50 pieces of text.
func BenchmarkWrite(b *testing.B) {
	for _, api := range []llm.API{llm.OpenAIChat, llm.OpenAIResponses} {
		b.Run(string(api), func(b *testing.B) {
			evs := []llm.Event{{ID: "r", Model: "m"}}
			for i := range 50 {
				evs = append(evs, llm.Event{Parts: []llm.Part{{Text: fmt.Sprint(" word", i)}}})
			}
			evs = append(evs, llm.Event{Choices: []llm.Choice{{Finish: "end_turn"}}})
			r := llm.NewRequest(api, llm.OpenAI, llm.OpChat, []byte(`{}`), nil)
			r.Stream = true
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				w, err := Dialect{}.NewWriter(r, new(llm.Loss))
				out = out[:0]
				for i := 0; i < len(evs) && err == nil; i++ {
					out, err = w.Write(out, &evs[i])
				}
				if err == nil {
					out, err = w.Close(out, nil)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(out)))
		})
	}
}
