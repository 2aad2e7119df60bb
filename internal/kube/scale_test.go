package kube

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/cluster"
)

// BenchmarkScale has a Gateway grow to 2,000 HTTPRoutes, each with a host of its own, and a quarter as many Backends. It measures
// how long a whole rebuild takes, how soon the change of one key is published, and what the process holds (this one: the
// controller with the test's own client).
func BenchmarkScale(b *testing.B) {
	c := shared.Start(b)
	ns, home := c.Namespace(b, "scale"), c.Namespace(b, "home")
	key := func(value string) {
		c.Apply(b, in(ns, "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: NS}\nstringData: {Authorization: Bearer "+value+"}\n"))
	}
	key("none")
	c.Apply(b, in(ns, aiRoute))
	o := options(b, c, home)
	o.MetricsAddress, o.Log = freeAddress(b), slog.New(slog.DiscardHandler)
	begin(b, o)
	value := func(name string) float64 { return metric(b, o.MetricsAddress, name) }
	there := 0
	for _, n := range []int{250, 500, 1000, 2000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			if n > there {
				grow(b, c, ns, there, n)
				there = n
			}
			settled(b, func() float64 { return value("spanway_controller_publications_total") })
			const sum, count = "spanway_controller_rebuild_duration_seconds_sum", "spanway_controller_rebuild_duration_seconds_count"
			s, k := value(sum), value(count)
			var changes time.Duration
			for i := 0; b.Loop(); i++ {
				before, start := value("spanway_controller_publications_total"), time.Now()
				key(fmt.Sprintf("%d-%d", n, i))
				cluster.Eventually(b, func() error {
					if value("spanway_controller_publications_total") == before {
						return fmt.Errorf("nothing published since %v", time.Since(start))
					}
					return nil
				})
				changes += time.Since(start)
			}
			b.ReportMetric((value(sum)-s)/(value(count)-k)*1e3, "ms/rebuild")
			b.ReportMetric(changes.Seconds()*1e3/float64(b.N), "ms/change")
			b.ReportMetric(value("process_resident_memory_bytes")/(1<<20), "MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// grow makes the routes from..to-1, and Backends for them.
func grow(b *testing.B, c *cluster.Cluster, ns string, from, to int) {
	b.Helper()
	backend, route := &v1alpha1.Backend{}, &gwv1.HTTPRoute{}
	if err := get(b, c, backend, ns, "openai"); err != nil {
		b.Fatal(err)
	}
	if err := get(b, c, route, ns, "openai"); err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	numbers := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range numbers {
				name := fmt.Sprintf("b%d", i/4)
				r := &gwv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprintf("r%d", i)}, Spec: *route.Spec.DeepCopy()}
				r.Spec.Hostnames = []gwv1.Hostname{gwv1.Hostname(fmt.Sprintf("h%d.example.com", i))}
				r.Spec.Rules[0].BackendRefs[0].Name = gwv1.ObjectName(name)
				if err := c.Client.Create(b.Context(), r); err != nil {
					b.Error(err)
				}
				if i%4 != 0 {
					continue
				}
				if err := c.Client.Create(b.Context(), &v1alpha1.Backend{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: backend.Spec}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := from; i < to; i++ {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
}

// settled waits until a number has stayed the same for two seconds.
func settled(b *testing.B, value func() float64) {
	b.Helper()
	const still, most = 2 * time.Second, 5 * time.Minute
	last, since := value(), time.Now()
	for end := since.Add(most); time.Since(since) < still; {
		if time.Now().After(end) {
			b.Fatalf("still changing after %v", most)
		}
		<-time.After(still / 10)
		if v := value(); v != last {
			last, since = v, time.Now()
		}
	}
}
