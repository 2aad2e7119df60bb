package kube

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/control"
	"github.com/spanway/spanway/internal/deployer"
	"github.com/spanway/spanway/internal/translate"
)

// Planes are the data planes as the control plane sees them: a control.Server, or what stands for it in a test. Its methods are
// safe for concurrent use and never block.
type Planes interface {
	// Publish tells each Gateway's data plane its configuration. gateways is all that there is; the latest wins.
	Publish(gateways []control.Gateway)
	// Changed yields when a State may be another than before.
	Changed() <-chan struct{}
	// State is how far the data plane of a Gateway has come.
	State(namespace, name string) control.State
}

// result is what became of all objects at one time.
type result struct {
	out     *translate.Output
	version int64             // counts rebuilds, from 1
	span    trace.SpanContext // of the rebuild
}

// controller is the running control plane.
type controller struct {
	o      *Options
	log    *slog.Logger
	kinds  *kinds
	w      *watcher
	refs   *references
	planes Planes
	certs  *certs
	scheme *runtime.Scheme
	tracer trace.Tracer
	met    *metrics
	config *rest.Config
	writes client.Client
	export func(context.Context) error

	translation translate.Options
	deploys     deployer.Input // of all data planes

	dirty  chan struct{} // something has changed; one waiting is as good as many
	wake   chan struct{} // likewise, for the writer
	latest atomic.Pointer[result]
	ready  atomic.Bool // the first configuration has been published

	reported map[types.NamespacedName]string // what was last said of data planes ("" = programmed); for the goroutine that rebuilds
}

// signal takes note of a change. It never blocks.
func (c *controller) signal(ch change, k *kind, o client.Object) {
	if k == c.kinds.secrets && client.ObjectKeyFromObject(o) == c.certs.secret {
		nudge(c.certs.changed)
	}
	switch {
	case ch == everything, ch == revaluate && c.refs.concern(k, o):
		nudge(c.dirty)
	case ch == write:
		nudge(c.wake)
	}
}

func nudge(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// How long changes are gathered before everything is rebuilt.
const (
	quiet    = 30 * time.Millisecond  // since the last change
	patience = 300 * time.Millisecond // since the first
	// After an error the rebuild is tried again, later each time.
	firstRetry, lastRetry = time.Second, 30 * time.Second
)

// loop rebuilds whenever something has changed, until ctx is over.
func (c *controller) loop(ctx context.Context) {
	nudge(c.dirty)
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.dirty:
		case <-c.planes.Changed():
			if !c.progressed() {
				continue
			}
		case <-retry.C:
		}
		if !c.settle(ctx) {
			return
		}
		start := time.Now()
		if err := c.rebuild(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			c.log.Error("rebuild put off, data planes keep what they have", "again_in", wait, "error", err)
			retry.Reset(wait)
			wait = min(2*wait, lastRetry)
			continue
		}
		wait = firstRetry
		// As long as it took, others may have the processor.
		if !pause(ctx, time.Since(start)) {
			return
		}
	}
}

// settle waits until no change has come for a moment, though not for ever. It reports whether ctx goes on.
func (c *controller) settle(ctx context.Context) bool {
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		still := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			still.Stop()
			return false
		case <-c.dirty:
			still.Stop()
			continue
		case <-end.C:
			still.Stop()
			return true
		case <-still.C:
			return true
		}
	}
}

// pause reports whether ctx goes on after d.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
