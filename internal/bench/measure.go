package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// subject is a proxy under test.
type subject struct {
	name  string
	args  []string
	child *child
}

// measure starts the parts and prints every table that is asked for.
func measure(o *options) error {
	up, err := start("-role", "upstream")
	if err != nil {
		return err
	}
	defer up.stop()
	coll, err := start("-role", "collector")
	if err != nil {
		return err
	}
	defer coll.stop()
	f := &roleFlags{upstream: up.addr, collector: coll.addr}
	if o.only == "soak" {
		return soakAll(o, f)
	}
	subjects := []*subject{{name: "bare ReverseProxy", args: []string{"-role", "bare", "-upstream", up.addr}}}
	for _, tracing := range []string{"off", "sampled-out", "exported"} {
		subjects = append(subjects, &subject{name: "spanway, traces " + tracing,
			args: f.args("spanway", tracing)})
	}
	if o.profile != "" && o.only != "envoy" {
		last := subjects[len(subjects)-1]
		return withSubjects(subjects, func() error { return profile(o, last.child.control, last.child.addr) })
	}
	for _, part := range []struct {
		name string
		run  func(*options, []*subject, *child) error
	}{{"throughput", throughput}, {"latency", latency}, {"memory", streamMemory}, {"long", longStream}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := withSubjects(subjects, func() error { return part.run(o, subjects, up) }); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if o.only == "" || o.only == "envoy" {
		if err := envoyPlanes(o, f); err != nil {
			return fmt.Errorf("envoy: %w", err)
		}
	}
	return nil
}

func withSubjects(subjects []*subject, run func() error) error {
	for _, s := range subjects {
		c, err := start(s.args...)
		if err != nil {
			return err
		}
		s.child = c
		defer c.stop()
	}
	return run()
}

// profile writes a CPU profile of the process behind control, while addr is under load, to the file that o names.
func profile(o *options, control, addr string) error {
	done := make(chan error, 1)
	go func() {
		_, _, err := closedLoop(addr, request(addr, o.model, 1<<10), o.workers, profileTime+time.Second)
		done <- err
	}()
	r, err := http.Get("http://" + control + "/profile")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	f, err := os.Create(o.profile)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r.Body)
	return errors.Join(err, f.Close(), <-done)
}

// sample is one measurement of one subject under closed-loop load.
type sample struct{ rate, cpu, allocs, bytes, cut float64 }

func throughput(o *options, subjects []*subject, _ *child) error {
	fmt.Printf("Throughput and cost: %d connections, %v a measurement, median of %d\n", o.workers, o.time, o.rounds)
	fmt.Printf("%-8s %-6s %-28s %10s %8s %12s %8s %10s %10s %6s\n", "answer", "prompt", "proxy", "calls/s", "ratio", "cpu µs/call", "ratio", "allocs", "alloc KB", "cut")
	for _, model := range []string{"unary", "stream"} {
		for _, size := range []int{1 << 10, 64 << 10} {
			all := make([][]sample, len(subjects))
			for round := range o.rounds + 1 {
				for i, s := range subjects {
					one, err := sampleOf(o, s, model, size)
					if err != nil {
						return fmt.Errorf("%s: %w", s.name, err)
					}
					if round > 0 || o.quick { // the first round warms up
						all[i] = append(all[i], one)
					}
				}
			}
			bare := medianOf(all[0])
			for i, s := range subjects {
				m := medianOf(all[i])
				fmt.Printf("%-8s %-6s %-28s %10.0f %7.2fx %12.1f %7.2fx %10.1f %10.1f %6.0f\n", model, fmt.Sprintf("%dK", size>>10), s.name, m.rate, m.rate/bare.rate, m.cpu, m.cpu/bare.cpu, m.allocs, m.bytes/1024, m.cut)
			}
		}
	}
	fmt.Println()
	return nil
}

func sampleOf(o *options, s *subject, model string, size int) (sample, error) {
	before, err := s.child.memory(false)
	if err != nil {
		return sample{}, err
	}
	cpu, begin := s.child.cpu(), time.Now()
	n, cut, err := closedLoop(s.child.addr, request(s.child.addr, model, size), o.workers, o.time)
	if err != nil {
		return sample{}, err
	}
	took := time.Since(begin)
	used := s.child.cpu() - cpu
	after, err := s.child.memory(false)
	if err != nil {
		return sample{}, err
	}
	calls := float64(n)
	return sample{rate: calls / took.Seconds(), cpu: float64(used.Microseconds()) / calls, allocs: float64(after.Mallocs-before.Mallocs) / calls,
		bytes: float64(after.Bytes-before.Bytes) / calls, cut: float64(cut)}, nil
}

func medianOf(all []sample) sample {
	pick := func(f func(sample) float64) float64 {
		v := make([]float64, len(all))
		for i, s := range all {
			v[i] = f(s)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return sample{pick(func(s sample) float64 { return s.rate }), pick(func(s sample) float64 { return s.cpu }),
		pick(func(s sample) float64 { return s.allocs }), pick(func(s sample) float64 { return s.bytes }),
		pick(func(s sample) float64 { return s.cut })}
}

func latency(o *options, subjects []*subject, up *child) error {
	paths := []path{{"upstream alone", up.addr}}
	for _, s := range subjects {
		paths = append(paths, path{s.name, s.child.addr})
	}
	return latencies(o, "Latency", paths, []string{"unary", "stream"})
}

// path is where calls are sent to, and what is on the way.
type path struct{ name, addr string }

// latencies prints what each path adds to the first one.
func latencies(o *options, title string, paths []path, models []string) error {
	const rate = 200
	d := 5 * o.time
	fmt.Printf("%s at %d calls a second, %v each, 1K prompt: added to the upstream alone\n", title, rate, d)
	fmt.Printf("%-8s %-28s %10s %10s %12s %12s\n", "answer", "path", "p50", "p99", "added p50", "added p99")
	for _, model := range models {
		var base []time.Duration
		for _, p := range paths {
			l, err := openLoop(p.addr, request(p.addr, model, 1<<10), rate, d)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if base == nil {
				base = l
			}
			p50, p99 := l[len(l)/2], l[len(l)*99/100]
			fmt.Printf("%-8s %-28s %10v %10v %12v %12v\n", model, p.name, p50.Round(time.Microsecond), p99.Round(time.Microsecond),
				(p50 - base[len(base)/2]).Round(time.Microsecond), (p99 - base[len(base)*99/100]).Round(time.Microsecond))
		}
	}
	fmt.Println()
	return nil
}

func streamMemory(o *options, subjects []*subject, _ *child) error {
	fmt.Printf("Memory of %d open streams\n%-28s %12s %14s\n", o.streams, "proxy", "RSS MiB", "KiB a stream")
	for _, s := range subjects {
		before, err := s.child.memory(true)
		if err != nil {
			return err
		}
		stop, err := hold(s.child.addr, o.streams)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		after, err := s.child.memory(false)
		stop()
		if err != nil {
			return err
		}
		grown := float64(after.RSS) - float64(before.RSS)
		fmt.Printf("%-28s %12.1f %14.1f\n", s.name, float64(after.RSS)/(1<<20), grown/1024/float64(o.streams))
	}
	fmt.Println()
	return nil
}

func longStream(_ *options, subjects []*subject, _ *child) error {
	fmt.Printf("One stream of 10,000 chunks\n%-28s %16s %16s\n", "proxy", "heap before KiB", "heap after KiB")
	for _, s := range subjects {
		req := request(s.child.addr, "long", 1<<10)
		if err := once(s, req); err != nil { // warms up
			return err
		}
		before, err := s.child.memory(true)
		if err != nil {
			return err
		}
		if err := once(s, req); err != nil {
			return err
		}
		after, err := s.child.memory(true)
		if err != nil {
			return err
		}
		fmt.Printf("%-28s %16d %16d\n", s.name, before.Heap>>10, after.Heap>>10)
	}
	fmt.Println()
	return nil
}

// once makes one call that is answered whole. The bare proxy forwards bodies while it reads them, and cuts some answers.
func once(s *subject, req []byte) (err error) {
	for range 20 {
		if _, _, err = closedLoop(s.child.addr, req, 1, 1); err == nil {
			return nil
		}
	}
	return err
}
