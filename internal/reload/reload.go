// Package reload is what every data plane does with one configuration after the other: new calls begin with the newest, those
// that run keep theirs, and what belongs to an old one is let go of when its last call has ended. A [Keeper] is made with the
// plane, given each configuration by Apply, and ended by Shutdown.
package reload

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/telemetry"
)

// flushPatience is how long finished traces may take to be exported when their pipeline ends.
const flushPatience = 10 * time.Second

// Keeper holds a plane's engine and the telemetry of its configurations. Its methods are for one goroutine; the engine is for all.
type Keeper struct {
	log    *slog.Logger
	engine *gateway.Engine
	traces *telemetry.Pipeline
	ended  []<-chan struct{} // of what Wait waited for in vain
	wg     sync.WaitGroup    // retiring
}

// New returns a keeper without a configuration.
func New(log *slog.Logger) *Keeper { return &Keeper{log: log} }

// Engine is what calls are opened with; nil before the first Apply, the same ever after.
func (k *Keeper) Engine() *gateway.Engine { return k.engine }

// Apply makes new calls begin with s, and records them into t. When the calls of the configuration before have ended, its
// telemetry is shut down, unless it is t, and ended is called with its snapshot, on a goroutine of its own.
func (k *Keeper) Apply(s *gateway.Snapshot, t *telemetry.Pipeline, ended func(old *gateway.Snapshot)) {
	before := k.traces
	k.traces = t
	if k.engine == nil {
		k.engine = gateway.New(s, t)
		return
	}
	old := k.engine.Snapshot()
	gone := k.engine.Swap(s, t)
	k.wg.Go(func() {
		<-gone
		ended(old)
		if before == t {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), flushPatience)
		defer cancel()
		if err := before.Shutdown(ctx); err != nil {
			k.log.Warn("old telemetry did not flush", "error", err)
		}
	})
}

// Wait waits until every call that runs now has handed over its trace, or ctx ends, and reports which.
func (k *Keeper) Wait(ctx context.Context) bool {
	if k.engine == nil {
		return true
	}
	k.ended = append(k.ended, k.engine.Swap(k.engine.Snapshot(), k.traces))
	for len(k.ended) > 0 {
		select {
		case <-k.ended[0]:
			k.ended = k.ended[1:]
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Shutdown waits for the calls, which the plane has told to end, and exports what was recorded. The error says what was not.
func (k *Keeper) Shutdown() error {
	if k.engine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushPatience)
	defer cancel()
	k.Wait(ctx)
	err := k.traces.Shutdown(ctx)
	k.wg.Wait()
	return err
}
