package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// stream runs events through a watch as a reader would: one Event for all, its memory written over after each.
type stream struct {
	t     testing.TB
	watch Watch
	out   []*llm.Event
	err   error
	n     int
	ev    llm.Event
}

func newStream(t testing.TB, g *RegexGuard) *stream {
	t.Helper()
	var rep Report
	w, err := g.Check(t.Context(), call("hello"), &rep, new(Report))
	if err != nil || w == nil {
		t.Fatalf("watch %v, error %v", w, err)
	}
	return &stream{t: t, watch: w}
}

func (s *stream) emit(ev *llm.Event) error {
	s.out = append(s.out, ev.Clone())
	return nil
}

// send sends one event; its frame is its number.
func (s *stream) send(set func(ev *llm.Event)) {
	if s.err != nil {
		return
	}
	s.ev.Reset()
	s.ev.Raw = append([]byte(nil), fmt.Sprint("frame ", s.n)...)
	s.n++
	set(&s.ev)
	s.err = s.watch.Event(&s.ev, s.emit)
	for i := range s.ev.Raw {
		s.ev.Raw[i] = '!'
	}
	for i := range s.ev.Parts {
		s.ev.Parts[i] = llm.Part{Text: "!"}
	}
}

func (s *stream) parts(parts ...llm.Part) {
	s.send(func(ev *llm.Event) { ev.Parts = append(ev.Parts, parts...) })
}

func (s *stream) text(texts ...string) {
	for _, text := range texts {
		s.parts(llm.Part{Text: text})
	}
}

func (s *stream) finish(choice int) {
	s.send(func(ev *llm.Event) { ev.Choices = append(ev.Choices, llm.Choice{Index: choice, Finish: "stop"}) })
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.watch.Flush(s.emit)
	}
}

// got checks that the frames are in order and, when nothing was refused, all there; it returns the texts of all parts, and
// marks those of edited events.
func (s *stream) got() []string {
	s.t.Helper()
	var out []string
	for i, ev := range s.out {
		if want := fmt.Sprint("frame ", i); string(ev.Raw) != want {
			s.t.Errorf("frame %q in the place of %q", ev.Raw, want)
		}
		mark := ""
		if ev.Edited {
			mark = "*"
		}
		for _, p := range ev.Parts {
			out = append(out, mark+p.Text)
		}
	}
	if s.err == nil && len(s.out) != s.n {
		s.t.Errorf("%d of %d frames went out", len(s.out), s.n)
	}
	return out
}

func (s *stream) report() Report {
	var rep Report
	s.watch.Done(&llm.Result{}, &rep)
	return rep
}

var all = builtins("SSN", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL")

func TestUnstreamed(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: all}))
	s.send(func(ev *llm.Event) {
		ev.Parts = append(ev.Parts, llm.Part{Text: "Mail a@b.com, call 202-555-0147."}, llm.Part{Choice: 1, Text: "nothing"},
			llm.Part{Kind: llm.PartToolCall, Text: `{"to":"a@b.com","n":1}`})
		ev.Choices = append(ev.Choices, llm.Choice{Index: 0, Finish: "stop"}, llm.Choice{Index: 1, Finish: "stop"})
	})
	if len(s.out) != 1 {
		t.Fatalf("%d events went out before the end", len(s.out))
	}
	s.flush()
	want := []string{"*Mail <EMAIL_ADDRESS>, call <PHONE_NUMBER>.", "*nothing", `*{"to":"<EMAIL_ADDRESS>","n":1}`}
	if diff := cmp.Diff(want, s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rep := Report{Ran: true, Kind: "regex", Action: "mask", Result: "masked", Rule: "PHONE_NUMBER,EMAIL",
		Hits: []Hit{{Rule: "EMAIL,PHONE_NUMBER"}, {Rule: "EMAIL"}}}
	if diff := cmp.Diff(rep, s.report(), ignoreTime); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// A match longer than the reach is found in a response that comes whole.
func TestUnstreamedLongMatch(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: patterns("(?s)BEGIN.*END")}))
	s.send(func(ev *llm.Event) {
		ev.Parts, ev.Last = append(ev.Parts, llm.Part{Text: "x BEGIN " + strings.Repeat("key ", 5000) + "END y"}), true
	})
	if diff := cmp.Diff([]string{"*x <CUSTOM> y"}, s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStreamWithoutMatches(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: all}))
	words := strings.SplitAfter(strings.Repeat("There is nothing personal in 3 of these words. ", 20), " ")
	s.parts(llm.Part{Text: ""})
	s.text(words...)
	if held := s.n - len(s.out); held > 40 {
		t.Errorf("%d of %d frames are held", held, s.n)
	}
	s.finish(0)
	if len(s.out) != s.n {
		t.Errorf("%d of %d frames are out after the finish", len(s.out), s.n)
	}
	s.send(func(ev *llm.Event) { ev.Usage = &llm.Usage{Output: llm.Some[int64](7)} })
	s.send(func(ev *llm.Event) { ev.Last = true })
	s.flush()
	if diff := cmp.Diff(append([]string{""}, words...), s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Report{Ran: true, Kind: "regex", Action: "mask", Result: "passed"}, s.report()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestStreams(t *testing.T) {
	word := &ir.RegexGuard{Patterns: []ir.Pattern{{Name: `a"b`, Regex: "credit card"}, {Name: "EURO", Regex: "€"}}}
	tool := func(texts ...string) (parts []llm.Part) {
		for _, s := range texts {
			parts = append(parts, llm.Part{Kind: llm.PartToolCall, Text: s})
		}
		return parts
	}
	text := func(texts ...string) (parts []llm.Part) {
		for _, s := range texts {
			parts = append(parts, llm.Part{Text: s})
		}
		return parts
	}
	for _, tt := range []struct {
		name  string
		regex *ir.RegexGuard
		in    []llm.Part
		want  []string
	}{
		{"new text lands where the match began", all,
			text("Card: 41", "11 1", "111 1111", " 1111", ", mail jo", "e@exam", "ple.com", " now"),
			[]string{"*Card: <CREDIT_CARD>", "*", "*", "*", "*, mail <EMAIL_ADDRESS>", "*", "*", " now"}},
		{"two in one piece, one over two", all, text("a@b.com c@d.com 536-22", "-8123, e@f.org"),
			[]string{"*<EMAIL_ADDRESS> <EMAIL_ADDRESS> <US_SSN>", "*, <EMAIL_ADDRESS>"}},
		{"characters are not torn", word, text("12 €", "€ 34"), []string{"*12 <EURO>", "*<EURO> 34"}},
		{"over a border", word, text(strings.Repeat("x", 60)+" my credit ", "card is", " new"),
			[]string{"*" + strings.Repeat("x", 60) + ` my <a"b>`, "* is", " new"}},
		{"reasoning and refusal", all, []llm.Part{
			{Kind: llm.PartReasoning, Text: "think a@"}, {Kind: llm.PartReasoning, Text: "b.com"}, {Text: "x a@"}, {Text: "b.com"},
			{Kind: llm.PartRefusal, Text: "no a@b"}, {Kind: llm.PartRefusal, Text: ".com"}},
			[]string{"*think <EMAIL_ADDRESS>", "*", "*x <EMAIL_ADDRESS>", "*", "*no <EMAIL_ADDRESS>", "*"}},
		{"choices are apart", all, []llm.Part{
			{Choice: 0, Text: "one a"}, {Choice: 1, Text: "two b"}, {Choice: 0, Text: "@x.com"}, {Choice: 1, Text: "@y.com"}},
			[]string{"*one <EMAIL_ADDRESS>", "*two <EMAIL_ADDRESS>", "*", "*"}},
		{"parts are apart", all, []llm.Part{{Index: 0, Text: "536-22"}, {Index: 1, Text: "-8123"}}, []string{"536-22", "-8123"}},
		{"other kinds pass", all, []llm.Part{{Kind: llm.PartURI, URI: "mailto:a@b.com"}, {Text: "536-22-8123"}}, []string{"", "*<US_SSN>"}},

		{"tool arguments", all, tool(`{"a":"x 536-`, `22-8123","b":[4111`, `111111111111,-1.5e3,true],"a@b.c`, `om":null}`),
			[]string{`*{"a":"x <US_SSN>`, `*","b":["<CREDIT_CARD>"`, `*,-1.5e3,true],"<EMAIL_ADDRESS>`, `*":null}`}},
		{"escapes in tool arguments", all, tool(`{"a":"line\n536\u002`, `d22-8123\u0`, `041\"\\ 536-22-8123\tx"}`),
			[]string{`{"a":"line\n536\u002`, `d22-8123\u0`, `*041\"\\ <US_SSN>\tx"}`}},
		{"an escape within a match", all, tool(`{"a":"536\u002`, `d22\u002d8123"}`), []string{`*{"a":"<US_SSN>`, `*"}`}},
		{"a placeholder is quoted", word, tool(`{"a":"credit card €"}`), []string{`*{"a":"<a\"b> <EURO>"}`}},
		{"values of tool arguments are apart", all, tool(`["536-22","-8123",536,22,8123]`), []string{`["536-22","-8123",536,22,8123]`}},
		{"no JSON", all, tool(" ", "\nmail a@", "b.com, \"536-22-8123\""), []string{" ", "*\nmail <EMAIL_ADDRESS>", `*, "<US_SSN>"`}},
		{"a string alone", all, tool(`"a@b.`, `com"`), []string{`*"<EMAIL_ADDRESS>`, `*"`}},
		{"cut in a number", all, tool(`{"a":41111111`, `11111111`), []string{`*{"a":"<CREDIT_CARD>"`, `*`}},
		{"cut in an escape", all, tool(`{"a":"a@b.com\u00`), []string{`*{"a":"<EMAIL_ADDRESS>\u00`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: tt.regex}))
			for _, p := range tt.in {
				s.parts(p)
			}
			s.flush()
			if diff := cmp.Diff(tt.want, s.got()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Frames without text wait behind held text and are not reordered; a finish lets its choice go and no other.
func TestOrder(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: all}))
	s.send(func(ev *llm.Event) { ev.ID = "first" })
	if len(s.out) != 1 {
		t.Error("a frame without text waits for nothing")
	}
	s.text("one")
	s.send(func(ev *llm.Event) { ev.Usage = &llm.Usage{Input: llm.Some[int64](3)} })
	s.parts(llm.Part{Choice: 1, Text: "two"})
	if len(s.out) != 1 {
		t.Errorf("%d frames are out, want 1", len(s.out))
	}
	s.finish(0)
	if len(s.out) != 3 {
		t.Errorf("%d frames are out after the finish, want 3", len(s.out))
	}
	s.send(func(ev *llm.Event) { ev.Last = true })
	if diff := cmp.Diff([]string{"one", "two"}, s.got()); diff != "" || s.n != 6 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if u := s.out[2].Usage; u == nil || u.Input.V != 3 {
		t.Errorf("usage %+v", u)
	}
}

// Text that repeats what was streamed is masked where it stands, and ends what it repeats.
func TestRepeat(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: all}))
	s.text("mail ", "a@b", ".com")
	s.parts(llm.Part{Text: "mail a@b.com", Repeat: true}, llm.Part{Kind: llm.PartToolCall, Text: `{"a":4111111111111111}`, Repeat: true})
	want := []string{"mail ", "*<EMAIL_ADDRESS>", "*", "*mail <EMAIL_ADDRESS>", `*{"a":"<CREDIT_CARD>"}`}
	if diff := cmp.Diff(want, s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReject(t *testing.T) {
	g := guard(t, ir.Guard{Response: "reject", Regex: all, Reject: ir.Rejection{Status: 451, Message: "stop"}})
	for _, tt := range []struct {
		name string
		run  func(s *stream)
		want string // what goes out before
	}{
		{"unstreamed", func(s *stream) {
			s.send(func(ev *llm.Event) {
				ev.Parts, ev.Last = append(ev.Parts, llm.Part{Text: "a@b.com and 536-22-8123"}, llm.Part{Choice: 1, Text: "c@d.com"}), true
			})
		}, ""},
		{"in a stream", func(s *stream) {
			s.text(strings.SplitAfter(strings.Repeat("fine words come before ", 8)+"mail a@b.com"+strings.Repeat(" and more words", 20), " ")...)
		}, strings.Repeat("fine words come before ", 8)},
		{"at the finish", func(s *stream) {
			s.text("mail a@", "b.com")
			s.finish(0)
		}, ""},
		{"at the end", func(s *stream) {
			s.text("mail a@", "b.com")
			s.flush()
		}, ""},
		{"in tool arguments", func(s *stream) {
			s.parts(llm.Part{Kind: llm.PartToolCall, Text: `{"a":`})
			s.parts(llm.Part{Kind: llm.PartToolCall, Text: `"a@b.com"}`})
		}, `{"a":`},
		{"a number in tool arguments", func(s *stream) {
			s.parts(llm.Part{Kind: llm.PartToolCall, Text: `{"a":4111111111111111}`})
		}, ""},
		{"repeated", func(s *stream) { s.parts(llm.Part{Text: "a@b.com", Repeat: true}) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStream(t, g)
			tt.run(s)
			var e *llm.Error
			if !errors.As(s.err, &e) || e.Status != 451 || e.Type != Rejected || e.Message != "stop" {
				t.Fatalf("error %v", s.err)
			}
			if out := strings.Join(s.got(), ""); !strings.HasPrefix(tt.want, out) || tt.want != "" && len(out) < len(tt.want)-100 {
				t.Errorf("%q went out, want what is before the refusal: %q", out, tt.want)
			}
			sent := len(s.out)
			if err := s.watch.Flush(s.emit); err != nil || len(s.out) != sent {
				t.Errorf("a flush after the refusal sends %d frames, error %v", len(s.out)-sent, err)
			}
			if err := s.watch.Event(&llm.Event{Raw: []byte("more")}, s.emit); !errors.As(err, &e) || len(s.out) != sent {
				t.Errorf("an event after the refusal: error %v", err)
			}
			if rep := s.report(); !rep.Ran || rep.Result != "rejected" || rep.Action != "reject" || len(rep.Hits) != 1 {
				t.Errorf("report %+v", rep)
			}
		})
	}
}

func TestResponseWithoutText(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: all}))
	s.send(func(ev *llm.Event) { ev.Err = &llm.Error{Status: 500} })
	s.flush()
	if s.got(); s.report().Ran {
		t.Error("a response without text is reported as checked")
	}
}

// What is held is bounded, in text without a border and in frames that wait.
func TestBounds(t *testing.T) {
	s := newStream(t, guard(t, ir.Guard{Response: "mask", Regex: all}))
	var want []string
	for range 40 {
		want = append(want, strings.Repeat("é", 500))
	}
	s.text(want...)
	w := s.watch.(*regexWatch)
	if held := len(s.out) * 1000; held < 40*1000-maxHeld-1000 || cap(w.lanes[0].text) > 4*maxHeld {
		t.Errorf("%d bytes are out, %d bytes of buffer", held, cap(w.lanes[0].text))
	}
	for range 40 {
		s.send(func(ev *llm.Event) { ev.Raw = append(ev.Raw, make([]byte, 1<<16)...) })
	}
	if w.size > maxHeldFrames || len(w.spare) > maxSpare {
		t.Errorf("%d bytes of frames are held, %d events are spare", w.size, len(w.spare))
	}
	for i := range 10 * maxLanes {
		s.parts(llm.Part{Choice: i, Text: "x"})
	}
	if len(w.lanes) > maxLanes {
		t.Errorf("%d lanes", len(w.lanes))
	}
	s.send(func(ev *llm.Event) {
		ev.Parts = append(ev.Parts, llm.Part{Kind: llm.PartToolCall, Text: "[" + strings.Repeat("7", 1<<16)})
	})
	if l := w.lanes[len(w.lanes)-1]; len(l.text) > maxNumber+1 {
		t.Errorf("%d digits are kept", len(l.text))
	}
	s.flush()
	if s.err != nil || len(s.out) != s.n {
		t.Errorf("%d of %d frames are out, error %v", len(s.out), s.n, s.err)
	}
	var text strings.Builder
	for _, ev := range s.out[:40] {
		text.WriteString(ev.Parts[0].Text)
	}
	if text.String() != strings.Join(want, "") {
		t.Error("text without a border is changed")
	}
}
