package frame

// Array splits one JSON array (RFC 8259, section 5) into its elements, each emitted as soon as its last byte is there: what
// stands before an element belongs to its Raw, and the closing bracket is a frame of its own, as is anything after it, both
// without Data. A body that is not an array is one frame, with Data the same as Raw. Array only tells where elements end:
// it does not check that they are JSON.
type Array struct {
	tail
	state arrayState
	depth int // open objects and arrays of the element
	at    int // where the element starts in its frame
}

type arrayState uint8

const (
	arrayBefore  arrayState = iota // before the opening bracket
	arrayOther                     // in a body that is not an array
	arrayBetween                   // between elements
	arrayNested                    // within an element that is an object or array
	arrayString                    // within a string
	arrayEscape                    // after a backslash within a string
	arrayScalar                    // within a number, true, false or null
	arrayAfter                     // after the closing bracket
)

// NewArray returns a splitter for one array whose elements, separators included, are at most max bytes.
func NewArray(max int) *Array { return &Array{tail: tail{max: max}} }

// Split implements Splitter.
func (s *Array) Split(p []byte, eof bool, emit func(Frame) error) error {
	for i := 0; i < len(p); {
		end, data, ended := s.scan(p, i)
		raw, whole, err := s.take(p[i:end], ended, emit)
		if err == nil && whole {
			f := Frame{Raw: raw}
			if data {
				f.Data = raw[s.at:]
			}
			err = emit(f)
			s.reset()
		}
		if err != nil {
			return err
		}
		if ended {
			s.at = 0
		}
		i = end
	}
	if raw := s.rest(eof); raw != nil {
		f := Frame{Raw: raw}
		switch s.state {
		case arrayOther, arrayNested, arrayString, arrayEscape, arrayScalar:
			f.Data = raw[s.at:]
		}
		err := emit(f)
		s.reset()
		return err
	}
	return nil
}

// scan goes on from i and returns the end of the frame, or of the input when the frame goes on; data says that the frame
// holds an element.
func (s *Array) scan(b []byte, i int) (end int, data, ended bool) {
	start := i
	for i < len(b) {
		switch s.state {
		case arrayBefore:
			if c := b[i]; c == '[' {
				s.state = arrayBetween
			} else if !isSpace(c) {
				s.state = arrayOther
			}
			i++
		case arrayBetween:
			c := b[i]
			if c == ']' {
				s.state = arrayAfter
				return i + 1, false, true
			}
			if c != ',' && !isSpace(c) {
				s.at = len(s.buf) + i - start
				s.open(c)
			}
			i++
		case arrayNested:
			if i = s.scanNested(b, i); s.state == arrayBetween {
				return i, true, true
			}
		case arrayString, arrayEscape:
			if i = s.scanString(b, i); s.state == arrayBetween {
				return i, true, true
			}
		case arrayScalar:
			if c := b[i]; c == ',' || c == ']' || isSpace(c) {
				s.state = arrayBetween
				return i, true, true
			}
			i++
		default:
			return len(b), false, false
		}
	}
	return i, false, false
}

// open enters the element that begins with c.
func (s *Array) open(c byte) {
	switch s.depth = 0; c {
	case '{', '[':
		s.depth, s.state = 1, arrayNested
	case '"':
		s.state = arrayString
	default:
		s.state = arrayScalar
	}
}

// scanNested goes on to the next string or to the end of the element.
func (s *Array) scanNested(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth--; s.depth == 0 {
				s.state = arrayBetween
				return i + 1
			}
		case '"':
			s.state = arrayString
			return i + 1
		}
	}
	return i
}

// scanString goes on to the end of the string.
func (s *Array) scanString(b []byte, i int) int {
	quote := -1
	for i < len(b) {
		if s.state == arrayEscape {
			s.state = arrayString
			i++
			continue
		}
		if quote < i {
			quote = indexFrom(b, i, '"')
		}
		esc := indexFrom(b[:quote], i, '\\')
		if esc < quote {
			s.state = arrayEscape
			i = esc + 1
			continue
		}
		if quote == len(b) {
			return quote
		}
		s.state = arrayNested
		if s.depth == 0 {
			s.state = arrayBetween
		}
		return quote + 1
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
