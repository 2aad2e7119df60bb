package ir

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

func TestBounds(t *testing.T) {
	// Ten lists of ten aliases each, one inside the other, would unfold to ten thousand million backends.
	var bomb strings.Builder
	bomb.WriteString("backends:\n  b0: &b0 {provider: openai, models: {a: b}}\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&bomb, "  b%d: &b%d {<<: [%s], as: x}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*b%d, ", i-1), 10), ", "))
	}
	many := strings.TrimSuffix(strings.Repeat("*g, ", 1000), ", ")
	for name, test := range map[string]struct{ config, want string }{
		"size":     {strings.Repeat("#", MaxFile+1), "spanway.yaml:1:1: the file is larger than 4 MiB"},
		"merges":   {bomb.String(), "more than 524288 keys and values, those behind aliases included"},
		"aliases":  {"routes: [{to: x, targets: &g [" + strings.Repeat("{backend: x}, ", 1000) + "]}, {targets: [" + many + "]}]", "more than 524288 keys and values"},
		"problems": {"limits: {" + strings.Repeat("x: 1, ", maxProblems+2) + "}", ": and more problems than are told here"},
		"depth":    {strings.Repeat("[", 20000), "not YAML: exceeded max depth"},
	} {
		_, err := Load("spanway.yaml", []byte(test.config), world(t))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %.200v, want %q", name, err, test.want)
		}
	}
}

// TestProblemsInOrder checks that problems come in the order of the file, the same every time.
func TestProblemsInOrder(t *testing.T) {
	config := []byte("backends: {c: {}, b: {}, a: {}}\nroutes: [{to: z}, {to: y}]\nlimits: {body: x}\nadmin: x\n")
	_, err := Load("f", config, world(t))
	want := err.Error()
	for i, line := range strings.Split(want, "\n") {
		if strings.Contains(line, "f:4:8: admin") != (i == strings.Count(want, "\n")) {
			t.Errorf("line %d is %q", i, line)
		}
	}
	for range 20 {
		if _, err := Load("f", config, world(t)); err.Error() != want {
			t.Fatalf("first\n%s\nthen\n%s", want, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.txtar", "testdata/bad/*.txtar"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatal("no seeds", err)
		}
		for _, path := range paths {
			a, err := txtar.ParseFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(a.Files[0].Data)
		}
	}
	f.Add(Default())
	o := world(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := Load("spanway.yaml", data, o)
		if (g == nil) == (err == nil) {
			t.Fatalf("gateway %v with error %v", g, err)
		}
		if err == nil {
			return
		}
		var problems Problems
		if !errors.As(err, &problems) {
			t.Fatalf("error is %T", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.File == "" || p.Message == "" {
				t.Errorf("incomplete problem %#v", p)
			}
			if strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("more than one line: %q", p)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	var config strings.Builder
	config.WriteString("backends: {a: {provider: openai}}\nroutes:\n")
	for i := range 5000 {
		fmt.Fprintf(&config, "  - {name: r%d, match: {path: /r%d}, to: a}\n", i, i)
	}
	o := world(b)
	for b.Loop() {
		if _, err := Load("spanway.yaml", []byte(config.String()), o); err != nil {
			b.Fatal(err)
		}
	}
}
