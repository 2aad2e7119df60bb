package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/envoy"
)

// envoyPatience is how long an Envoy may take to serve.
const envoyPatience = 20 * time.Second

// plane is an Envoy with what stands beside it.
type plane struct {
	name  string
	kind  kind
	args  []string // of the processor; none = Envoy alone
	proc  *child
	envoy *envoy.Process
	dir   string
	addr  string
	admin *http.Client
}

// findEnvoy finds the Envoy that tests use too: the one that the environment names, or the repository's own, or another.
func findEnvoy() (string, error) {
	own := ""
	if dir, err := os.Getwd(); err == nil && os.Getenv(envoy.Variable) == "" {
		for ; own == "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if at := filepath.Join(dir, ".tools", "bin", "envoy"); exists(at) {
				own = at
			}
		}
	}
	bin, err := envoy.Find(context.Background(), own)
	return bin.Path, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// start runs the processor, and Envoy before it. What was started is for stop, also after an error.
func (p *plane) start(bin string, f *roleFlags) (err error) {
	if p.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	socket := filepath.Join(p.dir, "proc.sock")
	if len(p.args) > 0 {
		if p.proc, err = start(append(p.args, "-socket", socket)...); err != nil {
			return err
		}
	}
	conf, err := bootstrap(p.kind, f, socket)
	if err != nil {
		return err
	}
	p.envoy, err = envoy.Start(&envoy.Options{Binary: bin, Bootstrap: conf, Dir: p.dir, Concurrency: 1, LogLevel: "error",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), envoyPatience)
	defer cancel()
	if err := p.envoy.Ready(ctx); err != nil {
		return err
	}
	p.admin = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(p.dir, "admin.sock"))
	}}}
	text, err := p.ask("/listeners")
	if err != nil {
		return err
	}
	_, p.addr, _ = strings.Cut(strings.TrimSpace(text), "::")
	return nil
}

func (p *plane) stop() {
	if p.envoy != nil {
		p.envoy.Stop()
	}
	if p.proc != nil {
		p.proc.stop()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

func (p *plane) ask(path string) (string, error) {
	r, err := p.admin.Get("http://envoy" + path)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return string(b), err
}

// stat sums the counters and gauges of Envoy whose names match.
func (p *plane) stat(form string) (float64, error) {
	text, err := p.ask("/stats?filter=" + form)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, m := range statLine.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("envoy's %s: %w", form, err)
		}
		sum += n
	}
	return float64(sum), nil
}

var statLine = regexp.MustCompile(`(?m): (\d+)$`)

// messages are what Envoy has sent to the processor, and got from it.
func (p *plane) messages() (float64, error) {
	return p.stat(`ext_proc.*stream_msgs_(sent|received)$`)
}
