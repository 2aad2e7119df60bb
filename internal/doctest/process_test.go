package doctest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a program that runs, and what it printed.
type process struct {
	cmd     *exec.Cmd
	address string // where a gateway listens, host:port
	calls   int    // made to a gateway
	ended   chan struct{}
	err     error // how it ended, once it has

	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

// begin starts cmd.
func begin(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, changed: make(chan struct{}, 1), ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// end stops p as Ctrl-C does. It must end well.
func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if <-p.ended; p.err != nil {
		t.Errorf("%s ended with %v:\n%s", p.cmd.Path, p.err, p.String())
	}
}

// Write implements io.Writer for what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits until done is content with what was printed, and returns that.
func (p *process) await(ctx context.Context, done func(string) bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if text := p.String(); done(text) {
			return text, nil
		}
		select {
		case <-p.changed:
		case <-p.ended:
			return "", fmt.Errorf("it ended: %w; it printed:\n%s", p.err, p.String())
		case <-ctx.Done():
			return "", fmt.Errorf("waited in vain; so far it printed:\n%s", p.String())
		}
	}
}

// callLine is where what a gateway prints of one call begins.
var callLine = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3} `)

// printed waits for n lines that a gateway prints of its latest call, which it does when the client has its answer already.
func (p *process) printed(t *testing.T, n int) string {
	t.Helper()
	latest := func(text string) []string {
		all := callLine.FindAllStringIndex(text, -1)
		if len(all) < p.calls {
			return nil
		}
		return strings.SplitAfter(text[all[p.calls-1][0]:], "\n")
	}
	text, err := p.await(t.Context(), func(text string) bool { return len(latest(text)) > n })
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(latest(text)[:n], "")
}
