package aws

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spanway/spanway/internal/llm"
)

// Times of what is kept.
const (
	renewBefore = 5 * time.Minute  // of their end, temporary credentials are renewed
	readAgain   = 5 * time.Minute  // others are read again: tools rewrite profiles
	failureLast = 10 * time.Second // a failure stands for this long
)

// store keeps credentials. It asks for them once at a time; while those that it has are still good, nobody but the one who
// asks waits.
type store struct {
	load func(context.Context) (*found, error)
	turn chan struct{} // holds a token while somebody asks
	kept atomic.Pointer[kept]
}

// kept is what came of asking. It does not change.
type kept struct {
	found *found // nil = there never were any
	err   error  // of the last time
	renew time.Time
}

// good reports whether there are credentials and they have not expired.
func (k *kept) good(now time.Time) bool {
	return k != nil && k.found != nil && (!k.found.credentials.CanExpire || now.Before(k.found.credentials.Expires))
}

// fresh is what came of asking lately, nil when it is time to ask.
func (s *store) fresh(now time.Time) *kept {
	if k := s.kept.Load(); k != nil && now.Before(k.renew) && (k.err != nil || k.good(now)) {
		return k
	}
	return nil
}

// get returns credentials that have not expired. Those that are to be renewed are, by one caller; when that fails, they are
// used to their end.
func (s *store) get(ctx context.Context, now time.Time) (*found, error) {
	k := s.fresh(now)
	if k == nil {
		var err error
		if k, err = s.ask(ctx, now); err != nil {
			return nil, err
		}
	}
	if k.good(now) {
		return k.found, nil
	}
	return nil, k.err
}

func (s *store) ask(ctx context.Context, now time.Time) (*kept, error) {
	select {
	case s.turn <- struct{}{}:
	default: // somebody asks already
		if old := s.kept.Load(); old.good(now) {
			return old, nil
		}
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, &llm.Error{Status: http.StatusGatewayTimeout, Type: Failure, Err: ctx.Err(),
				Message: "The call ended before there were AWS credentials."}
		}
	}
	defer func() { <-s.turn }()
	if k := s.fresh(now); k != nil {
		return k, nil
	}
	return s.renew(ctx, now), nil
}

// renew asks.
func (s *store) renew(ctx context.Context, now time.Time) *kept {
	f, err := s.load(ctx)
	if err != nil {
		k := &kept{err: err, renew: now.Add(failureLast)}
		if old := s.kept.Load(); old != nil {
			k.found = old.found
		}
		if ctx.Err() == nil { // what failed because its caller went says nothing to others
			s.kept.Store(k)
		}
		return k
	}
	k := &kept{found: f, renew: now.Add(readAgain)}
	if c := &f.credentials; c.CanExpire {
		k.renew = c.Expires.Add(-renewBefore)
		if !now.Before(k.renew) { // they live for less than that
			k.renew = now.Add(c.Expires.Sub(now) / 2)
		}
	}
	s.kept.Store(k)
	return k
}
