package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

func planned(groups [][]int, attempts int) (r *Route, names map[*Backend]string) {
	names = map[*Backend]string{}
	r = &Route{retry: compileRetry(&ir.Retry{Attempts: attempts})}
	next := 'A'
	for _, g := range groups {
		var group []target
		for _, w := range g {
			b := &Backend{Name: string(next)}
			names[b] = b.Name
			next++
			group = append(group, target{backend: b, weight: w})
		}
		r.groups = append(r.groups, group)
	}
	return r, names
}

func TestPlanGroupsInOrder(t *testing.T) {
	for _, c := range []struct {
		groups   [][]int
		attempts int
		want     string
	}{
		{[][]int{{1}}, 1, "A"}, {[][]int{{1}}, 3, "AAA"}, {[][]int{{1}, {1}}, 1, "A"}, {[][]int{{1}, {1}}, 3, "ABA"},
		{[][]int{{1}, {1}, {1}}, 2, "AB"}, {[][]int{{1}}, 100, "AAAAAAAAAAAAAAAA"},
	} {
		r, _ := planned(c.groups, c.attempts)
		var p plan
		r.makePlan(&p, time.Now())
		got := ""
		for _, s := range p.steps[:p.n] {
			got += s.backend.Name
		}
		if got != c.want {
			t.Errorf("%v, %d attempts: %s, want %s", c.groups, c.attempts, got, c.want)
		}
	}
}

// TestPlanWeights checks that the first of a group is drawn by weight, and that each has one turn before any has two.
func TestPlanWeights(t *testing.T) {
	r, _ := planned([][]int{{9, 1}, {1}}, 3)
	first := map[string]int{}
	for range 10000 {
		var p plan
		r.makePlan(&p, time.Now())
		first[p.steps[0].backend.Name]++
		if p.steps[0] == p.steps[1] || p.steps[2].backend.Name != "C" {
			t.Fatalf("plan %s%s%s", p.steps[0].backend.Name, p.steps[1].backend.Name, p.steps[2].backend.Name)
		}
	}
	if first["A"] < 8700 || first["A"] > 9300 { // nine in ten; ten standard deviations
		t.Errorf("the target of weight 9 in 10 came first in %d of 10000 plans", first["A"])
	}
}

func TestBackoff(t *testing.T) {
	r := compileRetry(&ir.Retry{Attempts: 9, BackoffBase: 50 * time.Millisecond, BackoffMax: 2 * time.Second})
	for n, ceiling := range map[int]time.Duration{1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 6: 1600 * time.Millisecond, 7: 2 * time.Second, 60: 2 * time.Second} {
		longest := time.Duration(0)
		for range 1000 {
			d := r.backoff(n)
			if d > ceiling {
				t.Fatalf("after %d attempts: %v, want at most %v", n, d, ceiling)
			}
			longest = max(longest, d)
		}
		if longest < ceiling/2 {
			t.Errorf("after %d attempts: never more than %v of %v", n, longest, ceiling)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "2", 2 * time.Second}, {"Retry-After", " 0.5 ", 500 * time.Millisecond}, {"Retry-After", "-1", 0},
		{"Retry-After", "soon", 0}, {"Retry-After", "1e300", 0}, {"Retry-After", "NaN", 0}, {"Retry-After", "", 0},
		{"Retry-After", "Fri, 02 Jan 2026 03:04:15 GMT", 10 * time.Second}, {"Retry-After", "Fri, 02 Jan 2026 03:04:00 GMT", 0},
		{"Retry-After-Ms", "1500", 1500 * time.Millisecond},
	} {
		if got := retryAfter(http.Header{c.name: {c.value}}, now); got != c.want {
			t.Errorf("%s: %q gives %v, want %v", c.name, c.value, got, c.want)
		}
	}
}

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name, body, model string
		usage             bool
		at                bool // the parser said where the model stands
		want              string
	}{
		{"model", `{"model":"a","x":[1, 2]}`, "b", false, true, `{"model":"b","x":[1, 2]}`},
		{"model, place not known", ` {"x":"model", "model" : "a"}`, "b\"", false, false, ` {"x":"model", "model" : "b\""}`},
		{"usage", `{"model":"a","stream":true}`, "a", true, true, `{"stream_options":{"include_usage":true},"model":"a","stream":true}`},
		{"usage in empty options", `{"stream_options":{},"model":"a"}`, "b", true, true, `{"stream_options":{"include_usage":true},"model":"b"}`},
		{"usage in null options", `{"stream_options":null}`, "", true, false, `{"stream_options":{"include_usage":true}}`},
		{"usage beside others", `{"stream_options":{"x":1}}`, "", true, false, `{"stream_options":{"include_usage":true,"x":1}}`},
		{"usage refused", `{"stream_options":{"include_usage":false}}`, "", true, false, `{"stream_options":{"include_usage":true}}`},
	} {
		r := llm.NewRequest(llm.OpenAIChat, llm.OpenAI, llm.OpChat, []byte(c.body), nil)
		r.Stream = c.usage
		if i := len(`{"model":`); c.at && c.body[:i] == `{"model":` {
			r.ModelAt = [2]int{i, i + 3}
		}
		if c.model != "" {
			r.Model = "a"
		}
		call := &Call{route: &Route{streamUsage: c.usage}}
		got, err := call.edit(r, c.model)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, string(got)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestDropKey(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a=b": "a=b", "key=x": "", "key=x&alt=sse": "alt=sse", "alt=sse&key=x": "alt=sse", "a=1&key=x&b=2": "a=1&b=2", "monkey=1": "monkey=1",
	} {
		if got := dropKey(in); got != want {
			t.Errorf("dropKey(%q) = %q, want %q", in, got, want)
		}
	}
}
