package proxy

import (
	"errors"
	"io"
	"time"

	"github.com/spanway/spanway/internal/coding"
	"github.com/spanway/spanway/internal/upstream"
)

// Bounds of a response.
const (
	maxDiscard  = 64 << 10 // of an answer that is not used, to keep its connection
	discardTime = 50 * time.Millisecond
)

// response is a provider's response body, decompressed where the pipeline has to read it. A provider is asked for identity;
// one that compresses all the same is decoded as its bytes come.
type response struct {
	*upstream.Response
	decoder io.ReadCloser // nil when the body is taken as it is
	buf     []byte
}

// newResponse wraps r. With inspect a compressed body becomes identity, for the client too, and r's header says so.
func newResponse(r *upstream.Response, inspect bool) *response {
	res := &response{Response: r}
	if !inspect {
		return res
	}
	if c := coding.Undo(r.Header); c != "" {
		res.decoder, res.buf = coding.NewReader(c, r), make([]byte, coding.Piece)
	}
	return res
}

// next waits for the next bytes of the body, valid until the next call; io.EOF says that it is complete.
func (r *response) next() ([]byte, error) {
	if r.decoder == nil {
		return r.Next()
	}
	n, err := r.decoder.Read(r.buf)
	if err != nil && err != io.EOF {
		err = decodeError(err)
	}
	return r.buf[:n], err
}

// decodeError is err as the pipeline takes it: compressed data that stops early was cut, other data is not what its head says.
func decodeError(err error) error {
	var e *upstream.Error
	if errors.As(err, &e) {
		return err
	}
	kind := upstream.Malformed
	if errors.Is(err, io.ErrUnexpectedEOF) {
		kind = upstream.Reset
	}
	return &upstream.Error{Op: upstream.OpBody, Kind: kind, Err: err}
}

// discard reads a little of a body that is not used, so that its connection can serve again, and ends it.
func (r *response) discard() {
	defer r.close()
	if r.ContentLength > maxDiscard || r.Header.Get("Content-Type") == "text/event-stream" {
		return
	}
	r.SetIdle(discardTime)
	for n, start := 0, time.Now(); n < maxDiscard && time.Since(start) < discardTime; {
		p, err := r.Next()
		if err != nil {
			return
		}
		n += len(p)
	}
}

func (r *response) close() {
	if r.decoder != nil {
		_ = r.decoder.Close() // always nil
	}
	_ = r.Close() // always nil
}
