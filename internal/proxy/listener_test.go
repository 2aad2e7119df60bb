package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/scenario"
)

// answer is a provider that answers every call.
func answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}]}`)
}

// provider is a provider in the clear with the handler h.
func provider(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// config is a configuration with these listeners, one backend's settings, and more.
func config(listeners, backend, more string) string {
	return fmt.Sprintf("telemetry: {traces: []}\nadmin: off\nlisteners: [%s]\nbackends: {a: {provider: openai, %s}}\nroutes: [{to: a, retry: {attempts: 1}}]\n%s",
		listeners, backend, more)
}

// tlsListener is one that shows a certificate of a's.
func tlsListener(t *testing.T, a *proxy.Authority, address, more string) string {
	t.Helper()
	cert, key := a.Issue(t, "server")
	return fmt.Sprintf("{address: %q, tls: {cert: %q, key: %q%s}}", address, cert, key, more)
}

// client speaks TLS as conf says, and with the protocols of p alone.
func client(t *testing.T, conf *tls.Config, p func(*http.Protocols)) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: conf, Protocols: new(http.Protocols)}
	p(tr.Protocols)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func both(p *http.Protocols)  { p.SetHTTP1(true); p.SetHTTP2(true) }
func h2c(p *http.Protocols)   { p.SetUnencryptedHTTP2(true) }

// call makes one call and returns its status and protocol.
func call(t *testing.T, c *http.Client, url string) (status int, proto string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Proto, nil
}

// attempt is the span of a trace's attempt.
func attempt(t *testing.T, spans []scenario.Span) *scenario.Span {
	t.Helper()
	s := scenario.Find(spans, "spanway.attempt")
	if s == nil {
		t.Fatalf("no attempt in %v", spans)
	}
	return s
}

// TestProtocols: HTTP/1.1 and 2 on a listener with TLS, as ALPN says, and on one without, by prior knowledge.
func TestProtocols(t *testing.T) {
	a := proxy.NewAuthority(t)
	secure := &tls.Config{RootCAs: a.Pool}
	for _, x := range []struct {
		name            string
		listener        string
		client          *http.Client
		scheme, version string
	}{
		{"https, HTTP/1.1", tlsListener(t, a, "127.0.0.1:0", ""), client(t, secure, http1), "https", "1.1"},
		{"https, HTTP/2", tlsListener(t, a, "127.0.0.1:0", ""), client(t, secure, both), "https", "2"},
		{"http, HTTP/1.1", "127.0.0.1:0", client(t, nil, http1), "http", "1.1"},
		{"http, HTTP/2", "127.0.0.1:0", client(t, nil, h2c), "http", "2"},
	} {
		t.Run(x.name, func(t *testing.T) {
			g := scenario.Start(t, config(x.listener, "url: "+provider(t, answer), ""))
			status, proto, err := call(t, x.client, g.URL)
			if want := map[string]string{"1.1": "HTTP/1.1", "2": "HTTP/2.0"}[x.version]; err != nil || status != http.StatusOK || proto != want {
				t.Errorf("%d over %s (%v), want 200 over %s", status, proto, err, want)
			}
			root := g.Trace(t)[0]
			if root.Attrs["url.scheme"] != x.scheme || root.Attrs["network.protocol.version"] != x.version || !strings.HasPrefix(g.URL, x.scheme+"://") {
				t.Errorf("%s tells of %v %v, want %s %s", g.URL, root.Attrs["url.scheme"], root.Attrs["network.protocol.version"], x.scheme, x.version)
			}
		})
	}
}

// TestHandshakes: which clients a listener with TLS takes.
func TestHandshakes(t *testing.T) {
	a, stranger := proxy.NewAuthority(t), proxy.NewAuthority(t)
	known, unknown := a.Pair(t, "known"), stranger.Pair(t, "unknown")
	clientCA := fmt.Sprintf(", clientCA: %q", a.File)
	for _, x := range []struct {
		name, tls string
		client    *tls.Config
		refused   string // what the client is told; "" = it is served
	}{
		{"TLS 1.2", "", &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", "", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version"},
		{"TLS 1.3 and no less", ", minVersion: 1.3", &tls.Config{}, ""},
		{"TLS 1.2 where 1.3 is asked for", ", minVersion: 1.3", &tls.Config{MaxVersion: tls.VersionTLS12}, "protocol version"},
		{"a client certificate", clientCA, &tls.Config{Certificates: []tls.Certificate{known}}, ""},
		{"no client certificate", clientCA, &tls.Config{}, "certificate required"},
		{"another authority's", clientCA, &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &unknown, nil }}, "unknown certificate authority"},
		{"one that was not asked for", "", &tls.Config{Certificates: []tls.Certificate{unknown}}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			g := scenario.Start(t, config(tlsListener(t, a, "127.0.0.1:0", x.tls), "url: "+provider(t, answer), ""))
			x.client.RootCAs = a.Pool
			status, _, err := call(t, client(t, x.client, http1), g.URL)
			switch {
			case x.refused == "" && (err != nil || status != http.StatusOK):
				t.Errorf("%d, %v; want to be served", status, err)
			case x.refused != "" && (err == nil || !strings.Contains(err.Error(), x.refused)):
				t.Errorf("%d, %v; want to be refused: %s", status, err, x.refused)
			}
		})
	}
}

// TestListenersReload opens, keeps and closes listeners by another configuration.
func TestListenersReload(t *testing.T) {
	a := proxy.NewAuthority(t)
	entered, release := make(chan struct{}), make(chan struct{})
	backend := "url: " + provider(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Slow") != "" {
			close(entered)
			<-release
		}
		answer(w, r)
	})
	first, second, third := scenario.Free(t), scenario.Free(t), scenario.Free(t)
	g := scenario.Start(t, config(first+", "+second, backend, ""))
	c := client(t, &tls.Config{RootCAs: a.Pool}, http1)
	served := func(when, url string, want bool) {
		t.Helper()
		if status, _, err := call(t, c, url); (err == nil && status == http.StatusOK) != want {
			t.Errorf("%s: %s gives %d, %v; served should be %v", when, url, status, err, want)
		}
	}
	served("at first", "http://"+first, true)
	served("at first", "http://"+second, true)
	slow := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+second+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
		if err != nil {
			slow <- err
			return
		}
		req.Header.Set("X-Slow", "1")
		resp, err := c.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			err = errors.Join(err, resp.Body.Close())
		}
		slow <- err
	}()
	<-entered
	if err := g.Load(t.Context(), config(first+", "+tlsListener(t, a, third, ""), backend, ""), gateway.Env{}); err != nil {
		t.Fatal(err)
	}
	served("after the reload", "http://"+first, true)
	served("after the reload", "https://"+third, true)
	waitRefused(t, second)
	close(release)
	if err := <-slow; err != nil {
		t.Errorf("a call on a listener that closed: %v, want it to end", err)
	}
	if got, want := strings.Join(g.URLs(), " "), "http://"+first+" https://"+third; got != want {
		t.Errorf("listens on %s, want %s", got, want)
	}
	err := g.Load(t.Context(), config(fmt.Sprintf("%s, {address: %q}", first, third), backend, ""), gateway.Env{})
	if err == nil || !strings.Contains(err.Error(), "only with a restart") {
		t.Errorf("TLS was taken from an open listener: %v", err)
	}
	served("after what was refused", "https://"+third, true)
}

// waitRefused waits until nothing listens at address: what the configuration closes, it closes in the background.
func waitRefused(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatalf("%s still takes connections", address)
		}
	}
}

// TestAddressInUse: the message says what to do, nothing of the new configuration is kept open, and the old one goes on.
func TestAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken, first, other := ln.Addr().String(), scenario.Free(t), scenario.Free(t)
	backend := "url: " + provider(t, answer)
	g := scenario.Start(t, config(first, backend, ""))
	err = g.Load(t.Context(), config(fmt.Sprintf("%s, %s, {name: x, address: %q}", first, other, taken), backend, ""), gateway.Env{})
	if want := fmt.Sprintf("listener \"x\": %s is in use: stop what listens there, or configure another address", taken); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	waitRefused(t, other)
	if status, _, err := call(t, client(t, nil, http1), "http://"+first); err != nil || status != http.StatusOK {
		t.Errorf("the old configuration gives %d, %v", status, err)
	}
}

// conn is a client's connection, which is one until it is closed.
type conn struct {
	net.Conn
	in *bufio.Reader
}

// ask opens a connection and sends a request, whose answer it does not wait for.
func ask(t *testing.T, url string) *conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n"+`{"model":"m"}`); err != nil {
		t.Fatal(err)
	}
	return &conn{c, bufio.NewReader(c)}
}

// served reads the answer, whenever it comes.
func (c *conn) served() error {
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// TestConnections: a connection beyond the bound of all listeners waits, and is served when another closes, or when the
// bound grows.
func TestConnections(t *testing.T) {
	backend := "url: " + provider(t, answer)
	listeners := scenario.Free(t) + ", " + scenario.Free(t) + ", " + scenario.Free(t)
	conf := func(n int) string { return config(listeners, backend, fmt.Sprintf("limits: {connections: %d}\n", n)) }
	g := scenario.Start(t, conf(1))
	urls := g.URLs()
	first := ask(t, urls[2])
	if err := first.served(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	for _, url := range []string{urls[0], urls[2]} {
		c := ask(t, url)
		go func() { served <- c.served() }()
	}
	one := func(when string) {
		t.Helper()
		select {
		case err := <-served:
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s, no other connection is served", when)
		}
	}
	none := func(when string) {
		t.Helper()
		select {
		case err := <-served:
			t.Fatalf("%s, a connection beyond the bound is served (%v)", when, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	none("while one is open")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	one("when it closed")
	none("while the next is open")
	if err := g.Load(t.Context(), conf(2), gateway.Env{}); err != nil {
		t.Fatal(err)
	}
	one("when the bound grew")
}

// TestListenerClosesWhileOneWaits: a connection that waits for room does not keep its listener open.
func TestListenerClosesWhileOneWaits(t *testing.T) {
	backend := "url: " + provider(t, answer)
	first, second := scenario.Free(t), scenario.Free(t)
	conf := func(listeners string) string { return config(listeners, backend, "limits: {connections: 1}\n") }
	g := scenario.Start(t, conf(first+", "+second))
	held := ask(t, first)
	if err := held.served(); err != nil {
		t.Fatal(err)
	}
	waiting := ask(t, second)
	if err := g.Load(t.Context(), conf(first), gateway.Env{}); err != nil {
		t.Fatal(err)
	}
	waitRefused(t, second)
	if err := waiting.served(); err == nil {
		t.Error("it is served by a listener that is closed, and beyond the bound")
	}
}
