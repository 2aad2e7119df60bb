package published

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
)

// CohereTransport is Base with responses that Cohere's library can read: each read ends where a line of data does. There, and only
// there, the library finds an event whole: core.Stream of cohere-go 2.15.3 takes what it has read so far for a line, and the blank
// line after an event for another event.
type CohereTransport struct{ Base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t CohereTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &dataReader{Closer: resp.Body, lines: bufio.NewReader(resp.Body)}
	return resp, nil
}

type dataReader struct {
	io.Closer
	lines *bufio.Reader
	rest  []byte
}

// Read implements io.Reader.
func (d *dataReader) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		line, err := d.lines.ReadBytes('\n')
		for err == nil && !bytes.HasPrefix(line, []byte("data:")) {
			d.rest = append(d.rest, line...)
			line, err = d.lines.ReadBytes('\n')
		}
		if d.rest = append(d.rest, line...); len(d.rest) == 0 {
			return 0, err
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}
