//go:build unix

package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// BenchmarkExchange compares an exchange over a Client with one over net/http's Transport, against a net/http server in
// the same process. cpu-µs/op is the process's CPU time, the server's share included, which is the same for both.
func BenchmarkExchange(b *testing.B) {
	unary := strings.Repeat("x", 1024)
	event := "data: {\"choices\":[{\"delta\":{\"content\":\"" + strings.Repeat("y", 100) + "\"}}]}\n\n"
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			for range 50 {
				io.WriteString(w, event)
				w.(http.Flusher).Flush()
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, unary)
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	client, err := New(Target{URL: server.URL}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer client.CloseIdle()
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	defer transport.CloseIdleConnections()
	for _, c := range []struct {
		name string
		path string
		body []byte
	}{
		{"unary-1K", "/unary", bytes.Repeat([]byte("p"), 1024)},
		{"unary-64K", "/unary", bytes.Repeat([]byte("p"), 64<<10)},
		{"stream-50", "/stream", bytes.Repeat([]byte("p"), 1024)},
	} {
		for _, parallel := range []int{1, 16} {
			name := fmt.Sprintf("%s/conns=%d/", c.name, parallel)
			b.Run(name+"client", func(b *testing.B) {
				run(b, parallel, func(ctx context.Context) error { return viaClient(ctx, client, c.path, c.body) })
			})
			b.Run(name+"transport", func(b *testing.B) {
				run(b, parallel, func(ctx context.Context) error {
					return viaTransport(ctx, transport, server.URL+c.path, c.body)
				})
			})
		}
	}
}

var benchHeader = http.Header{
	"Content-Type":  {"application/json"},
	"Authorization": {"Bearer sk-0123456789"},
	"Traceparent":   {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	"User-Agent":    {"bench"},
}

func viaClient(ctx context.Context, c *Client, path string, body []byte) error {
	r := Request{Method: http.MethodPost, Path: path, Header: benchHeader, Body: body}
	res, err := c.Do(ctx, &r)
	if err != nil {
		return err
	}
	defer res.Close()
	for {
		_, err := res.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

func viaTransport(ctx context.Context, t *http.Transport, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = benchHeader
	res, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for {
		_, err := res.Body.Read(*buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// run calls do b.N times from the given number of goroutines, each call with a context of its own, as a server has it.
func run(b *testing.B, goroutines int, do func(ctx context.Context) error) {
	b.ReportAllocs()
	before := cpu(b)
	var wg sync.WaitGroup
	for g := range goroutines {
		calls := b.N / goroutines
		if g < b.N%goroutines {
			calls++
		}
		wg.Go(func() {
			for range calls {
				ctx, cancel := context.WithCancel(b.Context())
				if err := do(ctx); err != nil {
					b.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	b.ReportMetric((cpu(b)-before)/float64(b.N), "cpu-µs/op")
}

// cpu is the CPU time of the process in microseconds.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
}
