package policy

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spanway/spanway/internal/llm"
)

// Bounds of a stream's segments.
const (
	minAsked  = 50       // characters of a segment, where an end of a sentence or a line follows
	maxAsked  = 8 << 10  // bytes of text without such an end, which are a segment then
	maxRepeat = 64 << 10 // bytes of a part that are remembered for events that repeat it
)

// webhookWatch asks about one response.
type webhookWatch struct {
	queue
	guard   *WebhookGuard
	ctx     context.Context //nolint:containedctx // a watch's life is its call's
	call    *llm.Call
	rep     *Report
	lanes   []*askedLane
	told    []askedText
	refused error
}

// askedLane is the text of one part of a response, as far as it was not asked about.
type askedLane struct {
	choice, index int
	kind          llm.PartKind
	pieces        []piece
	text          []byte
	scanned       int // bytes of text that hold no end of a segment
	runes         int // characters of them
	whole         askedText
}

// askedText is a part's text before and after.
type askedText struct {
	was, is []byte
	long    bool // it was not all remembered
}

// Event implements Watch.
func (w *webhookWatch) Event(ev *llm.Event, emit func(*llm.Event) error) error {
	if w.refused != nil {
		return w.refused
	}
	entry := w.push(ev)
	if ev.Whole {
		w.undecided(entry, func() { w.whole(ev) })
	} else {
		w.pieces(ev, entry)
	}
	return w.out(ev, emit)
}

// Flush implements Watch.
func (w *webhookWatch) Flush(emit func(*llm.Event) error) error {
	if w.refused == nil {
		w.finish(func(*askedLane) bool { return true })
		return w.out(nil, emit)
	}
	return nil // nothing is held after a refusal
}

// Done implements Watch.
func (w *webhookWatch) Done(*llm.Result, *Report) {}

func (w *webhookWatch) out(ev *llm.Event, emit func(*llm.Event) error) error {
	if err := w.drain(ev, emit); err != nil {
		return err
	}
	if w.refused != nil {
		w.drop()
		w.lanes = nil
	}
	return w.refused
}

// undecided holds an event back while decide decides about it, and for good when that refuses the response.
func (w *webhookWatch) undecided(entry int, decide func()) {
	w.at(entry).open++
	if decide(); w.refused == nil {
		w.at(entry).open--
	}
}

// asks reports whether the webhook is asked about p.
func asks(p *llm.Part) bool {
	return p.Text != "" && (p.Kind == llm.PartText || p.Kind == llm.PartReasoning || p.Kind == llm.PartRefusal)
}

// whole asks about an unstreamed response at once.
func (w *webhookWatch) whole(ev *llm.Event) {
	var texts []said
	for i := range ev.Parts {
		if p := &ev.Parts[i]; asks(p) {
			texts = append(texts, said{string(llm.RoleAssistant), p.Text})
		}
	}
	masked := w.ask(texts)
	if masked == nil {
		return
	}
	n := 0
	for i := range ev.Parts {
		if p := &ev.Parts[i]; asks(p) {
			if masked[n] != p.Text {
				p.Text, p.Logprobs, ev.Edited = masked[n], nil, true
			}
			n++
		}
	}
}

// ask asks about texts of the response; nil when they pass as they are, or the response is refused.
func (w *webhookWatch) ask(texts []said) []string {
	if len(texts) == 0 || w.refused != nil {
		return nil
	}
	type choice struct {
		Message said `json:"message"`
	}
	choices := make([]choice, len(texts))
	for i := range texts {
		choices[i].Message = texts[i]
	}
	masked, err := w.guard.ask(w.ctx, w.call, "/response", map[string]any{"choices": choices}, texts, w.rep)
	if err != nil {
		w.refused = err
		return nil
	}
	return masked
}

// pieces takes in the parts of one event of a stream.
func (w *webhookWatch) pieces(ev *llm.Event, entry int) {
	for i := range ev.Parts {
		p := &ev.Parts[i]
		self := w.lane(p)
		w.finish(func(l *askedLane) bool { return l.choice == p.Choice && (l != self || p.Repeat) })
		if !asks(p) {
			continue
		}
		if p.Repeat {
			w.undecided(entry, func() { w.repeat(ev, p) })
			continue
		}
		if self == nil {
			self = &askedLane{choice: p.Choice, index: p.Index, kind: p.Kind}
			w.lanes = append(w.lanes, self)
		}
		w.at(entry).open++
		self.pieces = append(self.pieces, piece{entry: entry, part: i, text: p.Text})
		self.text = append(self.text, p.Text...)
		for end := self.segment(); end > 0 && w.refused == nil; end = self.segment() {
			w.decide(self, end)
		}
	}
	for _, c := range ev.Choices {
		if c.Finish != "" {
			w.finish(func(l *askedLane) bool { return l.choice == c.Index })
		}
	}
	if ev.Last || ev.Err != nil || w.size > maxHeldFrames || len(w.lanes) > maxLanes {
		w.finish(func(*askedLane) bool { return true })
	}
}

// lane returns the lane of p, nil when it has none.
func (w *webhookWatch) lane(p *llm.Part) *askedLane {
	for _, l := range w.lanes {
		if l.choice == p.Choice && l.kind == p.Kind && l.index == p.Index {
			return l
		}
	}
	return nil
}

// segment is where the first segment of l's text ends; 0 when that has not come yet.
func (l *askedLane) segment() int {
	for i := l.scanned; i < len(l.text); {
		_, size := utf8.DecodeRune(l.text[i:])
		if c := l.text[i]; c == '\n' || c == ' ' && i > 0 && strings.IndexByte(".?!;", l.text[i-1]) >= 0 {
			if l.runes+1 >= minAsked {
				return i + size
			}
		}
		i += size
		l.scanned, l.runes = i, l.runes+1
	}
	if len(l.text) < maxAsked {
		return 0
	}
	return wholeRunes(l.text[:maxAsked])
}

// decide asks about the first n bytes of l's text.
func (w *webhookWatch) decide(l *askedLane, n int) {
	was := string(l.text[:n])
	masked := w.ask([]said{{Content: was}})
	if w.refused != nil {
		return
	}
	is := was
	if masked != nil {
		is = masked[0]
	}
	l.whole.add(was, is)
	l.text, l.scanned, l.runes = append(l.text[:0], l.text[n:]...), 0, 0
	l.settle(&w.queue, n, is, masked != nil)
}

// settle puts with in the place of the next n bytes: what differs stands in the first piece, and the others lose theirs.
func (l *askedLane) settle(q *queue, n int, with string, differs bool) {
	for first := true; n > 0; first = false {
		p := &l.pieces[0]
		taken := min(n, len(p.text)-p.done)
		switch {
		case !differs:
			p.out = append(p.out, p.text[p.done:p.done+taken]...)
		case first:
			p.out, p.edited = append(p.out, with...), true
		default:
			p.edited = true
		}
		p.done += taken
		n -= taken
		if p.done < len(p.text) {
			return
		}
		q.settled(p)
		l.pieces = l.pieces[1:]
	}
}

// finish asks about what is left of the lanes that which takes, and forgets them.
func (w *webhookWatch) finish(which func(*askedLane) bool) {
	w.lanes = slices.DeleteFunc(w.lanes, func(l *askedLane) bool {
		if !which(l) || w.refused != nil {
			return false
		}
		if len(l.text) > 0 {
			w.decide(l, len(l.text))
		}
		if !l.whole.long && w.refused == nil {
			w.told = append(w.told, l.whole)
		}
		return true
	})
}

// repeat gives text that earlier events told in pieces what was decided about them, else asks.
func (w *webhookWatch) repeat(ev *llm.Event, p *llm.Part) {
	for i := range w.told {
		if t := &w.told[i]; string(t.was) == p.Text {
			if is := string(t.is); is != p.Text {
				p.Text, p.Logprobs, ev.Edited = is, nil, true
			}
			return
		}
	}
	if masked := w.ask([]said{{Content: p.Text}}); masked != nil {
		p.Text, p.Logprobs, ev.Edited = masked[0], nil, true
	}
}

func (t *askedText) add(was, is string) {
	if t.long = t.long || max(len(t.was)+len(was), len(t.is)+len(is)) > maxRepeat; !t.long {
		t.was, t.is = append(t.was, was...), append(t.is, is...)
	}
}
