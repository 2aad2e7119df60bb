package openai

import "github.com/spanway/spanway/internal/jsonscan"

// splice copies a JSON text with some of its values replaced. Replacements come in the order of the bytes; the zero value
// of out and done starts one.
type splice struct {
	src  []byte
	out  []byte
	done int // bytes of src that are in out
}

// replace puts the string s in the place of v, which is a subslice of src.
func (s *splice) replace(v []byte, text string) {
	from := cap(s.src) - cap(v)
	s.out = append(s.out, s.src[s.done:from]...)
	s.out = jsonscan.AppendString(s.out, text)
	s.done = from + len(v)
}

// finish returns src with the replacements made.
func (s *splice) finish() []byte {
	s.out = append(s.out, s.src[s.done:]...)
	return s.out
}
