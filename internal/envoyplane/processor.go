package envoyplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spanway/spanway/internal/admin"
	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/extproc"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

// Processor is what an Envoy asks that runs elsewhere, with a bootstrap of "spanway translate". Its methods are for one goroutine.
type Processor struct {
	// Alone is called with the newest configuration when the last call has ended that began with an older one. It must return at
	// once, and is set before the first Apply; nil = nobody wants to know.
	Alone func(newest *ir.Gateway)

	server  *extproc.Server
	admin   admin.Server
	address string // of admin in place of the configuration's; "" = that
	listen  string
	ln      net.Listener // nil before the first Apply
	ready   atomic.Bool
	drain   sync.Once
	drained error // the result of drain
	wg      sync.WaitGroup
	log     *slog.Logger

	mu     sync.Mutex // held while a configuration is put in place of another
	newest *ir.Gateway
	old    int // configurations that calls still run on, the newest aside
}

// NewProcessor returns a processor without a configuration. It listens at unix:PATH or HOST:PORT from the first Apply on. admin is
// used in place of the configuration's address of health and metrics, unless it is ""; "off" is none.
func NewProcessor(log *slog.Logger, listen, admin string) *Processor {
	p := &Processor{server: extproc.New(log), listen: listen, address: admin, log: log}
	p.admin.Ready, p.admin.Log = p.ready.Load, log
	p.server.Ended = p.ended
	return p
}

// Open has operators answered before the first Apply, where the address is known by then: that it is not ready yet.
func (p *Processor) Open(ctx context.Context) error {
	if p.address == "" || p.address == "off" {
		return nil
	}
	ln, err := p.admin.Listen(ctx, p.address)
	if err != nil {
		return err
	}
	p.admin.Serve(p.address, ln)
	return nil
}

// Apply is that of every data plane: new calls begin with g as compiled, and are recorded into t, whose predecessor is shut down
// when its calls have ended. Listeners of g are not the processor's.
func (p *Processor) Apply(ctx context.Context, g *ir.Gateway, compiled *gateway.Snapshot, t *telemetry.Pipeline) error {
	at := g.Admin
	switch p.address {
	case "":
	case "off":
		at = ""
	default:
		at = p.address
	}
	operators, err := p.admin.Listen(ctx, at)
	if err != nil {
		return err
	}
	if p.ln == nil {
		if p.ln, err = listen(ctx, p.listen); err != nil {
			if operators != nil {
				_ = operators.Close()
			}
			return err
		}
		defer p.wg.Go(func() { serve(p.server, p.ln, p.log) })
	}
	p.admin.SetMetrics(t.MetricsHandler())
	p.admin.Serve(at, operators)
	p.ready.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.newest != nil {
		p.old++
	}
	p.newest = g
	return p.server.Apply(ctx, g, compiled, t)
}

// ended is called when the last call of an old configuration has ended.
func (p *Processor) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.old--; p.old == 0 && p.Alone != nil {
		p.Alone(p.newest)
	}
}

// DrainWith lets whoever knows key have this processor's Envoy drained, whose administration interface is a, by GET /drain/KEY of the
// admin server. It is called before the first Apply.
func (p *Processor) DrainWith(a *envoy.Admin, key string) {
	p.admin.DrainKey = key
	p.admin.Drain = func(after time.Duration) error {
		p.drain.Do(func() { p.drained = drain(a, after) })
		return p.drained
	}
}

// drainPatience is how long the calls of an Envoy that drains may go on.
const drainPatience = 30 * time.Second

// drain takes an Envoy out of rotation, goes on for a while, and waits for its calls and for its last spans to be on their way.
func drain(a *envoy.Admin, after time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), after+drainPatience)
	defer cancel()
	if err := a.Leave(ctx); err != nil {
		return err
	}
	time.Sleep(after)
	err := a.Drain(ctx)
	time.Sleep(xds.TraceFlush + xds.TraceFlush/2)
	return err
}

// URLs are none: clients reach Envoy.
func (p *Processor) URLs() []string { return nil }

// Address is where it listens, as it was asked for or as the kernel chose.
func (p *Processor) Address() string {
	if p.ln == nil || strings.HasPrefix(p.listen, unixPrefix) {
		return p.listen
	}
	return p.ln.Addr().String()
}

// AdminAddress is where it answers operators; "" when it does not.
func (p *Processor) AdminAddress() string { return p.admin.Address() }

// Shutdown lets running calls go on for drain at most, ends the rest, and exports what was recorded.
func (p *Processor) Shutdown(drain time.Duration) error {
	p.ready.Store(false)
	err := p.server.Shutdown(drain)
	p.admin.Close()
	p.wg.Wait()
	return err
}

const unixPrefix = "unix:"

// listen opens unix:PATH or HOST:PORT. Whoever reaches it can have the providers' credentials: a socket is for this user alone,
// and one that a process left behind is taken over.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	path, unix := strings.CutPrefix(address, unixPrefix)
	if !unix {
		ln, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("processor: %w", err)
		}
		return ln, nil
	}
	if err := takeOver(ctx, path); err != nil {
		return nil, fmt.Errorf("processor: %w", err)
	}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("processor: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("processor: %w", err)
	}
	return ln, nil
}

// takeOver removes a socket that nobody listens on.
func takeOver(ctx context.Context, path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	var d net.Dialer
	if c, err := d.DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("%s is in use: stop what listens there, or give another --listen", path)
	}
	return os.Remove(path)
}

// serving is a server that answers on a listener until it is stopped.
type serving interface{ Serve(ln net.Listener) error }

func serve(s serving, ln net.Listener, log *slog.Logger) {
	if err := s.Serve(ln); err != nil {
		log.Error("listener failed", "listener", ln.Addr().String(), "error", err)
	}
}
