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
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/telemetry"
)

type runFlags struct {
	config string
	trace  bool
	quiet  bool
	level  string
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway in this process",
		Long: `Runs the gateway: a native proxy that needs nothing else. Without --config it listens on 127.0.0.1:8080 with a demo
provider under /demo that needs no key and no network, and with /openai, /anthropic, /gemini and /ollama. Keys come from
OPENAI_API_KEY, ANTHROPIC_API_KEY and GEMINI_API_KEY; where one is not set, the caller's own credential passes through.

Each call prints one line; --trace prints its span tree with timings under it. Traces go to the OTLP endpoints of the
configuration, or of the standard OTEL_EXPORTER_OTLP_* environment variables.

The configuration is read again when its file changes and on SIGHUP. A file with problems is refused: they are printed
and the old configuration goes on. SIGTERM and SIGINT drain: nothing new is accepted, running streams finish within
shutdown.drain, recorded traces are flushed. A second signal ends the process at once.`,
		Example: "  spanway run --trace\n  spanway run --config spanway.yaml\n  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 spanway run",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("run takes no argument; for a configuration file: spanway run --config %s", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "native configuration file; - reads standard input; default: built in")
	fl.BoolVar(&f.trace, "trace", false, "print the span tree of every call")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing per call")
	fl.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // only for completion
	return cmd
}

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

// runner is the running process.
type runner struct {
	flags   *runFlags
	source  *source
	env     gateway.Env
	log     *slog.Logger
	out     io.Writer
	console *console.Printer
	plane   plane
	conf    *ir.Gateway
	traces  *telemetry.Pipeline
}

func run(cmd *cobra.Command, f *runFlags) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return fmt.Errorf("--log-level %q: want debug, info, warn or error", f.level)
	}
	r := &runner{flags: f, out: cmd.OutOrStdout(), log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))}
	var err error
	if r.source, err = newSource(f.config, cmd.InOrStdin()); err != nil {
		return err
	}
	if !f.quiet {
		r.console = console.New(r.out, f.trace)
	}
	stopDemo, err := r.startDemo(cmd.Context())
	if err != nil {
		return err
	}
	defer stopDemo()
	t := r.newTriggers()
	defer t.stop()
	r.plane = proxy.New(r.log)
	if err := r.reload(cmd.Context()); err != nil {
		return err
	}
	t.follow(r.source.watched(r.conf))
	r.banner()
	r.loop(cmd.Context(), t)
	r.log.Info("draining, a second signal ends at once", "bound", r.conf.Shutdown.Drain)
	start := time.Now()
	if err := r.plane.Shutdown(r.conf.Shutdown.Drain); err != nil {
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
	if r.source.name == builtin {
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
