package frame

import "bytes"

// keepBuffer is the largest buffer, in bytes, that a splitter keeps between frames.
const keepBuffer = 64 << 10

// tail joins the parts of one frame that come in several reads. The zero value with max set is ready to use.
type tail struct {
	max      int
	buf      []byte // the frame so far, at most max bytes
	skipping bool   // the frame is over max and passed on in pieces
}

// take adds part to the frame at hand, which with ended is complete. whole is true when raw is that frame: it aliases part
// when nothing was buffered, and reset must be called once it was emitted. A frame that outgrows max goes to emit in
// pieces instead.
func (t *tail) take(part []byte, ended bool, emit func(Frame) error) (raw []byte, whole bool, err error) {
	if !t.skipping && len(t.buf)+len(part) > t.max {
		t.skipping = true
		if len(t.buf) > 0 {
			err = emit(Frame{Raw: t.buf, Skipped: true})
			t.reset()
		}
	}
	switch {
	case t.skipping:
		if len(part) > 0 && err == nil {
			err = emit(Frame{Raw: part, Skipped: true})
		}
		t.skipping = !ended
		return nil, false, err
	case ended && len(t.buf) == 0:
		return part, true, nil
	}
	t.buf = append(t.buf, part...)
	return t.buf, ended, nil
}

// rest returns, at the end of the stream, what there is of an unended frame; nil when there is nothing.
func (t *tail) rest(eof bool) []byte {
	if !eof || len(t.buf) == 0 {
		return nil
	}
	return t.buf
}

// reset empties the buffer and releases one that grew large.
func (t *tail) reset() {
	t.buf = reuse(t.buf)
}

func reuse(b []byte) []byte {
	if cap(b) > keepBuffer {
		return nil
	}
	return b[:0]
}

// indexFrom returns the first c in b at or after i, len(b) when there is none.
func indexFrom(b []byte, i int, c byte) int {
	if n := bytes.IndexByte(b[i:], c); n >= 0 {
		return i + n
	}
	return len(b)
}
