package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/console"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
)

// plane carries the traffic. Its methods are for one goroutine.
type plane interface {
	// Apply makes new calls begin with a configuration, and ends the telemetry before t when its calls have ended. After an
	// error the old configuration goes on.
	Apply(ctx context.Context, g *ir.Gateway, compiled *gateway.Snapshot, t *telemetry.Pipeline) error
	// URLs are where clients reach it, sorted.
	URLs() []string
	// AdminAddress is where it answers operators; "" = nowhere.
	AdminAddress() string
	// Shutdown lets running calls go on for drain at most, ends the rest, and exports what was recorded.
	Shutdown(drain time.Duration) error
}

// runner is the running process, whatever its plane.
type runner struct {
	flags   *commonFlags
	source  *source
	env     gateway.Env
	log     *slog.Logger
	out     io.Writer
	console *console.Printer
	plane   plane
	about   func() []fact // what the banner says of the plane beside its addresses; nil = nothing
	demo    demoServer
	conf    *ir.Gateway
	traces  *telemetry.Pipeline
}

// fact is a line of the banner.
type fact struct{ what, value string }

func newRunner(cmd *cobra.Command, f *commonFlags) (*runner, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", f.level)
	}
	r := &runner{flags: f, out: cmd.OutOrStdout(), log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))}
	var err error
	if r.source, err = newSource(f.config, cmd.InOrStdin()); err != nil {
		return nil, err
	}
	if !f.quiet {
		r.console = console.New(r.out, f.trace)
	}
	return r, nil
}

// run serves until ctx is over, then drains.
func (r *runner) run(ctx context.Context) error {
	t := r.newTriggers()
	defer t.stop()
	if err := r.reload(ctx); err != nil {
		return errors.Join(err, r.plane.Shutdown(0))
	}
	t.follow(r.source.watched(r.conf))
	r.banner()
	r.loop(ctx, t)
	return r.end()
}

// end drains.
func (r *runner) end() error {
	var drain time.Duration
	if r.conf != nil {
		drain = r.conf.Shutdown.Drain
	}
	r.log.Info("draining, a second signal ends at once", "bound", drain)
	start := time.Now()
	if err := r.plane.Shutdown(drain); err != nil {
		// A collector that is down is no failure of this process.
		r.log.Warn("not all telemetry was sent", "error", err)
	}
	r.log.Info("stopped", "after", time.Since(start).Round(time.Millisecond))
	return nil
}

// reload reads the configuration and puts it in place. After an error the old one goes on.
func (r *runner) reload(ctx context.Context) error {
	g, snapshot, err := r.source.load(&r.env)
	if err != nil {
		return err
	}
	return r.use(ctx, g, snapshot)
}

// use puts a configuration in place. After an error the old one goes on.
func (r *runner) use(ctx context.Context, g *ir.Gateway, snapshot *gateway.Snapshot) error {
	var err error
	traces := r.traces
	fresh := traces == nil || !reflect.DeepEqual(g.Telemetry, r.conf.Telemetry)
	if fresh {
		o := telemetry.Options{Version: version(), Logger: r.log}
		if r.console != nil {
			o.Console = r.console.Trace
		}
		if traces, err = telemetry.New(ctx, g.Telemetry, o); err != nil {
			return fmt.Errorf("telemetry: %w", err)
		}
	}
	if err := r.plane.Apply(ctx, g, snapshot, traces); err != nil {
		if fresh {
			err = errors.Join(err, traces.Shutdown(ctx))
		}
		return err
	}
	r.conf, r.traces = g, traces
	return nil
}

// triggers is what makes the configuration be read again.
type triggers struct {
	hup     chan os.Signal
	watcher *watcher // nil where files cannot be watched
	changed <-chan struct{}
}

// newTriggers begins to watch before anything is read, so that no change falls between.
func (r *runner) newTriggers() *triggers {
	t := &triggers{hup: make(chan os.Signal, 1)}
	signal.Notify(t.hup, syscall.SIGHUP)
	w, err := newWatcher(r.log.Warn)
	if err != nil {
		r.log.Warn("files are not watched, use SIGHUP when they change", "error", err)
		return t
	}
	t.watcher, t.changed = w, w.changed
	t.follow(r.source.watched(nil))
	return t
}

func (t *triggers) follow(files []string) {
	if t.watcher != nil {
		t.watcher.watch(files)
	}
}

func (t *triggers) stop() {
	signal.Stop(t.hup)
	if t.watcher != nil {
		t.watcher.close()
	}
}

// loop waits for the end, and reloads on SIGHUP and when a file changes.
func (r *runner) loop(ctx context.Context, t *triggers) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.hup:
		case <-t.changed:
		}
		if err := r.reload(ctx); err != nil {
			r.log.Error("configuration refused, the old one goes on", "file", r.source.name)
			_, _ = fmt.Fprintln(os.Stderr, err)
			continue
		}
		r.log.Info("configuration loaded", "file", r.source.name, "gateway", r.plane.URLs())
		t.follow(r.source.watched(r.conf))
	}
}

// banner says where the gateway listens, where traces go, and what to try.
func (r *runner) banner() {
	var b strings.Builder
	urls := r.plane.URLs()
	fmt.Fprintf(&b, "Spanway %s\n\n", version())
	for _, u := range urls {
		fmt.Fprintf(&b, "  gateway  %s\n", u)
	}
	if r.about != nil {
		for _, f := range r.about() {
			fmt.Fprintf(&b, "  %-8s %s\n", f.what, f.value)
		}
	}
	if a := r.plane.AdminAddress(); a != "" {
		fmt.Fprintf(&b, "  admin    http://%s  (/healthz /readyz /metrics)\n", a)
	}
	where := destinations(r.traces)
	if where == "" {
		where = "this terminal only; set OTEL_EXPORTER_OTLP_ENDPOINT or telemetry.traces to export them"
		if r.flags.quiet {
			where = "nowhere; set OTEL_EXPORTER_OTLP_ENDPOINT or telemetry.traces to export them"
		}
	}
	fmt.Fprintf(&b, "  traces   %s\n", where)
	fmt.Fprintf(&b, "  config   %s\n\n", r.source.name)
	if r.source.name == builtin && len(urls) > 0 {
		fmt.Fprintf(&b, "Try it, no key needed:\n\n  curl %s/demo/v1/chat/completions -d '{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n\n", urls[0])
		fmt.Fprintf(&b, "Add \"stream\":true to stream it, or model demo-fail-503-once to see a retry.\n")
		if !r.flags.trace {
			fmt.Fprintf(&b, "Run with --trace to see the span tree of every call.\n")
		}
		b.WriteByte('\n')
	}
	_, _ = io.WriteString(r.out, b.String())
}

// destinations names where traces are exported to, whether the configuration or the environment says so.
func destinations(p *telemetry.Pipeline) string {
	var to []string
	for _, s := range p.Stats() {
		to = append(to, s.Sink)
	}
	return strings.Join(to, ", ")
}
