package admin_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spanway/spanway/internal/admin"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	var ready atomic.Bool
	s := admin.Server{Ready: ready.Load, Log: slog.New(slog.DiscardHandler)}
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve("127.0.0.1:0", ln)
	defer s.Close()
	url := "http://" + s.Address()
	for _, c := range []struct {
		path, want string
		status     int
	}{{"/healthz", "ok\n", 200}, {"/readyz", "not ready\n", 503}, {"/metrics", "no metrics yet\n", 503}, {"/", "404 page not found\n", 404}} {
		if status, body := get(t, url+c.path); status != c.status || body != c.want {
			t.Errorf("%s: %d %q", c.path, status, body)
		}
	}
	ready.Store(true)
	s.SetMetrics(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "m 1\n") }))
	if status, body := get(t, url+"/readyz"); status != 200 || body != "ready\n" {
		t.Errorf("ready: %d %q", status, body)
	}
	if status, body := get(t, url+"/metrics"); status != 200 || body != "m 1\n" {
		t.Errorf("metrics: %d %q", status, body)
	}
}

// TestServerMoves: what a configuration asks for next is opened before what is there closes.
func TestServerMoves(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := admin.Server{Log: slog.New(slog.DiscardHandler)}
	defer s.Close()
	move := func(address string) string {
		t.Helper()
		ln, err := s.Listen(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		s.Serve(address, ln)
		return s.Address()
	}
	first := move("127.0.0.1:0")
	if again := move("127.0.0.1:0"); again != first {
		t.Errorf("the same address was opened anew: %s, %s", first, again)
	}
	if _, err := s.Listen(t.Context(), first); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("an address in use: %v", err)
	}
	second := move("localhost:0")
	if status, _ := get(t, "http://"+first+"/healthz"); status != 0 {
		t.Error("the old address still answers")
	}
	if status, _ := get(t, "http://"+second+"/healthz"); status != 200 {
		t.Error("the new address does not answer")
	}
	if none := move(""); none != "" {
		t.Errorf("without an address it answers at %s", none)
	}
	if status, _ := get(t, "http://"+second+"/healthz"); status != 0 {
		t.Error("without an address it still answers")
	}
}

func TestDrain(t *testing.T) {
	defer goleak.VerifyNone(t)
	var after time.Duration
	var fault error
	s := admin.Server{Log: slog.New(slog.DiscardHandler), DrainKey: "k", Drain: func(d time.Duration) error { after = d; return fault }}
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve("127.0.0.1:0", ln)
	defer s.Close()
	url := "http://" + s.Address()
	if status, body := get(t, url+"/drain/other?after=3s"); status != 403 || after != 0 {
		t.Errorf("wrong key: %d %q, drained after %v", status, body, after)
	}
	if status, body := get(t, url+"/drain/k?after=3"); status != 400 || after != 0 {
		t.Errorf("wrong duration: %d %q", status, body)
	}
	if status, body := get(t, url+"/drain/k?after=3s"); status != 200 || body != "drained\n" || after != 3*time.Second {
		t.Errorf("%d %q, after %v", status, body, after)
	}
	fault = errors.New("secret place")
	if status, body := get(t, url+"/drain/k"); status != 500 || strings.Contains(body, "secret") || after != 0 {
		t.Errorf("failed: %d %q, after %v", status, body, after)
	}
}
