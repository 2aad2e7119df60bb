package frame

import "bytes"

const jsonSpace = " \t\r\n"

// NDJSON splits newline-delimited JSON. A frame is one line with its LF; Data is the line without the white space around
// it, nil for a blank line. The last line needs no LF.
type NDJSON struct{ tail }

// NewNDJSON returns a splitter for one stream whose lines are at most max bytes.
func NewNDJSON(max int) *NDJSON { return &NDJSON{tail{max: max}} }

// Split implements Splitter.
func (s *NDJSON) Split(p []byte, eof bool, emit func(Frame) error) error {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		ended := end > 0
		if !ended {
			end = len(p)
		}
		raw, whole, err := s.take(p[:end], ended, emit)
		if err == nil && whole {
			err = emit(lineFrame(raw))
			s.reset()
		}
		if err != nil {
			return err
		}
		p = p[end:]
	}
	if raw := s.rest(eof); raw != nil {
		err := emit(lineFrame(raw))
		s.reset()
		return err
	}
	return nil
}

func lineFrame(raw []byte) Frame {
	f := Frame{Raw: raw}
	if data := bytes.Trim(raw, jsonSpace); len(data) > 0 {
		f.Data = data
	}
	return f
}

// Whole makes one frame of everything, with Data the same as Raw; of nothing it makes no frame. A body that comes in one
// call is not copied.
type Whole struct{ tail }

// NewWhole returns a splitter for one body of at most max bytes.
func NewWhole(max int) *Whole { return &Whole{tail{max: max}} }

// Split implements Splitter.
func (s *Whole) Split(p []byte, eof bool, emit func(Frame) error) error {
	raw, whole, err := s.take(p, eof, emit)
	if err == nil && whole && len(raw) > 0 {
		err = emit(Frame{Raw: raw, Data: raw})
		s.reset()
	}
	return err
}
