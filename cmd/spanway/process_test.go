package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/envoy"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// asProgram makes the test's own executable the program.
const asProgram = "SPANWAY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	if out, err := exec.Command("../../tools/install.sh", "envoy").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\nthere is no Envoy (%v): see what tools/install.sh says above\n", out, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// envoyPath is the Envoy of the repository, or the one that ENVOY names.
func envoyPath(t testing.TB) string {
	t.Helper()
	path := os.Getenv(envoy.Variable)
	if path == "" {
		path = "../../.tools/bin/envoy"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running spanway.
type process struct {
	cmd   *exec.Cmd
	dir   string // its folder for temporary files
	ended chan struct{}

	mu      sync.Mutex
	printed strings.Builder // what it said on both outputs
	changed chan struct{}   // closed, and made anew, when it says more
}

// start runs spanway with args until the test ends. It gets no key of ours.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sw-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &process{cmd: exec.Command(os.Args[0], args...), dir: dir, ended: make(chan struct{}), changed: make(chan struct{})}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, asProgram + "=1", envoy.Variable + "=" + envoyPath(t)}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.printed.WriteString(line)
			close(p.changed)
			p.changed = make(chan struct{})
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	go func() {
		_ = p.cmd.Wait()
		w.Close()
		reading.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("spanway %s said:\n%s", strings.Join(args, " "), p.said())
		}
	})
	return p
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.printed.String()
}

// expect waits until it said what matches pattern, and returns the first group.
func (p *process) expect(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		m, changed := re.FindStringSubmatch(p.printed.String()), p.changed
		p.mu.Unlock()
		if m != nil {
			return m[len(m)-1]
		}
		select {
		case <-changed:
		case <-p.ended:
			t.Fatalf("it ended without having said %q", pattern)
		case <-deadline:
			t.Fatalf("it does not say %q", pattern)
		}
	}
}

// stop ends it as an operator does, and checks that it ends well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.await(t)
}

// await waits until it has ended, and checks that it ended well.
func (p *process) await(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it exited with %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// kill ends it as an out-of-memory killer does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// alive reports whether process pid runs. One that ended and that nobody has waited for does not.
func alive(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, state, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}

// answer is what a client got.
type answer struct {
	status int
	body   string
	took   time.Duration
	err    error
}

// String implements fmt.Stringer.
func (a answer) String() string {
	return fmt.Sprintf("%d %q after %s: %v", a.status, a.body, a.took, a.err)
}

// ask makes a call and reads the whole answer.
func ask(ctx context.Context, c *http.Client, url, body string) answer {
	began := time.Now()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err, took: time.Since(began)}
	}
	defer resp.Body.Close()
	var all bytes.Buffer
	_, err = all.ReadFrom(resp.Body)
	return answer{status: resp.StatusCode, body: all.String(), took: time.Since(began), err: err}
}

// client is one whose connections do not outlast the test, and whose calls do not hang.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// until waits for what must become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// listen opens a port of the loopback interface.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
