package upstream

import (
	"errors"
	"fmt"
	"net/http"
)

// Bounds of the chunked coding.
const (
	maxChunkLine = 4 << 10  // bytes of a line with a chunk's size, extensions included
	maxTrailer   = 16 << 10 // bytes of the trailer section
)

// chunkState is what the decoder expects next.
type chunkState uint8

const (
	chunkSize    chunkState = iota // a digit of the size, or the end of them
	chunkSpace                     // white space after it, then an extension or the line's end
	chunkExt                       // the rest of the size's line, ignored
	chunkSizeLF                    // its line feed
	chunkData                      // bytes of the chunk
	chunkDataCR                    // the line end after them
	chunkDataLF                    //
	chunkField                     // a trailer line's first byte, or the empty line
	chunkFields                    // the rest of a trailer line
	chunkFinalLF                   // the empty line's line feed
	chunkDone                      // the body is complete
)

// chunked decodes the chunked transfer coding (RFC 9112, section 7.1) in place, from reads of any size. The zero value is
// ready. Line ends are CR LF without exception: a reader that takes less than another is how responses are smuggled.
type chunked struct {
	state   chunkState
	line    int    // bytes of the current line
	digits  int    // of the size so far
	left    uint64 // the size so far, then the bytes left of the chunk
	trailer []byte // lines of the trailer section
}

// decode decodes b and moves the payload to its front: b[:n]. used < len(b) only with done or an error.
func (d *chunked) decode(b []byte) (n, used int, err error) {
	for used < len(b) && d.state != chunkDone {
		if d.state == chunkData {
			k := copy(b[n:], b[used:used+int(min(d.left, uint64(len(b)-used)))])
			n, used, d.left = n+k, used+k, d.left-uint64(k)
			if d.left == 0 {
				d.state = chunkDataCR
			}
			continue
		}
		if err := d.control(b[used]); err != nil {
			return n, used, err
		}
		used++
	}
	return n, used, nil
}

// control takes one byte that is not payload.
func (d *chunked) control(c byte) error {
	switch d.state {
	case chunkSize, chunkSpace, chunkExt:
		return d.sizeLine(c)
	case chunkSizeLF:
		if c != '\n' {
			return errors.New("malformed line end after a chunk's size")
		}
		d.state = chunkData
		if d.left == 0 {
			d.state = chunkField
		}
		d.line, d.digits = 0, 0
	case chunkDataCR:
		if c != '\r' {
			return errors.New("chunk longer than its size")
		}
		d.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return errors.New("malformed line end after a chunk")
		}
		d.state = chunkSize
	case chunkField:
		if c == '\r' {
			d.state = chunkFinalLF
			return nil
		}
		d.state = chunkFields
		return d.field(c)
	case chunkFields:
		return d.field(c)
	case chunkFinalLF:
		if c != '\n' {
			return errors.New("malformed line end after the last chunk")
		}
		d.state = chunkDone
	}
	return nil
}

// sizeLine takes a byte of the line "size [ space ] [ ; extensions ] CR".
func (d *chunked) sizeLine(c byte) error {
	if d.line++; d.line > maxChunkLine {
		return fmt.Errorf("line of a chunk's size over %d bytes", maxChunkLine)
	}
	switch v, hex := unhex(c); {
	case d.state == chunkSize && hex:
		if d.digits++; d.digits > 15 {
			return errors.New("chunk's size has over 15 digits")
		}
		d.left = d.left<<4 | uint64(v)
	case d.digits == 0:
		return fmt.Errorf("malformed chunk size at %q", c)
	case c == '\r':
		d.state = chunkSizeLF
	case c == '\n':
		return errors.New("lone line feed in the line of a chunk's size")
	case d.state == chunkExt || c == ';':
		d.state = chunkExt
	case c == ' ' || c == '\t':
		d.state = chunkSpace
	default:
		return fmt.Errorf("malformed chunk size at %q", c)
	}
	return nil
}

// field takes a byte of a trailer line.
func (d *chunked) field(c byte) error {
	if len(d.trailer) >= maxTrailer {
		return fmt.Errorf("trailer section over %d bytes", maxTrailer)
	}
	d.trailer = append(d.trailer, c)
	if c != '\n' {
		return nil
	}
	if n := len(d.trailer); n < 2 || d.trailer[n-2] != '\r' {
		return errors.New("lone line feed in the trailer section")
	}
	d.state = chunkField
	return nil
}

// fields is the trailer section, nil if there was none. Fields of the connection and of framing are left out: they have
// no business after the body (RFC 9110, section 6.5.1).
func (d *chunked) fields() (http.Header, error) {
	if len(d.trailer) == 0 {
		return nil, nil
	}
	h, err := parseFields(string(d.trailer))
	for name := range h {
		if hopByHop(name, nil) {
			delete(h, name)
		}
	}
	return h, err
}

func unhex(c byte) (v byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
