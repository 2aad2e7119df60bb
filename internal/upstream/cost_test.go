//go:build unix

package upstream

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// answering is a server that costs nothing: one goroutine a connection answers each read with the same bytes.
func answering(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				in, out := make([]byte, 4096), []byte(answer)
				for {
					if _, err := c.Read(in); err != nil {
						return
					}
					if _, err := c.Write(out); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// TestAllocations is the budget of one exchange. Seven of them are the test's context, a new
// one for each call, and the watch on it.
func TestAllocations(t *testing.T) {
	const budget = 16
	answer := okHead + "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n" +
		"x-request-id: req_0123\r\nopenai-processing-ms: 7\r\n\r\n" + strings.Repeat("x", 1024)
	c := newClient(t, Target{URL: answering(t, answer)}, Options{})
	body := []byte(strings.Repeat("p", 1024))
	one := func() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if err := viaClient(ctx, c, "/v1/chat/completions", body); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(200, one); got > budget {
		t.Errorf("%v allocations, want at most %d", got, budget)
	}
}

// TestMemoryPerStream is the budget of a stream that waits for its next byte, with this test's server and goroutine.
func TestMemoryPerStream(t *testing.T) {
	const streams, budget = 500, 24 << 10
	url := answering(t, inChunks+"5\r\nhello\r\n")
	c := newClient(t, Target{URL: url}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var reading, done sync.WaitGroup
	before := inUse()
	for range streams {
		reading.Add(1)
		done.Go(func() {
			if err := drive(ctx, c, post("x"), 0, reading.Done); KindOf(err) != Canceled {
				t.Errorf("stream ended with %v", err)
			}
		})
	}
	reading.Wait()
	per := (inUse() - before) / streams
	cancel()
	done.Wait()
	if per > budget {
		t.Errorf("%d bytes per stream, want at most %d", per, budget)
	}
}

// inUse is the memory of heap and stacks that is in use.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

var _ io.ReadCloser = (*Response)(nil)
