// Package upstream is the client side of the native data plane: it sends one request, whose body is wholly in memory, to
// a backend and hands out the response's bytes as they arrive.
//
// A [Client] is made once per backend from a [Target] and is safe for concurrent use. [Client.Do] returns when the
// response's head is there; the body is then taken with [Response.Next], which lends pooled memory and holds none while
// it waits, or with [Response.Read], which fills the caller's. [Response.Close] ends the exchange; before the body's end
// it closes the connection, which is how an HTTP/1.1 provider learns that nobody listens any more.
//
// Plain http:// backends are served by a synchronous HTTP/1.1 client (RFC 9112) that runs on the caller's goroutine and
// starts none. TLS and cleartext HTTP/2 backends go through a net/http Transport behind the same interface; of these,
// https:// honours HTTPS_PROXY and NO_PROXY as [net/http.ProxyFromEnvironment] does. Plain HTTP never uses a proxy.
//
// Redirects are not followed, nothing is decompressed, no header is invented save Host and Content-Length. Every failure
// is an [*Error], whose [Kind] says what a retry policy wants to know.
//
// The package imports nothing but the standard library.
package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Defaults of [Options].
const (
	defaultDialTimeout = 10 * time.Second
	defaultIdleTimeout = 60 * time.Second
	defaultMaxIdle     = 1024
)

// maxHead bounds the bytes of a response's head, all informational responses before it included.
const maxHead = 64 << 10

// Target is where a backend is and how it is spoken to.
type Target struct {
	// URL has the scheme, http or https, the host and optionally the port. Its path and query are ignored: each request
	// brings its own. User information is refused.
	URL string
	// Address is where to connect to, host:port; "" = URL's host. The Host field and the name that TLS asks for stay URL's. No
	// proxy of the environment is asked then.
	Address string
	// TLS is the configuration of https connections; nil = the system's roots and the host's name. It is cloned.
	TLS *tls.Config
	// HTTP2 is "auto" or "" (https negotiates by ALPN, http speaks HTTP/1.1), or "h2c" (HTTP/2 by prior knowledge over
	// http).
	HTTP2 string
}

// Options tune a client. The zero value is good.
type Options struct {
	DialTimeout time.Duration // of DNS, TCP and TLS each; default 10 s
	IdleTimeout time.Duration // how long an unused connection is kept; default 60 s
	MaxIdle     int           // unused connections kept at most; default 1024, negative = none
	// Dial opens connections in place of a [net.Dialer]; nil = that. It must honour ctx.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client talks to one backend. It is safe for concurrent use.
type Client struct {
	plane plane
}

// plane is one way to carry an exchange: our HTTP/1.1 or net/http's transport.
type plane interface {
	do(ctx context.Context, r *Request) (*Response, error)
	closeIdle()
}

// New makes the client of a backend. It opens no connection. The error names what is wrong with the target.
func New(t Target, o Options) (*Client, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, fmt.Errorf("backend URL: %w", err)
	}
	host, port := u.Hostname(), u.Port()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("backend URL %q: scheme is %q, want http or https", u.Redacted(), u.Scheme)
	case host == "":
		return nil, fmt.Errorf("backend URL %q: no host", u.Redacted())
	case u.User != nil:
		return nil, fmt.Errorf("backend URL %q: user information is not allowed", u.Redacted())
	case !validHost(u.Host):
		return nil, fmt.Errorf("backend URL %q: host %q has characters a Host field cannot carry", u.Redacted(), u.Host)
	case t.HTTP2 != "" && t.HTTP2 != "auto" && t.HTTP2 != "h2c":
		return nil, fmt.Errorf("http2 is %q, want auto or h2c", t.HTTP2)
	case t.HTTP2 == "h2c" && u.Scheme != "http":
		return nil, fmt.Errorf("backend URL %q: h2c needs scheme http", u.Redacted())
	}
	o = o.withDefaults()
	defaultPort := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	authority := u.Host
	if port == "" || port == defaultPort {
		authority = strings.TrimSuffix(u.Host, ":"+port)
		port = defaultPort
	}
	if u.Scheme == "http" && t.HTTP2 != "h2c" {
		return &Client{plane: newH1(cmp.Or(t.Address, net.JoinHostPort(host, port)), authority, o)}, nil
	}
	return &Client{plane: newTransport(u.Scheme, authority, t, o)}, nil
}

func (o Options) withDefaults() Options {
	if o.DialTimeout <= 0 {
		o.DialTimeout = defaultDialTimeout
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = defaultIdleTimeout
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = defaultMaxIdle
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

// Do sends r and returns when the head of the response is there. The response must be closed. Cancelling ctx ends the
// exchange at any time, also while its body is being read, within milliseconds. The error is an [*Error].
//
// A request that went out on a kept-alive connection which turned out to be closed, before any byte of a response, is
// sent once more on a new connection; see [Timing.Resent].
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	r.Timing = Timing{Start: time.Now()}
	if err := r.Check(); err != nil {
		return nil, &Error{Op: OpRequest, Kind: Invalid, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return nil, contextError(ctx, OpDial)
	}
	return c.plane.do(ctx, r)
}

// CloseIdle closes the connections that no exchange is using. The client stays usable.
func (c *Client) CloseIdle() { c.plane.closeIdle() }
