package policy

import (
	"unicode/utf8"

	"github.com/spanway/spanway/internal/llm"
)

// Bounds of what is held back of a stream.
const (
	// maxHeld is how much text of one part is held back, bytes: a segment that has found no border by then ends there.
	maxHeld = 8 << 10
	// minSegment is the least length of a segment, bytes, where a border follows.
	minSegment = 16
)

// lane is the text of one part of a response, as far as it is not decided. Its positions count the bytes of the part from
// its start; its text is what the part says, which in the strings of JSON is not what stands there.
type lane struct {
	choice, index int
	kind          llm.PartKind

	pieces []piece // what the events hold that are not decided, in order
	end    int     // position after the last byte
	edits  []edit  // to make up to the next decision, in order

	text    []byte // the segment, and before it the character before it, if any
	start   int    // where the segment starts in text
	cut     int    // border in text that is to be judged; 0 = not found yet
	from    int    // where to look for a border in text
	at      []int  // of JSON: the positions of the bytes of text
	textEnd int    // position after the last byte of text

	json jsonState
}

// piece is the lane's part of one event.
type piece struct {
	entry  int // number of the event
	part   int
	text   string
	start  int    // position
	done   int    // bytes of text that are decided
	out    []byte // the new text so far
	edited bool
}

// edit replaces the bytes between two positions.
type edit struct {
	start, end int
	with       string
}

func newLane(p *llm.Part) *lane {
	l := &lane{choice: p.Choice, index: p.Index, kind: p.Kind}
	switch p.Kind {
	case llm.PartToolCall, llm.PartServerTool, llm.PartToolResult:
		l.json.mode = jsonUnknown
	}
	return l
}

// feed takes in the text of one more event.
func (l *lane) feed(w *regexWatch, entry, part int, text string) {
	l.pieces = append(l.pieces, piece{entry: entry, part: part, text: text, start: l.end})
	if l.json.mode != jsonNone {
		l.feedJSON(w, text)
		return
	}
	l.text = append(l.text, text...)
	l.end += len(text)
	l.textEnd = l.end
	l.advance(w)
}

// position is where the byte at i of text stands in the lane.
func (l *lane) position(i int) int {
	switch {
	case i >= len(l.text):
		return l.textEnd
	case l.json.mode == jsonNone:
		return l.textEnd - (len(l.text) - i)
	}
	return l.at[i]
}

// advance decides all segments of the text that are complete.
func (l *lane) advance(w *regexWatch) {
	for w.refused == nil && l.next(w) {
	}
	l.forget(l.start - l.before())
}

// next decides one segment and reports whether there was one, or a border that was none.
func (l *lane) next(w *regexWatch) bool {
	end, need := l.segment(w.guard.reach)
	switch have := len(l.text) - l.start; {
	case need <= maxHeld && need <= have:
		l.decide(w, end, l.start+need)
	case need > maxHeld && have >= maxHeld:
		end = l.start + wholeRunes(l.text[l.start:l.start+maxHeld])
		l.decide(w, end, end)
	default:
		return false
	}
	return true
}

// segment returns the border that may end the segment and how many bytes of the segment must be known to judge it, more
// than maxHeld when there is no border.
func (l *lane) segment(reach int) (end, need int) {
	if l.cut == 0 {
		least := l.start + max(minSegment, reach/2)
		held := l.text[:min(len(l.text), l.start+maxHeld)]
		if l.cut = border(held, max(l.from, least)); l.cut < 0 {
			l.cut, l.from = 0, max(l.from, len(held))
			return 0, maxHeld + 1
		}
	}
	return l.cut, l.cut - l.start + reach
}

// wholeRunes is the length of b without a character that is cut short at its end.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i > 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// finish decides what there is, since no more text belongs to it.
func (l *lane) finish(w *regexWatch) {
	l.advance(w)
	if w.refused == nil && len(l.text) > l.start {
		l.decide(w, len(l.text), len(l.text))
	}
}

// decide ends the segment at end, judging by the text up to known. When a match goes over end, the segment goes on.
func (l *lane) decide(w *regexWatch, end, known int) {
	before := l.before()
	w.matches = w.guard.find(w.matches[:0], l.text[l.start-before:known], before)
	matches := w.matches
	for i := range matches {
		m := &matches[i]
		m.start += l.start - before
		m.end += l.start - before
		if m.start >= end {
			matches = matches[:i]
			break
		}
		if m.end > end {
			l.cut, l.from = 0, m.end
			return
		}
	}
	if len(matches) > 0 && !w.flag(matches) {
		return
	}
	for _, m := range matches {
		l.replace(w, m)
	}
	l.settle(w, l.position(end))
	l.start, l.cut, l.from = end, 0, 0
}

// before is the length of the character before the segment.
func (l *lane) before() int {
	_, n := utf8.DecodeLastRune(l.text[:l.start])
	return n
}

// forget drops the first n bytes of text.
func (l *lane) forget(n int) {
	if n == 0 {
		return
	}
	l.text = append(l.text[:0], l.text[n:]...)
	if l.json.mode != jsonNone {
		l.at = append(l.at[:0], l.at[n:]...)
	}
	l.start, l.cut, l.from = l.start-n, max(l.cut-n, 0), max(l.from-n, 0)
}

// replace notes that m is to be masked.
func (l *lane) replace(w *regexWatch, m match) {
	r := &w.guard.rules[m.rule]
	with := r.text
	if l.json.mode != jsonNone {
		with = r.json
	}
	l.edits = append(l.edits, edit{start: l.position(m.start), end: l.position(m.end), with: with})
}

// settle makes the edits and decides what stands before the position end.
func (l *lane) settle(w *regexWatch, end int) {
	edits, n := l.edits, 0
	for ; n < len(l.pieces); n++ {
		p := &l.pieces[n]
		for len(edits) > 0 && edits[0].start < p.start+len(p.text) {
			e := &edits[0]
			if e.start >= p.start {
				p.keep(e.start - p.start)
				p.replace(e.with)
			}
			p.drop(min(e.end-p.start, len(p.text)))
			if e.end > p.start+len(p.text) {
				break
			}
			edits = edits[1:]
		}
		p.keep(max(p.done, min(end-p.start, len(p.text))))
		if p.done < len(p.text) {
			break
		}
		w.settled(p)
	}
	l.pieces = append(l.pieces[:0], l.pieces[n:]...)
	l.edits = l.edits[:0]
}

// keep passes on the text up to i as it is.
func (p *piece) keep(i int) {
	if p.edited {
		p.out = append(p.out, p.text[p.done:i]...)
	}
	p.done = i
}

// drop leaves the text up to i out.
func (p *piece) drop(i int) {
	p.edit()
	p.done = i
}

// replace puts in s.
func (p *piece) replace(s string) {
	p.edit()
	p.out = append(p.out, s...)
}

func (p *piece) edit() {
	if !p.edited {
		p.out, p.edited = append(p.out[:0], p.text[:p.done]...), true
	}
}
