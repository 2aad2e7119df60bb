package policy

import (
	"strconv"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// BenchmarkStream is the cost of one chunk of a stream, a word with its space, of which one in a hundred is an address.
func BenchmarkStream(b *testing.B) {
	words := strings.SplitAfter(strings.Repeat("the quick brown fox jumps over 12 lazy dogs and says ", 9)+"a@b.com ", " ")
	for _, bench := range []struct {
		name  string
		regex *ir.RegexGuard
	}{
		{"email", builtins("EMAIL")},
		{"builtins", all},
		{"builtins and patterns", &ir.RegexGuard{Builtins: all.Builtins, Patterns: []ir.Pattern{{Regex: "(?i)secret"}, {Regex: `credit\s+card`}}}},
	} {
		for _, address := range []string{"clean", "flagged"} {
			b.Run(bench.name+"/"+address, func(b *testing.B) {
				g := guard(b, ir.Guard{Response: "mask", Regex: bench.regex})
				ev, raw, w := llm.Event{}, make([]byte, 250), newRegexWatch(g)
				emit := func(*llm.Event) error { return nil }
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					word := words[i%len(words)]
					if address == "clean" && word == "a@b.com " {
						word = "nobody "
					}
					ev.Reset()
					ev.Raw, ev.Parts = raw, append(ev.Parts, llm.Part{Text: word})
					if err := w.Event(&ev, emit); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRequest checks a prompt of 64 KiB.
func BenchmarkRequest(b *testing.B) {
	prompt := strings.Repeat("the quick brown fox jumps over 12 lazy dogs and says nothing at all. ", 1000)[:64<<10]
	for _, bench := range []struct {
		name  string
		regex *ir.RegexGuard
	}{{"builtins", all}, {"pattern", patterns("(?i)secret")}} {
		b.Run(bench.name, func(b *testing.B) {
			g := guard(b, ir.Guard{Request: "mask", Regex: bench.regex})
			c := call(prompt)
			b.SetBytes(int64(len(prompt)))
			b.ReportAllocs()
			for b.Loop() {
				var rep Report
				if _, err := g.Check(b.Context(), c, &rep, new(Report)); err != nil || rep.Result != resultPassed {
					b.Fatal(rep.Result, err)
				}
			}
		})
	}
}

// BenchmarkLongChunk is text that comes at a stretch in the middle of a stream.
func BenchmarkLongChunk(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over 12 lazy dogs and says nothing at all. ", 4000)
	g := guard(b, ir.Guard{Response: "mask", Regex: all})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w := newRegexWatch(g)
		ev := llm.Event{Parts: []llm.Part{{Text: text}}}
		if err := w.Event(&ev, func(*llm.Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnbroken guards a stream of text without a border, in chunks of 16 bytes: a byte costs the same in a long stream.
func BenchmarkUnbroken(b *testing.B) {
	g := guard(b, ir.Guard{Response: "mask", Regex: all})
	chunk := strings.Repeat("x", 16)
	for _, size := range []int{10 << 10, 1 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			emit := func(*llm.Event) error { return nil }
			b.SetBytes(int64(size))
			for b.Loop() {
				w := newRegexWatch(g)
				for range size / len(chunk) {
					if err := w.Event(&llm.Event{Parts: []llm.Part{{Text: chunk}}}, emit); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
