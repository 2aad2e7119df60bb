package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/upstream"
)

// clients holds the upstream clients of every backend of the snapshots in use, one for each endpoint. Endpoints of equal targets share
// one, so that connections outlive a reload. It is safe for concurrent use; of is lock-free.
type clients struct {
	byBackend sync.Map // *gateway.Backend → *endpoints

	mu       sync.Mutex
	byTarget map[targetKey]*shared
}

// endpoints are the clients of a backend, which have their turns one after the other.
type endpoints struct {
	clients []*upstream.Client
	turn    atomic.Uint32
}

// next is the client for an attempt: seldom the one of the attempt before, where there is another one.
func (e *endpoints) next(before *upstream.Client) *upstream.Client {
	if len(e.clients) == 1 {
		return e.clients[0]
	}
	c := e.clients[e.turn.Add(1)%uint32(len(e.clients))]
	if c == before {
		c = e.clients[e.turn.Add(1)%uint32(len(e.clients))]
	}
	return c
}

// targetKey is what makes two backends' connections interchangeable.
type targetKey struct {
	scheme, host, http2 string
	endpoint            string // "" = host
	tls                 ir.ClientTLS
}

type shared struct {
	client *upstream.Client
	users  int
}

// keysOf are the targets of b, one for each endpoint.
func keysOf(b *gateway.Backend) []targetKey {
	if !b.Usable() {
		return nil
	}
	k := targetKey{scheme: b.Scheme, host: b.Host, http2: b.HTTP2, tls: b.TLS}
	if b.Endpoints == nil {
		return []targetKey{k}
	}
	out := make([]targetKey, len(b.Endpoints))
	for i := range out {
		k.endpoint = b.Endpoints[i]
		out[i] = k
	}
	return out
}

// of are b's clients; b belongs to an added snapshot and is usable.
func (c *clients) of(b *gateway.Backend) *endpoints {
	v, _ := c.byBackend.Load(b)
	return v.(*endpoints)
}

// add makes the clients of s, before s is used.
func (c *clients) add(s *gateway.Snapshot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range s.Backends {
		e := &endpoints{}
		for n, k := range keysOf(b) {
			sh, err := c.share(k)
			if err != nil {
				c.leave(keysOf(b)[:n])
				c.drop(s.Backends[:i])
				return fmt.Errorf("backend %q: %w", b.Name, err)
			}
			sh.users++
			e.clients = append(e.clients, sh.client)
		}
		c.byBackend.Store(b, e)
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
		c.leave(keysOf(b))
	}
}

func (c *clients) leave(keys []targetKey) {
	for _, k := range keys {
		if sh := c.byTarget[k]; sh != nil {
			if sh.users--; sh.users == 0 {
				sh.client.CloseIdle()
				delete(c.byTarget, k)
			}
		}
	}
}

func (c *clients) share(k targetKey) (*shared, error) {
	if sh := c.byTarget[k]; sh != nil {
		return sh, nil
	}
	conf, err := k.tls.Config()
	if err != nil {
		return nil, err
	}
	client, err := upstream.New(upstream.Target{URL: k.scheme + "://" + k.host, Address: k.endpoint, TLS: conf, HTTP2: k.http2}, upstream.Options{})
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
