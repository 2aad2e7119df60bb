// Package coding takes the content coding off a provider's answer as its bytes come (RFC 9110, section 8.4). A provider is asked for
// identity; one that compresses all the same is decoded, where the pipeline has to read what it says. [Undo] tells the coding of a
// response's head and makes the head say identity, [NewReader] decodes what it is asked for, [Decoder] what it is given.
package coding

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Piece is how many bytes are decoded at a time.
const Piece = 8 << 10

// Coding is a content coding that can be taken off; "" is identity, or one that is not known.
type Coding string

// Undo reads the coding of a response with header h, and changes h to what it is without the coding.
func Undo(h http.Header) Coding {
	c := Coding(strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))))
	switch c {
	case "x-gzip":
		c = "gzip"
	case "gzip", "br", "zstd":
	default:
		return ""
	}
	h.Del("Content-Encoding")
	h.Del("Content-Length")
	if h.Get("Vary") == "Accept-Encoding" {
		h.Del("Vary")
	}
	return c
}

// NewReader returns a reader that decodes what it reads from src, whose coding is c and not "", no more at a time than is needed. Data
// that stops early gives io.ErrUnexpectedEOF, errors of src are given as they are, and any other error is of data that is not what c
// says. Close leaves src open.
func NewReader(c Coding, src io.Reader) io.ReadCloser {
	if c == "br" {
		return io.NopCloser(brotli.NewReader(src))
	}
	return &lazy{coding: c, src: src}
}

// lazy reads the header of the compressed data when it is asked for bytes, not before the response's head is relayed.
type lazy struct {
	coding  Coding
	src     io.Reader
	decoder io.ReadCloser // nil before
}

// Read implements io.Reader.
func (l *lazy) Read(p []byte) (int, error) {
	if l.decoder == nil {
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	return l.decoder.Read(p)
}

func (l *lazy) open() error {
	if l.coding == "gzip" {
		z, err := gzip.NewReader(l.src)
		if err != nil {
			return err
		}
		l.decoder = z
		return nil
	}
	z, err := zstd.NewReader(l.src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	l.decoder = z.IOReadCloser()
	return nil
}

// Close implements io.Closer.
func (l *lazy) Close() error {
	if l.decoder == nil {
		return nil
	}
	return l.decoder.Close()
}
