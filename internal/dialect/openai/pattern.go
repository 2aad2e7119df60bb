package openai

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// pattern is a chunk that said nothing but content. The chunks of a stream differ from the one before in that content alone,
// and in the filler that OpenAI adds to hide its length (obfuscation), so that most of them need no decoding: what stands
// around the content is compared. The zero value matches nothing.
type pattern struct {
	head, middle, tail []byte // around the content and the filler; tail is empty when there is no filler

	id, model, tier, fingerprint string
	choice                       int
	kind                         jsonscan.Kind // of the content
}

// learn remembers data, which ev tells. Content, an object or a text, and filler are values of data; filler is nil when
// there is none.
func (p *pattern) learn(data, content, filler []byte, ev *llm.Event) {
	c, f := jsonscan.At(data, content), jsonscan.At(data, filler)
	p.head, p.kind = p.head[:0], jsonscan.KindOf(content)
	switch {
	case p.kind != jsonscan.Dict && p.kind != jsonscan.Text:
		return
	case filler == nil:
		p.middle, p.tail = append(p.middle[:0], data[c[1]:]...), p.tail[:0]
	case f[0] > c[1]:
		p.middle, p.tail = append(p.middle[:0], data[c[1]:f[0]]...), append(p.tail[:0], data[f[1]:]...)
	default:
		return
	}
	p.head = append(p.head, data[:c[0]]...)
	p.id, p.model, p.tier, p.fingerprint = ev.ID, ev.Model, ev.ServiceTier, ev.Fingerprint
	p.choice = ev.Choices[0].Index
}

// match reports whether data is what was learnt, and returns its content.
func (p *pattern) match(data []byte) (content []byte, ok bool) {
	if len(p.head) == 0 || !bytes.HasPrefix(data, p.head) {
		return nil, false
	}
	from := len(p.head)
	if jsonscan.KindOf(data[from:]) != p.kind {
		return nil, false
	}
	to, err := jsonscan.End(data, from)
	if err != nil {
		return nil, false
	}
	rest := data[to:]
	if !bytes.HasPrefix(rest, p.middle) {
		return nil, false
	}
	end := to + len(p.middle)
	if len(p.tail) > 0 {
		if end, err = jsonscan.End(data, end); err != nil {
			return nil, false
		}
	}
	return data[from:to], bytes.Equal(data[end:], p.tail)
}
