package matrix

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
)

// FuzzThereAndBack holds translations to what they say of themselves, for several features at once: a request goes from one
// API to another and back, and says at each step what it said before, but for what was named as dropped.
func FuzzThereAndBack(f *testing.F) {
	features := section(f, "requests")
	for i := range features {
		f.Add(byte(i), byte(i/3), []byte{byte(i), byte(i + 7), byte(2*i + 1), byte(3 * i)})
	}
	f.Fuzz(func(t *testing.T, from, to byte, picks []byte) {
		a, b := &dialects[int(from)%len(dialects)], &dialects[int(to)%len(dialects)]
		if native(a, b) || b.provider == "" {
			return
		}
		body := bases(t, "requests")[string(a.api)]
		for _, p := range picks[:min(len(picks), 6)] {
			if words := features[int(p)%len(features)].words[string(a.api)]; words != nil {
				body = merged(t, body, words)
			}
		}
		thereAndBack(t, a, b, body)
	})
}

// TestPairs holds translations to the same law for two features at once, of every API to every provider: what one feature does to
// another is where a translation goes wrong in silence.
func TestPairs(t *testing.T) {
	base := bases(t, "requests")
	for i := range dialects {
		a := &dialects[i]
		bodies := pairs(t, a, base[string(a.api)])
		for _, b := range backends() {
			if native(a, b) {
				continue
			}
			for _, body := range bodies {
				thereAndBack(t, a, b, body)
			}
		}
	}
}

// pairs are base with every two features that d's API has words for, each request once: both orders where they differ, because
// the second feature says anew what the first one said.
func pairs(t *testing.T, d *dialect, base []byte) [][]byte {
	t.Helper()
	features := section(t, "requests")
	seen := map[string]bool{}
	var out [][]byte
	for i := range features {
		one := features[i].words[string(d.api)]
		if one == nil {
			continue
		}
		first := merged(t, base, one)
		for j := range features {
			two := features[j].words[string(d.api)]
			if two == nil || i == j {
				continue
			}
			if body := merged(t, first, two); !seen[string(body)] {
				seen[string(body)] = true
				out = append(out, body)
			}
		}
	}
	return out
}

// thereAndBack is body translated from a's API to b's, and what was built back again where a provider takes it.
func thereAndBack(t *testing.T, a, b *dialect, body []byte) {
	t.Helper()
	there := step(t, a, b, body)
	if a.provider != "" {
		step(t, b, a, there)
	}
}

// step is body translated from c's API to b's, with what has no place left out.
func step(t *testing.T, c, b *dialect, body []byte) []byte {
	t.Helper()
	asked := mustRead(t, c, body)
	built, loss, err := build(t, c, b, body, llm.Loss{Allow: true})
	if err != nil {
		t.Fatalf("%s to %s: %v\nof %s", c.api, b.api, err, body)
	}
	b.takes(t, built)
	for _, p := range asked.lacks(b.told(t, built, asked), left(t, c, body, loss.Dropped), b.adds) {
		t.Errorf("%s to %s: %s\nof %s\nin %s\nwithout %q", c.api, b.api, p, body, built, loss.Dropped)
	}
	return built
}

// FuzzCuts reads every answer in pieces.
func FuzzCuts(f *testing.F) {
	features := section(f, "answers")
	for i := range features {
		f.Add(byte(i), byte(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, of, by byte, seed uint64) {
		b := backends()[int(by)%len(backends())]
		for _, a := range answers(t, b, &features[int(of)%len(features)]) {
			whole, pieces := b.tells(t, &a, b.contentType(&a), nil), b.tells(t, &a, b.contentType(&a), cuts(len(a.body), seed))
			if d := cmp.Diff(whole, pieces, cmp.AllowUnexported(told{})); d != "" {
				t.Errorf("cut in pieces (-whole +cut):\n%s", d)
			}
		}
	})
}

// FuzzMask holds a guard to the same result for the whole of a text and for a stream of it, in every dialect, whatever the
// pieces are that the text comes in and the stream is read in.
func FuzzMask(f *testing.F) {
	f.Add("My secret is abbbc, yours is ab", uint64(1), uint64(2))
	f.Add("ab\nabc é 秘密 \"abbc\" \\abc", uint64(3), uint64(4))
	f.Add("aabcabcbabc", uint64(5), uint64(6))
	g, err := policy.NewRegexGuard(ir.Guard{Response: "mask", Regex: &ir.RegexGuard{Patterns: []ir.Pattern{{Name: "word", Regex: "ab+c"}}}})
	if err != nil {
		f.Fatal(err)
	}
	expr := regexp.MustCompile("ab+c")
	f.Fuzz(func(t *testing.T, text string, one, two uint64) {
		text = string([]rune(text)) // valid UTF-8
		if len(text) > 1<<10 {
			return
		}
		want := expr.ReplaceAllString(text, "<word>")
		for i := range dialects {
			d := &dialects[i]
			out := d.masked(t, g, d.spoken(t, text, one), two)
			if got, _ := d.tells(t, &out, d.contentType(&out), nil).facets["text 0"].(string); got != want {
				t.Fatalf("%s: %q becomes\n%q, want\n%q\nin %q", d.api, text, got, want, out.body)
			}
		}
	})
}

// spoken is text as a stream of d's, in pieces that seed gives.
func (d *dialect) spoken(t *testing.T, text string, seed uint64) answer {
	t.Helper()
	r, err := d.ask(t, true)
	if err != nil {
		t.Fatal(err)
	}
	w, err := d.in.NewWriter(r, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	out := answer{stream: true, status: 200}
	say := func(ev llm.Event) {
		ev.ID, ev.Model = "id-1", model
		if out.body, err = w.Write(out.body, &ev); err != nil {
			t.Fatal(err)
		}
	}
	runes := []rune(text)
	from := 0
	for _, to := range append(cuts(len(runes), seed), len(runes)) {
		if to > from {
			say(llm.Event{Choices: []llm.Choice{{}}, Parts: []llm.Part{{Text: string(runes[from:to])}}})
		}
		from = to
	}
	say(llm.Event{Choices: []llm.Choice{{Finish: "stop"}}})
	say(llm.Event{Last: true})
	if out.body, err = w.Close(out.body, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// masked is a behind g, read in pieces that seed gives.
func (d *dialect) masked(t *testing.T, g policy.Policy, a answer, seed uint64) answer {
	t.Helper()
	r, err := d.ask(t, true)
	if err != nil {
		t.Fatal(err)
	}
	w, err := g.Check(context.Background(), &llm.Call{Request: r}, new(policy.Report), new(policy.Report))
	if err != nil {
		t.Fatal(err)
	}
	out := answer{stream: true, status: a.status}
	emit := func(ev *llm.Event) (err error) {
		if ev.Edited {
			out.body, err = d.in.Rewrite(out.body, r, ev)
		} else {
			out.body = append(out.body, ev.Raw...)
		}
		return err
	}
	d.read(t, &a, d.contentType(&a), cuts(len(a.body), seed), func(ev *llm.Event) error { return w.Event(ev, emit) })
	if err := w.Flush(emit); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(a.body, []byte("abc")) && slices.Equal(a.body, out.body) {
		t.Errorf("%s: nothing was masked in %q", d.api, a.body)
	}
	return out
}
