// Package admin serves what operators ask a gateway: /healthz, /readyz, /metrics and, where it is wanted, /drain, whichever data plane carries its traffic.
// [Server.Listen] takes an address and [Server.Serve] answers there; in between a data plane can give up without having
// changed anything.
package admin

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// headPatience is how long a client may take to send a request's head; idlePatience how long a connection may be unused.
const (
	headPatience = 15 * time.Second
	idlePatience = 120 * time.Second
)

// Server answers on one address at a time. Metrics and Ready may be set at any time; the other methods are for one goroutine.
type Server struct {
	// Ready is asked by /readyz; nil is never. It is set before Serve and must be safe for concurrent use.
	Ready func() bool
	// Drain is asked by /drain/KEY?after=DURATION, which a pod's end may call first: it takes the gateway out of rotation, goes on
	// serving for that long, and returns when its calls have ended. nil = there is no such path. It is set before Serve and must be
	// safe for concurrent use.
	Drain func(after time.Duration) error
	// DrainKey is what /drain wants to be told: others who reach the address must not end the gateway. "" = there is no such path.
	DrainKey string
	// Log gets what goes wrong.
	Log *slog.Logger

	metrics atomic.Pointer[http.Handler]
	wg      sync.WaitGroup
	asked   string // the address that was asked for; "" = none
	server  *http.Server
	addr    net.Addr
}

// SetMetrics makes h answer /metrics. It is safe for concurrent use.
func (s *Server) SetMetrics(h http.Handler) { s.metrics.Store(&h) }

// Listen opens address for Serve. It returns nil when that is served already, or when address is "".
func (s *Server) Listen(ctx context.Context, address string) (net.Listener, error) {
	if address == "" || address == s.asked {
		return nil, nil //nolint:nilnil // documented
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("admin: %s is in use: stop what listens there, or configure another address", address)
	} else if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return ln, nil
}

// Serve answers at address, for which ln was opened, and no longer elsewhere; with a nil ln nothing changes, save that "" ends it.
func (s *Server) Serve(address string, ln net.Listener) {
	if ln == nil && address != "" {
		return
	}
	if s.server != nil {
		_ = s.server.Close()
	}
	s.asked, s.server, s.addr = address, nil, nil
	if ln == nil {
		return
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: headPatience, IdleTimeout: idlePatience,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug)}
	s.server, s.addr = server, ln.Addr()
	s.wg.Go(func() {
		if err := server.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("listener failed", "listener", "admin", "error", err)
		}
	})
}

// Address is where it answers, host:port; "" when it does not.
func (s *Server) Address() string {
	if s.addr == nil {
		return ""
	}
	return s.addr.String()
}

// Close ends it.
func (s *Server) Close() {
	s.Serve("", nil)
	s.wg.Wait()
}

// handler answers health, readiness and metrics. Nothing here is ever traced.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.Ready != nil && s.Ready() {
			say(w, http.StatusOK, "ready")
		} else {
			say(w, http.StatusServiceUnavailable, "not ready")
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if h := s.metrics.Load(); h != nil {
			(*h).ServeHTTP(w, r)
		} else {
			say(w, http.StatusServiceUnavailable, "no metrics yet")
		}
	})
	if s.Drain != nil && s.DrainKey != "" {
		mux.HandleFunc("GET /drain/{key}", s.drain)
	}
	return mux
}

// maxAfter bounds how long a gateway that is to end is asked to go on.
const maxAfter = 10 * time.Minute

func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.PathValue("key")), []byte(s.DrainKey)) != 1 {
		say(w, http.StatusForbidden, "wrong key")
		return
	}
	after, err := time.ParseDuration(cmp.Or(r.FormValue("after"), "0s"))
	if err != nil || after < 0 || after > maxAfter {
		say(w, http.StatusBadRequest, "after: want a duration from 0s to "+maxAfter.String())
		return
	}
	if err := s.Drain(after); err != nil {
		s.Log.Warn("not drained", "error", err)
		say(w, http.StatusInternalServerError, "not drained, see the log")
		return
	}
	say(w, http.StatusOK, "drained")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // a probe that hung up needs no answer
}
