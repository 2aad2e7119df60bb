package extproc

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// maxSessions bounds the calls that are open at a time: what comes beyond is refused before anything is kept of it.
const maxSessions = 1 << 16

// sessions are the open calls, by their ids and by their clients' connections. It is safe for concurrent use, without a lock for all.
type sessions struct {
	seed  maphash.Seed
	count atomic.Int64
	calls [shards]shard
	conns [shards]shard
}

const shards = 64

type shard struct {
	mu sync.Mutex
	m  map[string]*session
}

func (s *sessions) init() {
	s.seed = maphash.MakeSeed()
	for i := range s.calls {
		s.calls[i].m, s.conns[i].m = map[string]*session{}, map[string]*session{}
	}
}

func (s *sessions) shard(of *[shards]shard, key string) *shard {
	return &of[maphash.String(s.seed, key)%shards]
}

// reserve takes a place for a session and reports whether there was one.
func (s *sessions) reserve() bool {
	if s.count.Add(1) <= maxSessions {
		return true
	}
	s.count.Add(-1)
	return false
}

// add makes x, for which a place was reserved, known.
func (s *sessions) add(x *session) {
	h := s.shard(&s.calls, x.id)
	h.mu.Lock()
	h.m[x.id] = x
	h.mu.Unlock()
	if x.connection == "" {
		return
	}
	h = s.shard(&s.conns, x.connection)
	h.mu.Lock()
	x.beside, h.m[x.connection] = h.m[x.connection], x
	h.mu.Unlock()
}

// remove forgets x, which was added, and its place.
func (s *sessions) remove(x *session) {
	h := s.shard(&s.calls, x.id)
	h.mu.Lock()
	delete(h.m, x.id)
	h.mu.Unlock()
	if x.connection != "" {
		s.shard(&s.conns, x.connection).unlink(x)
	}
	s.count.Add(-1)
}

func (h *shard) unlink(x *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.m[x.connection]
	switch {
	case first == x && x.beside == nil:
		delete(h.m, x.connection)
	case first == x:
		h.m[x.connection] = x.beside
	default:
		for y := first; y != nil; y = y.beside {
			if y.beside == x {
				y.beside = x.beside
			}
		}
	}
	x.beside = nil
}

// of is the session of a call; nil when there is none.
func (s *sessions) of(id string) *session {
	h := s.shard(&s.calls, id)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.m[id]
}

// on are the sessions of a client's connection: one, unless it is of HTTP/2.
func (s *sessions) on(connection string) (out []*session) {
	h := s.shard(&s.conns, connection)
	h.mu.Lock()
	defer h.mu.Unlock()
	for x := h.m[connection]; x != nil; x = x.beside {
		out = append(out, x)
	}
	return out
}

func (s *sessions) all() (out []*session) {
	for i := range s.calls {
		h := &s.calls[i]
		h.mu.Lock()
		for _, x := range h.m {
			out = append(out, x)
		}
		h.mu.Unlock()
	}
	return out
}
