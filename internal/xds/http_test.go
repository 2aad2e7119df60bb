package xds_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// echoing is a server that answers with the head that it got, as it was written, and after an upgrade with what it is told.
func echoing(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					var head strings.Builder
					for line := ""; line != "\r\n"; {
						if line, err = in.ReadString('\n'); err != nil {
							return
						}
						head.WriteString(line)
					}
					if strings.Contains(strings.ToLower(head.String()), "upgrade: websocket") {
						_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
						_, _ = io.Copy(c, in)
						return
					}
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nServer: mine\r\nx-ODD: 1\r\nContent-Length: %d\r\n\r\n%s", head.Len(), &head)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// raw sends the lines of a head as they are, and returns what comes until nothing more does.
func raw(t *testing.T, address string, lines ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// TestClients: Envoy speaks with clients as the configuration says, and as Spanway does by itself where it says nothing.
func TestClients(t *testing.T) {
	const base = "listen: %s\nbackends: {app: {provider: http, url: 'http://%s'}, ai: {provider: openai, url: 'http://127.0.0.1:1'}}\n" +
		"routes: [{name: app, to: app}, {name: ai, match: {path: /ai}, to: ai}]\n"
	f := startFleet(t)
	listen, app := free(t), echoing(t)
	told := func(envoy string) {
		t.Helper()
		if err := f.Publish(within(t, patience), f.resources(t, fmt.Sprintf(base, listen, app)+envoy)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what, got string, want, not []string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %q:\n%s", what, w, got)
			}
		}
		for _, n := range not {
			if strings.Contains(got, n) {
				t.Errorf("%s has %q:\n%s", what, n, got)
			}
		}
	}
	websocket := []string{"GET /ws HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"}
	odd := []string{"GET / HTTP/1.1", "Host: x", "x-oDD: 1", "X-Forwarded-For: 192.0.2.1"}

	told("")
	expect("by itself", raw(t, listen, odd...), []string{"Server: mine\r\n", "X-Odd: 1\r\nContent", "X-Odd: 1\r\n"}, []string{"orwarded"})
	expect("HTTP/1.0", raw(t, listen, "GET / HTTP/1.0"), []string{" 200 OK\r\n"}, nil)
	expect("no upgrade", raw(t, listen, websocket...), []string{" 200 OK\r\n"}, []string{"pgrade: websocket"})
	expect("no health check", raw(t, listen, "GET /healthy HTTP/1.1", "Host: x"), []string{"GET /healthy HTTP/1.1\r\n"}, nil)

	told(`envoy:
  upgradeConfig: {enabledUpgrades: [websocket]}
  useRemoteAddress: true
  serverHeaderTransformation: Overwrite
  healthCheck: /healthy
  preserveHttp1HeaderCase: true
  acceptHttp10: false
  idleTimeout: 1h
  accessLog:
  - {fileSink: {path: ` + filepath.Join(f.dir, "calls") + `, stringFormat: "%REQ(:PATH)%"}, filter: {andFilter: [{notHealthCheckFilter: true}, {statusCodeFilter: {op: LE, value: 299}}, {headerFilter: {header: {name: x-odd, type: RegularExpression, value: "[0-9]"}}}]}}
`)
	expect("as told", raw(t, listen, odd...), []string{"Server: envoy\r\n", "x-ODD: 1\r\n", "x-oDD: 1\r\n", "X-Forwarded-For: 192.0.2.1,"}, []string{"mine"})
	expect("HTTP/1.0 refused", raw(t, listen, "GET / HTTP/1.0"), []string{" 426 "}, nil)
	expect("health check", raw(t, listen, "GET /healthy HTTP/1.1", "Host: x"), []string{" 200 OK\r\n"}, []string{"GET /healthy"})
	expect("another upgrade", raw(t, listen, "GET / HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: other"), []string{" 403 "}, nil)
	expect("an upgrade that clients can do without", raw(t, listen, "GET / HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c"), []string{" 200 OK\r\n"}, nil)
	expect("an upgrade of a call to a model", raw(t, listen, "GET /ai HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"), []string{" 503 "}, nil) // R is shown the refusal alone
	upgraded(t, listen)
	awaitFile(t, filepath.Join(f.dir, "calls"), "/\n")
}

// upgraded has the server behind address say what it is told.
func upgraded(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no upgrade: %v %v", resp, err)
	}
	_, _ = io.WriteString(c, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "hello" {
		t.Errorf("after the upgrade: %q %v", got, err)
	}
}

// awaitFile waits until a file holds a text, and no more than that.
func awaitFile(t *testing.T, name, want string) {
	t.Helper()
	ctx := within(t, patience)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		got, err := os.ReadFile(name)
		if string(got) == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
}

// TestEverywhere: an address of all interfaces takes clients of IPv4, too.
func TestEverywhere(t *testing.T) {
	g, listen := plainGateway(t)
	_, port, _ := net.SplitHostPort(listen)
	g.Listeners[0].Address = "[::]:" + port
	g.Routes = append(g.Routes, answers("all", ir.Match{}))
	f := startFleet(t)
	f.publish(t, g, xds.Options{})
	if code, _, body := say(t, listen, "GET / HTTP/1.1", "Host: x"); code != http.StatusOK || body != "all" {
		t.Errorf("%d %s", code, body)
	}
}

// TestCollectorPlace: a collector is asked at its endpoints, under its authority.
func TestCollectorPlace(t *testing.T) {
	got := make(chan string, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case got <- r.Host + r.URL.Path:
		default:
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	f := startFleet(t)
	listen := free(t)
	g := load(t, []byte(fmt.Sprintf("listen: %s\nbackends: {app: {provider: http, url: 'http://127.0.0.1:1'}}\nroutes: [{to: app}]\nenvoy: {tracing: {endpoint: 'http://c.example:4318', protocol: http}}\n", listen)))
	g.Envoy.Tracing.Export.Endpoints, g.Envoy.Tracing.Export.Authority = []string{hostOf(collector)}, "traces.example"
	f.publish(t, g, xds.Options{})
	status(t, "http://"+listen+"/")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case at := <-got:
		if at != "traces.example/v1/traces" {
			t.Errorf("spans go to %s", at)
		}
	case <-ctx.Done():
		t.Error("no span came")
	}
}
