package scenario

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// collector is an OTLP receiver that keeps what it gets.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer

	url string

	mu    sync.Mutex
	spans map[string][]*tracepb.Span // by trace
}

// Export implements the receiver's one method.
func (c *collector) Export(_ context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans[string(s.TraceId)] = append(c.spans[string(s.TraceId)], s)
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{url: "http://" + ln.Addr().String(), spans: map[string][]*tracepb.Span{}}
	s := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(s, c)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	return c
}

// outcomes counts the traces of three spans by their outcome; others are named by what they hold.
func (c *collector) outcomes() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{}
	for _, spans := range c.spans {
		outcome := fmt.Sprintf("%d spans", len(spans))
		if len(spans) == 3 {
			for _, s := range spans {
				for _, a := range s.Attributes {
					if s.Kind == tracepb.Span_SPAN_KIND_SERVER && a.Key == "spanway.outcome" {
						outcome = a.Value.GetStringValue()
					}
				}
			}
		}
		out[outcome]++
	}
	return out
}

// process is a running spanway.
type process struct {
	url string

	cmd *exec.Cmd
	mu  sync.Mutex
	log strings.Builder // both outputs
	got chan struct{}   // a line came
	end chan error
}

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "spanway")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/spanway")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// startProcess runs the program and waits until it serves.
func startProcess(t *testing.T, bin string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(bin, args...), got: make(chan struct{}, 1), end: make(chan error, 1)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.got <- struct{}{}:
			default: // somebody is told already
			}
		}
		_ = r.Close()
		p.end <- p.cmd.Wait()
		close(p.end)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.end
		if t.Failed() {
			t.Log(p.text())
		}
	})
	p.await(t, "  gateway  http://")
	_, after, _ := strings.Cut(p.text(), "  gateway  ")
	p.url, _, _ = strings.Cut(after, "\n")
	return p
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// await waits until the program has printed text.
func (p *process) await(t *testing.T, text string) {
	t.Helper()
	p.awaitCount(t, text, 1)
}

// awaitCount waits until the program has printed text n times at least.
func (p *process) awaitCount(t *testing.T, text string, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for strings.Count(p.text(), text) < n {
		select {
		case <-p.got:
		case err := <-p.end:
			t.Fatalf("the program ended (%v) before it printed %q:\n%s", err, text, p.text())
		case <-deadline:
			t.Fatalf("the program printed %q %d times, want %d:\n%s", text, strings.Count(p.text(), text), n, p.text())
		}
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestProcess runs the program itself.
func TestProcess(t *testing.T) {
	bin := build(t)
	t.Run("SIGTERM with open streams", func(t *testing.T) { testDrain(t, bin) })
	t.Run("reload", func(t *testing.T) { testReload(t, bin) })
}

// gate holds streams back until it is released, once.
type gate struct {
	open    chan struct{}
	release func()
}

func newGate() gate {
	g := gate{open: make(chan struct{})}
	g.release = sync.OnceFunc(func() { close(g.open) })
	return g
}

// gated is a stream that says its last words when release is closed.
func gated(release <-chan struct{}) Act {
	return Do(func(x *Exchange) {
		x.Write(ChunksText(200, sseMedia, frame1))
		<-release
		x.Write(Chunk(frame2) + Chunk(frame3) + Chunk(frameDone) + Chunk(""))
	})
}

// testDrain ends the program while 200 streams are open: each finishes, each has its trace, and nothing new is let in.
func testDrain(t *testing.T, bin string) {
	const streams = 200
	release := newGate()
	u, c := StartUpstream(t, gated(release.open)), startCollector(t)
	t.Cleanup(release.release) // before the upstream waits for its streams
	p := startProcess(t, bin, "run", "--quiet", "--config", writeConfig(t, u, "telemetry: {traces: [{otlp: "+c.url+"}]}"))
	ended := make(chan answer, streams)
	begun := make(chan struct{}, streams)
	client := newClient(t)
	for range streams {
		go func() { ended <- streamOf(t.Context(), client, p.url, begun) }()
	}
	for range streams {
		<-begun
	}
	p.signal(t, syscall.SIGTERM)
	awaitRefusal(t, p.url)
	release.release()
	for range streams {
		if got := <-ended; got.err != nil || got.body != frame1+frame2+frame3+frameDone {
			t.Errorf("a stream was lost: %v %q", got.err, got.body)
		}
	}
	if err := <-p.end; err != nil {
		t.Errorf("the program ended with %v", err)
	}
	if got := c.outcomes(); len(got) != 1 || got["ok"] != streams {
		t.Errorf("traces by outcome %v, want %d ok", got, streams)
	}
}

// streamOf calls for a stream and tells begun when its first frame has come.
func streamOf(ctx context.Context, client *http.Client, url string, begun chan<- struct{}) answer {
	told := false
	tell := func() {
		if !told {
			told = true
			begun <- struct{}{}
		}
	}
	defer tell()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/r"+openAIChat, strings.NewReader(streamBody))
	if err != nil {
		return answer{err: err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	first := make([]byte, len(frame1))
	if n, err := io.ReadFull(resp.Body, first); err != nil {
		return answer{status: resp.StatusCode, body: string(first[:n]), err: err}
	}
	tell()
	rest, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, body: string(first) + string(rest), err: err}
}

// writeConfig writes a configuration with a route /r to u, and more lines at the top.
func writeConfig(t *testing.T, u *Upstream, more ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "spanway.yaml")
	replaceFile(t, file, processConfig(u, more...))
	return file
}

func processConfig(u *Upstream, more ...string) string {
	head := "listen: 127.0.0.1:0\nadmin: off\n"
	return head + strings.Join(append(more, fmt.Sprintf("backends: {a: {provider: openai, url: %q}}\nroutes: [{name: r, match: {path: /r}, to: a}]\n", u.URL)), "\n")
}

// replaceFile puts a new file in place of file, as editors and Kubernetes do.
func replaceFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// testReload changes the configuration under a running stream.
func testReload(t *testing.T, bin string) {
	release := newGate()
	old, fresh := StartUpstream(t, gated(release.open)), StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
	third := StartUpstream(t, Respond(200, jsonMedia, `{"third":true}`))
	t.Cleanup(release.release) // before the upstream waits for its streams
	file := writeConfig(t, old)
	p := startProcess(t, bin, "run", "--config", file)
	client := newClient(t)
	ended, begun := make(chan answer, 1), make(chan struct{}, 1)
	go func() { ended <- streamOf(t.Context(), client, p.url, begun) }()
	<-begun
	call := func(want string) {
		t.Helper()
		if got := send(t.Context(), client, "POST", p.url+"/r"+openAIChat, chatBody, nil); got.body != want {
			t.Errorf("got %d %q (%v), want %q", got.status, got.body, got.err, want)
		}
	}

	replaceFile(t, file, processConfig(fresh)) // seen by itself
	p.awaitCount(t, "configuration loaded", 1)
	call(chatAnswer)

	replaceFile(t, file, processConfig(third, "listne: 127.0.0.1:1", "limits: {body: many}"))
	p.awaitCount(t, "configuration refused, the old one goes on", 1)
	for _, problem := range []string{"spanway.yaml:3:1", "listne", "spanway.yaml:4:", "limits.body"} {
		p.await(t, problem)
	}
	call(chatAnswer)

	p.signal(t, syscall.SIGHUP) // still bad
	p.awaitCount(t, "configuration refused, the old one goes on", 2)
	call(chatAnswer)

	replaceFile(t, file, processConfig(third))
	p.signal(t, syscall.SIGHUP)
	p.awaitCount(t, "configuration loaded", 2)
	call(`{"third":true}`)

	release.release()
	if got := <-ended; got.err != nil || got.body != frame1+frame2+frame3+frameDone {
		t.Errorf("the stream that ran across the changes got %v %q", got.err, got.body)
	}
	equal(t, "calls of the first provider", old.Calls(), 1)
	p.signal(t, syscall.SIGTERM)
	if err := <-p.end; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}
