package collector

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// process is a running program.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of what is watched, ends when the program does
	wg    sync.WaitGroup
	once  sync.Once
}

// start runs cmd until the test ends, and watches the lines of r, which cmd writes to.
func start(t *testing.T, cmd *exec.Cmd, r io.Reader) *process {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, lines: make(chan string, 10_000)}
	p.wg.Go(func() {
		defer close(p.lines)
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			if line != "" {
				select {
				case p.lines <- strings.TrimSuffix(line, "\n"):
				default: // nobody asked for any of so many
				}
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// end sends sig and waits for the program to end.
func (p *process) end(sig os.Signal) {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(sig)
		p.wg.Wait()
		_ = p.cmd.Wait()
	})
}

// expect waits until every pattern was found in a line, each in its own, in this order, and returns their first groups.
func (p *process) expect(t *testing.T, patterns ...string) (found []string) {
	t.Helper()
	deadline := time.After(patience)
	var seen []string
	for _, pattern := range patterns {
		re := regexp.MustCompile(pattern)
		for m := []string(nil); m == nil; {
			select {
			case line, ok := <-p.lines:
				if !ok {
					t.Fatalf("%s ended:\n%s", p.cmd.Path, strings.Join(seen, "\n"))
				}
				seen = append(seen, line)
				if m = re.FindStringSubmatch(line); m != nil {
					found = append(found, m[len(m)-1])
				}
			case <-deadline:
				t.Fatalf("%s did not say %q:\n%s", p.cmd.Path, pattern, strings.Join(seen, "\n"))
			}
		}
	}
	return found
}

// otelcol is a real Collector that prints what it takes before it says that it has taken it.
type otelcol struct {
	GRPC, HTTP string // host:port

	t       *testing.T
	tls     *authority
	limited bool // its memory limiter refuses everything
	process *process
	printed []string // the file of every run
}

// startOtelcol runs a Collector until the test ends. With an authority it asks for TLS on both sides.
func startOtelcol(t *testing.T, tls *authority) *otelcol {
	t.Helper()
	c := &otelcol{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", t: t, tls: tls}
	c.run()
	return c
}

// run starts the process, at the addresses of the run before if there was one.
func (c *otelcol) run() {
	c.t.Helper()
	security := "null"
	if c.tls != nil {
		security = fmt.Sprintf("{cert_file: %q, key_file: %q, client_ca_file: %q}", c.tls.serverCert, c.tls.serverKey, c.tls.ca)
	}
	processors := ""
	if c.limited {
		processors = "memory_limiter"
	}
	dir := c.t.TempDir()
	conf := filepath.Join(dir, "otelcol.yaml")
	write(c.t, conf, fmt.Sprintf(`receivers:
  otlp:
    protocols:
      grpc: {endpoint: %q, tls: %s}
      http: {endpoint: %q, tls: %s}
processors:
  memory_limiter: {check_interval: 5ms, limit_mib: 1}
exporters:
  debug: {verbosity: detailed, use_internal_logger: false}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [%s], exporters: [debug]}
    metrics: {receivers: [otlp], exporters: [debug]}
`, c.GRPC, security, c.HTTP, security, processors))
	printed, err := os.Create(filepath.Join(dir, "printed"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.printed = append(c.printed, printed.Name())
	cmd := exec.Command(programs.otelcol, "--config", conf)
	cmd.Stdout = printed
	says, err := cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.process = start(c.t, cmd, says)
	_ = printed.Close() // the process has its own
	at := c.process.expect(c.t, `Starting GRPC server.*"endpoint": "([^"]+)"`, `Starting HTTP server.*"endpoint": "([^"]+)"`,
		`Everything is ready`)
	c.GRPC, c.HTTP = at[0], at[1]
}

// kill ends the process as an out-of-memory killer does.
func (c *otelcol) kill() { c.process.end(syscall.SIGKILL) }

// address is where the protocol is spoken.
func (c *otelcol) address(protocol string) string {
	if protocol == grpcProtocol {
		return c.GRPC
	}
	return c.HTTP
}

// output is what every run has printed so far.
func (c *otelcol) output() []*printed {
	c.t.Helper()
	var all []*printed
	for _, name := range c.printed {
		text, err := os.ReadFile(name)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, parsePrinted(string(text)))
	}
	return all
}

// gateway is a running "spanway run".
type gateway struct {
	URL, Admin string
	traces     string // where it says that traces go
	process    *process
	t          *testing.T
}

// startGateway runs the program with the configuration and, beside PATH, these environment variables only.
func startGateway(t *testing.T, conf string, env ...string) *gateway {
	t.Helper()
	return startGatewayAs(t, nil, conf, env...)
}

// startGatewayAs is startGateway with further arguments.
func startGatewayAs(t *testing.T, args []string, conf string, env ...string) *gateway {
	t.Helper()
	file := filepath.Join(t.TempDir(), "spanway.yaml")
	write(t, file, conf)
	cmd := exec.Command(programs.spanway, append([]string{"run", "--config", file}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stderr = t.Output()
	says, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, process: start(t, cmd, says)}
	at := g.process.expect(t, `gateway +(http://\S+)`, `admin +(http://\S+)`, `traces +(.*)`, `config `)
	g.URL, g.Admin, g.traces = at[0], at[1], at[2]
	return g
}

// stop asks the gateway to end and waits until it has exported what it holds.
func (g *gateway) stop() {
	g.t.Helper()
	g.process.end(syscall.SIGTERM)
	if code := g.process.cmd.ProcessState.ExitCode(); code != 0 {
		g.t.Errorf("the gateway exited with %d", code)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
