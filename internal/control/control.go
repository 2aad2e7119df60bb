// Package control is how a controller and the data planes of its Gateways talk. A [Server] tells Envoys what to do by the aggregated
// discovery service (internal/xds), and their sidecars, "spanway extproc", by a stream of whole configurations, on one port over TLS;
// a [Client] is the sidecar's end of that stream. docs/control.md has the protocol.
//
// A pod is an Envoy with its sidecar. A change goes through each pod by itself, so that no call is lost in it and no pod waits for
// another: Envoy takes the new configuration beside the old one, the sidecar begins new calls with the new one, and when the last
// call of the old one has ended Envoy gives that up.
package control

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// Bounds of the gRPC server.
const (
	maxMessage  = ir.MaxEncoded + 1<<20 // bytes
	maxStreams  = 16                    // of one connection
	pingEvery   = 30 * time.Second      // on a quiet connection
	pingTimeout = 10 * time.Second
	pingLeast   = 5 * time.Second // between a client's pings
)

// Options are what New needs to know.
type Options struct {
	Log *slog.Logger
	TLS *tls.Config // with the server's certificate
	// Authenticate says whose a token is. It is asked once a minute at most for each token, and must be safe for concurrent use.
	Authenticate func(ctx context.Context, token string) (Identity, error)
	// Check says why a sidecar would refuse a configuration, before Envoys are told of it; nil = sidecars say it themselves. What it
	// does not find is found by them.
	Check func(g *ir.Gateway) error
	// Processor is where sidecars listen, and Roots the file of authorities in Envoy's container, both as xds.Options has them.
	Processor, Roots string
}

// Identity is a service account. It may have the configuration of the Gateway of its name and namespace, and no other.
type Identity struct {
	Namespace, Name string
	Pod             string // that the token is bound to; "" = not known
}

// Gateway is a Gateway object's data plane.
type Gateway struct {
	Namespace, Name string
	IR              *ir.Gateway // does not change; nil = what was published before goes on
	Processor       bool        // its Envoys have a sidecar
}

// State is how far a Gateway's pods are.
type State struct {
	Envoys, Sidecars int    // connected
	Current          int    // pods that use what was published last
	Refused          string // why what was published last cannot be used, by one pod at least; "" = nobody says so
}

// Server serves the pods of all Gateways. Its methods are safe for concurrent use.
type Server struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	o        Options
	patience patience
	grpc     *grpc.Server
	tokens   tokens
	changed  chan struct{}
	base     context.Context // ends with Shutdown
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu        sync.Mutex
	planes    map[place]*plane
	published []Gateway  // not prepared yet; nil = none
	preparing *sync.Cond // of mu: something was published and is not prepared
	busy      bool       // that
	fresh     chan struct{}
	counts    Metrics
}

// place names a Gateway object.
type place struct{ namespace, name string }

// New returns a server that has nothing to tell yet.
func New(o Options) *Server {
	s := &Server{o: o, patience: usual(), changed: make(chan struct{}, 1), fresh: make(chan struct{}, 1), planes: map[place]*plane{}}
	s.counts.Latency.Counts = make([]uint64, len(LatencyBounds)+1)
	s.preparing = sync.NewCond(&s.mu)
	s.base, s.cancel = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(grpc.Creds(credentials.NewTLS(o.TLS)), grpc.StreamInterceptor(s.admit), grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(max(maxMessage, xds.MaxTold+1<<20)), grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingLeast, PermitWithoutStream: true}))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, s)
	s.grpc.RegisterService(s.service(), s)
	s.wg.Go(s.prepare)
	return s
}

// Publish makes gateways, all that there are, what pods get: the latest counts. It returns at once; Changed tells when pods have
// taken it. A Gateway that is not among them any more keeps what its pods have, until they go.
func (s *Server) Publish(gateways []Gateway) {
	s.mu.Lock()
	s.published, s.busy = append([]Gateway{}, gateways...), true // not nil
	s.mu.Unlock()
	signal(s.fresh)
}

// Changed has something to receive after State has changed, of whichever Gateway. It is for one receiver.
func (s *Server) Changed() <-chan struct{} { return s.changed }

// State is that of a Gateway, with regard to what was published last; zero when nothing is known of it.
func (s *Server) State(namespace, name string) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy && s.base.Err() == nil {
		s.preparing.Wait()
	}
	p := s.planes[place{namespace, name}]
	if p == nil {
		return State{}
	}
	return p.state()
}

// Serve answers on ln until Shutdown. The error is nil after that.
func (s *Server) Serve(ln net.Listener) error { return s.grpc.Serve(ln) }

// Shutdown ends all streams: pods go on with what they have, and come back when there is a server again.
func (s *Server) Shutdown() {
	s.cancel()
	s.grpc.Stop()
	s.wg.Wait()
}

// prepare makes what is published ready to be told, until the server ends.
func (s *Server) prepare() {
	for {
		select {
		case <-s.fresh:
		case <-s.base.Done():
			s.mu.Lock()
			s.preparing.Broadcast()
			s.mu.Unlock()
			return
		}
		s.mu.Lock()
		gateways := s.published
		s.published = nil
		s.mu.Unlock()
		if gateways == nil {
			continue
		}
		there, changed := map[place]bool{}, false
		for i := range gateways {
			there[place{gateways[i].Namespace, gateways[i].Name}] = true
			changed = s.renew(&gateways[i]) || changed
		}
		changed = s.forget(there) || changed
		s.mu.Lock()
		s.busy = s.published != nil
		s.mu.Unlock()
		s.preparing.Broadcast()
		if changed {
			signal(s.changed)
		}
	}
}

// signal wakes who waits for c, or who will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already
	}
}
