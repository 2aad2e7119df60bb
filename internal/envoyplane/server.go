// Package envoyplane is Envoy as the data plane of one process: [Server] runs an Envoy as a child, tells it its configuration by xDS,
// and answers what it asks about every call, over Unix sockets in a folder of its own. It has the methods of the native data plane,
// internal/proxy. [Processor] is its part for an Envoy that runs elsewhere.
package envoyplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/spanway/spanway/internal/admin"
	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/extproc"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

// Bounds of what is waited for.
const (
	startPatience = 30 * time.Second // until Envoy serves its first configuration
	applyPatience = 15 * time.Second // until Envoy has taken another, looked up the names in it, and perhaps been started again before
	lastPatience  = 5 * time.Second  // until the last bytes have left Envoy
)

// maxDir is the longest path of the folder of sockets, bytes: a socket's whole path has 107 at most.
const maxDir = 90

// Options are what the process knows and the configuration does not say.
type Options struct {
	Log         *slog.Logger
	Envoy       envoy.Binary
	LogLevel    string    // Envoy's; "" = warning
	Concurrency int       // Envoy's worker threads; 0 = one for each of the machine's
	Stdout      io.Writer // gets Envoy's standard output; nil = nobody does
	DemoURL     string    // where the built-in demo provider answers
}

// Server is the data plane. Its methods are for one goroutine.
type Server struct {
	o         Options
	processor *extproc.Server
	control   *xds.Server
	grpc      *grpc.Server // of control
	admin     admin.Server
	child     *envoy.Process // nil before the first Apply
	dir       string         // of sockets and the bootstrap
	places    places
	ready     atomic.Bool
	traces    bool           // some configuration had Envoy trace
	wg        sync.WaitGroup // serving
	base      context.Context
	cancel    context.CancelFunc // of base, by Shutdown

	mu  sync.Mutex // held while a configuration is put in place of another, and while old ones are taken away
	old int        // configurations that calls still run on, the newest aside
}

// New returns a data plane that runs nothing yet.
func New(o Options) *Server {
	s := &Server{o: o, processor: extproc.New(o.Log), control: xds.NewServer(o.Log), grpc: grpc.NewServer()}
	s.processor.Ended = s.ended
	s.control.Register(s.grpc)
	s.base, s.cancel = context.WithCancel(context.Background())
	s.admin.Log = o.Log
	s.admin.Ready = func() bool { return s.ready.Load() && s.child.Live() }
	return s
}

// Apply makes new calls begin with g as compiled, and records them into t, whose predecessor is shut down when its calls have
// ended. Envoy has taken the new configuration, beside the old one, before the first call begins with it, and gives up the old
// one when its last call has ended. After an error the old configuration goes on, and t is the caller's to shut down.
func (s *Server) Apply(ctx context.Context, g *ir.Gateway, compiled *gateway.Snapshot, t *telemetry.Pipeline) error {
	found, err := s.places.find(ctx, g)
	if err != nil {
		return err
	}
	operators, err := s.admin.Listen(ctx, g.Admin)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.tell(ctx, g, found); err != nil {
		if operators != nil {
			_ = operators.Close()
		}
		return err
	}
	if s.ready.Load() {
		s.old++
	}
	s.places = found
	s.traces = s.traces || g.Envoy.Tracing != nil
	s.admin.SetMetrics(t.MetricsHandler())
	s.admin.Serve(g.Admin, operators)
	err = s.processor.Apply(ctx, g, compiled, t)
	s.ready.Store(true)
	return err
}

// tell has Envoy take g. The first time it starts everything.
func (s *Server) tell(ctx context.Context, g *ir.Gateway, found places) error {
	if s.child == nil {
		if err := s.prepare(ctx); err != nil {
			return err
		}
	}
	r, err := xds.Build(g, xds.Options{Processor: unixPrefix + filepath.Join(s.dir, "processor.sock"), DemoURL: s.o.DemoURL, Roots: xds.SystemRoots(),
		Listen: found.told(), ADS: true})
	if err != nil {
		return err
	}
	if s.child == nil {
		return s.start(ctx, g, r)
	}
	ctx, cancel := context.WithTimeout(ctx, applyPatience)
	defer cancel()
	return s.control.Publish(ctx, r)
}

// prepare opens the sockets that Envoy will use.
func (s *Server) prepare(ctx context.Context) (err error) {
	if s.dir != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "spanway-")
	if err == nil && len(dir) > maxDir {
		_ = os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "spanway-")
	}
	if err != nil {
		return fmt.Errorf("a folder for sockets: %w", err)
	}
	s.dir = dir
	for _, o := range []struct {
		name  string
		serve serving
	}{{"processor", s.processor}, {"control", s.grpc}} {
		ln, err := listen(ctx, unixPrefix+filepath.Join(dir, o.name+".sock"))
		if err != nil {
			return err
		}
		s.wg.Go(func() { serve(o.serve, ln, s.o.Log) })
	}
	return nil
}

// start runs Envoy and waits until it serves r.
func (s *Server) start(ctx context.Context, g *ir.Gateway, r *xds.Resources) error {
	b, err := xds.Dynamic(xds.Boot{Node: "spanway", Control: unixPrefix + filepath.Join(s.dir, "control.sock"),
		Connections: g.Limits.Connections})
	if err != nil {
		return err
	}
	text, err := xds.YAML(b)
	if err != nil {
		return err
	}
	child, err := envoy.Start(&envoy.Options{Binary: s.o.Envoy.Path, Bootstrap: text, Dir: s.dir, LogLevel: s.o.LogLevel, Concurrency: s.o.Concurrency,
		DrainTime: g.Shutdown.Drain, Environment: xds.Environment(g), Log: s.o.Log, Stdout: s.o.Stdout})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := child.Ready(ctx); err != nil {
			give(err)
		}
	})
	err = s.control.Publish(ctx, r)
	if err == nil {
		waiting.Wait()
		err = ctx.Err()
	}
	if err != nil {
		give(nil)
		waiting.Wait()
		child.Stop()
		if cause := context.Cause(ctx); ctx.Err() != nil && !errors.Is(cause, ctx.Err()) {
			err = cause
		}
		return err
	}
	s.child = child
	s.control.Warm = child.Warm
	return nil
}

// ended is called when the last call of an old configuration has ended.
func (s *Server) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.old--; s.old > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(s.base, applyPatience)
	defer cancel()
	if err := s.control.Prune(ctx); err != nil && s.base.Err() == nil {
		s.o.Log.Warn("envoy keeps what an old configuration had, until the next one", "error", err)
	}
}

// URLs are where clients reach Envoy, sorted.
func (s *Server) URLs() []string { return s.places.urls() }

// AdminAddress is where operators are answered; "" when they are not.
func (s *Server) AdminAddress() string { return s.admin.Address() }

// Child is the Envoy that runs; nil before the first Apply.
func (s *Server) Child() *envoy.Process { return s.child }

// Shutdown ends the data plane: Envoy accepts nothing new, running calls go on for drain at most, then they are ended, Envoy is
// stopped, and what was recorded is exported. The error says what did not work out.
func (s *Server) Shutdown(drain time.Duration) error {
	until := time.Now().Add(drain)
	s.ready.Store(false)
	s.cancel()
	if s.child != nil {
		s.drain(until)
	}
	err := s.processor.Shutdown(time.Until(until))
	if s.child != nil {
		ctx, cancel := context.WithTimeout(context.Background(), lastPatience)
		_ = s.child.Idle(ctx) // it is stopped all the same
		cancel()
		if s.traces {
			time.Sleep(xds.TraceFlush + xds.TraceFlush/2) // its last spans are on their way
		}
		s.child.Stop()
	}
	s.grpc.Stop()
	s.admin.Close()
	s.wg.Wait()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// drain has Envoy finish its calls. One that cannot is ended at once: what it accepted now would be refused.
func (s *Server) drain(until time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	err := s.child.Drain(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		s.o.Log.Warn("calls outlasted the drain")
	default:
		s.o.Log.Warn("envoy does not drain", "error", err)
		s.child.Stop()
	}
}
