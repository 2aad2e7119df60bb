package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// gate bounds the open connections of all listeners together. Past the bound, accepting waits.
type gate struct{ slots chan struct{} }

func newGate(n int64) *gate { return &gate{slots: make(chan struct{}, n)} }

// gatedListener wraps accepted connections in watchedConn and counts them in the gate.
type gatedListener struct {
	net.Listener
	gate   *gate
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *gatedListener) Accept() (net.Conn, error) {
	select {
	case l.gate.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.gate.slots
		return nil, err
	}
	return &watchedConn{Conn: c, gate: l.gate}, nil
}

// Close implements net.Listener.
func (l *gatedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// watchedConn is a client's connection. It looks for a Content-Length among the bytes that come, because net/http takes that
// field away from a request that is also chunked, and such a request must be refused (RFC 9112, section 6.3).
type watchedConn struct {
	net.Conn
	gate      *gate
	once      sync.Once
	hasLength atomic.Bool // a Content-Length stood in what was last read
}

var lengthField = []byte("\ncontent-length:")

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 1 {
		c.hasLength.Store(foldContains(p[:n], lengthField))
	}
	return n, err
}

// foldContains reports whether b contains sub, which is lower-case, whatever the case of b's letters.
func foldContains(b, sub []byte) bool {
	for {
		i := bytes.IndexByte(b, sub[0])
		if i < 0 || len(b)-i < len(sub) {
			return false
		}
		if bytes.EqualFold(b[i:i+len(sub)], sub) {
			return true
		}
		b = b[i+1:]
	}
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	c.once.Do(func() { <-c.gate.slots })
	return c.Conn.Close()
}

type connKey struct{}

func rememberConn(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(*watchedConn); ok {
		return context.WithValue(ctx, connKey{}, w)
	}
	return ctx
}

// conflicting reports whether r, which is chunked, also brought a Content-Length.
func conflicting(r *http.Request) bool {
	w, ok := r.Context().Value(connKey{}).(*watchedConn)
	return ok && w.hasLength.Load()
}

// serverTLS is c as crypto/tls has it. The certificate's files are read again when they change.
func serverTLS(c *ir.ServerTLS) (*tls.Config, error) {
	pair := &keyPair{cert: c.CertFile, key: c.KeyFile}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get, NextProtos: []string{"h2", "http/1.1"}}
	if c.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	if c.ClientCAFile != "" {
		pool, err := readPool(c.ClientCAFile)
		if err != nil {
			return nil, err
		}
		conf.ClientCAs, conf.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return conf, nil
}

// keyPair is a certificate that follows its files. It is safe for concurrent use.
type keyPair struct {
	cert, key string
	mu        sync.Mutex
	checked   time.Time
	modified  time.Time
	loaded    *tls.Certificate
}

// certificateAge is how long a certificate is used before its file is looked at again.
const certificateAge = 5 * time.Second

func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded != nil && time.Since(p.checked) < certificateAge {
		return p.loaded, nil
	}
	p.checked = time.Now()
	st, err := os.Stat(p.cert)
	if err != nil {
		return p.keep(fmt.Errorf("certificate: %w", err))
	}
	if p.loaded != nil && st.ModTime().Equal(p.modified) {
		return p.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return p.keep(fmt.Errorf("certificate: %w", err))
	}
	p.loaded, p.modified = &pair, st.ModTime()
	return p.loaded, nil
}

// keep goes on with the certificate that is loaded, if there is one: files are seldom replaced together.
func (p *keyPair) keep(err error) (*tls.Certificate, error) {
	if p.loaded != nil {
		return p.loaded, nil
	}
	return nil, err
}
