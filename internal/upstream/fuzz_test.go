package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzHead: whatever the head parser takes, net/http takes too and sees the same: no response can mean one thing to this
// gateway and another to a reader behind it. Neither panics.
func FuzzHead(f *testing.F) {
	for _, tc := range wireTests {
		f.Add([]byte(tc.write), tc.method)
	}
	f.Fuzz(func(t *testing.T, in []byte, method string) {
		end := headEnd(in, 0)
		for from := range min(len(in), 200) { // heads that come in two pieces
			first := headEnd(in[:from], 0)
			if first < 0 {
				first = headEnd(in, max(from-2, 0))
			}
			if first != end {
				t.Fatalf("head ends at %d when split at %d, at %d whole", first, from, end)
			}
		}
		if end < 0 {
			return
		}
		h, err := parseHead(in[:end], method)
		if err != nil {
			return
		}
		want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in[:end])), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", in[:end], err)
		}
		if h.status != want.StatusCode || h.proto != want.Proto {
			t.Errorf("status %d %s, net/http %d %s", h.status, h.proto, want.StatusCode, want.Proto)
		}
		if h.framing == byLength && want.ContentLength != h.length && method != http.MethodHead && h.status >= 200 && h.length > 0 {
			t.Errorf("length %d, net/http %d", h.length, want.ContentLength)
		}
		if h.framing == byChunks && len(want.TransferEncoding) == 0 {
			t.Error("chunked, but not to net/http")
		}
		connection := want.Header["Connection"]
		for name := range want.Header {
			if name != "Content-Length" && hopByHop(name, connection) {
				delete(want.Header, name)
			}
		}
		delete(h.header, "Content-Length") // net/http drops it where there is no body
		delete(want.Header, "Content-Length")
		if diff := cmp.Diff(want.Header, h.header); diff != "" {
			t.Errorf("header (-net/http +got):\n%s", diff)
		}
	})
}

// dechunk decodes in pieces of the given sizes, in turn.
func dechunk(in []byte, sizes []byte) (payload string, rest int, done bool, err error) {
	var d chunked
	var out strings.Builder
	for i := 0; len(in) > 0 && d.state != chunkDone; i++ {
		n := len(in)
		if len(sizes) > 0 {
			n = min(n, int(sizes[i%len(sizes)])+1)
		}
		piece := bytes.Clone(in[:n])
		k, used, err := d.decode(piece)
		out.Write(piece[:k])
		if err != nil {
			return out.String(), 0, false, err
		}
		in = in[used:]
	}
	if d.state == chunkDone {
		if _, err := d.fields(); err != nil {
			return out.String(), 0, false, err
		}
	}
	return out.String(), len(in), d.state == chunkDone, nil
}

// FuzzChunked: how a chunked body is split changes nothing, and a body that is complete to us is complete to net/http,
// with the same payload.
func FuzzChunked(f *testing.F) {
	for _, tc := range wireTests {
		if body, ok := strings.CutPrefix(tc.write, inChunks); ok {
			f.Add([]byte(body), []byte{0})
			f.Add([]byte(body), []byte{2, 5})
		}
	}
	f.Fuzz(func(t *testing.T, in, sizes []byte) {
		whole, rest, done, err := dechunk(in, nil)
		split, splitRest, splitDone, splitErr := dechunk(in, sizes)
		if whole != split || done != splitDone || (err == nil) != (splitErr == nil) || done && rest != splitRest {
			t.Fatalf("whole %q %d %v %v, split %q %d %v %v", whole, rest, done, err, split, splitRest, splitDone, splitErr)
		}
		if !done {
			return
		}
		reader := bufio.NewReader(io.MultiReader(strings.NewReader(inChunks), bytes.NewReader(in)))
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(res.Body)
		if err != nil && regexp.MustCompile(`[ \t];`).Match(in) {
			return // white space before an extension, which RFC 9112, section 7.1.1, tells recipients to take
		}
		if err != nil {
			t.Fatalf("net/http refuses the body %q: %v", in, err)
		}
		if whole != string(want) {
			t.Errorf("payload %q, net/http %q", whole, want)
		}
	})
}
