package policy

import (
	"slices"

	"github.com/spanway/spanway/internal/llm"
)

// maxLanes bounds the parts of one response that are checked at once.
const maxLanes = 64

// regexWatch checks one response.
type regexWatch struct {
	queue
	guard    *RegexGuard
	lanes    []*lane
	matches  []match
	findings findings
	ran      bool
	refused  *llm.Error
}

func newRegexWatch(g *RegexGuard) *regexWatch { return &regexWatch{guard: g} }

// Event implements Watch.
func (w *regexWatch) Event(ev *llm.Event, emit func(*llm.Event) error) error {
	if w.refused != nil {
		return w.refused
	}
	entry := w.push(ev)
	for i := range ev.Parts {
		if p := &ev.Parts[i]; p.Text != "" && w.refused == nil {
			w.ran = true
			w.part(ev, entry, i)
		}
	}
	for _, c := range ev.Choices {
		if c.Finish != "" {
			w.finish(c.Index)
		}
	}
	if ev.Last || ev.Err != nil || w.size > maxHeldFrames || len(w.lanes) > maxLanes {
		w.finishAll()
	}
	return w.out(ev, emit)
}

// out emits what is decided. After a refusal nothing more is.
func (w *regexWatch) out(ev *llm.Event, emit func(*llm.Event) error) error {
	if err := w.drain(ev, emit); err != nil {
		return err
	}
	if w.refused != nil {
		w.drop()
		w.lanes = nil
		return w.refused
	}
	return nil
}

// Flush implements Watch.
func (w *regexWatch) Flush(emit func(*llm.Event) error) error {
	if w.refused == nil {
		w.finishAll()
		return w.out(nil, emit)
	}
	return nil // nothing is held after a refusal
}

// Done implements Watch.
func (w *regexWatch) Done(_ *llm.Result, rep *Report) {
	if w.ran {
		w.findings.report(w.guard, w.guard.response, rep)
	}
}

// part checks one part of ev. One that is complete is checked as a whole: a match of any length is then found.
func (w *regexWatch) part(ev *llm.Event, entry, i int) {
	p := &ev.Parts[i]
	l := w.lane(p)
	w.finishOthers(p, l)
	if l != nil && !p.Repeat {
		w.at(entry).open++
		l.feed(w, entry, i, p.Text)
		return
	}
	whole := p.Repeat || ends(ev, p.Choice)
	l = newLane(p)
	w.at(entry).open++
	switch {
	case whole && l.json.mode == jsonNone:
		if w.whole(ev, p); w.refused == nil {
			w.at(entry).open--
		}
	case whole:
		l.feed(w, entry, i, p.Text)
		w.close(l)
	default:
		w.lanes = append(w.lanes, l)
		l.feed(w, entry, i, p.Text)
	}
}

// whole checks the text of a part that is complete.
func (w *regexWatch) whole(ev *llm.Event, p *llm.Part) {
	text := []byte(p.Text)
	w.matches = w.guard.find(w.matches[:0], text, 0)
	if len(w.matches) > 0 && w.flag(w.matches) {
		p.Text, p.Logprobs, ev.Edited = string(w.guard.mask(nil, text, w.matches)), nil, true
	}
}

// ends reports whether nothing of the choice follows ev.
func ends(ev *llm.Event, choice int) bool {
	return ev.Last || slices.ContainsFunc(ev.Choices, func(c llm.Choice) bool { return c.Index == choice && c.Finish != "" })
}

// lane returns the lane of p, nil when it has none yet.
func (w *regexWatch) lane(p *llm.Part) *lane {
	for _, l := range w.lanes {
		if l.choice == p.Choice && l.kind == p.Kind && l.index == p.Index {
			return l
		}
	}
	return nil
}

// finishOthers decides what is held of the choice's other parts, and of a part that is now repeated: the parts of one
// choice come one after the other.
func (w *regexWatch) finishOthers(p *llm.Part, self *lane) {
	for _, l := range w.lanes {
		if l.choice == p.Choice && (l != self || p.Repeat) {
			w.close(l)
		}
	}
}

// close decides what there is of l, for the moment or for good.
func (w *regexWatch) close(l *lane) {
	if w.refused != nil {
		return
	}
	if l.json.mode == jsonNone {
		l.finish(w)
		return
	}
	l.finishJSON(w)
}

// finish ends the lanes of a choice.
func (w *regexWatch) finish(choice int) {
	w.lanes = slices.DeleteFunc(w.lanes, func(l *lane) bool {
		if l.choice == choice {
			w.close(l)
		}
		return l.choice == choice
	})
}

func (w *regexWatch) finishAll() {
	for _, l := range w.lanes {
		w.close(l)
	}
	if len(w.lanes) > maxLanes {
		w.lanes = nil
	}
}

// flag notes matches, and reports whether they are to be masked: otherwise the response is refused.
func (w *regexWatch) flag(matches []match) bool {
	w.findings.add(w.guard, matches)
	if w.guard.response == actionReject {
		w.refused = w.guard.refusal()
	}
	return w.refused == nil
}
