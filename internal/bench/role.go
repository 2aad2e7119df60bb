package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/telemetry"
)

// roleFlags say what a child process plays.
type roleFlags struct {
	role, upstream, collector, tracing, socket string

	count bool
}

// args start the gateway in a role.
func (f *roleFlags) args(role, tracing string) []string {
	return []string{"-role", role, "-upstream", f.upstream, "-collector", f.collector, "-tracing", tracing}
}

// roles are the parts that child processes play. Each prints its address on one line, serves, and ends when its standard input
// does.
var roles = map[string]func(*roleFlags) error{
	"upstream":  playUpstream,
	"bare":      playBare,
	"spanway":   playSpanway,
	"collector": playCollector,
	"noop":      playNoop,
	"extproc":   playExtproc,
}

// announce prints the addresses of a child and waits for its parent to go.
func announce(addrs ...string) error {
	fmt.Println(strings.Join(addrs, " "))
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// control serves the process's statistics, to which add may add, and a CPU profile.
func control(add func(*memory)) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a benchmark's own
			switch r.URL.Path {
			case "/gc":
				runtime.GC()
			case "/profile":
				if err := pprof.StartCPUProfile(w); err == nil {
					time.Sleep(profileTime)
					pprof.StopCPUProfile()
				}
				return
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			told := memory{Mallocs: m.Mallocs, Bytes: m.TotalAlloc, Heap: m.HeapAlloc, RSS: rss(os.Getpid()), Goroutines: runtime.NumGoroutine(), Files: files()}
			if add != nil {
				add(&told)
			}
			_ = json.NewEncoder(w).Encode(&told)
		}))
	}()
	return ln.Addr().String(), nil
}

// profileTime is how long /profile looks.
const profileTime = 3 * time.Second

// memory is what control tells.
type memory struct {
	Mallocs, Bytes, Heap, RSS  uint64
	Goroutines, Files, Running int
	Traces                     map[string]int // that have ended, by outcome
}

// rss is the resident memory of a process, bytes.
func rss(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var total, resident uint64
	_, _ = fmt.Sscan(string(b), &total, &resident)
	return resident * uint64(os.Getpagesize())
}

// files is how many files this process has open.
func files() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// playBare is the reference: the standard library's reverse proxy as anybody would write it, without tracing.
func playBare(f *roleFlags) error {
	target, err := url.Parse("http://" + f.upstream)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 10000
	transport.MaxIdleConns = 10000
	rp := &httputil.ReverseProxy{Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	go func() { _ = http.Serve(ln, rp) }() //nolint:gosec // a benchmark's own
	ctl, err := control(nil)
	if err != nil {
		return err
	}
	return announce(ln.Addr().String(), ctl)
}

// playSpanway is the gateway as `spanway run` wires it, with one route.
func playSpanway(f *roleFlags) error {
	g, err := gatewayOf(f)
	if err != nil {
		return err
	}
	snapshot, err := gateway.Compile(g, &gateway.Env{})
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	traces, err := telemetry.New(context.Background(), g.Telemetry, telemetry.Options{Version: "bench", Logger: logger})
	if err != nil {
		return err
	}
	server := proxy.New(logger)
	if err := server.Apply(context.Background(), g, snapshot, traces); err != nil {
		return err
	}
	ctl, err := control(nil)
	if err != nil {
		return err
	}
	if err := announce(strings.TrimPrefix(server.URLs()[0], "http://"), ctl); err != nil {
		return err
	}
	return server.Shutdown(time.Second)
}

func telemetryConfig(f *roleFlags) string {
	switch f.tracing {
	case "exported":
		return fmt.Sprintf(`{sampler: alwaysOn, traces: [{otlp: {endpoint: "http://%s", protocol: grpc}}]}`, f.collector)
	case "sampled-out":
		return fmt.Sprintf(`{sampler: alwaysOff, traces: [{otlp: {endpoint: "http://%s", protocol: grpc}}]}`, f.collector)
	}
	return `{sampler: alwaysOff}`
}

// playCollector takes every trace and forgets it, unread: decoding it would take the processors from what is measured.
func playCollector(*roleFlags) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.ForceServerCodecV2(unread{}), grpc.UnknownServiceHandler(accept))
	go func() { _ = s.Serve(ln) }()
	return announce(ln.Addr().String())
}

// accept answers any call with an empty message, which says that all was taken (OTLP specification, full success).
func accept(_ any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(nil); err != nil {
		return err
	}
	return stream.SendMsg(nil)
}

// unread is a codec that looks at nothing.
type unread struct{}

// Marshal implements encoding.CodecV2.
func (unread) Marshal(any) (mem.BufferSlice, error) { return nil, nil }

// Unmarshal implements encoding.CodecV2.
func (unread) Unmarshal(mem.BufferSlice, any) error { return nil }

// Name implements encoding.CodecV2.
func (unread) Name() string { return "proto" }

// child is a part that runs.
type child struct {
	addr    string
	control string
	cmd     *exec.Cmd
	stdin   io.Closer
}

// start runs this program again as another part.
func start(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, args...)}
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = in
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%v did not start: %w", args, err)
	}
	parts := strings.Fields(line)
	c.addr = parts[0]
	if len(parts) > 1 {
		c.control = parts[1]
	}
	return c, nil
}

func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
}

// memory asks the child; gc collects first.
func (c *child) memory(gc bool) (m memory, err error) {
	path := "/"
	if gc {
		path = "/gc"
	}
	r, err := http.Get("http://" + c.control + path)
	if err != nil {
		return m, err
	}
	defer r.Body.Close()
	return m, json.NewDecoder(r.Body).Decode(&m)
}

// cpu is the CPU time of the child so far.
func (c *child) cpu() time.Duration { return taskTime(c.cmd.Process.Pid) }

// taskTime sums the run time of a process's threads, with the scheduler's nanosecond resolution.
func taskTime(pid int) time.Duration {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	var sum int64
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
		if err != nil {
			continue
		}
		var ns int64
		if _, err := fmt.Sscan(string(b), &ns); err == nil {
			sum += ns
		}
	}
	return time.Duration(sum)
}
