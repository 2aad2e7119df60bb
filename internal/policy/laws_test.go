package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// run streams text in chunks and returns what comes out, all parts joined.
func run(t testing.TB, g *RegexGuard, kind llm.PartKind, chunks []string) string {
	s := newStream(t, g)
	for _, c := range chunks {
		s.parts(llm.Part{Kind: kind, Text: c})
	}
	s.flush()
	if s.err != nil {
		t.Fatal(s.err)
	}
	var out strings.Builder
	for i, ev := range s.out {
		if i >= s.n || string(ev.Raw) != fmt.Sprint("frame ", i) {
			t.Fatalf("frame %q in place %d", ev.Raw, i)
		}
		was, now := chunks[i], ev.Parts[0].Text
		if !ev.Edited && was != now {
			t.Fatalf("%q became %q and is not marked as edited", was, now)
		}
		out.WriteString(now)
	}
	if len(s.out) != s.n {
		t.Fatalf("%d of %d frames came out", len(s.out), s.n)
	}
	return out.String()
}

// cut cuts s, at character borders, by a sequence of lengths that seed gives.
func cut(s string, seed uint64) []string {
	var chunks []string
	runes := []rune(s)
	for len(runes) > 0 {
		seed = seed*6364136223846793005 + 1442695040888963407
		n := min(len(runes), 1+int(seed>>33)%(1+int(seed>>59)))
		chunks, runes = append(chunks, string(runes[:n])), runes[n:]
	}
	return chunks
}

// FuzzChunks checks the laws of streams. The text that comes out depends on the text that goes in, not on how it was cut,
// whatever the patterns are. It is what masking the whole text gives, when every pattern's matches are shorter than its
// reach or go over no border, and no stretch without a border comes near maxHeld. No frame is lost, doubled or reordered, and
// none is changed without being marked (see run).
func FuzzChunks(f *testing.F) {
	for _, s := range []string{
		"My card is 4111 1111 1111 1111 and my mail a@b.com, call (202) 555-0147 or +44 20 7946 0958 today.",
		"credit card and a credit\ncard\n536-22-8123 536 22 8123", "秘密の秘密 credit card 電話 03-123-4567。", "€€ x  y   z", "begin credit card end begin",
		strings.Repeat("no border", 1200) + " a@b.com",
	} {
		f.Add(s, uint64(1), uint64(77))
	}
	guards := chunkGuards(f)
	f.Fuzz(func(t *testing.T, text string, one, two uint64) { chunksLaw(t, guards, string([]rune(text)), one, two) })
}

// Texts of pieces that are near matches, which a fuzzer takes long to come upon.
func TestChunksAtRandom(t *testing.T) {
	r, guards := rand.New(rand.NewPCG(1, 2)), chunkGuards(t)
	for range 1500 {
		var text strings.Builder
		for range r.IntN(60) {
			text.WriteString(fragments[r.IntN(len(fragments))])
		}
		chunksLaw(t, guards, text.String(), r.Uint64(), r.Uint64())
	}
}

var fragments = []string{
	" ", " ", " ", "-", ".", "\n", ", ", "(", ")", "+", "é", "\u00a0", "\u2011", "4111", "1111", "1111", "41111111", "536", "22", "8123", "536-22-8123", "202",
	"555", "0147", "(202)", "+1", "020", "7946", "0958", "a@b.com", "a@", "b.com", "credit", "card", "credit card", "secret", "Secrets", "秘密", "。", "x", "y ",
	" z ", "no", "end", "begin", "word ", "another ",
}

// chunkGuards are one that knows how far each match goes, and one that does not.
func chunkGuards(t testing.TB) map[string]*RegexGuard {
	exact := guard(t, ir.Guard{Response: "mask", Regex: &ir.RegexGuard{
		Builtins: all.Builtins,
		Patterns: []ir.Pattern{{Regex: `credit\scard`}, {Regex: `(?i)\bsecret\w*`}, {Regex: "秘密"}, {Regex: `\s[xyz]\b`}, {Regex: `^no|end$`}},
	}})
	greedy := guard(t, ir.Guard{Response: "mask", Regex: patterns("(?s)begin.*end", `x.*`, `a|b.*?c`, `\B.\b`)})
	return map[string]*RegexGuard{"exact": exact, "greedy": greedy}
}

func chunksLaw(t *testing.T, guards map[string]*RegexGuard, text string, one, two uint64) {
	t.Helper()
	for name, g := range guards {
		a, b := run(t, g, llm.PartText, cut(text, one)), run(t, g, llm.PartText, cut(text, two))
		if a != b {
			t.Fatalf("%s: %q becomes, cut in two ways,\n%q and\n%q", name, text, a, b)
		}
		if name == "exact" && len(text) < maxHeld/2 {
			if whole := masked(g, text); a != whole {
				t.Fatalf("%q becomes\n%q in a stream and\n%q as a whole", text, a, whole)
			}
		}
	}
}

// FuzzToolCall checks that JSON stays JSON, however it is cut and masked, and that the cuts change nothing.
func FuzzToolCall(f *testing.F) {
	for _, s := range []string{
		`{"a":"536-22-8123","b":[4111111111111111,{"c@d.com":"\u0061@b.com"}]}`, `["\ud83d\ude00 x","\n\"\\",-1.5e+3,null]`, `"a@b.com"`, ` {"a":1} `,
	} {
		f.Add(s, uint64(1), uint64(77))
	}
	g := toolCallGuard(f)
	f.Fuzz(func(t *testing.T, text string, one, two uint64) { toolCallLaw(t, g, string([]rune(text)), one, two) })
}

func TestToolCallsAtRandom(t *testing.T) {
	r, g := rand.New(rand.NewPCG(3, 4)), toolCallGuard(t)
	text := func() string {
		var s strings.Builder
		for range r.IntN(20) {
			s.WriteString(fragments[r.IntN(len(fragments))])
		}
		return s.String()
	}
	for range 1500 {
		args := map[string]any{text(): text(), "b": []any{text(), 4111111111111111, 5.5, map[string]any{"c": nil, text(): text()}}}
		b, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		out := toolCallLaw(t, g, string(b), r.Uint64(), r.Uint64())
		var was, now any
		if err := errors.Join(json.Unmarshal(b, &was), json.Unmarshal([]byte(out), &now)); err != nil {
			t.Fatalf("%s becomes %s: %v", b, out, err)
		}
		if diff := cmp.Diff(maskedJSON(g, was), now); diff != "" {
			t.Fatalf("%s becomes %s (-want +got):\n%s", b, out, diff)
		}
	}
}

func toolCallGuard(t testing.TB) *RegexGuard {
	return guard(t, ir.Guard{Response: "mask", Regex: &ir.RegexGuard{Builtins: all.Builtins, Patterns: []ir.Pattern{{Name: `q"\`, Regex: "[a1\"\\\\]"}}}})
}

// toolCallLaw returns what becomes of text.
func toolCallLaw(t *testing.T, g *RegexGuard, text string, one, two uint64) string {
	t.Helper()
	a, b := run(t, g, llm.PartToolCall, cut(text, one)), run(t, g, llm.PartToolCall, cut(text, two))
	if a != b {
		t.Fatalf("%q becomes, cut in two ways,\n%q and\n%q", text, a, b)
	}
	if s := strings.TrimSpace(text); json.Valid([]byte(text)) && strings.ContainsAny(s[:1], `{["`) && !json.Valid([]byte(a)) {
		t.Fatalf("%s becomes %s", text, a)
	}
	return a
}

// maskedJSON is v with every string and number of it masked by itself.
func maskedJSON(g *RegexGuard, v any) any {
	switch v := v.(type) {
	case string:
		return masked(g, v)
	case float64:
		if m := g.find(nil, strconv.AppendFloat(nil, v, 'f', -1, 64), 0); len(m) > 0 {
			return g.rules[m[0].rule].text
		}
	case []any:
		for i := range v {
			v[i] = maskedJSON(g, v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[masked(g, k)] = maskedJSON(g, e)
		}
		return out
	}
	return v
}
