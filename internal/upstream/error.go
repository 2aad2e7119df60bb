package upstream

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

// Op is the part of an exchange that failed.
type Op string

// The parts of an exchange, in their order.
const (
	OpRequest Op = "build request"
	OpDial    Op = "dial"
	OpWrite   Op = "write request"
	OpHead    Op = "read response head"
	OpBody    Op = "read response body"
)

// Kind is why it failed, as a retry policy sees it.
type Kind uint8

const (
	// Invalid: the request cannot be put on the wire. Nothing was sent; no retry helps.
	Invalid Kind = iota + 1
	// Connect: no connection, because of DNS, TCP, TLS, a proxy, or their timeout. Nothing was sent.
	Connect
	// Reset: the connection ended before the response did.
	Reset
	// Timeout: [Request.HeadTimeout], [Response.SetIdle]'s bound or the context's deadline passed.
	Timeout
	// Malformed: what came is not an HTTP response, or breaks a bound.
	Malformed
	// Canceled: the context was cancelled, or the response was closed by its owner.
	Canceled
)

// String is the kind in lower case, fit for a low-cardinality attribute.
func (k Kind) String() string {
	names := [...]string{"", "invalid", "connect", "reset", "timeout", "malformed", "canceled"}
	if int(k) >= len(names) {
		return ""
	}
	return names[k]
}

// Error is every failure of this package.
type Error struct {
	Op   Op
	Kind Kind
	Err  error // the cause; never nil
}

// Error says what was being done and the cause.
func (e *Error) Error() string { return string(e.Op) + ": " + e.Err.Error() }

// Unwrap gives the cause: a *net.OpError, a syscall.Errno, a TLS error, the context's cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether time ran out, that of a dial included.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return e.Kind == Timeout || errors.As(e.Err, &t) && t.Timeout()
}

// Is makes every cut of a body io.ErrUnexpectedEOF, whether the connection was closed or reset.
func (e *Error) Is(target error) bool {
	return target == io.ErrUnexpectedEOF && e.Op == OpBody && e.Kind == Reset
}

// KindOf gives the kind of an error of this package, 0 for any other and for nil.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// errHead and errIdle are the causes of timeouts that this package keeps itself.
var (
	errHead = errors.New("no response head in time")
	errIdle = errors.New("no byte of the body in time")
)

// contextError is the failure of an exchange whose context is over.
func contextError(ctx context.Context, op Op) *Error {
	kind := Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = Timeout
	}
	return &Error{Op: op, Kind: kind, Err: context.Cause(ctx)}
}

// wireError is the failure of a read or write on a connection.
func wireError(ctx context.Context, op Op, err error) *Error {
	switch {
	case ctx.Err() != nil:
		return contextError(ctx, op)
	case errors.Is(err, os.ErrDeadlineExceeded) && op == OpBody:
		return &Error{Op: op, Kind: Timeout, Err: errIdle}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Op: op, Kind: Timeout, Err: errHead}
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return &Error{Op: op, Kind: Reset, Err: err}
}

// gone reports whether err says that the peer has closed the connection.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}
