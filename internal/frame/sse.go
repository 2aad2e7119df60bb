package frame

import "bytes"

const byteOrderMark = "\xef\xbb\xbf"

// SSE splits an event stream (WHATWG HTML, section 9.2.5 and 9.2.6) into its events. Lines end with LF, CRLF or CR, a blank
// line ends an event, a byte order mark may begin the stream. Comments and blank lines with no event around them make frames
// without Data, and an event that the end of the stream cuts short is emitted all the same, since providers omit the last
// blank line. An event ended by a lone CR is complete when the byte after it is known not to be an LF.
type SSE struct {
	tail
	state sseState
	mark  int    // bytes of the byte order mark that the first frame has
	data  []byte // several data lines, joined
	names names
}

type sseState uint8

const (
	sseMark    sseState = iota // before the first byte that is not of a byte order mark
	sseStart                   // at the start of a line
	sseLine                    // within a line
	sseLineCR                  // after the CR that ended a line
	sseEventCR                 // after the CR that ended an event
)

// NewSSE returns a splitter for one stream whose events are at most max bytes.
func NewSSE(max int) *SSE { return &SSE{tail: tail{max: max}} }

// Split implements Splitter.
func (s *SSE) Split(p []byte, eof bool, emit func(Frame) error) error {
	l := newLines(p)
	for i := 0; i < len(p); {
		end, ended := s.scan(&l, i)
		raw, whole, err := s.take(p[i:end], ended, emit)
		if err == nil && whole {
			err = emit(s.parse(raw))
			s.reset()
		}
		if err != nil {
			return err
		}
		if ended {
			s.mark = 0
		}
		i = end
	}
	if raw := s.rest(eof); raw != nil {
		err := emit(s.parse(raw))
		s.reset()
		return err
	}
	return nil
}

// scan goes on from i and returns the end of the event, or of the input when the event goes on.
func (s *SSE) scan(l *lines, i int) (end int, ended bool) {
	b := l.b
	for i < len(b) {
		switch s.state {
		case sseMark:
			i = s.scanMark(b, i)
		case sseStart:
			switch b[i] {
			case '\n':
				return i + 1, true
			case '\r':
				s.state = sseEventCR
				i++
			default:
				s.state = sseLine
			}
		case sseLine:
			if i = l.next(i); i == len(b) {
				return i, false
			}
			s.state = sseStart
			if b[i] == '\r' {
				s.state = sseLineCR
			}
			i++
		case sseLineCR:
			s.state = sseStart
			if b[i] == '\n' {
				i++
			}
		case sseEventCR:
			s.state = sseStart
			if b[i] == '\n' {
				i++
			}
			return i, true
		}
	}
	return i, false
}

// scanMark passes over one byte of a byte order mark or leaves the state for it.
func (s *SSE) scanMark(b []byte, i int) int {
	if b[i] != byteOrderMark[s.mark] {
		s.state = sseStart
		if s.mark > 0 {
			s.state = sseLine
		}
		s.mark = 0
		return i
	}
	if s.mark++; s.mark == len(byteOrderMark) {
		s.state = sseStart
	}
	return i + 1
}

// parse reads the fields of one event.
func (s *SSE) parse(raw []byte) Frame {
	f := Frame{Raw: raw}
	l := newLines(raw)
	if s.mark == len(byteOrderMark) {
		l = newLines(raw[s.mark:])
	}
	count := 0
	for i := 0; i < len(l.b); {
		end := l.next(i)
		name, value := field(l.b[i:end])
		switch string(name) {
		case "data":
			switch count++; count {
			case 1:
				f.Data = value
			case 2:
				s.data = append(reuse(s.data), f.Data...)
				fallthrough
			default:
				s.data = append(s.data, '\n')
				s.data = append(s.data, value...)
			}
		case "event":
			f.Event = s.names.of(value)
		}
		i = l.after(end)
	}
	if count > 1 {
		f.Data = s.data
	}
	return f
}

// field splits a line; a comment has the name "".
func field(line []byte) (name, value []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return line, line[len(line):]
	}
	value = line[i+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return line[:i], value
}

// lines finds the ends of lines. It remembers the next of either character, so that one pass over b costs no more than
// two searches whatever b is.
type lines struct {
	b      []byte
	lf, cr int
}

func newLines(b []byte) lines { return lines{b: b, lf: -1, cr: -1} }

// next returns the first LF or CR at or after i, which never decreases; len(b) when there is none.
func (l *lines) next(i int) int {
	if l.lf < i {
		l.lf = indexFrom(l.b, i, '\n')
	}
	if l.cr < i {
		l.cr = indexFrom(l.b, i, '\r')
	}
	return min(l.lf, l.cr)
}

// after returns the start of the line that follows the one ended at end.
func (l *lines) after(end int) int {
	if end+1 < len(l.b) && l.b[end] == '\r' && l.b[end+1] == '\n' {
		return end + 2
	}
	return end + 1
}
