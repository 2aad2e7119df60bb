// Package proxy is the native data plane: HTTP servers whose handler drives the pipeline of internal/gateway, and clients of
// the backends. [New] makes a [Server], [Server.Apply] gives it a configuration, the first and every later one, and
// [Server.Shutdown] drains it.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spanway/spanway/internal/admin"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/reload"
	"github.com/spanway/spanway/internal/telemetry"
)

// headPatience is how long a client may take to send a request's head; idlePatience how long a connection may be unused.
const (
	headPatience = 15 * time.Second
	idlePatience = 120 * time.Second
)

// Server is the native data plane. Its methods are for one goroutine.
type Server struct {
	log     *slog.Logger
	clients clients
	keeper  *reload.Keeper
	gate    *gate
	open    map[string]*listening // by address
	admin   admin.Server
	ready   atomic.Bool
	certAge time.Duration // certificateAge, but for tests

	base   context.Context // of every client's request
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // serving goroutines
}

// listening is one open listener.
type listening struct {
	conf   ir.Listener
	server *http.Server
	addr   net.Addr
	certs  *certificates // nil without TLS
}

// New returns a server without a configuration.
func New(log *slog.Logger) *Server {
	s := &Server{log: log, keeper: reload.New(log), open: map[string]*listening{}, gate: newGate(), certAge: certificateAge}
	s.admin.Ready, s.admin.Log = s.ready.Load, log
	s.base, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// Apply makes new calls begin with g as compiled, and records them into t, whose predecessor is shut down when its calls
// have ended. Listeners open and close as g says. After an error the old configuration goes on, and t is the caller's to
// shut down.
func (s *Server) Apply(ctx context.Context, g *ir.Gateway, compiled *gateway.Snapshot, t *telemetry.Pipeline) error {
	if err := s.clients.add(compiled); err != nil {
		return err
	}
	renewed, err := s.renewed(g)
	if err != nil {
		s.clients.remove(compiled)
		return err
	}
	opened, err := s.bind(ctx, g)
	if err != nil {
		s.clients.remove(compiled)
		return err
	}
	operators, err := s.admin.Listen(ctx, g.Admin)
	if err != nil {
		closeAll(opened)
		s.clients.remove(compiled)
		return err
	}
	s.keeper.Apply(compiled, t, s.clients.remove)
	s.gate.resize(g.Limits.Connections)
	s.admin.SetMetrics(t.MetricsHandler())
	s.admin.Serve(g.Admin, operators)
	for _, o := range opened {
		s.serve(o)
	}
	for l, p := range renewed {
		l.certs.pairs.Store(p)
	}
	for i := range g.Listeners {
		s.open[g.Listeners[i].Address].conf = g.Listeners[i]
	}
	s.closeOthers(g)
	s.ready.Store(true)
	return nil
}

// bound is a listener that is open but not yet served.
type bound struct {
	conf    ir.Listener
	ln      net.Listener
	tls     *tls.Config
	certs   *certificates
	headers int64
}

func closeAll(opened []bound) {
	for _, o := range opened {
		_ = o.ln.Close()
	}
}

// renewed are the certificates by content of the listeners of g that are open.
func (s *Server) renewed(g *ir.Gateway) (map[*listening]*pairs, error) {
	out := map[*listening]*pairs{}
	for i := range g.Listeners {
		l := &g.Listeners[i]
		have := s.open[l.Address]
		if have == nil || have.certs == nil || l.TLS == nil {
			continue
		}
		p, err := newPairs(l.TLS.Pairs)
		if err == nil && len(p.all) == 0 && have.certs.file == nil {
			err = errors.New("no certificate")
		}
		if err != nil {
			return nil, fmt.Errorf("listener %q: %w", l.Name, err)
		}
		out[have] = p
	}
	return out, nil
}

// bind opens the listeners of g that are not open, all or none.
func (s *Server) bind(ctx context.Context, g *ir.Gateway) (opened []bound, err error) {
	defer func() {
		if err != nil {
			closeAll(opened)
			opened = nil
		}
	}()
	for _, l := range g.Listeners {
		o := bound{conf: l, headers: g.Limits.Headers}
		if have := s.open[l.Address]; have != nil {
			if !sameListener(&have.conf, &l) {
				return opened, fmt.Errorf("listener %q: protocol and TLS of an open listener, certificates aside, change only with a restart", l.Name)
			}
			continue
		}
		if l.TLS != nil {
			if o.tls, o.certs, err = serverTLS(l.TLS, s.certAge); err != nil {
				return opened, fmt.Errorf("listener %q: %w", l.Name, err)
			}
		}
		var lc net.ListenConfig
		o.ln, err = lc.Listen(ctx, "tcp", l.Address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return opened, fmt.Errorf("listener %q: %s is in use: stop what listens there, or configure another address", l.Name, l.Address)
		} else if err != nil {
			return opened, fmt.Errorf("listener %q: %w", l.Name, err)
		}
		opened = append(opened, o)
	}
	return opened, nil
}

// sameListener reports whether b can be what the open listener a is. Certificates by content may differ.
func sameListener(a, b *ir.Listener) bool {
	if a.Protocol != b.Protocol || (a.TLS == nil) != (b.TLS == nil) {
		return false
	}
	if a.TLS == nil {
		return true
	}
	x, y := *a.TLS, *b.TLS
	x.Pairs, y.Pairs = nil, nil
	return reflect.DeepEqual(x, y)
}

func (s *Server) serve(o bound) {
	l := &listening{conf: o.conf, addr: o.ln.Addr(), certs: o.certs}
	l.server = &http.Server{
		ReadHeaderTimeout: headPatience, IdleTimeout: idlePatience, MaxHeaderBytes: int(o.headers), TLSConfig: o.tls,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	scheme := "http"
	if o.tls != nil {
		scheme = "https"
	}
	l.server.Handler = &handler{engine: s.keeper.Engine(), clients: &s.clients, log: s.log, address: o.conf.Address, scheme: scheme, patience: bodyPatience}
	l.server.BaseContext = func(net.Listener) context.Context { return s.base }
	l.server.ConnContext = rememberConn
	l.server.Protocols = new(http.Protocols)
	l.server.Protocols.SetHTTP1(true)
	l.server.Protocols.SetHTTP2(o.tls != nil)
	l.server.Protocols.SetUnencryptedHTTP2(o.tls == nil)
	var ln net.Listener = &gatedListener{Listener: o.ln, gate: s.gate}
	if o.tls != nil {
		ln = tls.NewListener(ln, o.tls)
	}
	s.open[o.conf.Address] = l
	s.wg.Go(func() {
		if err := l.server.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("listener failed", "listener", o.conf.Name, "error", err)
		}
	})
}

// closeOthers drains the listeners that g does not name.
func (s *Server) closeOthers(g *ir.Gateway) {
	keep := map[string]bool{}
	for _, l := range g.Listeners {
		keep[l.Address] = true
	}
	for addr, l := range s.open {
		if !keep[addr] {
			delete(s.open, addr)
			s.wg.Go(func() { s.drain(context.Background(), l, g.Shutdown.Drain) })
		}
	}
}

// drain stops accepting on l and waits for its calls, at most d.
func (s *Server) drain(ctx context.Context, l *listening, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		s.log.Warn("calls outlasted the drain", "listener", l.conf.Name)
	}
}

// URLs are where clients reach the gateway, sorted.
func (s *Server) URLs() []string {
	var out []string
	for _, l := range s.open {
		out = append(out, l.url())
	}
	slices.Sort(out)
	return out
}

// ListenerURL is where clients reach the listener called name; "" when there is none.
func (s *Server) ListenerURL(name string) string {
	for _, l := range s.open {
		if l.conf.Name == name {
			return l.url()
		}
	}
	return ""
}

func (l *listening) url() string {
	if l.conf.TLS != nil { // the server makes itself a TLSConfig
		return "https://" + l.addr.String()
	}
	return "http://" + l.addr.String()
}

// AdminAddress is where the admin listener answers; "" when there is none.
func (s *Server) AdminAddress() string { return s.admin.Address() }

// lastPatience is how long calls may take to end after they were told to.
const lastPatience = 5 * time.Second

// Shutdown ends the server: nothing new is accepted, running calls go on for drain at most, then they are ended, and what was
// recorded is exported. The error says what did not work out.
func (s *Server) Shutdown(drain time.Duration) error {
	s.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	var calls sync.WaitGroup
	for _, l := range s.open {
		calls.Go(func() {
			if l.server.Shutdown(ctx) == nil {
				return
			}
			s.cancel(gateway.ErrShutdown)
			last, cancel := context.WithTimeout(context.Background(), lastPatience)
			defer cancel()
			if l.server.Shutdown(last) != nil {
				_ = l.server.Close()
			}
		})
	}
	calls.Wait()
	s.cancel(gateway.ErrShutdown)
	err := s.keeper.Shutdown() // closing a connection does not wait for its handler
	if e := s.keeper.Engine(); e != nil {
		s.clients.remove(e.Snapshot())
	}
	s.admin.Close()
	s.wg.Wait()
	return err
}
