package extproc

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/spanway/spanway/internal/coding"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
)

// wordPatience is how long the access log may take to say why an attempt or a call ended. It mostly has said so before it is asked, and
// on a machine that has time it is milliseconds late. A call's trace waits for it, and an attempt after one that got no answer. On a
// machine that has no time for anything, 500 ms were not enough for one of 1,200 calls that broke off, nor for every first attempt.
const wordPatience = 2 * time.Second

// phase is how far a call has come.
type phase uint8

const (
	reading    phase = iota // its request's body is awaited
	attempting              // attempts are made
	responding              // R was shown the response's head
	over                    // all that R has to say is said, or nobody listens
)

// session is one call: what its stream R and the streams U of its attempts share. mu guards all that is below it; the call is
// driven by whoever holds it, one at a time.
type session struct {
	server     *Server
	id         string // of the call
	connection string // of the client's connection, as Envoy numbers them; ""
	stream     grpc.ServerStream
	message    message            // the last that came by it
	abort      context.CancelFunc // ends R from any goroutine
	ctx        context.Context    // the call's
	cancel     context.CancelCauseFunc
	beside     *session // on the same connection; guarded by the connection's shard

	mu       sync.Mutex
	call     *gateway.Call // nil when closed
	phase    phase
	bare     bool   // the request has no body
	tooLong  bool   // its body is said to be longer than may be
	path     string // the request's without its query, where it has one: the query may hold a credential
	attempt  *gateway.Attempt
	n        int                // attempts begun
	begun    time.Time          // when the last one was
	judged   bool               // the attempt has a verdict, or its head is the response's
	verdict  gateway.Verdict    // when judged
	judgedAt time.Time          // when
	headed   bool               // the attempt's head was taken
	head     llm.Head           // which
	coding   coding.Coding      // of its body
	ahead    []*gateway.Backend // of the attempts after the first, as Envoy was told
	reply    *gateway.Reply     // the call's end as an attempt's stream has come to it: R tells the client
	reports  []report           // of attempts that failed
	ended    gateway.Reason     // the access log's word on the call; "" before
	logged   bool               // it has spoken
	changed  chan struct{}      // closed when something of this did; nil when nobody waits

	response
	timers
}

// report is the access log's word on an attempt.
type report struct {
	cluster string
	reason  gateway.Reason
}

// maxReports bounds the reports that a session keeps: more than the attempts of any plan.
const maxReports = 32

// wait lets go of the session until something of it changes, d has passed, or ctx ends.
func (x *session) wait(ctx context.Context, d time.Duration) {
	if x.changed == nil {
		x.changed = make(chan struct{})
	}
	changed := x.changed
	x.mu.Unlock()
	defer x.mu.Lock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
}

// wake tells those who wait that something has changed.
func (x *session) wake() {
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
}

// finish ends the call, once: all that it held is let go of, and its trace is handed over.
func (x *session) finish() {
	x.phase = over
	if x.call == nil {
		return
	}
	x.timers.stop()
	x.response.stop()
	x.server.sessions.remove(x)
	x.cancel(nil)
	call := x.call
	x.call, x.attempt, x.head = nil, nil, llm.Head{}
	x.wake()
	call.Close()
}
