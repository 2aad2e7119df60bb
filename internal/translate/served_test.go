package translate_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/proxy"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/translate"
)

// TestServed: goldens with a calls.txt have calls ("HOST PATH = STATUS LOCATION") that are made at the first listener of their Gateway,
// in the native data plane.
func TestServed(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, f := range files {
		a, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range a.Files {
			if m.Name != "calls.txt" {
				continue
			}
			url := serve(t, translate.Translate(objects(t, a)).Gateways[0].IR)
			for lines := bufio.NewScanner(strings.NewReader(string(m.Data))); lines.Scan(); made++ {
				call, want, _ := strings.Cut(lines.Text(), " = ")
				host, path, _ := strings.Cut(call, " ")
				if got := ask(t, url, host, path); got != want {
					t.Errorf("%s: %s = %s, want %s", f, call, got, want)
				}
			}
		}
	}
	if made == 0 {
		t.Error("no golden has calls")
	}
}

// serve runs the first listener of g.
func serve(t *testing.T, g *ir.Gateway) (url string) {
	t.Helper()
	c := *g
	c.Listeners = []ir.Listener{g.Listeners[0]}
	c.Listeners[0].Address = "127.0.0.1:0"
	snapshot, err := gateway.Compile(&c, &gateway.Env{})
	if err != nil {
		t.Fatal(err)
	}
	traces, err := telemetry.New(t.Context(), c.Telemetry, telemetry.Options{Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := proxy.New(slog.New(slog.DiscardHandler))
	if err := s.Apply(t.Context(), &c, snapshot, traces); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(time.Second); err != nil {
			t.Error(err)
		}
	})
	return s.URLs()[0]
}

// ask is the status of the answer, and where it sends the client.
func ask(t *testing.T, url, host, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.StatusCode, a.Header.Get("Location")))
}
