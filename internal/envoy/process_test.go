package envoy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spanway/spanway/internal/envoy"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(helperDir) != "" {
		parent()
		return
	}
	if out, err := exec.Command("../../tools/install.sh", "envoy").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\nthere is no Envoy (%v): see what tools/install.sh says above\n", out, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// binary is the Envoy of the repository, or the one that ENVOY names.
func binary(t testing.TB) envoy.Binary {
	t.Helper()
	path := os.Getenv(envoy.Variable)
	if path == "" {
		path = "../../.tools/bin/envoy"
	}
	b, err := envoy.Find(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// buffer keeps a log. It is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// bootstrap listens on port and sends calls to backend, host:port.
func bootstrap(port int, backend string) []byte {
	host, p, _ := net.SplitHostPort(backend)
	return fmt.Appendf(nil, `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: %d}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config:
            virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: b, timeout: 0s}}]}]
  clusters:
  - {name: b, type: STATIC, load_assignment: {cluster_name: b, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: %s, port_value: %s}}}}]}]}}
`, port, host, p)
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// running is an Envoy of a test.
type running struct {
	*envoy.Process
	url, dir string
	log      *buffer
}

func start(t *testing.T, backend http.HandlerFunc) *running {
	t.Helper()
	b := httptest.NewServer(backend)
	t.Cleanup(b.Close)
	port := freePort(t)
	r := &running{url: fmt.Sprintf("http://127.0.0.1:%d", port), dir: folder(t), log: &buffer{}}
	p, err := envoy.Start(&envoy.Options{Binary: binary(t).Path, Bootstrap: bootstrap(port, b.Listener.Addr().String()), Dir: r.dir,
		Concurrency: 1, DrainTime: 2 * time.Second, LogLevel: "debug", Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	r.Process = p
	t.Cleanup(p.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Ready(ctx); err != nil {
		t.Fatalf("%v\n%s", err, r.log)
	}
	return r
}

// folder is a short one: the path of a test's own may be too long for a socket.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "envoy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func get(t *testing.T, url string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// until waits for what must become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestStartAndStop(t *testing.T) {
	r := start(t, hello)
	if body, err := get(t, r.url); err != nil || body != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	pid := r.PID()
	if !r.Live() || pid == 0 || !alive(pid) {
		t.Errorf("live %v, pid %d", r.Live(), pid)
	}
	r.Stop()
	if alive(pid) || r.Live() || r.PID() != 0 {
		t.Errorf("process %d is still there", pid)
	}
	if _, err := get(t, r.url); err == nil {
		t.Error("somebody still answers")
	}
	if r.Restarts() != 0 {
		t.Errorf("%d restarts", r.Restarts())
	}
}

func TestStartsAgain(t *testing.T) {
	r := start(t, hello)
	pid := r.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "it is live again", func() bool { return r.Live() && r.PID() != pid })
	if body, err := get(t, r.url); err != nil || body != "hello" {
		t.Errorf("%q, %v", body, err)
	}
	if r.Restarts() != 1 {
		t.Errorf("%d restarts", r.Restarts())
	}
	until(t, "the log says so", func() bool { return strings.Contains(r.log.String(), "envoy serves again") })
	if text := r.log.String(); !strings.Contains(text, "envoy died, it is started again") || !strings.Contains(text, "restarts=1") {
		t.Errorf("the log does not say that it died:\n%.2000s", text)
	}
	again := r.PID()
	r.Stop()
	if alive(again) {
		t.Errorf("process %d is still there", again)
	}
}

func TestSaysWhyItDoesNotStart(t *testing.T) {
	o := envoy.Options{Binary: binary(t).Path, Bootstrap: []byte("static_resources: {listeners: [{name: x, address: nowhere}]}\n"), Dir: folder(t), Log: slog.New(slog.DiscardHandler)}
	p, err := envoy.Start(&o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Ready(ctx); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v", err)
	}
	if p.Restarts() != 0 {
		t.Error("it was started again, which cannot help")
	}
	o.Binary = filepath.Join(o.Dir, "none")
	if _, err := envoy.Start(&o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a binary: %v", err)
	}
}

// TestDrain: what runs goes on to its end, nothing new is accepted.
func TestDrain(t *testing.T) {
	release := make(chan struct{})
	begun := make(chan struct{})
	r := start(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		close(begun)
		<-release
		io.WriteString(w, "last")
	})
	type answer struct {
		body string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		body, err := get(t, r.url)
		answered <- answer{body, err}
	}()
	<-begun
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := r.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drained although a request runs: %v", err)
	}
	until(t, "nothing new is accepted", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Idle(ctx); err != nil {
		t.Error(err)
	}
	r.Stop()
	if a := <-answered; a.body != "first last" || a.err != nil {
		t.Errorf("%+v", a)
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

// helperDir names the folder of a process that is the parent of an Envoy.
const helperDir = "SPANWAY_TEST_ENVOY_DIR"

// parent starts an Envoy, says its pid, and waits to be killed.
func parent() {
	p, err := envoy.Start(&envoy.Options{Binary: os.Getenv(envoy.Variable), Bootstrap: []byte("{}"), Dir: os.Getenv(helperDir), Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = p.Ready(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	select {}
}
