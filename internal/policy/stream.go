package policy

import (
	"slices"

	"github.com/spanway/spanway/internal/llm"
)

// Bounds of one response's state, past which what is held back is decided as it stands.
const (
	maxHeldFrames = 1 << 20 // bytes of frames
	maxLanes      = 64      // parts at once
	maxSpare      = 64      // events kept for reuse
	maxSpareFrame = 4 << 10 // bytes of the frame of an event that is kept
)

// regexWatch checks one response. Events wait in order until all of their text is decided.
type regexWatch struct {
	guard    *RegexGuard
	queue    []held
	first    int // number of the first event of the queue
	size     int // bytes of frames in the queue
	lanes    []*lane
	spare    []*llm.Event
	matches  []match
	findings findings
	ran      bool
	refused  *llm.Error
}

// held is an event that waits.
type held struct {
	event *llm.Event
	open  int // parts that are not decided
}

func newRegexWatch(g *RegexGuard) *regexWatch { return &regexWatch{guard: g} }

// Event implements Watch.
func (w *regexWatch) Event(ev *llm.Event, emit func(*llm.Event) error) error {
	if w.refused != nil {
		return w.refused
	}
	w.queue = append(w.queue, held{event: ev})
	w.size += len(ev.Raw)
	entry := w.first + len(w.queue) - 1
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
	return w.drain(ev, emit)
}

// Flush implements Watch.
func (w *regexWatch) Flush(emit func(*llm.Event) error) error {
	if w.refused == nil {
		w.finishAll()
		return w.drain(nil, emit)
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
		w.held(entry).open++
		l.feed(w, entry, i, p.Text)
		return
	}
	whole := p.Repeat || ends(ev, p.Choice)
	l = newLane(p)
	w.held(entry).open++
	switch {
	case whole && l.json.mode == jsonNone:
		if w.whole(ev, p); w.refused == nil {
			w.held(entry).open--
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
		p.Text, ev.Edited = string(w.guard.mask(nil, text, w.matches)), true
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

func (w *regexWatch) held(entry int) *held { return &w.queue[entry-w.first] }

// flag notes matches, and reports whether they are to be masked: otherwise the response is refused.
func (w *regexWatch) flag(matches []match) bool {
	w.findings.add(w.guard, matches)
	if w.guard.response == actionReject {
		w.refused = w.guard.refusal()
	}
	return w.refused == nil
}

// settled takes in a piece whose text is decided.
func (w *regexWatch) settled(p *piece) {
	h := w.held(p.entry)
	if h.open--; p.edited {
		h.event.Parts[p.part].Text, h.event.Edited = string(p.out), true
	}
}

// drain emits the events before the first that is not decided. It copies ev, the last, when that has to wait.
func (w *regexWatch) drain(ev *llm.Event, emit func(*llm.Event) error) error {
	n := 0
	for ; n < len(w.queue) && w.queue[n].open == 0; n++ {
		h := w.queue[n]
		w.size -= len(h.event.Raw)
		if err := emit(h.event); err != nil {
			return err
		}
		if h.event != ev && len(w.spare) < maxSpare && cap(h.event.Raw) <= maxSpareFrame {
			w.spare = append(w.spare, h.event)
		}
	}
	w.first += n
	w.queue = append(w.queue[:0], w.queue[n:]...)
	if w.refused != nil {
		w.queue, w.lanes = nil, nil
		return w.refused
	}
	if last := len(w.queue) - 1; last >= 0 && w.queue[last].event == ev {
		w.queue[last].event = w.copy(ev)
	}
	return nil
}

// copy copies ev, into the memory of an event that went out if there is one.
func (w *regexWatch) copy(ev *llm.Event) *llm.Event {
	n := len(w.spare)
	if n == 0 {
		return ev.Clone()
	}
	c := w.spare[n-1]
	w.spare = w.spare[:n-1]
	ev.CopyTo(c)
	return c
}
