// Command bench measures the gateway beside a bare httputil.ReverseProxy that does the same in the same run, and prints
// ratios: the machine's own speed cancels out. Each part is a process of its own, so that the CPU time of the proxy alone is
// counted: a load generator (this process), an upstream that plays a provider, and the proxy under test.
//
// Usage: go run ./internal/bench [-quick] [-time 2s] [-rounds 3] [-only throughput|latency|memory|long|envoy|soak]
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// options are the settings of one run.
type options struct {
	quick   bool
	time    time.Duration
	rounds  int
	only    string
	workers int
	streams int
	pace    time.Duration
	profile string
	model   string
}

func main() {
	var o options
	var role roleFlags
	flag.BoolVar(&o.quick, "quick", false, "a short run that only shows that everything works")
	flag.DurationVar(&o.time, "time", 2*time.Second, "of one measurement")
	flag.IntVar(&o.rounds, "rounds", 3, "measurements of each kind; the median counts")
	flag.StringVar(&o.only, "only", "", "throughput, latency, memory, long or envoy; default all these; or soak")
	flag.IntVar(&o.workers, "workers", 16, "connections of the closed-loop load")
	flag.IntVar(&o.streams, "streams", 5000, "open streams of the memory measurement and of the soak")
	flag.DurationVar(&o.pace, "pace", 500*time.Millisecond, "between two chunks of a stream of the soak")
	flag.StringVar(&o.profile, "profile", "", "only write a CPU profile of the gateway, traces exported, to this file; with -only envoy, of it behind Envoy")
	flag.StringVar(&o.model, "model", "unary", "what is profiled: unary, stream, burst or paced")
	flag.StringVar(&role.role, "role", "", "internal: what this process plays")
	flag.StringVar(&role.upstream, "upstream", "", "internal: address of the upstream")
	flag.StringVar(&role.collector, "collector", "", "internal: endpoint of the collector")
	flag.StringVar(&role.tracing, "tracing", "", "internal: off, sampled-out or exported")
	flag.StringVar(&role.socket, "socket", "", "internal: where an external processor listens")
	flag.BoolVar(&role.count, "count", false, "internal: count the traces that end")
	flag.Parse()
	if o.quick {
		o.time, o.rounds, o.workers, o.streams = 100*time.Millisecond, 1, 4, 100
	}
	err := fmt.Errorf("unknown role %q", role.role)
	if role.role == "" {
		err = measure(&o)
	} else if play := roles[role.role]; play != nil {
		err = play(&role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
