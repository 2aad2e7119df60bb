package collector

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// behaviour is what a link does to connections.
type behaviour int

const (
	open    behaviour = iota
	absent            // nobody listens
	hanging           // connections are accepted and never answered
	cutting           // every connection breaks off after some bytes of either direction
)

// Most bytes that a cutting link lets through: of requests, some of which therefore arrive, and of answers, whose loss makes
// the sender repeat what arrived.
const (
	mostSent     = 256 << 10
	mostAnswered = 400
)

// link carries TCP connections to a receiver, well or badly. It is safe for concurrent use.
type link struct {
	address, target string

	mu       sync.Mutex
	does     behaviour
	ln       net.Listener
	carried  map[*connection]bool
	breaks   int // connections that were broken off
	finished bool
	wg       sync.WaitGroup
}

// connection is one that the link carries.
type connection struct {
	near, far net.Conn // far is nil when it hangs
	silent    bool     // no byte comes through any more, and nobody is told; guarded by the link's mu
}

// startLink carries connections to target until the test ends.
func startLink(t *testing.T, target string, does behaviour) *link {
	t.Helper()
	l := &link{target: target, does: does, carried: map[*connection]bool{}, address: "127.0.0.1:0"}
	if err := l.listen(); err != nil {
		t.Fatal(err)
	}
	l.address = l.ln.Addr().String()
	t.Cleanup(func() {
		l.mu.Lock()
		l.finished = true
		l.mu.Unlock()
		l.drop()
		l.wg.Wait()
	})
	if does == absent {
		l.drop()
	}
	return l
}

func (l *link) listen() error {
	ln, err := net.Listen("tcp", l.address)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.ln = ln
	l.mu.Unlock()
	l.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.carry(c)
		}
	})
	return nil
}

// heal makes new connections work. Those that hang are left to it.
func (l *link) heal(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	was := l.does
	l.does = open
	l.mu.Unlock()
	if was == absent {
		l.restore(t)
	}
}

// drop stops listening and breaks off every connection.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.ln.Close()
	for c := range l.carried {
		l.breaks++
		c.close()
	}
}

// restore listens again where it did.
func (l *link) restore(t *testing.T) {
	t.Helper()
	if err := l.listen(); err != nil {
		t.Errorf("listen again: %v", err)
	}
}

// silence makes a black hole of the connections that are open.
func (l *link) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.carried {
		l.breaks++
		c.silent = true
	}
}

// broken is how many connections were broken off.
func (l *link) broken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaks
}

func (c *connection) close() {
	_ = c.near.Close()
	if c.far != nil {
		_ = c.far.Close()
	}
}

// carry begins to carry what comes in over near.
func (l *link) carry(near net.Conn) {
	c := &connection{near: near}
	l.mu.Lock()
	does := l.does
	l.mu.Unlock()
	if does != hanging {
		var err error
		if c.far, err = net.Dial("tcp", l.target); err != nil {
			_ = near.Close()
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished {
		c.close()
		return
	}
	l.carried[c] = true
	if c.far == nil {
		return
	}
	sent, answered := -1, -1
	if does == cutting {
		sent, answered = rand.IntN(mostSent), rand.IntN(mostAnswered)
	}
	l.wg.Go(func() { l.copy(c, c.far, c.near, sent) })
	l.wg.Go(func() { l.copy(c, c.near, c.far, answered) })
}

// copy carries bytes until an end closes, or most bytes if that is not negative.
func (l *link) copy(c *connection, dst, src net.Conn, most int) {
	buf := make([]byte, 32<<10)
	cut := false
	for !cut {
		n, err := src.Read(buf)
		if cut = most >= 0 && n >= most; cut {
			n = most
		}
		most -= n
		l.mu.Lock()
		silent := c.silent
		l.mu.Unlock()
		if !silent {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut && l.carried[c] {
		l.breaks++
	}
	delete(l.carried, c)
	c.close()
}
