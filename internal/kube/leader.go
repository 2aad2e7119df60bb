package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lease says how replicas agree on who leads.
type Lease struct {
	Name     string        // of the Lease object, in the controller's namespace
	Identity string        // of this replica; unique
	Duration time.Duration // how long others wait for a leader that is silent; default 15 s
	Renew    time.Duration // how long the leader tries to say that it is there before it gives up; default two thirds of it
	Retry    time.Duration // how often all try; default 2/15 of it
}

// elect runs lead while this replica leads, until ctx is over. The lease is given back only when lead has returned, so that no two
// replicas write at once. A replica that loses the lease goes on as one that does not lead.
func elect(ctx context.Context, cfg *rest.Config, namespace string, l *Lease, lead func(context.Context)) error {
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: l.Name}, Client: c.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: l.Identity}}
	for ctx.Err() == nil {
		if err := term(ctx, lock, l, lead); err != nil {
			return fmt.Errorf("leader election: %w", err)
		}
	}
	return nil
}

// term is one candidacy, from waiting for the lease to losing it.
func term(ctx context.Context, lock resourcelock.Interface, l *Lease, lead func(context.Context)) error {
	o := office{ctx: ctx, lead: lead}
	var election context.Context
	election, o.resign = context.WithCancel(context.WithoutCancel(ctx))
	defer o.resign()
	e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: l.Duration, RenewDeadline: l.Renew, RetryPeriod: l.Retry, ReleaseOnCancel: true, Name: l.Name,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: o.take, OnStoppedLeading: func() {}},
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, o.leave)
	defer stop()
	e.Run(election)
	o.close()
	return nil
}

// office is what a leader holds.
type office struct {
	ctx    context.Context
	resign func()
	lead   func(context.Context)

	mu           sync.Mutex
	held, closed bool
	wg           sync.WaitGroup
}

// take leads, and resigns when that has ended.
func (o *office) take(ctx context.Context) {
	o.mu.Lock()
	if o.closed || o.ctx.Err() != nil {
		o.mu.Unlock()
		o.resign()
		return
	}
	o.held = true
	o.wg.Add(1)
	o.mu.Unlock()
	defer o.wg.Done()
	defer o.resign()
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(o.ctx, end)()
	o.lead(ctx)
}

// leave gives up a candidacy. One who leads resigns by itself, when what it has begun has ended.
func (o *office) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.held {
		o.resign()
	}
}

// close waits for the end of what leads.
func (o *office) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.wg.Wait()
}
