package gateway

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// TestBucket takes tokens at given times, in milliseconds.
func TestBucket(t *testing.T) {
	b := newBucket(&ir.RateLimit{Burst: 2, Fill: 10, Every: time.Second}) // one each 100 ms
	for i, step := range []struct{ at, wait int64 }{
		{0, 0}, {0, 0}, {0, 100}, {40, 60}, {100, 0}, {100, 100}, {5000, 0}, {5000, 0}, {5000, 100}, {5100, 0},
	} {
		if got := b.take(b.start.Add(time.Duration(step.at) * time.Millisecond)).Milliseconds(); got != step.wait {
			t.Errorf("step %d, at %d ms: wait %d ms, want %d", i, step.at, got, step.wait)
		}
	}
	if newBucket(&ir.RateLimit{}) != nil {
		t.Error("no limit has a bucket")
	}
	huge := newBucket(&ir.RateLimit{Burst: 1e9, Fill: 1, Every: 24 * time.Hour})
	for range 1000 {
		if wait := huge.take(huge.start); wait != 0 {
			t.Fatalf("a bucket of a billion tokens is empty for %v", wait)
		}
	}
}

// TestBucketShared gives no token twice.
func TestBucketShared(t *testing.T) {
	const burst = 500
	b := newBucket(&ir.RateLimit{Burst: burst, Fill: 1, Every: time.Hour})
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range burst {
				if b.take(b.start) == 0 {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != burst {
		t.Errorf("%d tokens taken of %d", taken.Load(), burst)
	}
}
