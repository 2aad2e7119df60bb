package upstream

import (
	"net/http"
	"time"
)

// Response is the head of a response and the way to its body. It belongs to one goroutine at a time, Close included: to
// end it from elsewhere cancel the context given to Do.
type Response struct {
	Status int    // 200…999; informational responses are skipped
	Proto  string // "HTTP/1.0", "HTTP/1.1" or "HTTP/2.0"
	// Header has canonical names and no field that belongs to the connection (RFC 9110, section 7.6.1). Content-Length is
	// there if the provider sent one. It is the caller's to change.
	Header        http.Header
	ContentLength int64 // -1 = not known beforehand; of a HEAD's response, what the body would have
	// UntilClose is true for a body that ends with its connection (RFC 9112, section 6.3, rule 8): io.EOF may be a cut.
	UntilClose bool
	// Trailer is set when the body ended, if there was one.
	Trailer http.Header

	body body
}

// body is a response's body, as one of the planes reads it.
type body interface {
	next() ([]byte, error)
	read(p []byte) (int, error)
	setIdle(d time.Duration)
	close()
}

// Next waits for bytes of the body and lends all that have come, up to 16 KiB. They may be changed, and are valid until
// the next call of Next, Read or Close. An HTTP/1.1 exchange holds no buffer while it waits.
//
// The last bytes may come together with io.EOF, which says that the body is complete. Any other error is an [*Error];
// errors.Is(err, io.ErrUnexpectedEOF) says that the body was cut. Errors stay.
func (r *Response) Next() ([]byte, error) { return r.body.next() }

// Read is Next into the caller's memory. It returns as soon as there is any byte.
func (r *Response) Read(p []byte) (int, error) { return r.body.read(p) }

// SetIdle bounds the time that later calls of Next and Read wait for a byte; 0, as at first, is no bound. It costs
// nothing until one waits. It fires at most an eighth late.
func (r *Response) SetIdle(d time.Duration) { r.body.setIdle(d) }

// Close ends the exchange. Before the body's end that closes an HTTP/1.1 connection or resets an HTTP/2 stream. It may be
// called more than once. The error is always nil: it is there to make Response an io.ReadCloser.
func (r *Response) Close() error {
	r.body.close()
	return nil
}
