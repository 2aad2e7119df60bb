package jsonscan_test

import (
	"testing"

	"github.com/spanway/spanway/internal/jsonscan"
)

func TestApply(t *testing.T) {
	src := []byte(`{"model":"a","messages":[{"content":"x"},{"content":"y"}]}`)
	var edits []jsonscan.Edit
	for it := jsonscan.Array(jsonscan.Get(src, "messages")); it.Next(); {
		v := jsonscan.Get(it.Value(), "content")
		edits = append(edits, jsonscan.Edit{At: jsonscan.At(src, v), With: jsonscan.AppendString(nil, jsonscan.String(v)+"!")})
	}
	end := len(src) - 1
	edits = append(edits, jsonscan.Edit{At: [2]int{end, end}, With: []byte(`,"n":1`)})
	got := string(jsonscan.Apply([]byte("> "), src, edits))
	if want := `> {"model":"a","messages":[{"content":"x!"},{"content":"y!"}],"n":1}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(jsonscan.Apply(nil, src, nil)); got != string(src) {
		t.Errorf("no edits make %s", got)
	}
}

func TestAt(t *testing.T) {
	whole := []byte(`xx{"a":{"b":"c"}}yy`)
	data := whole[2 : len(whole)-2]
	at := jsonscan.At(data, jsonscan.Get(data, "a", "b"))
	if got := string(data[at[0]:at[1]]); got != `"c"` {
		t.Errorf("got %s at %v", got, at)
	}
	if got := jsonscan.At(data, jsonscan.Get(data, "none")); got != [2]int{} {
		t.Errorf("an absent value is at %v", got)
	}
}
