package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// withPlanes starts planes, has run measure them, and stops all.
func withPlanes(planes []*plane, f *roleFlags, run func([]*plane) error) (err error) {
	bin, err := findEnvoy()
	if err != nil {
		return err
	}
	for _, p := range planes {
		defer p.stop()
		if err := p.start(bin, f); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return run(planes)
}

// envoyPlanes measures Envoy alone, before a processor that does nothing, and before Spanway.
func envoyPlanes(o *options, f *roleFlags) error {
	planes := []*plane{{name: "envoy alone", kind: alone}, {name: "envoy + no-op", kind: beforeNoop, args: []string{"-role", "noop"}}}
	for _, tracing := range []string{"off", "exported"} {
		planes = append(planes, &plane{name: "envoy + spanway, traces " + tracing, kind: beforeSpanway, args: f.args("extproc", tracing)})
	}
	return withPlanes(planes, f, func(planes []*plane) error {
		if last := planes[len(planes)-1]; o.profile != "" {
			return profile(o, last.proc.control, last.addr)
		}
		return errors.Join(envoyThroughput(o, planes), envoyLatency(o, planes, f.upstream))
	})
}

// envoySample is one measurement of one plane under closed-loop load.
type envoySample struct{ rate, envoy, proc, messages float64 }

// loads are the kinds of calls that are measured through Envoy; unary goes first, since chunks are what others cost more.
var loads = []struct {
	model  string
	chunks int
	sizes  []int
}{{"unary", 0, []int{1 << 10, 64 << 10}}, {"burst", burstChunks, []int{1 << 10, 64 << 10}}, {"paced", burstChunks, []int{1 << 10}}}

func envoyThroughput(o *options, planes []*plane) error {
	fmt.Printf("Envoy: %d connections, %v a measurement, median of %d; answers whole, of %d chunks at once, and of %d chunks %v apart\n",
		o.workers, o.time, o.rounds, burstChunks, burstChunks, pace)
	fmt.Printf("%-6s %-6s %-28s %9s %7s %14s %15s %7s %9s %8s %9s\n", "answer", "prompt", "path", "calls/s", "ratio", "envoy µs/call",
		"ext_proc µs/call", "ratio", "msgs/call", "µs/msg", "µs/chunk")
	unary := map[string]float64{} // by plane and size
	for _, l := range loads {
		for _, size := range l.sizes {
			all, err := envoyRounds(o, planes, l.model, size)
			if err != nil {
				return err
			}
			for i, p := range planes {
				m, key := all[i], fmt.Sprint(p.name, size)
				row := fmt.Sprintf("%-6s %-6s %-28s %9.0f %6.2fx %14.1f", l.model, fmt.Sprintf("%dK", size>>10), p.name, m.rate, m.rate/all[0].rate, m.envoy)
				if p.proc != nil {
					row += fmt.Sprintf(" %15.1f %6.2fx %9.1f %8.1f", m.proc, m.proc/all[1].proc, m.messages, m.proc/m.messages)
				}
				if l.chunks == 0 {
					unary[key] = m.proc
				} else if p.proc != nil {
					row += fmt.Sprintf(" %9.1f", (m.proc-unary[key])/float64(l.chunks))
				}
				fmt.Println(row)
			}
		}
	}
	fmt.Println()
	return nil
}

// envoyRounds measures each plane in turn, several times, and returns the medians. The first round warms up.
func envoyRounds(o *options, planes []*plane, model string, size int) ([]envoySample, error) {
	all := make([][]envoySample, len(planes))
	rounds := o.rounds + 1
	if o.quick {
		rounds = 1
	}
	for round := range rounds {
		for i, p := range planes {
			one, err := p.sample(o, model, size)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 || o.quick {
				all[i] = append(all[i], one)
			}
		}
	}
	medians := make([]envoySample, len(planes))
	for i, of := range all {
		pick := func(f func(envoySample) float64) float64 {
			v := make([]float64, len(of))
			for i, s := range of {
				v[i] = f(s)
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		medians[i] = envoySample{rate: pick(func(s envoySample) float64 { return s.rate }), envoy: pick(func(s envoySample) float64 { return s.envoy }),
			proc: pick(func(s envoySample) float64 { return s.proc }), messages: pick(func(s envoySample) float64 { return s.messages })}
	}
	return medians, nil
}

func (p *plane) sample(o *options, model string, size int) (envoySample, error) {
	before, err := p.messages()
	if err != nil {
		return envoySample{}, err
	}
	envoy, proc, begin := taskTime(p.envoy.PID()), p.procTime(), time.Now()
	n, cut, err := closedLoop(p.addr, request(p.addr, model, size), o.workers, o.time)
	if err != nil {
		return envoySample{}, err
	}
	if cut > 0 {
		return envoySample{}, fmt.Errorf("%d of %d calls were not answered whole", cut, n+cut)
	}
	took, calls := time.Since(begin), float64(n)
	s := envoySample{rate: calls / took.Seconds(), envoy: perCall(taskTime(p.envoy.PID())-envoy, calls), proc: perCall(p.procTime()-proc, calls)}
	after, err := p.messages()
	s.messages = (after - before) / calls
	return s, err
}

func perCall(d time.Duration, calls float64) float64 { return float64(d.Nanoseconds()) / 1e3 / calls }

// procTime is the CPU time of the processor so far.
func (p *plane) procTime() time.Duration {
	if p.proc == nil {
		return 0
	}
	return p.proc.cpu()
}

func envoyLatency(o *options, planes []*plane, upstream string) error {
	paths := []path{{"upstream alone", upstream}}
	for _, p := range planes {
		paths = append(paths, path{p.name, p.addr})
	}
	return latencies(o, "Envoy: latency", paths, []string{"unary", "burst"})
}
