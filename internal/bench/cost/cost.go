// Package cost measures what a dialect does per byte, the same for every dialect: each names its formats in a [Dialect] and
// runs it from a benchmark and a test beside its code. make bench-cost prints the results.
package cost

import (
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// Both is a dialect in both directions.
type Both interface {
	llm.Inbound
	llm.Outbound
}

// Dialect is one API's formats, of which requests and answers of any length are made.
type Dialect struct {
	Dialect Both
	API     llm.API
	Head    *llm.Head // of a request for a stream
	// Request is a request that asks for a stream: TURNS stands for turns that are joined by commas.
	Request string
	// Turn is a message of the user's and one of the assistant's, each with TEXT for its text.
	Turn string
	// Answer is the head of a stream, and First, Chunk, repeated, and Last are its frames. In Chunk is one word.
	Answer             *llm.Head
	First, Chunk, Last string
}

// text is half a turn of 1 KiB.
var text = strings.Repeat("lorem ipsum dolor sit amet, ", 18)[:480]

var sizes = []struct {
	name  string
	turns int
}{{"1KB", 1}, {"64KB", 64}}

// request is a request of so many turns.
func (d *Dialect) request(turns int) []byte {
	turn := strings.ReplaceAll(d.Turn, "TEXT", text)
	return []byte(strings.Replace(d.Request, "TURNS", strings.TrimSuffix(strings.Repeat(turn+",", turns), ","), 1))
}

// stream is the frames of a stream of so many chunks.
func (d *Dialect) stream(chunks int) (frames [][]byte) {
	if d.First != "" {
		frames = append(frames, []byte(d.First))
	}
	for range chunks {
		frames = append(frames, []byte(d.Chunk))
	}
	return append(frames, []byte(d.Last))
}

// neutral is the conversation that requests are made of, as the codec of another dialect gives it.
type neutral struct{ c llm.Conversation }

func (n *neutral) Conversation([]byte) (*llm.Conversation, error)       { return &n.c, nil }
func (n *neutral) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }
func (n *neutral) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error)  { return body, nil }
func (n *neutral) Field(f llm.Field) string                             { return string(f) }
func foreign(turns int) *llm.Request {
	n := &neutral{llm.Conversation{System: []llm.Part{{Text: "Be brief."}}}}
	for range turns {
		n.c.Messages = append(n.c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: text}}},
			llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Text: text}}})
	}
	n.c.Messages = append(n.c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: "And now?"}}})
	r := llm.NewRequest("cost", "cost", llm.OpChat, nil, n)
	r.Stream, r.Params.Temperature, r.Params.MaxTokens = true, llm.Some(0.5), llm.Some(int64(100))
	return r
}

func (d *Dialect) parse(tb testing.TB, body []byte) *llm.Request {
	r, err := d.Dialect.ParseRequest(d.API, d.Head, body)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// read reads a stream frame by frame.
func (d *Dialect) read(tb testing.TB, frames [][]byte, want llm.Want) (parts int) {
	r := d.Dialect.NewReader(d.API, d.Answer, want)
	emit := func(ev *llm.Event) error { parts += len(ev.Parts); return nil }
	for i, f := range frames {
		if err := r.Read(f, i == len(frames)-1, emit); err != nil {
			tb.Fatal(err)
		}
	}
	return parts
}

// Benchmark runs all measurements. Those of Conversation and of EditText/changed scan the request anew each time, since a request
// keeps what it decoded.
func (d *Dialect) Benchmark(b *testing.B) {
	for _, s := range sizes {
		body := d.request(s.turns)
		from, own := foreign(s.turns), d.parse(b, body)
		c, err := own.Conversation()
		if err != nil || len(c.Messages) < 2*s.turns {
			b.Fatalf("fewer messages than %d: %v", 2*s.turns, err)
		}
		codec := func() *llm.Request { return d.parse(b, body) }
		measure(b, "ParseRequest/"+s.name, len(body), func() error { codec(); return nil })
		measure(b, "Conversation/"+s.name, len(body), func() error { _, err := codec().Conversation(); return err })
		measure(b, "BuildRequest/"+s.name, len(body), func() error {
			_, _, err := d.Dialect.BuildRequest(from, "m", new(llm.Loss))
			return err
		})
		measure(b, "EditText/kept/"+s.name, len(body), func() error {
			_, err := own.EditText(func(_ llm.Role, text string) (string, bool) { return text, false })
			return err
		})
		measure(b, "EditText/changed/"+s.name, len(body), func() error {
			_, err := codec().EditText(func(_ llm.Role, text string) (string, bool) { return text[1:], true })
			return err
		})
	}
	frames, size := d.stream(100), 0
	for _, f := range frames {
		size += len(f)
	}
	measure(b, "Read/meta", size, func() error { d.read(b, frames, llm.WantMeta); return nil })
	measure(b, "Read/parts", size, func() error { d.read(b, frames, llm.WantParts); return nil })
	d.write(b, size)
}

// write translates a stream of 100 words. Its size is what is written.
func (d *Dialect) write(b *testing.B, size int) {
	r := d.parse(b, d.request(1))
	word, end := llm.Event{ID: "id-1", Model: "m", Choices: []llm.Choice{{}}, Parts: []llm.Part{{Text: " word"}}}, llm.Event{Choices: []llm.Choice{{Finish: "stop"}}, Last: true}
	out := make([]byte, 0, 2*size)
	do := func() error {
		w, err := d.Dialect.NewWriter(r, new(llm.Loss))
		if err != nil {
			return err
		}
		out = out[:0]
		for i := 0; i <= 100 && err == nil; i++ {
			ev := &word
			if i == 100 {
				ev = &end
			}
			out, err = w.Write(out, ev)
		}
		if err == nil {
			out, err = w.Close(out, nil)
		}
		return err
	}
	if err := do(); err != nil {
		b.Fatal(err)
	}
	measure(b, "Write", len(out), do)
}

func measure(b *testing.B, name string, size int, do func() error) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Test holds the dialect to the budget of the hot path: the length of a stream costs no allocation when nobody wants its content,
// and one per chunk, the text, when somebody does; and a request is scanned without one per message.
func (d *Dialect) Test(t *testing.T) {
	short, long := d.stream(10), d.stream(1000)
	if n := d.read(t, long, llm.WantParts); n != 1000 {
		t.Fatalf("the stream has %d parts, want 1000", n)
	}
	allocs := func(frames [][]byte, want llm.Want) float64 {
		return testing.AllocsPerRun(5, func() { d.read(t, frames, want) })
	}
	if a, b := allocs(short, llm.WantMeta), allocs(long, llm.WantMeta); b > a {
		t.Errorf("%v allocations for 10 chunks, %v for 1000", a, b)
	}
	if a, b := allocs(short, llm.WantParts), allocs(long, llm.WantParts); b > a+990 {
		t.Errorf("with their content, %v allocations for 10 chunks, %v for 1000", a, b)
	}
	few, many := d.request(1), d.request(64)
	a := testing.AllocsPerRun(5, func() { d.parse(t, few) })
	if b := testing.AllocsPerRun(5, func() { d.parse(t, many) }); b > a {
		t.Errorf("%v allocations for a request of 2 messages, %v for 128", a, b)
	}
}
