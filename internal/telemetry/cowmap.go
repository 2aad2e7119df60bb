package telemetry

import (
	"iter"
	"maps"
	"math"
	"sync"
	"sync/atomic"
)

// noLimit lets a cowMap grow: for keys that are few by their nature.
const noLimit = math.MaxInt

// cowMap is a map that is read without a lock and copied when it grows: for few keys that hardly ever change. The zero value
// is ready to use; it is safe for concurrent use.
type cowMap[K comparable, V any] struct {
	m  atomic.Pointer[map[K]V]
	mu sync.Mutex
}

// get returns the value of k, made by add, which also returns the key to keep, when it is missing. ok is false when it is
// missing and limit keys are there.
func (c *cowMap[K, V]) get(k K, limit int, add func(K) (K, V)) (v V, ok bool) {
	if m := c.m.Load(); m != nil {
		if v, ok = (*m)[k]; ok || len(*m) >= limit {
			return v, ok
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var old map[K]V
	if m := c.m.Load(); m != nil {
		old = *m
	}
	if v, ok = old[k]; ok || len(old) >= limit {
		return v, ok
	}
	grown := make(map[K]V, len(old)+1)
	maps.Copy(grown, old)
	k, v = add(k)
	grown[k] = v
	c.m.Store(&grown)
	return v, true
}

// values iterates over what the map holds at the moment, in no order.
func (c *cowMap[K, V]) values() iter.Seq[V] {
	m := c.m.Load()
	if m == nil {
		return func(func(V) bool) {}
	}
	return maps.Values(*m)
}
