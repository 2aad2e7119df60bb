//go:build unix

package upstream

import (
	"net"
	"syscall"
	"time"
)

// rawConn gives the socket under a TCP or Unix connection, nil under any other.
func rawConn(nc net.Conn) syscall.RawConn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryOnce does what can be done without waiting, and reports whether that was all. Called again, it knows that the
// socket may have become readable. The poller remembers what arrives after a fruitless read, so on a kept connection the
// request is written after the probe, and waiting can follow without another try.
func (c *conn) tryOnce(fd uintptr) bool {
	if c.step == stepProbe {
		c.probe(int(fd))
		switch {
		case c.step != stepRead:
			return true
		case c.used:
			return false
		}
	}
	dst := c.dst
	if dst == nil {
		c.in = c.mem.page()
		dst = c.in[:min(c.limit, pageSize)]
	}
	c.n, c.err = readFD(int(fd), dst)
	if c.err != syscall.EAGAIN {
		return true
	}
	c.mem.free(c.in)
	c.in = nil
	return false
}

// probe sees that a kept connection is open and silent and writes the request, if that goes without waiting. On a new
// connection there is nothing to see: what a hasty server has sent is its answer.
func (c *conn) probe(fd int) {
	if c.used {
		if _, err := readFD(fd, c.one[:]); err != syscall.EAGAIN {
			c.step = stepDead // closed, broken, or bytes that answer nothing
			return
		}
	}
	c.step = stepAlive
	if c.out == nil {
		return
	}
	n, err := writeFD(fd, *c.out)
	if err != nil || n < len(*c.out) {
		c.sent = max(n, 0) // conn.write goes on, or meets the error again
		return
	}
	c.mem.requests.Put(c.out)
	c.out = nil
	c.wrote = time.Now()
	c.step = stepRead
}

// readFD reads once, whatever signals interrupt it.
func readFD(fd int, p []byte) (int, error) {
	for {
		if n, err := syscall.Read(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

// writeFD writes once, whatever signals interrupt it.
func writeFD(fd int, p []byte) (int, error) {
	for {
		if n, err := syscall.Write(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}
