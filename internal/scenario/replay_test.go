package scenario

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// replayed are the wire formats that recordings are replayed of.
var replayed = []string{"openai.", "anthropic.", "gemini.", "ollama.", "cohere.", "mistral.", "writer.", "bedrock."}

// replayServer answers with recordings: the header X-Exchange names one, X-Split how its body is cut into writes.
type replayServer struct {
	byID map[string]*exchange.Exchange
}

// ServeHTTP implements http.Handler.
func (s *replayServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.byID[r.Header.Get("X-Exchange")]
	if x == nil {
		http.Error(w, "no such exchange", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Equal(body, x.Request.Body) {
		http.Error(w, "the request's body is not the recorded one", http.StatusTeapot)
		return
	}
	for k, v := range x.Response.Headers {
		w.Header().Set(k, v)
	}
	w.WriteHeader(x.Response.Status)
	for _, p := range split(x.Response.Body, r.Header.Get("X-Split")) {
		_, _ = w.Write(p)
		if f, ok := w.(http.Flusher); ok && r.Header.Get("X-Split") != "whole" {
			f.Flush()
		}
	}
}

func split(b []byte, how string) (out [][]byte) {
	next := func() int { return len(b) }
	switch how {
	case "bytes":
		next = func() int { return 1 }
	case "random":
		rng := rand.New(rand.NewPCG(uint64(len(b)), 7))
		next = func() int { return 1 + rng.IntN(1+rng.IntN(200)) }
	}
	for len(b) > 0 {
		n := min(next(), len(b))
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

// replayConfig has a route for each provider that occurs.
func replayConfig(upstream string, all []*exchange.Exchange) string {
	var backends, routes strings.Builder
	seen := map[string]bool{}
	for _, x := range all {
		if seen[x.Provider] {
			continue
		}
		seen[x.Provider] = true
		fmt.Fprintf(&backends, "  %s: {provider: %s, as: %s, url: %q, key: passthrough, project: p, location: l}\n", x.Provider, rowOf(x.Provider), x.Provider, upstream)
		fmt.Fprintf(&routes, "  - {name: %s, match: {path: /p/%s}, to: %s, retry: {attempts: 1}, capture: messages}\n", x.Provider, x.Provider, x.Provider)
	}
	return "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nlimits: {connections: 1000}\nbackends:\n" + backends.String() + "routes:\n" + routes.String()
}

// rowOf is the provider whose recordings are called system; a provider without a row speaks OpenAI's formats.
func rowOf(system string) string {
	for _, n := range provider.Names() {
		if p, _ := provider.Lookup(n); p.System == system {
			return n
		}
	}
	return "openai"
}

// TestReplay sends every recording through each data plane, whole, cut at random and byte by byte: the client gets the
// recorded bytes and the trace says what the recording is expected to say.
func TestReplay(t *testing.T) {
	var all []*exchange.Exchange
	for _, x := range exchange.Load(t) {
		for _, p := range replayed {
			if strings.HasPrefix(string(x.API), p) {
				all = append(all, x)
			}
		}
	}
	server := &replayServer{byID: map[string]*exchange.Exchange{}}
	for _, x := range all {
		server.byID[x.ID] = x
	}
	up := httptest.NewServer(server)
	defer up.Close()
	onPlanes(t, func(t *testing.T, p Plane) {
		gw := startOn(t, p, replayConfig(up.URL, all))
		for _, x := range all {
			for _, how := range []string{"whole", "random", "bytes"} {
				if how == "bytes" && (!x.Stream || len(x.Response.Body) > 64<<10) {
					continue // the dialects' own tests cut these at every byte
				}
				replayOne(t, gw, x, how)
			}
		}
	})
	t.Logf("replayed %d recordings", len(all))
}

func replayOne(t *testing.T, gw Running, x *exchange.Exchange, how string) {
	t.Helper()
	url := gw.ClientURL() + "/p/" + x.Provider + x.Request.Path
	if x.Request.Query != "" {
		url += "?" + x.Request.Query
	}
	req, err := http.NewRequestWithContext(t.Context(), x.Request.Method, url, bytes.NewReader(x.Request.Body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range x.Request.Headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("X-Exchange", x.ID)
	req.Header.Set("X-Split", how)
	req.Header.Set("Authorization", "Bearer test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", x.ID, how, err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatalf("%s %s: %v", x.ID, how, err)
	}
	if resp.StatusCode != x.Response.Status || !bytes.Equal(body, x.Response.Body) {
		t.Errorf("%s/%s %s: client got %d and %d bytes, want %d and %d\n%.300s", x.API, x.ID, how, resp.StatusCode, len(body), x.Response.Status, len(x.Response.Body), body)
	}
	spans := gw.Trace(t)
	s := Find(spans, "gen_ai.operation.name")
	if s == nil {
		t.Errorf("%s/%s %s: no logical span", x.API, x.ID, how)
		return
	}
	for _, d := range x.Diff(s.Attrs) {
		t.Errorf("%s/%s %s: %s", x.API, x.ID, how, d)
	}
	if _, failed := s.Attrs["error.type"]; failed != s.Failed {
		t.Errorf("%s/%s %s: error.type and status disagree", x.API, x.ID, how)
	}
}
