package upstream

import (
	"io"
	"sync"
)

// lender lends a request's body to net/http, whose writer may go on reading after the exchange is over: a provider that
// answers early need not take all of it. Taken back, the memory is the caller's again, to be used for another call.
type lender struct {
	mu   sync.Mutex
	body []byte
	gone bool
}

// reader returns a reader of the whole body.
func (l *lender) reader() io.ReadCloser { return &lent{lender: l} }

// takeBack ends every reader. When it returns, none touches the body any more.
func (l *lender) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.body, l.gone = nil, true
}

// lent reads the body once. It has no WriteTo: the memory must not be in use outside of Read.
type lent struct {
	lender *lender
	at     int
}

// Read implements io.Reader.
func (r *lent) Read(p []byte) (int, error) {
	l := r.lender
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.gone:
		return 0, errClosed
	case r.at >= len(l.body):
		return 0, io.EOF
	}
	n := copy(p, l.body[r.at:])
	r.at += n
	return n, nil
}

// Close implements io.Closer. The memory is not the reader's to give back.
func (r *lent) Close() error { return nil }
