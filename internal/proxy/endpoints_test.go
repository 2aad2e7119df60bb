package proxy_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/scenario"
)

// counting is a server that answers and counts its calls by the host that they name.
type counting struct {
	mu    sync.Mutex
	hosts map[string]int
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.hosts[r.Host]++
	c.mu.Unlock()
	answer(w, r)
}

func (c *counting) of(host string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[host]
}

// TestEndpoints: endpoints have their turns one after the other, over connections that are kept; one that refuses connections costs an
// attempt of the retry policy. Host field and TLS name are those of the URL, a proxy of the environment is not asked.
func TestEndpoints(t *testing.T) {
	a := proxy.NewAuthority(t)
	pair := func() tls.Certificate {
		p, err := tls.LoadX509KeyPair(a.Issue(t, "app", "app.test"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}()
	text, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTPS_PROXY", "http://"+scenario.Unused(t))
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			var servers [2]counting
			var addresses []string
			for i := range servers {
				servers[i].hosts = map[string]int{}
				s := httptest.NewUnstartedServer(&servers[i])
				s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
				if s.EnableHTTP2 = true; scheme == "http" {
					s.Start()
				} else {
					s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
					s.StartTLS()
				}
				t.Cleanup(s.Close)
				addresses = append(addresses, s.Listener.Addr().String())
			}
			backend := fmt.Sprintf("url: %s://app.test, endpoints: %q", scheme, addresses)
			if scheme == "https" {
				backend += fmt.Sprintf(", tls: {caPEM: %q}", text)
			}
			g := scenario.Start(t, config("127.0.0.1:0", strings.ReplaceAll(backend, `" "`, `", "`), ""))
			for range 6 {
				if status, _, err := call(t, client(t, nil, http1), g.URL); err != nil || status != http.StatusOK {
					t.Fatalf("%d, %v", status, err)
				}
			}
			g.Traces(t, 6)
			for i := range servers {
				if n := servers[i].of("app.test"); n != 3 {
					t.Errorf("server %d had %d of 6 calls", i, n)
				}
			}
		})
	}
}

// TestEndpointsRetry: whether another endpoint is asked after one that cannot be connected to is the retry policy's business.
func TestEndpointsRetry(t *testing.T) {
	s := counting{hosts: map[string]int{}}
	up := httptest.NewServer(&s)
	t.Cleanup(up.Close)
	for attempts, want := range map[int]int{1: http.StatusBadGateway, 2: http.StatusOK} {
		conf := fmt.Sprintf(`telemetry: {traces: []}
admin: off
listen: 127.0.0.1:0
backends: {a: {provider: openai, url: "http://app.test", endpoints: [%q, %q]}}
routes: [{to: a, retry: {attempts: %d}}]
`, up.Listener.Addr(), scenario.Unused(t), attempts)
		g := scenario.Start(t, conf)
		seen := map[int]int{}
		for range 4 {
			status, _, err := call(t, client(t, nil, http1), g.URL)
			if err != nil {
				t.Fatal(err)
			}
			seen[status]++
		}
		g.Traces(t, 4)
		if seen[want] == 0 || want == http.StatusOK && seen[want] != 4 {
			t.Errorf("%d attempts: statuses %v", attempts, seen)
		}
	}
}

// TestListenerChanges: certificates by content, names of listeners and the routes that are bound to them change without a restart.
func TestListenerChanges(t *testing.T) {
	a := proxy.NewAuthority(t)
	one, two := a.Content(t, "one", "a.test"), a.Content(t, "two", "a.test")
	address := scenario.Free(t)
	conf := func(name, cert, key string) string {
		return fmt.Sprintf(`telemetry: {traces: []}
admin: off
listeners: [{name: %s, address: %q, tls: {certificates: [{certPEM: %q, keyPEM: %q}]}}]
backends: {a: {provider: http, broken: unused}}
routes:
- {match: {path: /}, listeners: %s, direct: 204}
`, name, address, cert, key, name)
	}
	serial := func() int64 {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t, &tls.Config{RootCAs: a.Pool}, both).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("status %d", resp.StatusCode)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	g := scenario.Start(t, conf("first", one.Cert, string(one.Key)))
	if n := serial(); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	if err := g.Load(t.Context(), conf("renamed", two.Cert, string(two.Key)), gateway.Env{}); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 3 {
		t.Errorf("certificate %d, want 3", n)
	}
	g.Traces(t, 2)
}
