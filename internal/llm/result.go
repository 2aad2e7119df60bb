package llm

import (
	"slices"
	"time"
)

// Bounds of what a Result keeps.
const (
	maxChoices  = 256      // finish reasons
	maxCaptured = 64 << 10 // bytes of text of one choice's part
	maxParts    = 256      // parts of one choice
)

// Result is the bounded fold of a response's events. The zero value is ready to use; it belongs to one goroutine at a time.
type Result struct {
	ID, Model    string // the first that was reported
	ServiceTier  string // the last
	Fingerprint  string // the last
	Conversation string
	Usage        Usage
	Dimensions   int
	Chunks       int // frames of the response; bytes in a row that are not read (too long, corrupt) are one
	Err          *Error
	Last         bool // the dialect's own end was seen
	Whole        bool // the response was not streamed
	Truncated    bool // a bound was met: what is here may be incomplete

	FirstChunk time.Time // when the first bytes of the answer's body came; zero when none did
	LastChunk  time.Time

	finish   []string
	seen     []bool
	messages []Message
}

// Reset empties r for reuse and keeps the capacity of its slices.
func (r *Result) Reset() { *r = Result{finish: r.finish[:0], seen: r.seen[:0]} }

// Add folds in what ev says but for its content.
func (r *Result) Add(ev *Event) {
	if !ev.More {
		r.Chunks++
	}
	setFirst(&r.ID, ev.ID)
	setFirst(&r.Model, ev.Model)
	setLast(&r.ServiceTier, ev.ServiceTier)
	setLast(&r.Fingerprint, ev.Fingerprint)
	setLast(&r.Conversation, ev.Conversation)
	if ev.Usage != nil {
		r.Usage = *ev.Usage
	}
	if ev.Dimensions > 0 {
		r.Dimensions = ev.Dimensions
	}
	if ev.Err != nil && r.Err == nil {
		r.Err = ev.Err
	}
	r.Last, r.Whole = r.Last || ev.Last, r.Whole || ev.Whole
	for _, c := range ev.Choices {
		r.choice(c)
	}
}

// Content keeps ev's parts, up to the fold's bounds.
func (r *Result) Content(ev *Event) {
	for i := range ev.Parts {
		r.part(&ev.Parts[i])
	}
}

func setFirst(dst *string, s string) {
	if *dst == "" {
		*dst = s
	}
}

func setLast(dst *string, s string) {
	if s != "" {
		*dst = s
	}
}

func (r *Result) choice(c Choice) {
	if c.Index < 0 || c.Index >= maxChoices {
		r.Truncated = true
		return
	}
	for len(r.finish) <= c.Index {
		r.finish, r.seen = append(r.finish, ""), append(r.seen, false)
	}
	r.seen[c.Index] = true
	setLast(&r.finish[c.Index], c.Finish)
}

// FinishReasons returns one reason per choice in order, "error" for a choice whose reason never came. It returns nil when
// there was no choice, and for an unstreamed response without any reason: nothing of that broke off, its provider names none.
func (r *Result) FinishReasons() []string {
	if r.Whole && !slices.ContainsFunc(r.finish, func(f string) bool { return f != "" }) {
		return nil
	}
	var out []string
	for i, f := range r.finish {
		switch {
		case f != "":
			out = append(out, f)
		case r.seen[i]:
			out = append(out, "error")
		}
	}
	return out
}

// Unfinished reports whether there is a choice whose finish reason never came.
func (r *Result) Unfinished() bool {
	for i, f := range r.finish {
		if f == "" && r.seen[i] {
			return true
		}
	}
	return false
}

// Messages returns the captured response, one message per choice.
func (r *Result) Messages() []Message {
	reasons := r.FinishReasons()
	for i := range r.messages {
		if i < len(reasons) {
			r.messages[i].Finish = reasons[i]
		}
	}
	return r.messages
}

// part joins p to the part it continues: the last of its choice with the same kind and index.
func (r *Result) part(p *Part) {
	if p.Repeat {
		return
	}
	if p.Choice < 0 || p.Choice >= maxChoices {
		r.Truncated = true
		return
	}
	for len(r.messages) <= p.Choice {
		r.messages = append(r.messages, Message{Role: RoleAssistant})
	}
	m := &r.messages[p.Choice]
	for i := len(m.Parts) - 1; i >= 0; i-- {
		q := &m.Parts[i]
		if q.Kind == p.Kind && q.Index == p.Index && joins(p.Kind) {
			setFirst(&q.ID, p.ID)
			setFirst(&q.Name, p.Name)
			setFirst(&q.Signature, p.Signature)
			r.appendText(q, p.Text)
			return
		}
	}
	if len(m.Parts) >= maxParts {
		r.Truncated = true
		return
	}
	kept := *p
	kept.Text, kept.Raw = "", nil
	r.appendText(&kept, p.Text)
	m.Parts = append(m.Parts, kept)
}

func joins(k PartKind) bool {
	return k == PartText || k == PartReasoning || k == PartRefusal || k == PartToolCall || k == PartServerTool
}

func (r *Result) appendText(p *Part, s string) {
	if room := maxCaptured - len(p.Text); len(s) > room {
		s, r.Truncated = s[:room], true
	}
	p.Text += s
}
