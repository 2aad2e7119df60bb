package telemetry

import (
	"github.com/spanway/spanway/internal/jsonscan"
)

// maxTrace is the longest encoded trace, in bytes. A request holds at most maxRequest (queue.go), its envelope included.
const maxTrace = maxRequest - 64<<10

// shrinkSteps are the lengths, in bytes, to which texts are cut, one after the other, until a trace fits.
var shrinkSteps = [...]int{64 << 10, 16 << 10, 4 << 10, 1 << 10, 256, 64}

// maxShrunkList is how many strings are left of a list in a trace that is too large.
const maxShrunkList = 32

// shrink makes t, whose encoding is too large by itself, small enough: its longest texts are cut first, JSON at the texts
// within it, then events and attributes with computed names are left out. It returns the encoding, appended to dst.
func (t *Trace) shrink(dst []byte) []byte {
	if spans := t.ours(); len(spans) > 0 {
		spans[0].Bool(SpanwayTruncated, true)
	}
	start := len(dst)
	for _, limit := range shrinkSteps {
		for i := range t.Spans {
			t.Spans[i].shrink(limit)
		}
		if t.textSize() > maxTrace {
			continue
		}
		if dst = appendTrace(dst[:start], t); len(dst)-start <= maxTrace {
			return dst
		}
	}
	for i := range t.Spans {
		s := &t.Spans[i]
		s.Named = nil
		s.lostEvents += uint32(len(s.Events))
		s.dropEvents()
	}
	return appendTrace(dst[:start], t)
}

// textSize is how many bytes the texts of t have: about what its encoding takes.
func (t *Trace) textSize() (n int) {
	for i := range t.Spans {
		s := &t.Spans[i]
		n += len(s.Name) + attrsSize(s.Attrs)
		for j := range s.Named {
			n += len(s.Named[j].Name) + len(s.Named[j].Value)
		}
		for j := range s.Events {
			n += len(s.Events[j].Name) + attrsSize(s.Events[j].Attrs)
		}
	}
	return n
}

func attrsSize(attrs []Attr) (n int) {
	for i := range attrs {
		n += len(attrs[i].Str)
		for _, v := range attrs[i].Strs {
			n += len(v)
		}
	}
	return n
}

func (s *Span) shrink(limit int) {
	s.Name = cutText(s.Name, limit)
	shrinkAttrs(s.Attrs, limit)
	for i := range s.Named {
		s.Named[i].Value = shrinkText(s.Named[i].Value, s.Named[i].JSON, limit)
	}
	for i := range s.Events {
		s.Events[i].Name = cutText(s.Events[i].Name, limit)
		shrinkAttrs(s.Events[i].Attrs, limit)
	}
}

func shrinkAttrs(attrs []Attr, limit int) {
	for i := range attrs {
		a := &attrs[i]
		if a.Type == TypeStrings {
			a.Strs = shrinkList(a.Strs, limit)
		} else {
			a.Str = shrinkText(a.Str, a.Key.isJSON(), limit)
		}
	}
}

func shrinkText(s string, isJSON bool, limit int) string {
	switch {
	case len(s) <= limit:
		return s
	case isJSON:
		return shrinkJSON(s, limit)
	}
	return cutText(s, limit)
}

// shrinkList leaves the caller's list as it is: it may be shared.
func shrinkList(list []string, limit int) []string {
	short := make([]string, min(len(list), maxShrunkList))
	for i := range short {
		short[i] = cutText(list[i], limit)
	}
	return short
}

// shrinkJSON cuts the texts in s. An array that many short texts make long is emptied at the last step.
func shrinkJSON(s string, limit int) string {
	last := shrinkSteps[len(shrinkSteps)-1]
	if jsonscan.Validate([]byte(s)) != nil || limit == last && len(s) > maxTrace/8 {
		return "[]"
	}
	w := contentWriter{leaf: limit}
	w.json([]byte(s))
	return string(w.b)
}
