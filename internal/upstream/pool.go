package upstream

import (
	"sync"
	"time"
)

// pool keeps the connections that no exchange uses, the latest used on top, so that a falling load lets the others age.
// It is safe for concurrent use.
type pool struct {
	timeout time.Duration
	most    int

	mu     sync.Mutex
	conns  []*conn     // by since, oldest first
	reaper *time.Timer // runs while it may have something to do; nil = does not
}

// get takes the connection that was used last, nil if there is none.
func (p *pool) get() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	if last < 0 {
		return nil
	}
	c := p.conns[last]
	p.conns[last] = nil
	p.conns = p.conns[:last]
	return c
}

// put keeps a connection, or closes it if there are enough.
func (p *pool) put(c *conn) {
	c.since, c.used = time.Now(), true
	p.mu.Lock()
	full := len(p.conns) >= p.most
	if !full {
		p.conns = append(p.conns, c)
		if p.reaper == nil {
			p.reaper = time.AfterFunc(p.timeout, p.reap)
		}
	}
	p.mu.Unlock()
	if full {
		c.shut()
	}
}

// reap closes what has been kept too long, and comes again when the next is due.
func (p *pool) reap() {
	p.mu.Lock()
	n := 0
	for oldest := time.Now().Add(-p.timeout); n < len(p.conns) && !p.conns[n].since.After(oldest); n++ {
	}
	old := p.take(n)
	if p.reaper = nil; len(p.conns) > 0 {
		p.reaper = time.AfterFunc(time.Until(p.conns[0].since.Add(p.timeout)), p.reap)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.shut()
	}
}

// closeAll closes every kept connection.
func (p *pool) closeAll() {
	p.mu.Lock()
	all := p.take(len(p.conns))
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
	p.mu.Unlock()
	for _, c := range all {
		c.shut()
	}
}

// take removes the n oldest connections. The caller holds mu.
func (p *pool) take(n int) []*conn {
	old := append([]*conn(nil), p.conns[:n]...)
	kept := copy(p.conns, p.conns[n:])
	clear(p.conns[kept:])
	p.conns = p.conns[:kept]
	return old
}
