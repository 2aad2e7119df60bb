package jsonscan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/spanway/spanway/internal/jsonscan"
)

// prompts are chat request bodies, by size and by the text of their message.
func prompts() map[string][]byte {
	out := map[string][]byte{}
	for name, text := range map[string]string{
		"plain":    "The quick brown fox jumps over the lazy dog, and asks what the weather will be like tomorrow. ",
		"escapes":  "func main() {\n\tfmt.Println(\"hello, \\\"world\\\"\")\n}\n\n",
		"nonascii": "Größe und Übermaß — 今日は良い天気ですね。😀 ",
	} {
		for size, n := range map[string]int{"1K": 1 << 10, "64K": 64 << 10} {
			quoted, err := json.Marshal(strings.Repeat(text, n/len(text)+1))
			if err != nil {
				panic(err)
			}
			out[size+"/"+name] = []byte(`{"model":"gpt-4o-mini","temperature":0.7,"messages":[{"role":"system","content":"Be brief."},` +
				`{"role":"user","content":` + string(quoted) + `}],"max_tokens":256,"stream":true,"stream_options":{"include_usage":true}}`)
		}
	}
	return out
}

// BenchmarkBody reads four members of a request and validates all of it.
func BenchmarkBody(b *testing.B) {
	for name, body := range prompts() {
		b.Run(name+"/jsonscan", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if n := readJSONScan(body); n != 4 {
					b.Fatal(n)
				}
			}
		})
		b.Run(name+"/gjson", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if n := readGJSON(body); n != 4 {
					b.Fatal(n)
				}
			}
		})
		b.Run(name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !json.Valid(body) {
					b.Fatal("invalid")
				}
			}
		})
	}
}

func readJSONScan(body []byte) (n int) {
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key()) {
		case "model":
			if jsonscan.String(it.Value()) != "" {
				n++
			}
		case "temperature":
			if _, ok := jsonscan.Float(it.Value()); ok {
				n++
			}
		case "max_tokens":
			if _, ok := jsonscan.Int(it.Value()); ok {
				n++
			}
		case "stream":
			if jsonscan.Bool(it.Value()) {
				n++
			}
		}
	}
	if it.Err() != nil {
		return -1
	}
	return n
}

func readGJSON(body []byte) (n int) {
	if !gjson.ValidBytes(body) {
		return -1
	}
	for _, r := range gjson.GetManyBytes(body, "model", "temperature", "max_tokens", "stream") {
		if r.Exists() {
			n++
		}
	}
	return n
}

// BenchmarkEvent reads what telemetry wants of one chunk of a stream.
func BenchmarkEvent(b *testing.B) {
	chunk := []byte(`{"id":"chatcmpl-9a8b7c","object":"chat.completion.chunk","created":1754000000,"model":"gpt-4o-mini-2024-07-18",` +
		`"service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" token"},` +
		`"logprobs":null,"finish_reason":null}],"usage":null}`)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		it := jsonscan.Object(chunk)
		for it.Next() {
			switch string(it.Key()) {
			case "id", "model", "service_tier", "system_fingerprint", "choices", "usage":
				n += len(it.Value())
			}
		}
		if it.Err() != nil || n == 0 {
			b.Fatal(it.Err())
		}
	}
}

func BenchmarkString(b *testing.B) {
	for name, body := range prompts() {
		v := []byte(gjson.GetBytes(body, "messages.1.content").Raw)
		b.Run(name+"/String", func(b *testing.B) {
			b.SetBytes(int64(len(v)))
			b.ReportAllocs()
			for b.Loop() {
				if jsonscan.String(v) == "" {
					b.Fatal("empty")
				}
			}
		})
		s, dst := jsonscan.String(v), make([]byte, 0, 2*len(v))
		b.Run(name+"/AppendString", func(b *testing.B) {
			b.SetBytes(int64(len(v)))
			b.ReportAllocs()
			for b.Loop() {
				if len(jsonscan.AppendString(dst, s)) < len(s) {
					b.Fatal("short")
				}
			}
		})
	}
}
