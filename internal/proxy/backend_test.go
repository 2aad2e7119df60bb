package proxy_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/scenario"
)

// TestBackends calls providers by TLS with a private authority, with and without a client certificate, and by HTTP/2 with and
// without TLS; the attempt's span tells the protocol.
func TestBackends(t *testing.T) {
	a, stranger := proxy.NewAuthority(t), proxy.NewAuthority(t)
	pair := a.Pair(t, "provider")
	cert, key := a.Issue(t, "gateway")
	trusted := fmt.Sprintf("ca: %q", a.File)
	mutual := func(s *httptest.Server) { s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool }
	h2 := func(s *httptest.Server) { s.EnableHTTP2 = true }
	for _, x := range []struct {
		name    string
		server  func(*httptest.Server)
		plain   bool
		backend string // its settings beside url
		version string // "" = the provider cannot be reached
	}{
		{"https, HTTP/1.1", func(*httptest.Server) {}, false, "tls: {" + trusted + "}", "1.1"},
		{"https, HTTP/2", h2, false, "tls: {" + trusted + "}", "2"},
		{"an unknown authority", h2, false, "", ""},
		{"another authority", h2, false, fmt.Sprintf("tls: {ca: %q}", stranger.File), ""},
		{"another name", h2, false, "tls: {serverName: example.com, " + trusted + "}", ""},
		{"unverified", h2, false, "tls: {insecureSkipVerify: true}", "2"},
		{"a client certificate", mutual, false, fmt.Sprintf("tls: {%s, cert: %q, key: %q}", trusted, cert, key), "1.1"},
		{"no client certificate", mutual, false, "tls: {" + trusted + "}", ""},
		{"http, HTTP/1.1", func(*httptest.Server) {}, true, "", "1.1"},
		{"http, HTTP/2", func(s *httptest.Server) {
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
		}, true, "http2: h2c", "2"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(answer))
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			x.server(s)
			if x.plain {
				s.TLS = nil
				s.Start()
			} else {
				s.StartTLS()
			}
			t.Cleanup(s.Close)
			backend := "url: " + s.URL
			if x.backend != "" {
				backend += ", " + x.backend
			}
			g := scenario.Start(t, config("127.0.0.1:0", backend, ""))
			want := http.StatusOK
			if x.version == "" {
				want = http.StatusBadGateway
			}
			status, _, err := call(t, client(t, nil, http1), g.URL)
			if err != nil || status != want {
				t.Errorf("%d, %v; want %d", status, err, want)
			}
			spans := g.Trace(t)
			for _, p := range scenario.Check(spans) {
				t.Error(p)
			}
			if got, _ := attempt(t, spans).Attrs["network.protocol.version"].(string); got != x.version {
				t.Errorf("network.protocol.version %q, want %q", got, x.version)
			}
		})
	}
}
