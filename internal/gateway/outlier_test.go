package gateway

import (
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// TestEjected puts backends that keep failing after all others, and takes them back in time.
func TestEjected(t *testing.T) {
	now := time.Now()
	r, _ := planned([][]int{{1}, {1, 0}, {1}}, 6)
	order := func(at time.Time) string {
		var p plan
		r.makePlan(&p, at)
		got := ""
		for _, s := range p.steps[:p.n] {
			got += s.backend.Name
		}
		return got
	}
	a := r.groups[0][0].backend
	a.health = newHealth(ir.Outlier{Failures: 2, Ejection: time.Minute})
	for i, step := range []struct {
		well bool
		want string
	}{{false, "ABDABD"}, {true, "ABDABD"}, {false, "ABDABD"}, {false, "BDABDA"}} {
		if a.health.note(step.well, now); order(now) != step.want {
			t.Errorf("step %d: %s, want %s", i, order(now), step.want)
		}
	}
	if got := order(now.Add(time.Minute)); got != "ABDABD" {
		t.Errorf("after its ejection: %s", got)
	}
	for _, g := range r.groups {
		for i := range g {
			g[i].backend.health = newHealth(ir.Outlier{Failures: 1, Ejection: time.Minute})
			g[i].backend.health.note(false, now)
		}
	}
	if got := order(now); got != "ABDABD" {
		t.Errorf("with all ejected: %s", got)
	}
	var none *health
	if none.note(false, now); none.ejected(now) || newHealth(ir.Outlier{}) != nil {
		t.Error("without a rule a backend is ejected")
	}
}
