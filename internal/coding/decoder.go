package coding

import (
	"errors"
	"io"
	"iter"
)

// Decoder decodes what it is given. It belongs to one goroutine, and has a coroutine of its own until Close.
type Decoder struct {
	in   []byte
	eof  bool
	next func() ([]byte, error, bool)
	stop func()
}

// NewDecoder returns a decoder of a body whose coding is c and not "".
func NewDecoder(c Coding) *Decoder {
	d := &Decoder{}
	d.next, d.stop = iter.Pull2(func(yield func([]byte, error) bool) { d.run(c, yield) })
	return d
}

// Feed gives the next bytes of the body, which must stay as they are until Next has returned nothing. eof says that they are the last.
func (d *Decoder) Feed(p []byte, eof bool) { d.in, d.eof = p, eof }

// Next returns decoded bytes, valid until the next call, and nothing when all that was fed is decoded. At the body's end it returns
// io.EOF, perhaps with the last bytes, and on an error what [NewReader] gives.
func (d *Decoder) Next() ([]byte, error) {
	p, err, ok := d.next()
	if !ok {
		return nil, io.EOF
	}
	return p, err
}

// Close ends the decoder.
func (d *Decoder) Close() { d.stop() }

var errClosed = errors.New("decoder is closed")

func (d *Decoder) run(c Coding, yield func([]byte, error) bool) {
	src := &source{decoder: d, yield: yield}
	r := NewReader(c, src)
	defer r.Close()
	buf := make([]byte, Piece)
	for {
		n, err := r.Read(buf)
		if src.closed || (n > 0 || err != nil) && !yield(buf[:n], err) || err != nil {
			return
		}
	}
}

// source is what a decoder was fed, to its reader.
type source struct {
	decoder *Decoder
	yield   func([]byte, error) bool
	closed  bool
}

// Read implements io.Reader. It goes back to whoever feeds when there is nothing left.
func (s *source) Read(p []byte) (int, error) {
	d := s.decoder
	for len(d.in) == 0 {
		if d.eof {
			return 0, io.EOF
		}
		if s.closed || !s.yield(nil, nil) {
			s.closed = true
			return 0, errClosed
		}
	}
	n := copy(p, d.in)
	d.in = d.in[n:]
	return n, nil
}
