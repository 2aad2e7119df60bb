package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spanway/spanway/internal/gateway"
)

// keptBody bounds the buffers that are kept for further request bodies, bytes.
const keptBody = 256 << 10

// restPatience is how long the rest of a body that is refused may take.
const restPatience = 500 * time.Millisecond

// readBody reads the request's body whole, before anything of it is forwarded: a provider that answers at once would
// otherwise cut the transfer short. When ok is false the call has ended, with a Reply if there is somebody to read it.
func (x *exchange) readBody() (body []byte, reply *gateway.Reply, ok bool) {
	r, limit := x.r, x.call.BodyLimit()
	if r.ContentLength == 0 || r.Body == http.NoBody || x.call.Answered() && unwieldy(r, limit) {
		return nil, nil, true
	}
	rc := http.NewResponseController(x.w)
	defer func() {
		until := time.Time{}
		if !ok {
			until = time.Now().Add(restPatience) // net/http reads on, so that the client gets to see the refusal
		}
		_ = rc.SetReadDeadline(until) // without support there is no deadline
	}()
	if len(r.TransferEncoding) > 0 {
		// Whoever relayed this may have read another length: the connection ends here (RFC 9112, section 6.1).
		x.w.Header()["Connection"] = []string{"close"}
		if conflicting(r) {
			return nil, x.call.Abandon(gateway.ReasonBadBody), false
		}
	}
	if r.ContentLength > limit {
		return nil, x.call.Abandon(gateway.ReasonTooLarge), false
	}
	_ = rc.SetReadDeadline(time.Now().Add(x.handler.patience)) // likewise
	buf := x.handler.getBody(r.ContentLength)
	b, err := readAll((*buf)[:0], r.Body, r.ContentLength, limit)
	*buf = b
	if err != nil {
		x.handler.putBody(buf)
		return nil, x.bodyFailed(err), false
	}
	x.body = buf
	return b, nil, true
}

// unwieldy reports whether r's body is better not read where nobody needs it: it is too large, or the client waits to be asked for it.
func unwieldy(r *http.Request, limit int64) bool {
	return r.ContentLength > limit || r.Header.Get("Expect") != ""
}

var errTooLarge = errors.New("body too large")

// readAll appends r's bytes to b, size of them where that is known, at most limit.
func readAll(b []byte, r io.Reader, size, limit int64) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return b, errTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case size >= 0 && int64(len(b)) == size && cap(b) == len(b):
			b = append(b, 0)[:len(b)] // one more read, for EOF
		}
	}
}

func (x *exchange) bodyFailed(err error) *gateway.Reply {
	switch {
	case errors.Is(err, errTooLarge):
		return x.call.Abandon(gateway.ReasonTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return x.call.Abandon(gateway.ReasonSlowBody)
	case x.r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF):
		return x.call.Abandon(x.whyUnread(err))
	}
	return x.call.Abandon(gateway.ReasonBadBody)
}

// whyUnread tells a client that went away from one whose framing is broken. A body that ends early does so because its
// sender closed the connection.
func (x *exchange) whyUnread(err error) gateway.Reason {
	if x.r.Context().Err() != nil {
		return x.why(err)
	}
	return gateway.ReasonClientGone
}

func (h *handler) getBody(size int64) *[]byte {
	buf, _ := h.bodies.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	if want := max(size+1, 512); int64(cap(*buf)) < want {
		*buf = make([]byte, 0, want)
	}
	return buf
}

func (h *handler) putBody(buf *[]byte) {
	if cap(*buf) <= keptBody {
		h.bodies.Put(buf)
	}
}
