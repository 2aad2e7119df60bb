//go:build !unix

package upstream

import (
	"net"
	"syscall"
)

// rawConn is nil: reads hold their buffer while they wait, and only sending tells whether a kept connection is closed.
func rawConn(net.Conn) syscall.RawConn { return nil }

// tryOnce is never called: there is no raw connection.
func (c *conn) tryOnce(uintptr) bool { return true }
