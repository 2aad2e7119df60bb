// Package scenario is the test harness of whole calls: it runs the pipeline in a data plane between a scripted provider and a
// real client, and keeps every trace. Only tests import it.
package scenario

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/telemetry"
)

// Gateway is a running native data plane.
type Gateway struct {
	URL   string // http://host:port
	Admin string // host:port
	*proxy.Server
	Pipeline *telemetry.Pipeline
	first    string // name of the first listener
	recorder
}

// Start runs the configuration conf, whose listener should be 127.0.0.1:0, until the test ends.
func Start(t testing.TB, conf string) *Gateway {
	t.Helper()
	return StartWith(t, conf, gateway.Env{})
}

// StartWith is Start with the process's facts.
func StartWith(t testing.TB, conf string, env gateway.Env) *Gateway {
	t.Helper()
	return StartLogging(t, conf, env, t.Output())
}

// StartLogging is StartWith with a place for the log, debugging included.
func StartLogging(t testing.TB, conf string, env gateway.Env, logs io.Writer) *Gateway {
	t.Helper()
	w := &Gateway{recorder: newRecorder()}
	w.Server = proxy.New(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := w.Load(t.Context(), conf, env); err != nil {
		t.Fatal(err)
	}
	w.URL, w.Admin = w.ListenerURL(w.first), w.AdminAddress()
	t.Cleanup(func() {
		if err := w.Shutdown(time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return w
}

// Load puts another configuration in place.
func (w *Gateway) Load(ctx context.Context, conf string, env gateway.Env) error {
	c, err := compile(ctx, conf, env, w.keep)
	if err != nil {
		return err
	}
	w.Pipeline, w.first = c.traces, c.conf.Listeners[0].Name
	return w.Apply(ctx, c.conf, c.snapshot, c.traces)
}

// compiled is a configuration that a data plane can run.
type compiled struct {
	conf     *ir.Gateway
	snapshot *gateway.Snapshot
	traces   *telemetry.Pipeline
}

// compile makes conf ready to run. keep gets every trace.
func compile(ctx context.Context, conf string, env gateway.Env, keep func(*telemetry.Trace)) (*compiled, error) {
	g, err := ir.Load("test.yaml", []byte(conf), ir.LoadOptions{Getenv: os.LookupEnv, ReadFile: os.ReadFile, Providers: provider.Names(),
		CheckMatch: telemetry.CheckMatch})
	if err != nil {
		return nil, err
	}
	snapshot, err := gateway.Compile(g, &env)
	if err != nil {
		return nil, err
	}
	traces, err := telemetry.New(ctx, g.Telemetry, telemetry.Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Console: keep})
	if err != nil {
		return nil, err
	}
	return &compiled{conf: g, snapshot: snapshot, traces: traces}, nil
}

// Unused returns an address of the loopback interface at which nothing listens until the test ends: its port is taken, so that
// no other test's listener gets it.
func Unused(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", addr.(*syscall.SockaddrInet4).Port)
}

// Free returns an address of the loopback interface at which the test may listen.
func Free(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
