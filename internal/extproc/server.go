// Package extproc is the data plane behind Envoy: a gRPC server that Envoy asks about every call and tells how each went. It drives
// the pipeline of internal/gateway, as internal/proxy does, and Envoy carries the bytes.
//
// Envoy opens a stream R for each call (a filter of the listener: the request, and the response for the client) and a stream U for each
// attempt (a filter of the provider's cluster: the attempt's head and body, and the head of its answer). Both come by
// envoy.service.ext_proc.v3.ExternalProcessor and meet in a session, found by the call's id. The access log service beside it
// (envoy.service.accesslog.v3) is told who ended a call and why an attempt failed, which the streams do not tell. internal/xds has
// the configuration that makes Envoy do so.
//
// [New] makes a [Server], [Server.Apply] gives it a configuration, the first and every later one, [Server.Serve] lets Envoy in, and
// [Server.Shutdown] drains it.
package extproc

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/reload"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

// Bounds of the gRPC server. Windows are fixed, which saves the pings that measure them.
const (
	maxMessage   = 1<<30 + 1<<20 // bytes of a message: the largest limits.body, and what is around it
	streamWindow = 1 << 20       // bytes on the way in one stream
	connWindow   = 16 << 20      // and in one connection
)

// lastPatience is how long calls may take to end after they were told to.
const lastPatience = 5 * time.Second

// Server is the data plane behind Envoy. Its methods are for one goroutine, but for Serve, which has its own.
type Server struct {
	// Ended is called when the last call of a configuration has ended that Apply put another in place of. It is set before
	// Apply, and called on a goroutine that Shutdown waits for.
	Ended func()

	log      *slog.Logger
	keeper   *reload.Keeper
	engine   atomic.Pointer[gateway.Engine]
	clusters clusters
	plans    plans
	sessions sessions
	grpc     *grpc.Server
	health   *health.Server
	door     door
}

// New returns a server without a configuration: it is not healthy before the first Apply.
func New(log *slog.Logger) *Server {
	s := &Server{log: log, keeper: reload.New(log), health: health.NewServer()}
	s.sessions.init()
	s.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	s.grpc = grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.InTapHandle(tapped), grpc.ForceServerCodecV2(newCodec()),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow))
	s.grpc.RegisterService(s.service(), s)
	accesslogv3.RegisterAccessLogServiceServer(s.grpc, accessLog{server: s})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	return s
}

// Apply makes new calls begin with g as compiled, and records them into t, whose predecessor is shut down when its calls have ended.
func (s *Server) Apply(_ context.Context, _ *ir.Gateway, compiled *gateway.Snapshot, t *telemetry.Pipeline) error {
	s.clusters.add(compiled)
	s.keeper.Apply(compiled, t, func(old *gateway.Snapshot) {
		s.clusters.remove(old)
		if s.Ended != nil {
			s.Ended()
		}
	})
	s.engine.Store(s.keeper.Engine())
	s.health.SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
	return nil
}

// Serve answers Envoy on ln until Shutdown. The error is nil after that.
func (s *Server) Serve(ln net.Listener) error { return s.grpc.Serve(ln) }

// Shutdown ends the server: it is not healthy any more and refuses new calls, running calls go on for drain at most, then they are
// ended, and what was recorded is exported. Envoy is to be told before to accept no more. The error says what did not work out.
func (s *Server) Shutdown(drain time.Duration) error {
	s.health.Shutdown()
	left := s.door.shut()
	s.within(drain)
	var told sync.WaitGroup
	for _, x := range s.sessions.all() {
		told.Go(x.shutdown)
	}
	if !s.within(lastPatience) {
		s.log.Warn("calls outlasted the drain")
	}
	select {
	case <-left: // Envoy has all that was said
	case <-time.After(lastPatience):
	}
	s.grpc.Stop() // lets go of those that wait for Envoy
	told.Wait()
	return s.keeper.Shutdown()
}

// door counts the streams R that are served. It is safe for concurrent use.
type door struct {
	mu     sync.Mutex
	inside int
	closed chan struct{} // not nil when no more are let in; closed when nobody is inside
}

// enter reports whether a stream may be served; then leave is to follow.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil {
		return false
	}
	d.inside++
	return true
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
	if d.inside == 0 && d.closed != nil {
		close(d.closed)
	}
}

// shut lets no more in. The channel is closed when all have left.
func (d *door) shut() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed == nil {
		d.closed = make(chan struct{})
		if d.inside == 0 {
			close(d.closed)
		}
	}
	return d.closed
}

// within waits for the running calls, at most d, and reports whether they have ended.
func (s *Server) within(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return s.keeper.Wait(ctx)
}

// Running is the number of calls that Envoy has told of and that have not ended.
func (s *Server) Running() int { return int(s.sessions.count.Load()) }

// clusters has the name of the cluster of each backend of the snapshots in use. It is safe for concurrent use; of is lock-free.
type clusters struct {
	mu    sync.Mutex
	names atomic.Pointer[map[*gateway.Backend]string]
}

func (c *clusters) of(b *gateway.Backend) string { return (*c.names.Load())[b] }

func (c *clusters) add(s *gateway.Snapshot) {
	c.change(func(names map[*gateway.Backend]string) {
		for _, b := range s.Backends {
			names[b] = xds.ClusterName(b.Name, b.Scheme, b.Host, b.HTTP2, b.TLS)
		}
	})
}

func (c *clusters) remove(s *gateway.Snapshot) {
	c.change(func(names map[*gateway.Backend]string) {
		for _, b := range s.Backends {
			delete(names, b)
		}
	})
}

// change puts a changed copy of the names in place.
func (c *clusters) change(f func(map[*gateway.Backend]string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[*gateway.Backend]string{}
	if old := c.names.Load(); old != nil {
		for b, name := range *old {
			names[b] = name
		}
	}
	f(names)
	c.names.Store(&names)
}
