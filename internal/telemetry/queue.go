package telemetry

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of export.
const (
	maxRequest = 3 << 20   // bytes of an OTLP request before compression: a stock Collector takes 4 MiB
	flushSize  = 512 << 10 // bytes of spans that are sent without waiting for the interval
	mergeSize  = 1 << 20   // bytes up to which queued batches are sent as one request
	minFlush   = 4 << 10

	backoffBase = 250 * time.Millisecond
	backoffMax  = 5 * time.Second  // short, so that recovery is seen soon
	pushbackMax = 60 * time.Second // longest wait that a collector can ask for

	defaultQueue    = 64 << 20
	defaultInterval = time.Second
	defaultTimeout  = 10 * time.Second
)

// batch is encoded spans, with room before them for the beginning of a request.
type batch struct {
	buf   []byte
	spans int
}

// transport sends one request.
type transport interface {
	// export sends req, an ExportTraceServiceRequest, and returns how many of its spans the collector refused. Errors are
	// of type *exportError. It must not keep nor change req once it has returned, save that it may still read it.
	export(ctx context.Context, req []byte) (rejected int, err error)
	// close releases connections. It is called once, after the last export.
	close()
}

// exportError is why a request was not taken.
type exportError struct {
	err      error
	retry    bool          // sending it again may help
	after    time.Duration // the collector's own wish how long to wait; 0 = none
	tooLarge bool          // a smaller request may help
}

func (e *exportError) Error() string { return e.err.Error() }

func (e *exportError) Unwrap() error { return e.err }

// errPartial is logged when a collector takes a request but not all of its spans.
var errPartial = errors.New("the collector refused some of the spans")

// asExportError takes an error of unknown origin for a passing one.
func asExportError(err error) *exportError {
	var e *exportError
	if errors.As(err, &e) {
		return e
	}
	return &exportError{err: err, retry: true}
}

// shard collects spans of some of the calls. There are as many as processors, so that calls rarely meet.
type shard struct {
	mu       sync.Mutex
	buf      []byte
	spans    int
	closed   bool
	accepted int64
	_        [64]byte // keeps neighbours off this cache line
}

// sink is one destination of traces: shards that calls append to, a queue of batches that is bounded in bytes, and one
// goroutine that sends them in order. Every span that is added is in the end counted once: exported, dropped or failed.
type sink struct {
	name      string
	env       *envelope
	transport transport
	log       *slog.Logger
	limit     int64 // bytes of the queue, the batch that is being sent included
	flushAt   int
	interval  time.Duration
	timeout   time.Duration
	retryFor  time.Duration
	backoff   time.Duration // the first one
	shards    []shard

	mu     sync.Mutex // guards queue and queued
	queue  []batch
	queued int64

	exported, dropped, failed atomic.Int64

	wake     chan struct{} // a batch was queued
	draining chan struct{} // closed when no more spans come
	cut      context.CancelFunc
	done     chan struct{} // closed when the goroutine has ended
	full     atomic.Bool   // the queue was full since the last success

	troubled, overflowed bool // what was logged since the last success; of the goroutine
}

// start starts the sending goroutine, which stop ends.
func (s *sink) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.wake = make(chan struct{}, 1)
	s.draining = make(chan struct{})
	s.done = make(chan struct{})
	s.cut = cancel
	go s.run(ctx)
}

// add appends encoded spans, and counts those that the trace lost because there were too many. It never waits for the
// sender.
func (s *sink) add(encoded []byte, spans, lost int) {
	if lost > 0 {
		s.dropped.Add(int64(lost))
	}
	sh := s.lockShard()
	sh.accepted += int64(spans + lost)
	if sh.closed {
		sh.mu.Unlock()
		s.dropped.Add(int64(spans))
		return
	}
	if len(sh.buf)+len(encoded) > maxRequest {
		s.enqueue(sh.take())
	}
	if sh.buf == nil {
		sh.buf = make([]byte, s.env.room(), s.env.room()+max(2*len(encoded), minFlush))
	}
	sh.buf = append(sh.buf, encoded...)
	sh.spans += spans
	if len(sh.buf) >= s.flushAt {
		size := cap(sh.buf)
		s.enqueue(sh.take())
		if size <= 2*s.flushAt {
			sh.buf = make([]byte, s.env.room(), size)
		}
	}
	sh.mu.Unlock()
}

// lockShard returns some shard, locked. It waits for one only when all are taken, which lasts for the copy of one trace.
func (s *sink) lockShard() *shard {
	n := len(s.shards)
	first := rand.IntN(n) //nolint:gosec // Any shard will do.
	for i := range n {
		if sh := &s.shards[(first+i)%n]; sh.mu.TryLock() {
			return sh
		}
	}
	sh := &s.shards[first]
	sh.mu.Lock()
	return sh
}

// take removes what the shard holds.
func (sh *shard) take() batch {
	b := batch{buf: sh.buf, spans: sh.spans}
	sh.buf, sh.spans = nil, 0
	return b
}

// enqueue queues b, or drops it when the queue is full. The shard that b comes from is locked, so that a sink whose shards
// are closed gets nothing more.
func (s *sink) enqueue(b batch) {
	size := int64(cap(b.buf))
	s.mu.Lock()
	fits := s.queued+size <= s.limit
	if fits {
		s.queue = append(s.queue, b)
		s.queued += size
	}
	s.mu.Unlock()
	if !fits {
		s.dropped.Add(int64(b.spans))
		s.full.Store(true)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// collect queues what the shards hold, in few batches of exact size.
func (s *sink) collect() {
	room := s.env.room()
	var merged batch
	flush := func() {
		if merged.spans > 0 {
			s.enqueue(batch{buf: bytes.Clone(merged.buf), spans: merged.spans})
			merged = batch{buf: merged.buf[:room]}
		}
	}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		if sh.spans > 0 {
			if len(merged.buf)+len(sh.buf) > mergeSize {
				flush()
			}
			if merged.buf == nil {
				merged.buf = make([]byte, room, len(sh.buf))
			}
			merged.buf = append(merged.buf, sh.buf[room:]...)
			merged.spans += sh.spans
			sh.buf, sh.spans = sh.buf[:room], 0
		}
		sh.mu.Unlock()
	}
	flush()
}

// pop removes the oldest batches, merged while they stay within mergeSize. Their bytes count as queued until release.
func (s *sink) pop() (b batch, size int64) {
	room := s.env.room()
	s.mu.Lock()
	defer s.mu.Unlock()
	n, total := 0, room
	for n < len(s.queue) && (n == 0 || total+len(s.queue[n].buf)-room <= mergeSize) {
		total += len(s.queue[n].buf) - room
		size += int64(cap(s.queue[n].buf))
		n++
	}
	switch n {
	case 0:
		return batch{}, 0
	case 1:
		b = s.queue[0]
	default:
		b.buf = make([]byte, room, total)
		for _, q := range s.queue[:n] {
			b.buf = append(b.buf, q.buf[room:]...)
			b.spans += q.spans
		}
	}
	clear(s.queue[:n])
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	return b, size
}

func (s *sink) release(size int64) {
	s.mu.Lock()
	s.queued -= size
	s.mu.Unlock()
}

// run sends what is queued until the sink drains or is cut.
func (s *sink) run(ctx context.Context) {
	defer close(s.done)
	defer s.transport.close()
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for draining := false; !draining; {
		select {
		case <-tick.C:
			s.collect()
		case <-s.wake:
		case <-s.draining:
			draining = true
			s.collect()
		}
		s.sendAll(ctx)
	}
}

func (s *sink) sendAll(ctx context.Context) {
	for {
		b, size := s.pop()
		if b.spans == 0 {
			return
		}
		s.deliver(ctx, b)
		s.release(size)
	}
}

// deliver sends b until it is taken, refused for good, or given up.
func (s *sink) deliver(ctx context.Context, b batch) {
	backoff, begin := s.backoff, time.Now()
	req := s.env.wrap(b.buf)
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, s.timeout)
		rejected, err := s.transport.export(attempt, req)
		cancel()
		if err == nil {
			rejected = min(max(rejected, 0), b.spans)
			s.exported.Add(int64(b.spans - rejected))
			s.failed.Add(int64(rejected))
			s.recovered(rejected)
			return
		}
		e := asExportError(err)
		if e.tooLarge {
			if left, right, ok := s.split(b); ok {
				s.deliver(ctx, left)
				s.deliver(ctx, right)
				return
			}
			e.retry = false
		}
		if ctx.Err() != nil {
			break
		}
		s.trouble(e)
		jitter := rand.N(backoff/2 + 1) //nolint:gosec // It only spreads retries.
		wait := max(backoff/2+jitter, min(e.after, pushbackMax))
		if !e.retry || s.retryFor > 0 && time.Since(begin)+wait > s.retryFor {
			s.failed.Add(int64(b.spans))
			return
		}
		s.sleep(ctx, wait)
		backoff = min(2*backoff, backoffMax)
	}
	s.dropped.Add(int64(b.spans))
}

// sleep waits for d, or until ctx ends. A sink that begins to drain tries again at once.
func (s *sink) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	drain := s.draining
	select {
	case <-drain:
		drain = nil // the wait began while draining
	default:
	}
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-drain:
	}
}

// trouble logs the first failure of a series, and when the queue becomes full in it; recovered logs the end.
func (s *sink) trouble(e *exportError) {
	if !s.troubled {
		s.troubled = true
		s.log.Warn("trace export failed", "sink", s.name, "retrying", e.retry, "error", e.err)
	}
	if !s.overflowed && s.full.Load() {
		s.overflowed = true
		s.log.Warn("trace queue is full, dropping spans", "sink", s.name, "queue_bytes", s.limit)
	}
}

func (s *sink) recovered(rejected int) {
	if rejected > 0 {
		s.trouble(&exportError{err: errPartial})
		return
	}
	s.full.Store(false)
	if s.troubled {
		s.troubled, s.overflowed = false, false
		s.log.Info("trace export works again", "sink", s.name)
	}
}

// split halves b between two of its spans. ok is false when it has one.
func (s *sink) split(b batch) (left, right batch, ok bool) {
	if b.spans < 2 {
		return b, batch{}, false
	}
	room := s.env.room()
	end, n := room, 0
	for ; n < b.spans/2; n++ {
		size, k := binary.Uvarint(b.buf[end+1:])
		end += 1 + k + int(size)
	}
	left = batch{buf: bytes.Clone(b.buf[:end]), spans: n}
	right = batch{buf: append(make([]byte, room), b.buf[end:]...), spans: b.spans - n}
	return left, right, true
}

// stop refuses further spans, sends what is held until ctx ends, and drops the rest. It returns how many spans it dropped.
func (s *sink) stop(ctx context.Context) (dropped int64) {
	before := s.dropped.Load()
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.closed = true
		sh.mu.Unlock()
	}
	close(s.draining)
	select {
	case <-s.done:
	case <-ctx.Done():
		s.cut()
		<-s.done
	}
	s.cut()
	return s.dropped.Load() - before
}

// SinkStats counts the spans of one sink since its start. After Shutdown, Accepted = Exported + Dropped + Failed.
type SinkStats struct {
	Sink     string
	Accepted int64 // sampled spans that were handed over
	Exported int64 // taken by the collector
	Dropped  int64 // given up here: queue full, or no time left at shutdown
	Failed   int64 // refused by the collector, or tried for longer than configured
	Queued   int64 // bytes that wait or are being sent: at most the queue's bound
}

func (s *sink) stats() SinkStats {
	st := SinkStats{Sink: s.name, Exported: s.exported.Load(), Dropped: s.dropped.Load(), Failed: s.failed.Load()}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		st.Accepted += sh.accepted
		sh.mu.Unlock()
	}
	s.mu.Lock()
	st.Queued = s.queued
	s.mu.Unlock()
	return st
}
