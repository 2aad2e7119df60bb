package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents reads every Markdown file of the repository, by path from its root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".md") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLinks checks that what the documents link to within the repository is there, headings included.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)
	docs := documents(t)
	for name, text := range docs {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target := name
			if m[1] != "" {
				target = path.Join(path.Dir(name), m[1])
			}
			if !exists(filepath.Join(root, target)) {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
			if m[2] != "" && !anchors(docs[target])[m[2]] {
				t.Errorf("%s links to %s#%s, which has no such heading", name, m[1], m[2])
			}
		}
	}
}

// anchors are the names of text's headings, as GitHub makes them: lower case, spaces as hyphens, other marks left out.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	marks := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		out[strings.ReplaceAll(marks.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return out
}

func TestReadmeIsShort(t *testing.T) {
	const maxLines = 80
	text, ok := documents(t)["README.md"]
	if n := strings.Count(text, "\n"); !ok || n > maxLines {
		t.Errorf("README.md has %d lines; want it to exist and have at most %d", n, maxLines)
	}
}

// TestDecisions checks the form of the decision records: numbered without gaps, each with what led to it, what was decided
// and what follows.
func TestDecisions(t *testing.T) {
	docs := documents(t)
	numbers := map[string]string{}
	name := regexp.MustCompile(`^docs/adr/(\d{3})-[a-z0-9-]+\.md$`)
	for path, text := range docs {
		if !strings.HasPrefix(path, "docs/adr/") || path == "docs/adr/README.md" {
			continue
		}
		m := name.FindStringSubmatch(path)
		if m == nil {
			t.Errorf("%s: want docs/adr/NNN-slug.md", path)
			continue
		}
		if other := numbers[m[1]]; other != "" {
			t.Errorf("%s and %s have the same number", path, other)
		}
		numbers[m[1]] = path
		for _, heading := range []string{"# " + m[1] + ". ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, heading) {
				t.Errorf("%s has no %q", path, strings.TrimSpace(heading))
			}
		}
	}
	for i := range len(numbers) {
		if n := fmt.Sprintf("%03d", i+1); numbers[n] == "" {
			t.Errorf("there is no decision record %s", n)
		}
	}
	if len(numbers) == 0 {
		t.Error("there are no decision records")
	}
}
