package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

var (
	soakStreams = flag.Int("soak.streams", 200, "streams of TestSoak at a time")
	soakTime    = flag.Duration("soak.time", 2*time.Second, "how long each part of TestSoak goes")
)

// TestMain plays a part when this binary was started as one.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-role") {
		main()
		return
	}
	if out, err := exec.Command("../../tools/install.sh", "envoy").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\nthere is no Envoy (%v): see what tools/install.sh says above\n", out, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// maxGrowth is how much more live heap there may be after a soak than before, bytes: what pools keep.
const maxGrowth = 4 << 20

// TestSoak carries many streams at a time through Envoy before Spanway, while all goes well and while clients and providers break off.
// "go test ./internal/bench -run TestSoak -soak.streams 2000 -soak.time 1m" makes it long.
func TestSoak(t *testing.T) {
	up, err := start("-role", "upstream")
	if err != nil {
		t.Fatal(err)
	}
	defer up.stop()
	coll, err := start("-role", "collector")
	if err != nil {
		t.Fatal(err)
	}
	defer coll.stop()
	f := &roleFlags{upstream: up.addr, collector: coll.addr}
	err = withPlanes([]*plane{soakPlane(f)}, f, func(planes []*plane) error {
		for _, c := range []struct {
			name       string
			leave, cut float64
		}{{"well", 0, 0}, {"broken", 0.05, 0.05}} {
			t.Run(c.name, func(t *testing.T) {
				o := soakOptions{streams: *soakStreams, time: *soakTime, pace: 200 * time.Millisecond, leave: c.leave, cut: c.cut}
				r, err := planes[0].soak(&o, 2)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.err(); err != nil {
					t.Error(err)
				}
				if r.whole.Load() == 0 || c.leave > 0 && r.left.Load() == 0 || c.cut > 0 && r.cut.Load() == 0 {
					t.Errorf("%d streams whole, %d left, %d cut: some of each were to be", r.whole.Load(), r.left.Load(), r.cut.Load())
				}
				if r.after.Heap > r.before.Heap+maxGrowth {
					t.Errorf("the heap has grown: before %v, after %v", r.before, r.after)
				}
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
