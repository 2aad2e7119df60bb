package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// hang is how long an answer may not take. A machine that is busy is no fault, Envoy's wait of a minute for a processor is.
const hang = 20 * time.Second

const hello = `{"model":"demo","messages":[{"role":"user","content":"Hello!"}]}`

// envoyRun is a running "spanway run --data-plane=envoy".
type envoyRun struct {
	*process
	url, admin string
	envoy      int // pid
	file       string
}

func startEnvoy(t *testing.T, conf string, args ...string) *envoyRun {
	t.Helper()
	g := &envoyRun{file: filepath.Join(t.TempDir(), "spanway.yaml")}
	write(t, g.file, conf)
	g.process = start(t, append([]string{"run", "--data-plane=envoy", "--envoy-concurrency", "1", "--config", g.file}, args...)...)
	g.expect(t, `config   `)
	g.url = g.expect(t, `gateway  (http://\S+)`)
	g.admin = g.expect(t, `admin    (http://\S+)`)
	g.envoy = pidOf(t, g.expect(t, `envoy    [0-9.]+, process (\d+)`))
	return g
}

// clusters are the names of Envoy's clusters that begin with prefix.
func (g *envoyRun) clusters(t *testing.T, prefix string) map[string]bool {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(g.dir, "*", "admin.sock"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("%v, %v", sockets, err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", sockets[0])
	}}}
	a := ask(t.Context(), c, "http://envoy/clusters", "")
	if a.status != 200 {
		t.Fatalf("%+v", a)
	}
	names := map[string]bool{}
	for line := range strings.Lines(a.body) {
		if name, _, _ := strings.Cut(line, "::"); strings.HasPrefix(name, prefix) {
			names[name] = true
		}
	}
	return names
}

func pidOf(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestEnvoyAnswers: what the README shows, and nothing is left behind.
func TestEnvoyAnswers(t *testing.T) {
	g := startEnvoy(t, "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nbackends: {demo: {provider: demo, demo: true}}\nroutes: [{name: demo, match: {path: /demo}, to: demo, streamUsage: true}]\n", "--trace")
	c := client(t)
	if a := ask(t.Context(), c, g.url+"/demo/v1/chat/completions", hello); a.err != nil || a.status != 200 || !strings.Contains(a.body, `"finish_reason":"stop"`) {
		t.Errorf("whole: %+v", a)
	}
	a := ask(t.Context(), c, g.url+"/demo/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1))
	if a.err != nil || a.status != 200 || !strings.HasPrefix(a.body, "data: {") || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
		t.Errorf("streamed: %+v", a)
	}
	g.expect(t, `(?s)chat demo \(demo\)  tokens 2→25 .*chat demo \(demo\)  tokens 2→25  first `)
	if a := ask(t.Context(), c, g.admin+"/readyz", ""); a.status != 200 {
		t.Errorf("ready: %+v", a)
	}
	if a := ask(t.Context(), c, g.admin+"/metrics", ""); a.status != 200 || !strings.Contains(a.body, "gen_ai_client_operation_duration") {
		t.Errorf("metrics: %+v", a)
	}
	if !alive(g.envoy) {
		t.Errorf("the banner names process %d, which does not run", g.envoy)
	}
	g.stop(t)
	if alive(g.envoy) {
		t.Error("Envoy was left behind")
	}
}

// receiver takes traces over OTLP and counts what it got.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	traces map[string]int // trace id → spans
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{traces: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		var m v1.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &m) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					r.traces[string(s.TraceId)]++
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

// streamer is a provider whose streams go on until release is closed.
type streamer struct {
	*httptest.Server
	begun   atomic.Int64
	release chan struct{}
}

const chunk = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"%d"},"finish_reason":null}]}` + "\n\n"

func newStreamer(t *testing.T) *streamer {
	s := &streamer{release: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, chunk, 1)
		w.(http.Flusher).Flush()
		s.begun.Add(1)
		<-s.release
		fmt.Fprintf(w, chunk, 2)
		io.WriteString(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(s.Close)
	return s
}

// TestEnvoyDrains: SIGTERM with open streams: all go on to their end, all traces are exported, nothing new is accepted.
func TestEnvoyDrains(t *testing.T) {
	const streams = 50
	otlp, provider := newReceiver(t), newStreamer(t)
	g := startEnvoy(t, fmt.Sprintf("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntelemetry: {traces: [{otlp: {endpoint: %q, protocol: http/protobuf}}]}\n"+
		"backends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n", otlp.URL, provider.URL+"/v1"), "-q")
	c := client(t)
	answers := make(chan answer, streams)
	for range streams {
		go func() {
			answers <- ask(t.Context(), c, g.url+"/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1))
		}()
	}
	until(t, "all streams have begun", func() bool { return provider.begun.Load() == streams })
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	until(t, "nothing new is accepted", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if a := ask(t.Context(), c, g.admin+"/readyz", ""); a.status != 503 {
		t.Errorf("while it drains it is ready: %+v", a)
	}
	close(provider.release)
	want := fmt.Sprintf(chunk+chunk, 1, 2) + "data: [DONE]\n\n"
	for range streams {
		if a := <-answers; a.err != nil || a.status != 200 || a.body != want {
			t.Errorf("%+v", a)
		}
	}
	g.await(t)
	otlp.mu.Lock()
	defer otlp.mu.Unlock()
	if len(otlp.traces) != streams {
		t.Errorf("%d traces were exported, want %d", len(otlp.traces), streams)
	}
	for id, spans := range otlp.traces {
		if spans != 3 {
			t.Errorf("trace %x has %d spans, want 3", id, spans)
		}
	}
}

// TestEnvoyDrainIsBounded: what outlasts shutdown.drain is ended, with a trace.
func TestEnvoyDrainIsBounded(t *testing.T) {
	otlp, provider := newReceiver(t), newStreamer(t)
	defer close(provider.release)
	g := startEnvoy(t, fmt.Sprintf("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nshutdown: {drain: 200ms}\ntelemetry: {traces: [{otlp: {endpoint: %q, protocol: http/protobuf}}]}\n"+
		"backends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n", otlp.URL, provider.URL+"/v1"), "-q")
	answers := make(chan answer, 1)
	go func() {
		answers <- ask(t.Context(), client(t), g.url+"/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1))
	}()
	until(t, "the stream has begun", func() bool { return provider.begun.Load() == 1 })
	g.stop(t)
	if a := <-answers; a.err != nil || a.status != 200 || !strings.HasPrefix(a.body, fmt.Sprintf(chunk, 1)) || !strings.Contains(a.body, "error") || strings.Contains(a.body, "[DONE]") {
		t.Errorf("%+v", a)
	}
	otlp.mu.Lock()
	defer otlp.mu.Unlock()
	if len(otlp.traces) != 1 {
		t.Errorf("%d traces were exported, want 1", len(otlp.traces))
	}
}

// load makes calls one after the other on several connections until end is called, which returns the answers.
func load(t *testing.T, url string) (end func() []answer) {
	t.Helper()
	const workers = 8
	stop := make(chan struct{})
	var mu sync.Mutex
	var all []answer
	var wg sync.WaitGroup
	c := client(t)
	for range workers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := ask(t.Context(), c, url, hello)
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
				if a.err != nil {
					<-time.After(5 * time.Millisecond) // refused at once
				}
			}
		})
	}
	return func() []answer {
		close(stop)
		wg.Wait()
		return all
	}
}

// keyed is a provider that counts the keys that it was shown.
type keyed struct {
	*httptest.Server
	mu   sync.Mutex
	keys map[string]int
}

func newKeyed(t *testing.T) *keyed {
	k := &keyed{keys: map[string]int{}}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		k.mu.Lock()
		k.keys[r.Header.Get("Authorization")]++
		k.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *keyed) count(key string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys["Bearer "+key]
}

// TestEnvoyReloads: under load a route is added, a backend's address changes with its key, and then its key alone. No call is
// lost, and no key is shown to another address than its own.
func TestEnvoyReloads(t *testing.T) {
	first, second := newKeyed(t), newKeyed(t)
	second.URL = strings.Replace(second.URL, "127.0.0.1", "localhost", 1) // a name that Envoy has to look up first
	conf := func(provider *keyed, key, more string) string {
		return fmt.Sprintf("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntelemetry: {traces: []}\nbackends: {a: {provider: openai, url: %q, key: %s}}\n"+
			"routes:\n- {name: main, match: {path: /v1}, to: a}\n%s", provider.URL+"/v1", key, more)
	}
	g := startEnvoy(t, conf(first, "one", ""), "-q")
	end := load(t, g.url+"/v1/chat/completions")
	until(t, "calls arrive", func() bool { return first.count("one") > 20 })
	write(t, g.file, conf(first, "one", "- {name: more, match: {path: /more}, to: a}\n"))
	c := client(t)
	until(t, "the new route is there", func() bool { return ask(t.Context(), c, g.url+"/more/chat/completions", hello).status == 200 })
	write(t, g.file, conf(second, "two", ""))
	until(t, "the new address is called", func() bool { return second.count("two") > 20 })
	write(t, g.file, conf(second, "three", ""))
	until(t, "the new key is used", func() bool { return second.count("three") > 20 })
	answers := end()
	for _, a := range answers {
		if a.err != nil || a.status != 200 {
			t.Errorf("lost: %+v", a)
		}
	}
	if first.count("two")+first.count("three")+second.count("one") > 0 {
		t.Errorf("a key was shown to an address that is not its own: %v, %v", first.keys, second.keys)
	}
	until(t, "the old route is gone", func() bool { return ask(t.Context(), c, g.url+"/more/chat/completions", hello).status == 404 })
	until(t, "Envoy has let go of the old address", func() bool { return len(g.clusters(t, "a@")) == 1 })
	write(t, g.file, "routs: []\n")
	g.expect(t, "configuration refused, the old one goes on")
	if a := ask(t.Context(), c, g.url+"/v1/chat/completions", hello); a.status != 200 {
		t.Errorf("after a configuration that was refused: %+v", a)
	}
	g.stop(t)
	t.Logf("%d calls", len(answers))
}

// TestEnvoyDies: calls fail fast while it is away, later ones work.
func TestEnvoyDies(t *testing.T) {
	provider := newKeyed(t)
	g := startEnvoy(t, fmt.Sprintf("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntelemetry: {traces: []}\nbackends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n", provider.URL+"/v1"), "-q")
	end := load(t, g.url+"/v1/chat/completions")
	until(t, "calls arrive", func() bool { return provider.count("k") > 20 })
	c := client(t)
	away := make(chan struct{})
	go func() { // without a pause: it is not away for long
		defer close(away)
		for t.Context().Err() == nil && ask(t.Context(), c, g.admin+"/readyz", "").status != 503 {
		}
	}()
	if err := syscall.Kill(g.envoy, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-away
	g.expect(t, "envoy died, it is started again")
	g.expect(t, "envoy serves again")
	until(t, "it is ready", func() bool { return ask(t.Context(), c, g.admin+"/readyz", "").status == 200 })
	before := provider.count("k")
	until(t, "calls arrive again", func() bool { return provider.count("k") > before+20 })
	failed := 0
	for _, a := range end() {
		if a.err != nil || a.status != 200 {
			failed++
			if a.err == nil || a.took > hang {
				t.Errorf("a call without Envoy: %+v", a)
			}
		}
	}
	if failed == 0 {
		t.Error("no call failed: it was not away")
	}
	if a := ask(t.Context(), c, g.url+"/v1/chat/completions", hello); a.status != 200 {
		t.Errorf("later: %+v", a)
	}
	g.stop(t)
}

// TestEnvoyIsRefused: what cannot work is said before anything runs.
func TestEnvoyIsRefused(t *testing.T) {
	ln := listen(t)
	defer ln.Close()
	taken := "listen: " + ln.Addr().String() + "\nadmin: off\n"
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("ENVOY", envoyPath(t))
	for _, c := range []struct {
		conf, want string
		args       []string
	}{
		{"", "want native or envoy", []string{"--data-plane=nginx"}},
		{"", "needs --data-plane=envoy", []string{"--envoy=/bin/envoy"}},
		{"", "want debug", []string{"--data-plane=envoy", "--envoy-log-level=trace"}},
		{"", "--envoy names", []string{"--data-plane=envoy", "--envoy=/nowhere/envoy"}},
		{"", "does not say a version of Envoy", []string{"--data-plane=envoy", "--envoy=/bin/true"}},
		{taken, "is in use: stop what listens there", []string{"--data-plane=envoy"}},
	} {
		_, _, err := execute(t, c.conf, append([]string{"run", "--config", "-"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// TestEnvoyMovesListeners: a reload opens, moves, renames and closes listeners.
func TestEnvoyMovesListeners(t *testing.T) {
	provider := newKeyed(t)
	conf := func(listeners string) string {
		return fmt.Sprintf("listeners: [%s]\nadmin: 127.0.0.1:0\ntelemetry: {traces: []}\nbackends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n", listeners, provider.URL+"/v1")
	}
	one, two, three := free(t), free(t), free(t)
	g := startEnvoy(t, conf("{name: a, address: "+one+"}"), "-q")
	c := client(t)
	answers := func(address string) bool {
		return ask(t.Context(), c, "http://"+address+"/v1/chat/completions", hello).status == 200
	}
	gone := func(address string) bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}
	if !answers(one) {
		t.Error("the first listener does not answer")
	}
	for _, step := range []struct {
		name, listeners string
		up, down        []string
	}{
		{"another", "{name: a, address: " + one + "}, {name: b, address: " + two + "}", []string{one, two}, nil},
		{"the first moves", "{name: a, address: " + three + "}, {name: b, address: " + two + "}", []string{two, three}, []string{one}},
		{"one is renamed", "{name: a, address: " + three + "}, {name: c, address: " + two + "}", []string{two, three}, []string{one}},
		{"one is closed", "{name: c, address: " + two + "}", []string{two}, []string{one, three}},
	} {
		write(t, g.file, conf(step.listeners))
		for _, a := range step.up {
			until(t, step.name+": "+a+" answers", func() bool { return answers(a) })
		}
		for _, a := range step.down {
			until(t, step.name+": "+a+" is closed", func() bool { return gone(a) })
		}
	}
	// One that is taken is refused, and the others go on.
	taken := listen(t)
	defer taken.Close()
	write(t, g.file, conf("{name: c, address: "+two+"}, {name: d, address: "+taken.Addr().String()+"}"))
	g.expect(t, `is in use: stop what listens there`)
	if !answers(two) {
		t.Error("after a configuration that was refused nothing answers")
	}
	g.stop(t)
}

// TestEnvoyDrainsUnderLoad: a call that was let in is answered; others find nobody. The kernel resets connections that wait to be
// accepted when their listener closes.
func TestEnvoyDrainsUnderLoad(t *testing.T) {
	provider := newKeyed(t)
	g := startEnvoy(t, fmt.Sprintf("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntelemetry: {traces: []}\nbackends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n", provider.URL+"/v1"), "-q")
	end := load(t, g.url+"/v1/chat/completions")
	until(t, "calls arrive", func() bool { return provider.count("k") > 100 })
	g.stop(t)
	answered, refused := 0, 0
	for _, a := range end() {
		switch {
		case a.err == nil && a.status == 200:
			answered++
		case errors.Is(a.err, syscall.ECONNREFUSED) || errors.Is(a.err, syscall.ECONNRESET):
			refused++
		default:
			t.Errorf("lost: %v", a)
		}
	}
	if made := provider.count("k"); made != answered {
		t.Errorf("%d calls were made, %d answered", made, answered)
	}
	if refused == 0 {
		t.Error("no call was refused: it did not end under load")
	}
}
