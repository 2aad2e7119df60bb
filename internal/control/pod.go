package control

import (
	"context"
	"errors"
	"log/slog"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// patience bounds what a pod is waited for. Each pod waits for itself alone.
type patience struct {
	join   time.Duration // for an Envoy's sidecar, which says what both run
	ask    time.Duration // for a sidecar's answer to what it runs
	envoy  time.Duration // for Envoy's answer, before it is told again
	ack    time.Duration // for a sidecar's answer, before its stream is ended
	gone   time.Duration // for an Envoy that has gone, before its sidecar goes ahead
	prune  time.Duration // for a sidecar that has gone, before its Envoy gives up what old calls need
	settle time.Duration // until Envoy has looked up the names of new clusters, before routes lead there
}

func usual() patience {
	return patience{join: 5 * time.Second, ask: 10 * time.Second, envoy: 30 * time.Second, ack: 60 * time.Second, gone: 15 * time.Second,
		prune: 60 * time.Second, settle: time.Second}
}

// retryEvery is how often Envoy is told again what it did not answer to.
const retryEvery = time.Second

// pod is an Envoy and its sidecar, either of which may be away. Its own goroutine takes one step after the other.
type pod struct {
	server *Server
	plane  *plane
	name   string
	log    *slog.Logger
	xds    *xds.Server
	poke   chan struct{}
	end    context.CancelFunc

	// Guarded by the server's mu.
	streams int
	sidecar *sidecar // nil = none is connected
	lost    time.Time
	current bool   // it uses the plane's want
	refused string // why it does not take that; "" = nobody says so

	// Of the pod's goroutine.
	born     time.Time
	joined   bool // what it ran before is known, or nobody says it
	asked    time.Time
	told     string         // what Envoy took last
	tried    attempt        // what it refused
	taken    int            // Envoy's streams, ever, when it took told
	gone     time.Time      // when no Envoy was seen first; zero = one is there
	pruned   string         // what Envoy was told alone
	offered  *xds.Resources // what Envoy took last, for the names in it
	settling time.Duration
}

// attempt is a version at the Envoys that were there.
type attempt struct {
	name string
	ever int
}

func newPod(s *Server, plane *plane, name string) *pod {
	log := s.o.Log.With("gateway", plane.at.String(), "pod", name)
	p := &pod{server: s, plane: plane, name: name, log: log, xds: xds.NewServer(log), poke: make(chan struct{}, 1), born: time.Now(), lost: time.Now()}
	p.xds.Changed = func() {
		signal(p.poke)
		signal(s.changed)
	}
	p.xds.Warm = func(ctx context.Context) error {
		select {
		case <-time.After(p.settling):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	return p
}

// run takes a step whenever something has changed, until the pod has gone.
func (p *pod) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.poke:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if again := p.step(ctx); again > 0 {
			timer.Reset(again)
		}
	}
}

// step brings the pod as far as it can go now, and says when to try again; 0 = when something changes.
func (p *pod) step(ctx context.Context) time.Duration {
	p.server.mu.Lock()
	want, side, lost := p.plane.want, p.sidecar, p.lost
	var now sidecar
	if side != nil {
		now = *side
	}
	p.server.mu.Unlock()
	if want == nil {
		return 0
	}
	if !p.joined {
		if again := p.join(want, side, &now); again > 0 {
			return again
		}
		p.joined = true
	}
	again := p.tellEnvoy(ctx, want)
	if side != nil {
		again = sooner(again, p.tellSidecar(want, side, &now))
	}
	p.judge(want, side != nil && now.running == want.name)
	if p.told != want.name || p.pruned == want.name {
		return again
	}
	switch {
	case side == nil && want.processor:
		if wait := p.server.patience.prune - time.Since(lost); wait > 0 {
			return sooner(again, wait)
		}
	case side != nil && (now.running != want.name || !now.quiet):
		return again
	}
	return sooner(again, p.prune(ctx, want))
}

// join learns what the pod ran before this server knew it: its Envoy keeps that beside what is new.
func (p *pod) join(want *version, side *sidecar, now *sidecar) time.Duration {
	switch {
	case side == nil && want.processor:
		return p.server.patience.join - time.Since(p.born)
	case side == nil || now.running == "":
		return 0
	case now.running == want.name:
		if now.quiet {
			return 0
		}
		return p.server.patience.prune - time.Since(p.born) // Envoy has what older calls need, and nobody here knows it
	}
	p.server.mu.Lock()
	old := p.plane.version(now.running)
	p.server.mu.Unlock()
	switch {
	case old != nil:
		p.xds.Assume(old.resources)
		p.offered = old.resources
	case now.runs != nil:
		if r, err := p.server.build(now.runs, true); err == nil {
			p.xds.Assume(r)
			p.offered = r
		}
	case p.asked.IsZero():
		p.asked = time.Now()
		side.send(fields(fieldAsk, structpb.NewStringValue(fieldIR)))
		return p.server.patience.ask
	default:
		return p.server.patience.ask - time.Since(p.asked)
	}
	return 0
}

// tellEnvoy has Envoy take want, beside what it has.
func (p *pod) tellEnvoy(ctx context.Context, want *version) time.Duration {
	connected, ever := p.xds.Streams()
	if connected == 0 {
		p.told = ""
		if p.gone.IsZero() {
			p.gone = time.Now()
		}
		return 0
	}
	p.gone = time.Time{}
	this := attempt{want.name, ever}
	if p.tried == this || p.told == want.name && p.taken == ever {
		return 0
	}
	p.settling = 0
	if p.offered != nil && newNames(want.resources, p.offered) {
		p.settling = p.server.patience.settle
	}
	ctx, cancel := context.WithTimeout(ctx, p.server.patience.envoy)
	defer cancel()
	err := p.xds.Publish(ctx, want.resources)
	switch {
	case err == nil:
		p.told, p.taken, p.offered, p.tried, p.pruned = want.name, ever, want.resources, attempt{}, ""
	case ctx.Err() != nil:
		p.late(ctx, "Envoy has not taken its configuration yet", want, err)
		return retryEvery
	default:
		p.tried = this
		p.refuse(want, err.Error())
	}
	return 0
}

// late says that Envoy is told again what it does not answer to. That it has gone is no news.
func (p *pod) late(ctx context.Context, what string, v *version, err error) {
	if connected, _ := p.xds.Streams(); connected > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		p.log.Warn(what, "version", v.name, "error", err)
	}
}

// newNames reports whether r has a cluster whose name is to be looked up and that old has not.
func newNames(r, old *xds.Resources) bool {
	have := map[string]bool{}
	for _, c := range old.Clusters {
		have[c.GetName()] = true
	}
	for _, c := range r.Clusters {
		if c.GetType() == clusterv3.Cluster_STRICT_DNS && !have[c.GetName()] {
			return true
		}
	}
	return false
}

// tellSidecar has the sidecar begin new calls with want, when its Envoy can carry them: one version at a time, so that a slow one
// gets the latest next.
func (p *pod) tellSidecar(want *version, side, now *sidecar) time.Duration {
	switch {
	case !now.sent.IsZero(): // it has not answered
		wait := p.server.patience.ack - time.Since(now.sent)
		if wait <= 0 {
			side.cancel()
		}
		return max(wait, 0)
	case now.running == want.name || now.refused == want.name:
		return 0
	case p.told == want.name, now.running == "" && !p.gone.IsZero():
	case !p.gone.IsZero():
		if wait := p.server.patience.gone - time.Since(p.gone); wait > 0 {
			return wait
		}
	default:
		return 0 // Envoy refused it, or has not taken it yet
	}
	p.server.mu.Lock()
	side.sent = time.Now()
	p.server.mu.Unlock()
	side.send(want.message)
	return p.server.patience.ack
}

// prune has Envoy give up what only old calls needed.
func (p *pod) prune(ctx context.Context, want *version) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, p.server.patience.envoy)
	defer cancel()
	if err := p.xds.Prune(ctx); err != nil {
		p.late(ctx, "Envoy has not given up yet what only old calls needed", want, err)
		return retryEvery
	}
	p.pruned = want.name
	return 0
}

// judge notes whether the pod uses want.
func (p *pod) judge(want *version, running bool) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	is := p.plane.want == want && p.told == want.name && (running || !want.processor)
	if is == p.current {
		return
	}
	p.current = is
	if is {
		p.refused = ""
		since := want.at
		if p.born.After(since) {
			since = p.born
		}
		s.counts.Latency.observe(time.Since(since))
	}
	signal(s.changed)
}

// refuse notes why the pod does not take v.
func (p *pod) refuse(v *version, reason string) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.plane.want != v {
		return
	}
	p.refused = reason
	s.counts.Refusals++
	signal(s.changed)
}

// sooner is the shorter of two waits, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// sidecar is the stream of a pod's "spanway extproc". Its fields are guarded by the server's mu.
type sidecar struct {
	out    chan *structpb.Struct
	cancel context.CancelFunc

	running string      // what new calls begin with; "" = it has had nothing
	quiet   bool        // no call of what it ran before goes on
	runs    *ir.Gateway // that, when it was asked for it; nil = not
	sent    time.Time   // when it was told what it has not answered to yet; zero = it has answered
	refused string      // what it does not take
}

// maxOut is the most that a sidecar is told before it answers: a question, and a configuration.
const maxOut = 2

func (s *sidecar) send(m *structpb.Struct) {
	select {
	case s.out <- m:
	default: // it does not read: it will be ended
	}
}
