package control

import (
	"slices"
	"time"
)

// LatencyBounds are the upper bounds of Histogram's buckets; one more has all that is above.
var LatencyBounds = []time.Duration{10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// Metrics are a server's numbers.
type Metrics struct {
	Gateways, Pods, Envoys, Sidecars int       // now; the last three are connected
	Behind                           int       // pods that do not use what was published last
	Publications                     uint64    // versions, ever
	Refusals                         uint64    // of versions by Envoys and sidecars, ever
	Denied                           uint64    // streams that were turned away, ever
	Latency                          Histogram // from a publication, or a pod's beginning, until the pod uses it
}

// Histogram counts durations.
type Histogram struct {
	Counts []uint64 // by LatencyBounds, each for itself
	Sum    time.Duration
}

func (h *Histogram) observe(d time.Duration) {
	i, _ := slices.BinarySearch(LatencyBounds, d)
	h.Counts[i]++
	h.Sum += d
}

// Metrics are the server's numbers now.
func (s *Server) Metrics() Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.counts
	m.Latency.Counts = slices.Clone(m.Latency.Counts)
	for _, p := range s.planes {
		if p.want != nil {
			m.Gateways++
		}
		state := p.state()
		m.Pods += len(p.pods)
		m.Envoys += state.Envoys
		m.Sidecars += state.Sidecars
		m.Behind += len(p.pods) - state.Current
	}
	return m
}
