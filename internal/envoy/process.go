// Package envoy runs an Envoy as a child process. [Find] finds the binary, [Start] runs it with a bootstrap configuration and
// starts it again when it dies, [Process.Ready] waits until it serves, [Process.Drain] makes it stop accepting and waits for what
// runs, and [Process.Stop] ends it. The child ends with its parent. Its administration interface listens on a Unix socket in a
// folder of the caller's: no port is opened that a configuration does not name.
//
// The package knows nothing of Spanway.
package envoy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Times of a child.
const (
	termPatience = 5 * time.Second // from SIGTERM to SIGKILL
	probeEvery   = 25 * time.Millisecond
	minBackoff   = 100 * time.Millisecond // before it is started again, doubled each time
	maxBackoff   = 10 * time.Second
	goodRun      = 30 * time.Second // a run that lasted as long begins the backoff anew
)

// Options are what Start needs to know.
type Options struct {
	Binary    string // path of the executable, from Find
	Bootstrap []byte // YAML or JSON; its admin address is replaced
	// Dir is a folder for the bootstrap and the administration socket, which only this user can enter and whose path is
	// short (a socket's path has 107 bytes at most). The caller removes it after Stop.
	Dir         string
	LogLevel    string        // trace, debug, info, warning, error, critical, off; "" = warning. What writes whole requests stays at info.
	Concurrency int           // worker threads; 0 = one for each of the machine's
	DrainTime   time.Duration // how long connections of a removed listener may go on; whole seconds, 0 = Envoy's 10 minutes
	Environment []string      // names of variables that it gets beside those that every program needs
	Log         *slog.Logger  // gets what Envoy says on standard error, line by line, and what becomes of it
	Stdout      io.Writer     // gets its standard output, such as access logs; nil = nobody does
}

// Process is an Envoy that is kept running. It is safe for concurrent use.
type Process struct {
	*Admin

	o      Options
	socket string
	config string

	pid      atomic.Int64 // 0 = none runs
	live     atomic.Bool
	restarts atomic.Int64
	served   atomic.Bool   // it was live at least once
	ready    chan struct{} // closed when it is live for the first time
	stop     chan struct{} // closed by Stop
	once     sync.Once
	done     chan struct{} // closed when nothing runs any more
	err      error         // why it never was live; set before done is closed
}

// Start runs an Envoy. It returns as soon as the process exists: [Process.Ready] says when it serves, or why not. An Envoy that
// ends before it served is not started again; later it always is, after 100 ms to 10 s. The error is about the executable or Dir.
func Start(o *Options) (*Process, error) {
	p := &Process{o: *o, socket: filepath.Join(o.Dir, "admin.sock"), ready: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{})}
	p.config = filepath.Join(o.Dir, "bootstrap"+extension(o.Bootstrap))
	if err := os.WriteFile(p.config, o.Bootstrap, 0o600); err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	p.Admin = NewAdmin("unix:" + p.socket)
	started := make(chan error, 1)
	go p.keep(started)
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("envoy: %w", err)
	}
	return p, nil
}

func extension(bootstrap []byte) string {
	if len(bootstrap) > 0 && bootstrap[0] == '{' {
		return ".json"
	}
	return ".yaml"
}

// PID is the process id of the child; 0 while there is none.
func (p *Process) PID() int { return int(p.pid.Load()) }

// Live reports whether the child serves.
func (p *Process) Live() bool { return p.live.Load() }

// Restarts counts how often it was started again.
func (p *Process) Restarts() int64 { return p.restarts.Load() }

// Ready waits until the child served for the first time. The error says why it ended before, in Envoy's words.
func (p *Process) Ready(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		if p.err != nil {
			return p.err
		}
		return errors.New("envoy was stopped")
	case <-ctx.Done():
		return fmt.Errorf("envoy does not get ready: %w", ctx.Err())
	}
}

// Stop ends the child: SIGTERM, and SIGKILL after five seconds. It returns when nothing of it runs any more. Further calls wait too.
func (p *Process) Stop() {
	p.once.Do(func() { close(p.stop) })
	<-p.done
}

// keep runs the child again and again, and says once how the first start went. The thread is the goroutine's own: the child ends
// with the thread that started it.
func (p *Process) keep(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	backoff := minBackoff
	for {
		began := time.Now()
		says := &lineLog{log: p.o.Log, done: p.stopping}
		cmd := p.command(says)
		err := cmd.Start()
		if started != nil {
			started <- err
			if started = nil; err != nil {
				return
			}
		}
		if err == nil {
			err = p.attend(cmd)
		}
		switch {
		case p.stopping():
			return
		case !p.served.Load():
			p.err = fmt.Errorf("envoy ended before it was ready (%w): %s", err, says.errors())
			return
		case time.Since(began) > goodRun:
			backoff = minBackoff
		}
		p.o.Log.Error("envoy died, it is started again", "error", err, "says", says.errors(), "after", backoff, "restarts", p.restarts.Add(1))
		select {
		case <-time.After(backoff):
		case <-p.stop:
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func (p *Process) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// Indiscreet are the components of Envoy's log that write the heads and bodies of requests, credentials included, at the levels
// debug or trace.
func Indiscreet() []string { return []string{"http", "http2", "ext_proc"} }

func (p *Process) command(says io.Writer) *exec.Cmd {
	admin := fmt.Sprintf("admin: {address: {pipe: {path: %q, mode: 384}}}", p.socket) // 0600; merged over the bootstrap
	level := cmp.Or(p.o.LogLevel, "warning")
	args := []string{"--config-path", p.config, "--config-yaml", admin, "--disable-hot-restart",
		"--log-format", logFormat, "--log-format-escaped", "--log-level", level, "--drain-strategy", "immediate"}
	switch level {
	case "warning":
		args = append(args, "--component-log-level", "misc:error") // which warns about fields that are younger than others
	case "debug", "trace":
		args = append(args, "--component-log-level", strings.Join(Indiscreet(), ":info,")+":info")
	}
	if p.o.Concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(p.o.Concurrency))
	}
	if s := int64(p.o.DrainTime / time.Second); s > 0 {
		args = append(args, "--drain-time-s", strconv.FormatInt(s, 10))
	}
	cmd := exec.Command(p.o.Binary, args...) //nolint:noctx // it ends with Stop
	cmd.Env, cmd.SysProcAttr = environment(p.o.Environment), attributes()
	cmd.Stdout, cmd.Stderr = p.o.Stdout, says
	cmd.WaitDelay = time.Second
	return cmd
}

// attend looks after the child until it ends.
func (p *Process) attend(cmd *exec.Cmd) error {
	p.pid.Store(int64(cmd.Process.Pid))
	ended := make(chan struct{})
	var attending sync.WaitGroup
	attending.Go(func() { p.probe(ended) })
	attending.Go(func() { p.endWhenTold(cmd, ended) })
	err := cmd.Wait()
	close(ended)
	attending.Wait()
	p.live.Store(false)
	p.pid.Store(0) // after live: nobody sees a process that serves and is none
	if err == nil {
		err = errors.New("exit status 0")
	}
	return err
}

// probe waits until the child serves.
func (p *Process) probe(ended <-chan struct{}) {
	began := time.Now()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := p.ask(ctx, http.MethodGet, "/ready")
		cancel()
		if err != nil {
			continue
		}
		p.live.Store(true)
		if p.served.CompareAndSwap(false, true) {
			close(p.ready)
		} else {
			p.o.Log.Info("envoy serves again", "pid", p.PID(), "after", time.Since(began).Round(time.Millisecond))
		}
		return
	}
}

func (p *Process) endWhenTold(cmd *exec.Cmd, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-p.stop:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended, and where there are no signals
	select {
	case <-ended:
	case <-time.After(termPatience):
		p.o.Log.Warn("envoy did not end when it was asked to and is killed", "pid", cmd.Process.Pid)
		_ = cmd.Process.Kill() // fails where it has ended
	}
}
