package xds

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Server tells Envoys their configuration by the aggregated discovery service, in its state-of-the-world form. All Envoys get the
// same. It is safe for concurrent use; publications are made one after the other.
type Server struct {
	// Warm waits until Envoy uses all clusters that it has accepted: one with a name to look up is not used before. nil = nobody
	// waits. It is set before Publish is called.
	Warm func(ctx context.Context) error
	// Changed is called when an Envoy comes, goes, or answers; it must return at once. nil = nobody wants to know. It is set before
	// any Envoy comes.
	Changed func()

	log    *slog.Logger
	cache  cachev3.SnapshotCache
	answer serverv3.Server

	publishing sync.Mutex
	current    *Resources // of the last publication that was accepted; nil = none was
	offered    *Resources // current, and what earlier publications had and Prune has not taken away

	mu      sync.Mutex
	opened  int // streams, ever
	streams map[int64]*client
	changed chan struct{} // closed, and made anew, when something of streams changes
}

// client is one Envoy's stream.
type client struct {
	sent     map[string]sent      // kind → the last version that it was told
	accepted map[string]string    // kind → version
	refused  map[string]rejection // kind → the last version that it did not take
}

type (
	sent      struct{ nonce, version string }
	rejection struct{ version, reason string }
)

// MaxTold is the most that Envoys are told of one kind of resources, bytes.
const MaxTold = 64 << 20

// everyNode is the name under which the cache holds the one configuration.
type everyNode struct{}

// ID implements cachev3.NodeHash.
func (everyNode) ID(*corev3.Node) string { return "" }

// NewServer returns a server that has nothing to tell yet.
func NewServer(log *slog.Logger) *Server {
	s := &Server{log: log, cache: cachev3.NewSnapshotCache(false, everyNode{}, nil), streams: map[int64]*client{}, changed: make(chan struct{})}
	s.answer = serverv3.NewServer(context.Background(), s.cache, serverv3.CallbackFuncs{
		StreamOpenFunc: s.open, StreamClosedFunc: s.closed, StreamRequestFunc: s.heard, StreamResponseFunc: s.said,
	})
	return s
}

// Register makes g serve it.
func (s *Server) Register(g *grpc.Server) {
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, s.answer)
}

// Stream answers an Envoy on a stream that somebody else accepted, until it ends.
func (s *Server) Stream(stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return s.answer.StreamAggregatedResources(stream)
}

// Streams is how many Envoys are connected, and how many streams there were in all.
func (s *Server) Streams() (connected, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams), s.opened
}

// Assume takes r for what was published before, by another Server, to Envoys that come to this one. It is called before Publish.
func (s *Server) Assume(r *Resources) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.current, s.offered = r, r
}

// Publish tells r, built with Options.ADS, to every Envoy that is connected, at least one, and returns when all have accepted
// it. What earlier publications had stays until Prune, so that running calls go on: a call that was planned before finds its
// cluster and its route. New clusters come before the routes that lead to them. An error says why an Envoy refused, or that ctx
// ended first, or that r is more than MaxTold; then what was published before is so again, if there was anything.
func (s *Server) Publish(ctx context.Context, r *Resources) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	steps := []*Resources{r}
	if s.offered != nil {
		all := union(r, s.offered)
		steps = []*Resources{{Clusters: all.Clusters, Listeners: s.offered.Listeners, Routes: s.offered.Routes, Secrets: s.offered.Secrets}, all}
	}
	for i, step := range steps {
		err := s.offer(ctx, step)
		if err == nil && i+1 < len(steps) && s.Warm != nil {
			err = s.Warm(ctx)
		}
		if err != nil {
			if s.offered != nil {
				_, again := s.set(s.offered)
				err = errors.Join(err, again)
			}
			return err
		}
	}
	s.current, s.offered = r, steps[len(steps)-1]
	return nil
}

// Prune takes away what only earlier publications had: for when no call of theirs runs any more. It returns when all Envoys have
// accepted that, or ctx ends.
func (s *Server) Prune(ctx context.Context) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.current == nil || s.current == s.offered {
		return nil
	}
	// Clusters go after the routes to them: both at once lost calls.
	routes := &Resources{Clusters: s.offered.Clusters, Listeners: s.current.Listeners, Routes: s.current.Routes, Secrets: s.current.Secrets, asked: s.current.asked}
	for _, step := range []*Resources{routes, s.current} {
		if err := s.offer(ctx, step); err != nil {
			return err
		}
		s.offered = step
	}
	return nil
}

// offer tells r and waits until it is accepted.
func (s *Server) offer(ctx context.Context, r *Resources) error {
	s.mu.Lock()
	for _, c := range s.streams {
		clear(c.refused)
	}
	s.mu.Unlock()
	want, err := s.set(r)
	if err != nil {
		return err
	}
	for {
		s.mu.Lock()
		changed := s.changed
		done, err := s.settled(want)
		s.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the configuration was not accepted by Envoy yet: %w", ctx.Err())
		}
	}
}

// settled reports whether every stream has accepted the versions of want. It is called with mu held.
func (s *Server) settled(want map[string]string) (bool, error) {
	done := len(s.streams) > 0
	for _, c := range s.streams {
		for kind, v := range want {
			if no := c.refused[kind]; no.version == v {
				return false, fmt.Errorf("the configuration was refused by Envoy: %s", no.reason)
			}
			done = done && c.accepted[kind] == v
		}
	}
	return done, nil
}

// set makes r what the cache tells, and returns the versions of the kinds of which there is something.
func (s *Server) set(r *Resources) (want map[string]string, err error) {
	want = map[string]string{}
	snapshot := &cachev3.Snapshot{}
	for kind, list := range r.kinds() {
		v, size, err := version(list)
		if err != nil {
			return nil, fmt.Errorf("publish: %w", err)
		}
		if size > MaxTold {
			return nil, fmt.Errorf("publish: the resources of %s have %d MiB, and Envoy is told at most %d MiB at once: spread what they are made of over more Gateways",
				kind, size>>20, MaxTold>>20)
		}
		snapshot.Resources[cachev3.GetResponseType(kind)] = cachev3.NewResources(v, list)
		if len(list) > 0 {
			want[kind] = v
		}
	}
	if err := s.cache.SetSnapshot(context.Background(), "", snapshot); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return want, nil
}

// kinds are r's resources by their type's URL.
func (r *Resources) kinds() map[string][]types.Resource {
	return map[string][]types.Resource{
		resourcev3.ClusterType: resources(r.Clusters), resourcev3.ListenerType: resources(r.Listeners),
		resourcev3.RouteType: resources(r.Routes), resourcev3.SecretType: resources(r.Secrets),
	}
}

func resources[T types.Resource](list []T) []types.Resource {
	out := make([]types.Resource, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

// version names what list says: equal lists have equal versions, so that nothing is told twice. It has size bytes.
func version(list []types.Resource) (name string, size int, err error) {
	h := fnv.New64a()
	for _, r := range list {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
		if err != nil {
			return "", 0, err
		}
		_, _ = fmt.Fprintf(h, "%d ", len(b)) // a hash takes every write
		_, _ = h.Write(b)                    // likewise
		size += len(b)
	}
	return fmt.Sprintf("%016x", h.Sum64()), size, nil
}

func (s *Server) open(_ context.Context, id int64, _ string) error {
	s.update(func() {
		s.opened++
		s.streams[id] = &client{sent: map[string]sent{}, accepted: map[string]string{}, refused: map[string]rejection{}}
	})
	return nil
}

func (s *Server) closed(id int64, _ *corev3.Node) {
	s.update(func() { delete(s.streams, id) })
}

// said remembers which version the last nonce of a kind stands for.
func (s *Server) said(_ context.Context, id int64, _ *discoveryv3.DiscoveryRequest, resp *discoveryv3.DiscoveryResponse) {
	s.update(func() {
		if c := s.streams[id]; c != nil {
			c.sent[resp.GetTypeUrl()] = sent{nonce: resp.GetNonce(), version: resp.GetVersionInfo()}
		}
	})
}

// heard reads what an Envoy says to a version: with an error it refuses that of the nonce, and tells the one that it keeps.
func (s *Server) heard(id int64, req *discoveryv3.DiscoveryRequest) error {
	kind := req.GetTypeUrl()
	if d := req.GetErrorDetail(); d != nil {
		s.log.Error("Envoy refused its configuration", "kind", kind, "reason", d.GetMessage())
	}
	s.update(func() {
		c := s.streams[id]
		if c == nil {
			return
		}
		if d := req.GetErrorDetail(); d != nil {
			if last := c.sent[kind]; last.nonce == req.GetResponseNonce() {
				c.refused[kind] = rejection{version: last.version, reason: d.GetMessage()}
			}
		} else {
			c.accepted[kind] = req.GetVersionInfo()
		}
	})
	return nil
}

func (s *Server) update(f func()) {
	s.mu.Lock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if s.Changed != nil {
		s.Changed()
	}
}
