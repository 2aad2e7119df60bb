package matrix

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// feature is one thing that a request or an answer can say.
type feature struct {
	title string
	says  []byte            // in neutral terms, a JSON object
	words map[string][]byte // by API, and kind of answer
}

// section reads testdata/{dir}: files of features, in order. A file "# Title" begins a feature, the files after it are its words.
func section(t testing.TB, dir string) []feature {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "[0-9]-*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %d files", dir, err, len(names))
	}
	slices.Sort(names)
	var out []feature
	for _, name := range names {
		for _, file := range archive(t, name).Files {
			if title, ok := strings.CutPrefix(file.Name, "# "); ok {
				out = append(out, feature{title: title, says: file.Data, words: map[string][]byte{}})
				continue
			}
			f := &out[len(out)-1]
			if f.words[file.Name] != nil {
				t.Fatalf("%s: %s: %s is there twice", name, f.title, file.Name)
			}
			f.words[file.Name] = bytes.TrimSpace(file.Data)
		}
	}
	return out
}

func archive(t testing.TB, name string) *txtar.Archive {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return txtar.Parse(b)
}

// bases are the documents that a section's words are merged into, by API.
func bases(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, f := range archive(t, filepath.Join("testdata", dir, "base.txtar")).Files {
		out[f.Name] = bytes.TrimSpace(f.Data)
	}
	return out
}

// merged is base with patch merged into it, as RFC 7386 has it.
func merged(t testing.TB, base, patch []byte) []byte {
	t.Helper()
	out, err := json.Marshal(merge(decode(t, base), decode(t, patch)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func decode(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

func merge(base, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	b, ok := base.(map[string]any)
	if !ok {
		b = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(b, k)
		} else {
			b[k] = merge(b[k], v)
		}
	}
	return b
}
