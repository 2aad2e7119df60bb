package translate_test

import (
	"bytes"
	"math/rand"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/spanway/spanway/internal/translate"
)

// FuzzTranslate: whatever objects there are, and whichever of them are missing, Translate gives one output for all their orders.
func FuzzTranslate(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no goldens: %v", err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, member := range a.Files {
			if member.Name == "in.yaml" {
				f.Add(named(member.Data), uint64(0), true)
				f.Add(named(member.Data), uint64(0b1001_0010), false)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, missing uint64, asFiles bool) {
		in := &translate.Input{}
		for i, doc := range bytes.Split(text, []byte("\n---\n")) {
			if missing>>(i%64)&1 == 0 {
				_ = add(in, doc) // what is no object is left out
			}
		}
		if twice(in) {
			return
		}
		o := translate.Options{Files: asFiles}
		out := translate.Translate(in, o)
		again := translate.Translate(shuffled(in, rand.New(rand.NewSource(int64(missing)))), o)
		if d := cmp.Diff(out, again); d != "" {
			t.Errorf("another order of the objects gives another output (-want +got):\n%s", d)
		}
	})
}
