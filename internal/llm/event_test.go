package llm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A reader that goes on must not change what was cloned, nor may a clone's memory be shared with the next one.
func TestEventClone(t *testing.T) {
	ev := &Event{
		ID: "1", Choices: []Choice{{Index: 1, Finish: "stop"}}, Usage: &Usage{Input: Some[int64](3)}, Err: &Error{Status: 500},
		Parts: []Part{{Kind: PartText, Text: "a"}, {Kind: PartOther, Raw: []byte("raw")}}, Raw: []byte("data"), Edited: true,
	}
	want := &Event{
		ID: "1", Choices: []Choice{{Index: 1, Finish: "stop"}}, Usage: &Usage{Input: Some[int64](3)}, Err: &Error{Status: 500},
		Parts: []Part{{Kind: PartText, Text: "a"}, {Kind: PartOther, Raw: []byte("raw")}}, Raw: []byte("data"), Edited: true,
	}
	clone := ev.Clone()
	ev.Choices[0].Finish, ev.Usage.Input.V, ev.Err.Status = "x", 9, 1
	ev.Parts[0].Text, ev.Parts[1].Raw[0], ev.Raw[0] = "x", 'x', 'x'
	if diff := cmp.Diff(want, clone); diff != "" {
		t.Errorf("clone (-want +got):\n%s", diff)
	}
	next := Event{ID: "2", Parts: []Part{{Text: "b"}}, Raw: []byte("da")}
	next.CopyTo(clone)
	if clone.ID != "2" || len(clone.Choices) != 0 || len(clone.Parts) != 1 || clone.Usage != nil || clone.Err != nil || string(clone.Raw) != "da" {
		t.Errorf("copied over a clone: %+v", clone)
	}
	if n := testing.AllocsPerRun(100, func() { next.CopyTo(clone) }); n != 0 {
		t.Errorf("copying into memory that suffices makes %v allocations", n)
	}
}

func TestFinishReasons(t *testing.T) {
	for _, tt := range []struct {
		name    string
		whole   bool
		choices []Choice
		want    []string
	}{
		{"all", true, []Choice{{Index: 1, Finish: "length"}, {Finish: "stop"}}, []string{"stop", "length"}},
		{"none", true, []Choice{{}}, nil},
		{"none in a stream", false, []Choice{{}}, []string{"error"}},
		{"one of two", true, []Choice{{}, {Index: 1, Finish: "stop"}}, []string{"error", "stop"}},
		{"no choice", true, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r Result
			r.Add(&Event{Choices: tt.choices, Whole: tt.whole})
			if d := cmp.Diff(tt.want, r.FinishReasons()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
