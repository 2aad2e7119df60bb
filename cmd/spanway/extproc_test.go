package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/envoy"
)

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	return ln.Addr().String()
}

// static is an Envoy with a bootstrap of "spanway translate", and what its processor is started with.
type static struct {
	url  string
	args []string
}

func startStatic(t *testing.T, conf, processor, demo string) *static {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sw-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if processor == "" {
		processor = "unix:" + filepath.Join(dir, "p.sock")
	}
	at := free(t)
	file := filepath.Join(dir, "spanway.yaml")
	write(t, file, "listen: "+at+"\nadmin: 127.0.0.1:0\n"+conf)
	flags := []string{"--config", file, "--demo", demo}
	out, _, err := execute(t, "", append([]string{"translate", "--to", "envoy", "--processor", processor}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Start(&envoy.Options{Binary: envoyPath(t), Bootstrap: []byte(out), Dir: dir, Concurrency: 1,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &static{url: "http://" + at, args: append([]string{"extproc", "--listen", processor, "-q"}, flags...)}
}

// TestExtproc: an Envoy of its own asks over TCP, and the processor brings the demo provider.
func TestExtproc(t *testing.T) {
	e := startStatic(t, "backends: {demo: {provider: demo, demo: true}}\nroutes: [{name: demo, match: {path: /demo}, to: demo}]\n", free(t), free(t))
	admin := free(t)
	p := start(t, append(e.args, "--admin", admin)...)
	p.expect(t, `extproc  127.0.0.1:\d+`)
	if at := p.expect(t, `admin    http://(\S+)`); at != admin {
		t.Errorf("admin at %s, want %s", at, admin)
	}
	p.expect(t, `config   `)
	c := client(t)
	if a := ask(t.Context(), c, e.url+"/demo/v1/chat/completions", hello); a.status != 200 || !strings.Contains(a.body, `"finish_reason":"stop"`) {
		t.Errorf("%+v", a)
	}
	if a := ask(t.Context(), c, "http://"+admin+"/readyz", ""); a.status != 200 {
		t.Errorf("ready: %+v", a)
	}
	p.stop(t)
}

// TestExtprocDies: without the processor calls are refused at once, in the gateway's shape, and no credential reaches a
// provider; the first call after it is back works.
func TestExtprocDies(t *testing.T) {
	provider := newKeyed(t)
	e := startStatic(t, fmt.Sprintf("telemetry: {traces: []}\nbackends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n", provider.URL+"/v1"), "", "127.0.0.1:1")
	url := e.url + "/v1/chat/completions"
	c := client(t)
	refused := func(when string, a answer) {
		t.Helper()
		var m struct {
			Error struct{ Message, Type string }
		}
		if a.err != nil || a.status != 503 || json.Unmarshal([]byte(a.body), &m) != nil || m.Error.Message == "" || m.Error.Type == "" || a.took > hang {
			t.Errorf("%s: %+v", when, a)
		}
	}
	refused("before it was ever there", ask(t.Context(), c, url, hello))
	first := start(t, e.args...)
	first.expect(t, `config   `)
	end := load(t, url)
	until(t, "calls arrive", func() bool { return provider.count("k") > 20 })
	first.kill()
	refused("after it was killed", ask(t.Context(), c, url, hello))
	second := start(t, e.args...)
	second.expect(t, `config   `)
	if a := ask(t.Context(), c, url, hello); a.status != 200 {
		t.Errorf("the first call after it is back: %+v", a)
	}
	before := provider.count("k")
	until(t, "calls arrive again", func() bool { return provider.count("k") > before+20 })
	answers, lost := end(), 0
	for _, a := range answers {
		if a.err != nil || a.status != 200 {
			refused("under load", a)
			lost++
		}
	}
	if lost == 0 {
		t.Error("no call was refused: it was not away")
	}
	t.Logf("%d of %d calls were refused", lost, len(answers))
	if n := len(provider.keys); n != 1 {
		t.Errorf("the provider was called without its key: %v", provider.keys)
	}
	second.stop(t)
}

// TestExtprocHangs: a processor that answers nothing costs a call the configured time, then the call fails as it does without one.
// What was begun is not carried out when the processor goes on.
func TestExtprocHangs(t *testing.T) {
	provider := newKeyed(t)
	e := startStatic(t, fmt.Sprintf("telemetry: {traces: []}\nbackends: {a: {provider: openai, url: %q, key: k}}\n"+
		"routes: [{match: {path: /v1}, to: a, retry: {backoff: {base: 1ms, max: 10ms}}}]\nenvoy: {messageTimeout: 500ms}\n", provider.URL+"/v1"), "", "127.0.0.1:1")
	p := start(t, e.args...)
	p.expect(t, `config   `)
	url, c := e.url+"/v1/chat/completions", client(t)
	if a := ask(t.Context(), c, url, hello); a.status != 200 {
		t.Fatalf("before: %+v", a)
	}
	p.signal(t, syscall.SIGSTOP)
	before := provider.count("k")
	for range 3 {
		a := ask(t.Context(), c, url, hello)
		if a.err != nil || a.status/100 != 5 || !strings.Contains(a.body, `"error":{`) || a.took < 400*time.Millisecond || a.took > hang {
			t.Errorf("while it hangs: %+v", a)
		}
	}
	p.signal(t, syscall.SIGCONT)
	if a := ask(t.Context(), c, url, hello); a.status != 200 {
		t.Errorf("when it goes on: %+v", a)
	}
	if n := provider.count("k") - before; n != 1 {
		t.Errorf("the provider was called %d times, want once", n)
	}
	p.stop(t)
}

// TestExtprocRefuses: a socket that is in use, or is none, is left alone.
func TestExtprocRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "text")
	taken := listen(t)
	defer taken.Close()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"is no socket", []string{"--listen", "unix:" + file, "--admin", "off", "--demo", free(t)}},
		{"address already in use", []string{"--listen", taken.Addr().String(), "--admin", "off", "--demo", free(t)}},
		{"give another --demo", []string{"--listen", free(t), "--admin", "off", "--demo", taken.Addr().String()}},
		{"is in use", []string{"--listen", free(t), "--admin", taken.Addr().String(), "--demo", free(t)}},
	} {
		if _, _, err := execute(t, "", append([]string{"extproc"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("a file was taken for a socket: %q, %v", text, err)
	}
}

// TestExtprocDrains: SIGTERM with open streams: they go on to their end, new calls are refused at once, all traces are exported.
func TestExtprocDrains(t *testing.T) {
	const streams = 20
	otlp, provider := newReceiver(t), newStreamer(t)
	e := startStatic(t, fmt.Sprintf("telemetry: {traces: [{otlp: {endpoint: %q, protocol: http/protobuf}}]}\nbackends: {a: {provider: openai, url: %q, key: k}}\nroutes: [{match: {path: /v1}, to: a}]\n",
		otlp.URL, provider.URL+"/v1"), "", "127.0.0.1:1")
	p := start(t, e.args...)
	p.expect(t, `config   `)
	c := client(t)
	answers := make(chan answer, streams)
	for range streams {
		go func() {
			answers <- ask(t.Context(), c, e.url+"/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1))
		}()
	}
	until(t, "all streams have begun", func() bool { return provider.begun.Load() == streams })
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.expect(t, "draining")
	until(t, "new calls are refused", func() bool { return ask(t.Context(), c, e.url+"/nowhere", "").status == 503 })
	close(provider.release)
	for range streams {
		if a := <-answers; a.err != nil || a.status != 200 || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
			t.Errorf("%+v", a)
		}
	}
	p.await(t)
	otlp.mu.Lock()
	defer otlp.mu.Unlock()
	if len(otlp.traces) < streams {
		t.Errorf("%d traces were exported, want %d or more", len(otlp.traces), streams)
	}
}
