package xds_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// named is a server that answers with its name and the host that it was asked for.
func named(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s as %s", name, r.Host) }))
	t.Cleanup(s.Close)
	return s
}

func hostOf(s *httptest.Server) string {
	_, host, _ := strings.Cut(s.URL, "://")
	return host
}

// publish tells the fleet's Envoy g, in place of all before.
func (f *fleet) publish(t *testing.T, g *ir.Gateway, o xds.Options) {
	t.Helper()
	o.ADS = true
	r, err := xds.Build(g, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Publish(within(t, patience), r); err != nil {
		t.Fatal(err)
	}
	if err := f.Prune(within(t, patience)); err != nil {
		t.Fatal(err)
	}
}

// TestEndpoints: a backend's endpoints are asked in turn, for its URL's host, and change in place; without any, calls get status 503.
// No processor is there, and Envoy is told of none.
func TestEndpoints(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	f := startFleet(t)
	listen := free(t)
	g := load(t, []byte(fmt.Sprintf("listen: %s\nbackends: {app: {provider: http, url: 'http://app.example'}}\nroutes: [{to: app}]\n", listen)))
	seen := func() map[string]int {
		t.Helper()
		f.publish(t, g, xds.Options{})
		out := map[string]int{}
		for range 4 {
			code, body := status(t, "http://"+listen+"/")
			out[fmt.Sprint(code, " ", body)]++
		}
		return out
	}
	before := ""
	for _, x := range []struct {
		endpoints []string
		want      string
	}{
		{[]string{hostOf(a), hostOf(b)}, "map[200 a as app.example:2 200 b as app.example:2]"},
		{[]string{hostOf(b)}, "map[200 b as app.example:4]"},
		{[]string{}, `map[503 {"error":{"message":"the backend app has no endpoint that is ready","type":"server_error","param":null,"code":"no_endpoints"}}:4]`},
		{[]string{hostOf(a)}, "map[200 a as app.example:4]"},
	} {
		g.Backends[0].Endpoints = x.endpoints
		if got := fmt.Sprint(seen()); got != x.want {
			t.Errorf("with %v: %s, want %s", x.endpoints, got, x.want)
		}
		if names := fmt.Sprint(clusterNames(f.clusters(t))); before != "" && len(x.endpoints) > 0 && names != before {
			t.Errorf("with %v: clusters %s, want %s", x.endpoints, names, before)
		} else if len(x.endpoints) > 0 {
			before = names
		}
	}
	if strings.Count(before, ":true") != 2 {
		t.Errorf("clusters %s, want the backend's and that of what tells Envoy so", before)
	}
}

// TestEndpointsUnderLoad: a Service's pods change while calls run, and no call is lost.
func TestEndpointsUnderLoad(t *testing.T) {
	pods := [][]string{{hostOf(named(t, "a"))}, {hostOf(named(t, "b"))}}
	f := startFleet(t)
	listen := free(t)
	g := load(t, []byte(fmt.Sprintf("listen: %s\nbackends: {app: {provider: http, url: 'http://app.example'}}\nroutes: [{to: app}]\n", listen)))
	g.Backends[0].Endpoints = pods[1]
	f.publish(t, g, xds.Options{})
	underLoad(t, listen, func(i int) {
		g.Backends[0].Endpoints = pods[i%2]
		f.publish(t, g, xds.Options{})
	})
}

// TestEndpointsTLS: at an endpoint the certificate of the URL's host is asked for and verified, by an authority that the configuration
// holds.
func TestEndpointsTLS(t *testing.T) {
	cert, key := issue(t, "app")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.TLS.ServerName, r.Host) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	other, _ := issue(t, "other")
	f := startFleet(t)
	listen := free(t)
	g := load(t, []byte(fmt.Sprintf("listen: %s\nbackends: {app: {provider: http, url: 'https://localhost:8443'}}\nroutes: [{to: app}]\n", listen)))
	g.Backends[0].Endpoints = []string{hostOf(s)}
	for _, x := range []struct {
		ca   []byte
		code int
		body string
	}{{cert, http.StatusOK, "localhost localhost:8443"}, {other, http.StatusServiceUnavailable, ""}} {
		g.Backends[0].TLS.CA = string(x.ca)
		f.publish(t, g, xds.Options{})
		if code, body := status(t, "http://"+listen+"/"); code != x.code || x.body != "" && body != x.body {
			t.Errorf("%d %s, want %d %s", code, body, x.code, x.body)
		}
	}
}

// TestNeedsProcessor: what only the processor can do is an error without one.
func TestNeedsProcessor(t *testing.T) {
	for config, ok := range map[string]bool{
		"backends: {a: {provider: http, url: 'http://a'}}\nroutes: [{name: r, to: a}]\n":                        true,
		"backends: {a: {provider: http, url: 'http://a', key: k}}\nroutes: [{name: r, to: a}]\n":                false,
		"backends: {a: {provider: openai}}\nroutes: [{name: r, to: a}]\n":                                       false,
		"backends: {a: {provider: openai, key: passthrough}}\nroutes: [{name: r, to: a, failOpen: true}]\n":     false,
		"backends: {a: {provider: http, url: 'http://a'}, b: {provider: openai}}\nroutes: [{name: r, to: a}]\n": true,
	} {
		_, err := xds.Build(load(t, []byte(config)), xds.Options{DemoURL: "http://127.0.0.1:1"})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), `route "r"`) {
			t.Errorf("%s: %v, want success: %t", config, err, ok)
		}
	}
}

// TestPairs: of a listener's certificates that is shown which has the name that is asked for, and they change without the connections
// that are open.
func TestPairs(t *testing.T) {
	s := named(t, "app")
	f := startFleet(t)
	listen := free(t)
	g := load(t, []byte(fmt.Sprintf("listen: %s\nbackends: {app: {provider: http, url: %q}}\nroutes: [{to: app}]\n", listen, s.URL)))
	pair := func(name string) ir.KeyPair {
		cert, key := issue(t, name, name+".example")
		return ir.KeyPair{Cert: string(cert), Key: ir.Secret(key)}
	}
	g.Listeners[0].Protocol, g.Listeners[0].TLS = "https", &ir.ServerTLS{Pairs: []ir.KeyPair{pair("a"), pair("b"), pair("*.c")}, MinVersion: "1.2"}
	f.publish(t, g, xds.Options{})
	for ask, want := range map[string]string{"a.example": "a", "b.example": "b", "x.c.example": "*.c", "other.example": "a", "": "a"} {
		c, err := tls.Dial("tcp", listen, &tls.Config{InsecureSkipVerify: true, ServerName: ask})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("asked for %q: the certificate of %s, want %s", ask, got, want)
		}
		_ = c.Close()
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(g.Listeners[0].TLS.Pairs[1].Cert))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "b.example"}}}
	get := func() {
		t.Helper()
		resp, err := client.Get("https://" + listen + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%d %v", resp.StatusCode, err)
		}
	}
	get()
	g.Listeners[0].TLS.Pairs = []ir.KeyPair{pair("b2"), pair("d"), pair("e")}
	f.publish(t, g, xds.Options{})
	awaitCertificate(t, listen, "b2")
	get() // a new connection would be refused
}
