// Package callout asks HTTP services beside the providers: what policies need to know that is known elsewhere. A [Client] sends
// JSON and reads JSON, within bounds.
package callout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// Bounds of a client.
const (
	maxReply    = 16 << 20         // bytes of an answer
	maxIdle     = 64               // connections that are kept per host
	idleTimeout = 60 * time.Second // how long one is kept
)

// Client sends requests over connections that it keeps. It is safe for concurrent use.
type Client struct{ http http.Client }

// New returns a client that verifies https servers as t says. It fails when a file of t cannot be read.
func New(t *ir.ClientTLS) (*Client, error) {
	conf, err := t.Config()
	if err != nil {
		return nil, err
	}
	return &Client{http.Client{
		Transport: &http.Transport{TLSClientConfig: conf, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleTimeout, ForceAttemptHTTP2: true,
			DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // texts go where configuration says, and nowhere else
		},
	}}, nil
}

// errTooLarge is the error of an answer over the bound.
var errTooLarge = errors.New("the answer is larger than 16 MiB")

// Post sends body to url as JSON, with header, and returns the status of the answer and its body, at most 16 MiB. It takes
// header over.
func (c *Client) Post(ctx context.Context, url string, header http.Header, body []byte) (status int, reply []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make a request: %w", err)
	}
	req.Header = header
	req.Header["Content-Type"] = []string{"application/json"}
	req.Header["Accept"] = []string{"application/json"}
	req.Header["User-Agent"] = []string{"spanway"}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err == nil && len(reply) > maxReply {
		err = errTooLarge
	}
	return resp.StatusCode, reply, err
}
