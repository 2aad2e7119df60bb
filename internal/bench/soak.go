package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// soakOptions say how a soak goes.
type soakOptions struct {
	streams int           // open at a time
	time    time.Duration // how long, once all are open
	pace    time.Duration // between two chunks of a stream
	leave   float64       // of all streams, whose client goes in the middle
	cut     float64       // of all streams, whose provider does
}

// length is how long a stream takes, and as long it takes to begin all.
func (o *soakOptions) length() time.Duration { return o.pace * soakChunks }

// soaked is what became of a soak's streams as their clients saw it.
type soaked struct {
	whole, left, cut atomic.Int64
	most             atomic.Int64 // open at a time

	open   atomic.Int64
	mu     sync.Mutex
	wrong  []error // the first few
	wrongs int
}

// maxWrong is how many unexpected ends are told.
const maxWrong = 5

func (s *soaked) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrongs++; len(s.wrong) < maxWrong {
		s.wrong = append(s.wrong, err)
	}
}

// err says what ended otherwise than it should.
func (s *soaked) err() error {
	if s.wrongs == 0 {
		return nil
	}
	return fmt.Errorf("%d streams ended otherwise than they should: %w", s.wrongs, errors.Join(s.wrong...))
}

// soak keeps o.streams streams open at addr for o.time, and waits for the last to end.
func soak(addr string, o *soakOptions) *soaked {
	var s soaked
	var wg sync.WaitGroup
	end := time.Now().Add(o.length() + o.time)
	whole, half := slowRequest(addr, 'w', o.pace), slowRequest(addr, 'x', o.pace)
	for i := range o.streams {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * o.length() / time.Duration(o.streams)) // one after the other, not all at once
			w := soakWorker{soaked: &s, addr: addr}
			defer w.hangUp()
			for first := true; first || time.Now().Before(end); first = false {
				switch fate := rand.Float64(); { //nolint:gosec // load, not a secret
				case fate < o.leave:
					w.stream(whole, true, false)
				case fate < o.leave+o.cut:
					w.stream(half, false, true)
				default:
					w.stream(whole, false, false)
				}
			}
		})
	}
	wg.Wait()
	return &s
}

func slowRequest(addr string, kind byte, pace time.Duration) []byte {
	return request(addr, fmt.Sprintf("%c%04d", kind, pace.Milliseconds()), 1<<10)
}

// soakWorker is one client, which has one stream at a time.
type soakWorker struct {
	*soaked

	addr string
	c    *client
}

func (w *soakWorker) hangUp() {
	if w.c != nil {
		_ = w.c.conn.Close()
		w.c = nil
	}
}

// stream has one stream, which it leaves in the middle, or which the provider cuts there, or neither.
func (w *soakWorker) stream(req []byte, leave, cut bool) {
	if w.c == nil {
		c, err := dial(w.addr)
		if err != nil {
			w.fail(err)
			time.Sleep(time.Second)
			return
		}
		w.c = c
	}
	open := w.open.Add(1)
	defer w.open.Add(-1)
	for most := w.most.Load(); open > most && !w.most.CompareAndSwap(most, open); most = w.most.Load() {
	}
	n, err := w.read(req, leave)
	switch {
	case leave && errors.Is(err, errEnough):
		w.left.Add(1)
		w.hangUp()
	case cut && err != nil && (n > 0 || strings.Contains(err.Error(), " 502 ")): // Envoy drops what it has not got back from the processor
		w.cut.Add(1)
		w.hangUp()
	case !leave && !cut && err == nil && n == soakChunks*chunkData+endData:
		w.whole.Add(1)
	default:
		w.fail(fmt.Errorf("after %d bytes of %d (to leave: %t, to be cut: %t): %w", n, soakChunks*chunkData+endData, leave, cut, cmp.Or(err, io.ErrShortBuffer)))
		w.hangUp()
	}
}

// read reads a stream whole, or half of it, and returns the bytes of its body.
func (w *soakWorker) read(req []byte, leave bool) (n int, err error) {
	if err := w.c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	if _, err := w.c.conn.Write(req); err != nil {
		return 0, err
	}
	if _, _, err := w.c.head(); err != nil {
		return 0, err
	}
	enough := math.MaxInt
	if leave {
		enough = soakChunks / 2 * chunkData
	}
	return w.c.chunks(enough)
}

// chunkData and endData are the lengths of a chunk and of a stream's end without HTTP's coding.
var chunkData, endData = dataOf(streamChunk), dataOf(streamEnd)

// dataOf is the length of the first chunk of b, which tells it.
func dataOf(b []byte) int {
	size, _, _ := bytes.Cut(b, []byte("\r\n"))
	n, _ := strconv.ParseInt(string(size), 16, 64) // written by chunk
	return int(n)
}
