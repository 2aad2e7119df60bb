package proxy

import (
	"fmt"
	"sync"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/upstream"
)

// clients holds the upstream client of every backend of the snapshots in use. Backends of equal targets share one, so that
// connections outlive a reload. It is safe for concurrent use; of is lock-free.
type clients struct {
	byBackend sync.Map // *gateway.Backend → *upstream.Client

	mu       sync.Mutex
	byTarget map[targetKey]*shared
}

// targetKey is what makes two backends' connections interchangeable.
type targetKey struct {
	scheme, host, http2 string
	tls                 ir.ClientTLS
}

type shared struct {
	client *upstream.Client
	users  int
}

func keyOf(b *gateway.Backend) targetKey {
	return targetKey{scheme: b.Scheme, host: b.Host, http2: b.HTTP2, tls: b.TLS}
}

// of is b's client; b belongs to an added snapshot.
func (c *clients) of(b *gateway.Backend) *upstream.Client {
	v, _ := c.byBackend.Load(b)
	return v.(*upstream.Client)
}

// add makes the clients of s, before s is used.
func (c *clients) add(s *gateway.Snapshot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range s.Backends {
		sh, err := c.share(b)
		if err != nil {
			c.drop(s.Backends[:i])
			return fmt.Errorf("backend %q: %w", b.Name, err)
		}
		sh.users++
		c.byBackend.Store(b, sh.client)
	}
	return nil
}

// remove forgets s, when no call uses it any more.
func (c *clients) remove(s *gateway.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(s.Backends)
}

func (c *clients) drop(backends []*gateway.Backend) {
	for _, b := range backends {
		c.byBackend.Delete(b)
		k := keyOf(b)
		if sh := c.byTarget[k]; sh != nil {
			if sh.users--; sh.users == 0 {
				sh.client.CloseIdle()
				delete(c.byTarget, k)
			}
		}
	}
}

func (c *clients) share(b *gateway.Backend) (*shared, error) {
	k := keyOf(b)
	if sh := c.byTarget[k]; sh != nil {
		return sh, nil
	}
	conf, err := b.TLS.Config()
	if err != nil {
		return nil, err
	}
	client, err := upstream.New(upstream.Target{URL: b.Scheme + "://" + b.Host, TLS: conf, HTTP2: b.HTTP2}, upstream.Options{})
	if err != nil {
		return nil, err
	}
	if c.byTarget == nil {
		c.byTarget = map[targetKey]*shared{}
	}
	sh := &shared{client: client}
	c.byTarget[k] = sh
	return sh, nil
}
