package kube

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writer deploys data planes and writes statuses: what the replica that leads does. It is for one goroutine.
type writer struct {
	c       *controller
	client  client.Client
	log     *slog.Logger
	written written
	applied map[place]*applied
	made    map[string]bool // GatewayClasses that were created and have not been seen yet
	told    map[string]bool // events that have been made, by name
	failed  map[string]bool // likewise, of Gateways that cannot be deployed
	now     func() time.Time
}

func newWriter(c *controller, cl client.Client) *writer {
	return &writer{c: c, client: cl, log: c.log, written: written{of: map[writtenKey]client.Object{}}, applied: map[place]*applied{}, made: map[string]bool{}, told: map[string]bool{}, failed: map[string]bool{}, now: time.Now}
}

// run writes after every rebuild and when something that was written has been changed, until ctx is over.
func (w *writer) run(ctx context.Context) {
	nudge(w.c.wake)
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.c.wake:
		case <-retry.C:
		}
		// Changes of what is deployed come in flocks.
		if !pause(ctx, quiet) {
			return
		}
		r := w.c.latest.Load()
		if r == nil {
			continue
		}
		if err := w.pass(ctx, r); err != nil {
			if ctx.Err() != nil {
				return
			}
			w.log.Warn("not everything could be written", "again_in", wait, "error", err)
			retry.Reset(wait)
			wait = min(2*wait, lastRetry)
			continue
		}
		wait = firstRetry
	}
}

// errStale ends a pass for which there is a newer result.
var errStale = errors.New("a newer result is there")

// pass makes everything in the cluster be as r says.
func (w *writer) pass(ctx context.Context, r *result) error {
	ctx = trace.ContextWithRemoteSpanContext(ctx, r.span)
	err := errors.Join(w.deploy(ctx, r), w.statuses(ctx, r), w.events(ctx, r))
	if errors.Is(err, errStale) {
		nudge(w.c.wake)
		return nil
	}
	return err
}

func (w *writer) stale(r *result) bool { return w.c.latest.Load() != r }
