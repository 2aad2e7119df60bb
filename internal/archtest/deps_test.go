package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dependency is one line of deps.txt.
type dependency struct {
	test bool // tests and measurements only
	why  string
}

// TestDependencies compares the modules that the code imports with deps.txt, where each has its reason: a dependency is
// taken on in daylight, and dropped when nobody uses it.
func TestDependencies(t *testing.T) {
	want := listed(t)
	modules := required(t)
	got := map[string]bool{} // module → used by the product
	for _, s := range sources(t) {
		for _, im := range s.imports {
			if ours(im) || standard(im) {
				continue
			}
			m := moduleOf(modules, im)
			if m == "" {
				t.Errorf("%s imports %s, of no module in go.mod", s.path, im)
				continue
			}
			got[m] = got[m] || !s.test && !within(s.dir, support...)
		}
	}
	for m, product := range got {
		d, ok := want[m]
		switch {
		case !ok:
			t.Errorf("deps.txt does not list %s: add it with its reason, or do without it", m)
		case d.test && product:
			t.Errorf("deps.txt says that only tests use %s, but the product does", m)
		case !d.test && !product:
			t.Errorf("deps.txt says that the product uses %s, but only tests do", m)
		}
	}
	for m := range want {
		if _, ok := got[m]; !ok {
			t.Errorf("deps.txt lists %s, which nothing imports", m)
		}
	}
}

// listed reads deps.txt: "module product|test reason" per line, # for comments.
func listed(t *testing.T) map[string]dependency {
	t.Helper()
	text, err := os.ReadFile("deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]dependency{}
	last := ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 5 || f[1] != "product" && f[1] != "test" || !strings.HasSuffix(line, ".") {
			t.Errorf("deps.txt: want a module, product or test, and a sentence: %q", line)
			continue
		}
		if f[0] <= last {
			t.Errorf("deps.txt: %s is out of order", f[0])
		}
		last = f[0]
		out[f[0]] = dependency{test: f[1] == "test", why: strings.Join(f[2:], " ")}
	}
	return out
}

// required reads the modules of go.mod, whose form "go mod" keeps to one per line.
func required(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 && strings.Contains(f[0], ".") && strings.HasPrefix(f[1], "v") {
			out = append(out, f[0])
		}
	}
	return out
}

// moduleOf is the longest module path that holds the package.
func moduleOf(modules []string, pkg string) string {
	best := ""
	for _, m := range modules {
		if within(pkg, m) && len(m) > len(best) {
			best = m
		}
	}
	return best
}
