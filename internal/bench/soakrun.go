package main

import (
	"errors"
	"fmt"
	"time"
)

// settlePatience is how long what a soak leaves behind may take to go.
const settlePatience = 15 * time.Second

// exportPatience is when the first traces are surely exported, over a connection that stays.
const exportPatience = 2 * time.Second

// soakPlane is Envoy before Spanway, which counts its traces.
func soakPlane(f *roleFlags) *plane {
	return &plane{name: "envoy + spanway", kind: beforeSpanway, args: append(f.args("extproc", "exported"), "-count")}
}

// soakState is what is to be after a soak as it was before.
type soakState struct {
	memory

	envoy uint64 // resident bytes of Envoy
}

func (p *plane) state() (s soakState, err error) {
	s.memory, err = p.proc.memory(true)
	s.envoy = rss(p.envoy.PID())
	return s, err
}

// String is a line of a report.
func (s soakState) String() string {
	return fmt.Sprintf("heap %6.1f MiB, RSS %6.1f MiB, %5d goroutines, %3d files, %5d calls; envoy: RSS %6.1f MiB",
		mib(s.Heap), mib(s.RSS), s.Goroutines, s.Files, s.Running, mib(s.envoy))
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// soakReport is a soak and what was seen of it.
type soakReport struct {
	*soaked

	before, after soakState
	during        []soakState // in equal distances
}

// soak has a soak at p, and looks at p so many times, the first once all streams are open, the last when they begin to end.
func (p *plane) soak(o *soakOptions, looks int) (*soakReport, error) {
	// Envoy keeps the connections that as many streams take, and its access logs a stream each once there was something to tell.
	for _, warm := range []soakOptions{{streams: o.streams, pace: o.pace / 5}, {streams: 8, pace: o.pace / 5, cut: 1}} {
		if err := soak(p.addr, &warm).err(); err != nil {
			return nil, err
		}
	}
	time.Sleep(exportPatience)
	before, err := p.settle(nil)
	if err != nil {
		return nil, err
	}
	r := &soakReport{before: before}
	done := make(chan *soaked)
	go func() { done <- soak(p.addr, o) }()
	look := time.NewTimer(o.length())
	defer look.Stop()
	for r.soaked == nil {
		select {
		case <-look.C:
			s, looked := p.state()
			err = errors.Join(err, looked)
			if r.during = append(r.during, s); len(r.during) < looks {
				look.Reset(o.time / time.Duration(looks-1))
			}
		case r.soaked = <-done:
		}
	}
	after, settled := p.settle(&r.before)
	r.after = after
	return r, errors.Join(err, settled)
}

// settle waits until nothing runs any more, and there is no more of anything than want says, or patience is over.
func (p *plane) settle(want *soakState) (s soakState, err error) {
	for end := time.Now().Add(settlePatience); ; time.Sleep(50 * time.Millisecond) {
		s, err = p.state()
		settled := s.Running == 0 && (want == nil || s.Goroutines <= want.Goroutines && s.Files <= want.Files)
		if err != nil || settled || time.Now().After(end) {
			return s, err
		}
	}
}

// err says what was not as it should be.
func (r *soakReport) err() error {
	wrong := []error{r.soaked.err()}
	if r.after.Running > 0 || r.after.Goroutines > r.before.Goroutines || r.after.Files > r.before.Files {
		wrong = append(wrong, fmt.Errorf("something is left over: before %v, after %v", r.before, r.after))
	}
	traces := 0
	for outcome, n := range r.after.Traces {
		traces += n - r.before.Traces[outcome]
	}
	for outcome, want := range map[string]int64{"ok": r.whole.Load(), "client_gone": r.left.Load(), "upstream_cut": r.cut.Load()} {
		n := r.after.Traces[outcome] - r.before.Traces[outcome]
		if traces -= n; int64(n) != want {
			wrong = append(wrong, fmt.Errorf("%d traces say %s, of %d streams that ended so", n, outcome, want))
		}
	}
	if traces > 0 {
		wrong = append(wrong, fmt.Errorf("%d more traces: %v", traces, r.after.Traces))
	}
	return errors.Join(wrong...)
}

// soakAll soaks Envoy before Spanway: while all goes well, and while clients leave and providers cut.
func soakAll(o *options, f *roleFlags) error {
	return withPlanes([]*plane{soakPlane(f)}, f, func(planes []*plane) error {
		for _, so := range []soakOptions{{}, {leave: 0.05, cut: 0.05}} {
			so.streams, so.time, so.pace = o.streams, o.time, o.pace
			fmt.Printf("%d streams at a time for %v, %.0f %% of clients leave, %.0f %% of providers cut\n", so.streams, so.time, 100*so.leave, 100*so.cut)
			r, err := planes[0].soak(&so, soakLooks)
			if err != nil {
				return err
			}
			fmt.Printf("  before: %v\n", r.before)
			for _, s := range r.during {
				fmt.Printf("  during: %v\n", s)
			}
			fmt.Printf("  after:  %v\n", r.after)
			fmt.Printf("  %d whole, %d left, %d cut, %d otherwise; at most %d at a time; traces: %v\n", r.whole.Load(), r.left.Load(), r.cut.Load(), r.wrongs,
				r.most.Load(), r.after.Traces)
			if err := r.err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// soakLooks is how often a soak is looked at.
const soakLooks = 7
