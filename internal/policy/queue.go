package policy

import "github.com/spanway/spanway/internal/llm"

// Bounds of what is held back of one response, past which it is decided as it stands.
const (
	maxHeldFrames = 1 << 20 // bytes of frames
	maxSpare      = 64      // events kept for reuse
	maxSpareFrame = 4 << 10 // bytes of the frame of an event that is kept
)

// queue is the events of one response that wait, in order, until all of their text is decided.
type queue struct {
	events []held
	first  int // number of the first
	size   int // bytes of their frames
	spare  []*llm.Event
}

// held is an event that waits.
type held struct {
	event *llm.Event
	open  int // parts that are not decided
}

// push appends ev, which is the reader's until drain, and returns its number.
func (q *queue) push(ev *llm.Event) int {
	q.events = append(q.events, held{event: ev})
	q.size += len(ev.Raw)
	return q.first + len(q.events) - 1
}

// at is the event of a number that push returned.
func (q *queue) at(entry int) *held { return &q.events[entry-q.first] }

// settled takes in a piece whose text is decided.
func (q *queue) settled(p *piece) {
	h := q.at(p.entry)
	if h.open--; p.edited {
		h.event.Parts[p.part].Text, h.event.Parts[p.part].Logprobs, h.event.Edited = string(p.out), nil, true
	}
}

// drain emits the events before the first that is not decided. It copies ev, the last, when that has to wait.
func (q *queue) drain(ev *llm.Event, emit func(*llm.Event) error) error {
	n := 0
	for ; n < len(q.events) && q.events[n].open == 0; n++ {
		h := q.events[n]
		q.size -= len(h.event.Raw)
		if err := emit(h.event); err != nil {
			return err
		}
		if h.event != ev && len(q.spare) < maxSpare && cap(h.event.Raw) <= maxSpareFrame {
			q.spare = append(q.spare, h.event)
		}
	}
	q.first += n
	q.events = append(q.events[:0], q.events[n:]...)
	if last := len(q.events) - 1; last >= 0 && q.events[last].event == ev {
		q.events[last].event = q.copy(ev)
	}
	return nil
}

// copy copies ev, into the memory of an event that went out if there is one.
func (q *queue) copy(ev *llm.Event) *llm.Event {
	n := len(q.spare)
	if n == 0 {
		return ev.Clone()
	}
	c := q.spare[n-1]
	q.spare = q.spare[:n-1]
	ev.CopyTo(c)
	return c
}

// drop forgets what waits.
func (q *queue) drop() { q.events = nil }
