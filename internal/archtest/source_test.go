// Package archtest holds the architecture to its word: which package may import which, what a file may contain, what the
// module depends on, and that the documents keep their form. Every rule states its reason, which a failure prints.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/spanway/spanway/"

// root is the repository, seen from this package.
const root = "../.."

// source is one Go file.
type source struct {
	path    string // from the repository's root, with slashes
	dir     string // its folder
	test    bool
	lines   int
	imports []string // import paths; the module's own without the module's path
	file    *ast.File
	fset    *token.FileSet
}

// line is where n stands, for messages.
func (s *source) line(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// sources returns every Go file of the repository, nested modules and hidden folders left out.
func sources(t *testing.T) []*source {
	t.Helper()
	out, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no Go files found")
	}
	return out
}

// parsed reads the files once for all tests, which do not change them.
var parsed = sync.OnceValues(func() ([]*source, error) {
	fset := token.NewFileSet()
	var out []*source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || exists(filepath.Join(name, "go.mod"))) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s, err := parse(fset, name)
		if err != nil {
			return err
		}
		out = append(out, s)
		return nil
	})
	return out, err
})

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func parse(fset *token.FileSet, name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	s := &source{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"),
		lines: strings.Count(string(text), "\n"), file: f, fset: fset}
	s.dir = path.Dir(s.path)
	for _, im := range f.Imports {
		p, err := strconv.Unquote(im.Path.Value)
		if err != nil {
			return nil, err
		}
		s.imports = append(s.imports, strings.TrimPrefix(p, module))
	}
	return s, nil
}

// within reports whether dir is one of the folders or lies below one.
func within(dir string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") })
}

// ours reports whether an import, as sources gives it, is a package of this module.
func ours(imported string) bool { return within(imported, "internal", "cmd", "api") }

// standard reports whether an import is of the standard library: its first element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !ours(imported) && !strings.Contains(first, ".")
}
