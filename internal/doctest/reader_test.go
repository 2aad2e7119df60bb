package doctest

import (
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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// patience bounds whatever is waited for.
const patience = 30 * time.Second

// reader does what a document says, in a folder of its own.
type reader struct {
	t         *testing.T
	dir       string
	providers string // URL of what stands for the real ones
	otlp      string // address in place of the one that documents give a collector, host:port
	gateway   *process
	// collector is there once the document has started one. Calls must then arrive at it.
	collector *process
	processor *process // "spanway extproc", once the document has started one
	listen    string   // the address that the latest configuration has in place of 127.0.0.1:8080
	env       []string // from "export"
	answer    string   // to the last call
	forwarded bool     // calls go to a cluster
}

func newReader(t *testing.T, providers string) *reader {
	t.Helper()
	r := &reader{t: t, dir: t.TempDir(), providers: providers, otlp: freeAddress(t)}
	if err := os.MkdirAll(filepath.Join(r.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(programs.spanway, filepath.Join(r.dir, "bin", "spanway")); err != nil {
		t.Fatal(err)
	}
	r.save("default.yaml", string(ir.Default()))
	t.Cleanup(func() {
		r.stop()
		for _, p := range []*process{r.processor, r.collector} {
			if p != nil {
				p.end(t)
			}
		}
	})
	return r
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// save writes a configuration, with addresses that are free and providers that are here.
func (r *reader) save(name, text string) {
	r.t.Helper()
	r.listen = freeAddress(r.t)
	for _, c := range []struct{ of, by string }{
		{"listen: 127.0.0.1:8080", "listen: " + r.listen},
		{"admin: 127.0.0.1:9090", "admin: 127.0.0.1:0"},
		{"http://localhost:11434", r.providers},
		{"localhost:4317", r.otlp},
		{"provider: openai,", "provider: openai, url: " + r.providers + "/v1,"},
		{"provider: anthropic,", "provider: anthropic, url: " + r.providers + ","},
		{"provider: gemini,", "provider: gemini, url: " + r.providers + ","},
	} {
		text = strings.ReplaceAll(text, c.of, c.by)
	}
	if !strings.Contains(text, "listen: ") {
		text += "listen: " + r.listen + "\n"
	}
	if !strings.Contains(text, "admin: ") {
		text += "admin: 127.0.0.1:0\n"
	}
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// run does one command and says what went wrong.
func (r *reader) run(command string) error {
	command = strings.NewReplacer("go run ./cmd/spanway", "bin/spanway", "localhost:4317", r.otlp, "127.0.0.1:4317", r.otlp).Replace(command)
	words := split(command)
	switch {
	case len(words) == 0:
		return nil
	case words[0] == "export":
		r.env = append(r.env, words[1:]...)
		return nil
	case words[0] == "curl" && r.forwarded:
		return nil // by a port of a cluster, which is not here
	case words[0] == "curl":
		return r.curl(words[1:])
	case words[0] == "make":
		return output(at(root, "make", append([]string{"--dry-run"}, words[1:]...)...))
	case strings.HasPrefix(command, "go build "):
		return output(at(root, "go", "list", words[len(words)-1]))
	case words[0] == ".tools/bin/otelcol":
		return r.collect(words[1:])
	case words[0] == ".tools/bin/envoy":
		return r.envoy(words[1:])
	case len(words) > 1 && words[0] == "bin/spanway" && words[1] == "extproc":
		return r.extproc(words[1:])
	case slices.Contains(words, "kubectl") || words[0] == "helm" || slices.Contains(words, "spanway"):
		return r.cluster(words)
	}
	env := len(words)
	for i, w := range words {
		if !strings.Contains(w, "=") {
			env = i
			break
		}
	}
	if rest := words[env:]; len(rest) > 1 && rest[0] == "bin/spanway" && rest[1] == "run" {
		return r.start(words[:env], rest[1:])
	}
	cmd := at(r.dir, "bash", "-euo", "pipefail", "-c", command)
	cmd.Env = append(os.Environ(), r.env...)
	return output(cmd)
}

func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// split cuts a command into words, as a shell does for quotes, backslashes and comments.
func split(command string) []string {
	var words []string
	word, started, quote := "", false, rune(0)
	end := func() {
		if started {
			words = append(words, word)
		}
		word, started = "", false
	}
	command = strings.ReplaceAll(command, "\\\n", " ")
	for i, c := range command {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, started = c, true
		case c == ' ' || c == '\n':
			end()
		case c == '#' && !started && (i == 0 || command[i-1] == ' '):
			return words
		default:
			word, started = word+string(c), true
		}
	}
	end()
	return words
}

// start runs a gateway in place of the one before, until the next or the end of the document.
func (r *reader) start(env, args []string) error {
	r.stop()
	configured := false
	for _, a := range args {
		configured = configured || a == "--config" || a == "-c"
	}
	if !configured {
		args = append(args, "--config", "default.yaml")
	}
	cmd := at(r.dir, filepath.Join(r.dir, "bin", "spanway"), args...)
	// Protocols are told by the port, which is another here.
	cmd.Env = slices.Concat(os.Environ(), []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, r.env, env)
	p, err := begin(cmd)
	if err != nil {
		return err
	}
	r.gateway = p
	ready := regexp.MustCompile(`(?s)gateway +http://(\S+).*\n  config .*\n`)
	text, err := p.await(r.t.Context(), ready.MatchString)
	if err != nil {
		return err
	}
	p.address = ready.FindStringSubmatch(text)[1]
	for _, e := range env {
		if name, endpoint, _ := strings.Cut(e, "="); name == "OTEL_EXPORTER_OTLP_ENDPOINT" && !strings.Contains(text, "traces   "+endpoint) {
			return fmt.Errorf("the gateway does not say that traces go to %s:\n%s", endpoint, text)
		}
	}
	return nil
}

// stop ends the gateway as Ctrl-C does.
func (r *reader) stop() {
	if r.gateway != nil {
		r.gateway.end(r.t)
		r.gateway = nil
	}
}

// collect runs a Collector until the end of the document.
func (r *reader) collect(args []string) error {
	p, err := begin(at(r.dir, programs.otelcol, args...))
	if err != nil {
		return err
	}
	r.collector = p
	_, err = p.await(r.t.Context(), func(text string) bool { return strings.Contains(text, "Everything is ready") })
	return err
}

// extproc runs a processor until the end of the document.
func (r *reader) extproc(args []string) error {
	p, err := begin(at(r.dir, filepath.Join(r.dir, "bin", "spanway"), args...))
	if err != nil {
		return err
	}
	r.processor = p
	_, err = p.await(r.t.Context(), regexp.MustCompile(`\n  config .*\n`).MatchString)
	return err
}

// envoy runs an Envoy with a bootstrap of the latest configuration, in place of the gateway before.
func (r *reader) envoy(args []string) error {
	r.stop()
	p, err := begin(at(r.dir, programs.envoy, append(args, "--disable-hot-restart")...))
	if err != nil {
		return err
	}
	p.address = r.listen
	r.gateway = p
	_, err = p.await(r.t.Context(), func(text string) bool { return strings.Contains(text, "starting main dispatch loop") })
	return err
}

// curl makes the call that curl would make.
func (r *reader) curl(args []string) error {
	if r.gateway == nil {
		return fmt.Errorf("no gateway runs at this point of the document")
	}
	target, method, body, header := "", http.MethodGet, "", http.Header{}
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-N" || a == "-s":
		case a == "-d" && i+1 < len(args):
			i++
			method, body = http.MethodPost, args[i]
			header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl has it
		case a == "-H" && i+1 < len(args):
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Set(name, value)
		case strings.HasPrefix(a, "-"):
			return fmt.Errorf("curl's %s is not known to this test", a)
		default:
			target = a
		}
	}
	target, known := strings.CutPrefix(strings.TrimPrefix(target, "http://"), "localhost:8080")
	if !known {
		return fmt.Errorf("the call does not go to localhost:8080")
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, "http://"+r.gateway.address+target, strings.NewReader(body))
	if err != nil {
		return err
	}
	q.Header = header
	r.gateway.calls++
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%d %s %w", resp.StatusCode, got, err)
	}
	r.answer = string(got)
	if streamed := bytes.HasPrefix(got, []byte("data: ")); streamed != strings.Contains(body, `"stream":true`) {
		return fmt.Errorf("streamed = %v: %s", streamed, got)
	}
	if r.collector != nil {
		_, err = r.collector.await(ctx, func(text string) bool { return strings.Contains(text, "gen_ai.request.model: Str(demo)") })
	}
	return err
}
