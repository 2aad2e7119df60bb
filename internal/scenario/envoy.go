package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/admin"
	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/extproc"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

// Envoy is the data plane of internal/extproc behind a real Envoy, one process for each Start.
type Envoy struct {
	// Log gets what both processes say, debugging included; nil = the test's log, errors only.
	Log io.Writer
}

// Name implements Plane.
func (Envoy) Name() string { return "envoy" }

// Start implements Plane.
func (p Envoy) Start(t testing.TB, conf string) Running { return p.start(t, conf) }

// Behind is a processor and the Envoy in front of it.
type Behind struct {
	URL   string // http://host:port
	Admin string // host:port; "" = none
	*extproc.Server
	Process  *envoy.Process
	Pipeline *telemetry.Pipeline

	listeners map[string]string // their URLs by name

	dir     string // of the sockets
	door    *door
	serving sync.WaitGroup
	once    sync.Once // Shutdown
	ended   error
	recorder
}

// ClientURL implements Running.
func (w *Behind) ClientURL() string { return w.URL }

// ListenerURL implements Running.
func (w *Behind) ListenerURL(name string) string { return w.listeners[name] }

// AdminAddress implements Running.
func (w *Behind) AdminAddress() string { return w.Admin }

func (p Envoy) start(t testing.TB, conf string) *Behind {
	t.Helper()
	w := &Behind{recorder: newRecorder(), dir: shortDir(t)}
	logs, level, said := t.Output(), slog.LevelError, "error"
	if p.Log != nil {
		logs, level, said = p.Log, slog.LevelDebug, "trace"
	}
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level}))
	w.Server = extproc.New(log)
	c, err := compile(t.Context(), conf, gateway.Env{}, w.keep)
	if err != nil {
		t.Fatal(err)
	}
	w.Pipeline = c.traces
	if err := w.Apply(t.Context(), c.conf, c.snapshot, c.traces); err != nil {
		t.Fatal(err)
	}
	w.serve(t)
	w.serveAdmin(t, c)
	w.Process, err = envoy.Start(&envoy.Options{Binary: envoyBinary(t), Bootstrap: w.bootstrap(t, c.conf), Dir: w.dir, LogLevel: said, Concurrency: 1, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Shutdown(time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.Process.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	w.listeners = w.reached(t, c.conf)
	w.URL = w.ListenerURL(c.conf.Listeners[0].Name)
	return w
}

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spanway") //nolint:usetesting // a test's own folder has too long a path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// envoyBinary is the Envoy of the repository, or the one that ENVOY names.
func envoyBinary(t testing.TB) string {
	t.Helper()
	path := os.Getenv(envoy.Variable)
	if path == "" {
		path = "../../.tools/bin/envoy"
	}
	b, err := envoy.Find(t.Context(), path)
	if err != nil {
		t.Fatalf("%v; tools/install.sh envoy gets one", err)
	}
	return b.Path
}

// Shutdown implements Running: Envoy accepts no more, running calls go on for drain at most, then both processes end.
func (w *Behind) Shutdown(drain time.Duration) error {
	w.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := w.Process.Drain(ctx); err != nil && ctx.Err() == nil {
			w.ended = err
		}
		w.ended = errors.Join(w.ended, w.Server.Shutdown(0))
		last, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = w.Process.Idle(last) // what it has not sent by then nobody reads
		w.Process.Stop()
		w.serving.Wait()
	})
	return w.ended
}

func (w *Behind) socket() string { return filepath.Join(w.dir, "processor.sock") }

// serve lets Envoy in, through a door.
func (w *Behind) serve(t testing.TB) {
	t.Helper()
	w.door = &door{path: w.socket(), conns: map[net.Conn]bool{}}
	w.door.serve = func(ln net.Listener) {
		w.serving.Go(func() {
			if err := w.Serve(ln); err != nil && !w.door.wasShut() {
				t.Errorf("serve: %v", err)
			}
		})
	}
	w.door.open(t)
}

// door is the processor's socket. Shut, Envoy finds nobody there, as when the processor's process has ended.
type door struct {
	path  string
	serve func(net.Listener)

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	shuts bool // it was, at some time
}

func (d *door) open(t testing.TB) {
	t.Helper()
	ln, err := net.Listen("unix", d.path) //nolint:noctx // closed by the server or by shut
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.ln = ln
	d.mu.Unlock()
	d.serve(&entrance{Listener: ln, door: d})
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shuts = true
	_ = d.ln.Close()
	for c := range d.conns {
		_ = c.Close()
	}
	clear(d.conns)
}

func (d *door) wasShut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shuts
}

// entrance remembers who came in.
type entrance struct {
	net.Listener
	door *door
}

// Accept implements net.Listener.
func (e *entrance) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err == nil {
		e.door.mu.Lock()
		e.door.conns[c] = true
		e.door.mu.Unlock()
	}
	return c, err
}

// serveAdmin answers health and metrics, as the command does.
func (w *Behind) serveAdmin(t testing.TB, c *compiled) {
	t.Helper()
	if c.conf.Admin == "" {
		return
	}
	a := &admin.Server{Ready: w.live, Log: slog.New(slog.DiscardHandler)}
	ln, err := a.Listen(t.Context(), c.conf.Admin)
	if err != nil {
		t.Fatal(err)
	}
	a.SetMetrics(c.traces.MetricsHandler())
	a.Serve(c.conf.Admin, ln)
	w.Admin = a.Address()
	t.Cleanup(a.Close)
}

// awaitCall waits until Envoy has told of a call.
func (w *Behind) awaitCall(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); w.Running() == 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatal("Envoy tells of no call")
		}
	}
}

func (w *Behind) slack() time.Duration { return unexplainedBehind }

func (w *Behind) live() bool { return true }

func (w *Behind) bootstrap(t testing.TB, g *ir.Gateway) []byte {
	t.Helper()
	r, err := xds.Build(g, xds.Options{Processor: "unix:" + w.socket(), Roots: xds.SystemRoots()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := xds.Static(r, xds.Boot{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := xds.YAML(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ask asks Envoy's administration interface.
func (w *Behind) ask(ctx context.Context, path string) ([]byte, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(w.dir, "admin.sock"))
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://envoy"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// reached is where clients reach the listeners of g, whose ports Envoy chose.
func (w *Behind) reached(t testing.TB, g *ir.Gateway) map[string]string {
	t.Helper()
	text, err := w.ask(t.Context(), "/listeners?format=json")
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Listeners []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out := map[string]string{}
	for _, l := range said.Listeners {
		for i := range g.Listeners {
			if l.Name != g.Listeners[i].Name {
				continue
			}
			scheme := "http"
			if g.Listeners[i].TLS != nil {
				scheme = "https"
			}
			out[l.Name] = fmt.Sprintf("%s://%s:%d", scheme, l.Address.Socket.Address, l.Address.Socket.Port)
		}
	}
	if len(out) != len(g.Listeners) {
		t.Fatalf("Envoy has not the listeners %v: %s", g.Listeners, text)
	}
	return out
}
