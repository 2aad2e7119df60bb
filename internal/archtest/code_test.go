package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// Bounds of what a reader takes in at once.
const (
	maxFileLines = 600
	maxFuncLines = 80
)

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if ast.IsGenerated(s.file) {
			continue
		}
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: split it by meaning", s.path, s.lines, maxFileLines)
		}
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, more than %d", s.line(f), f.Name.Name, n, maxFuncLines)
			}
		}
	}
}

// TestNoHiddenStart forbids code that runs because a package was imported.
func TestNoHiddenStart(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init: tables and wiring are explicit", s.line(f))
			}
		}
		for _, im := range s.file.Imports {
			// gRPC knows no other way to a compressor, which tests need to play a collector.
			needed := im.Path.Value == `"embed"` || s.test && im.Path.Value == `"google.golang.org/grpc/encoding/gzip"`
			if im.Name != nil && im.Name.Name == "_" && !needed {
				t.Errorf("%s imports %s for its side effects: tables and wiring are explicit", s.line(im), im.Path.Value)
			}
		}
	}
}

// TestNoLeftovers forbids notes about work that is not done: it is done, or it is an issue.
func TestNoLeftovers(t *testing.T) {
	leftover := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK|WI` + `P)\b`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			if w := leftover.FindString(group.Text()); w != "" {
				t.Errorf("%s: %s in a comment: do it, or file an issue", s.line(group), w)
			}
		}
	}
}

// TestPanics allows one panic, with which net/http breaks a response off.
func TestPanics(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isName(call.Fun, "panic") || len(call.Args) != 1 {
				return true
			}
			if sel, ok := call.Args[0].(*ast.SelectorExpr); ok && isName(sel.X, "http") && sel.Sel.Name == "ErrAbortHandler" {
				return true
			}
			t.Errorf("%s: panic: return an error; no input may stop the process", s.line(n))
			return true
		})
	}
}

// TestTestsRun forbids tests that may leave things out or wait for wall-clock time.
func TestTestsRun(t *testing.T) {
	for _, s := range sources(t) {
		// The recorded exchanges may be absent from a copy of the repository; their loader says so, once.
		exchanges := within(s.dir, "internal/scenario")
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch name := sel.Sel.Name; {
			case strings.HasPrefix(name, "Skip") && (isName(sel.X, "t") || isName(sel.X, "tb") || isName(sel.X, "b")) && !exchanges:
				t.Errorf("%s: %s: a test that may not run cannot fail", s.line(n), name)
			case s.test && isName(sel.X, "time") && name == "Sleep" && !usesSynctest(s):
				t.Errorf("%s: time.Sleep in a test: wait for the event, or use testing/synctest", s.line(n))
			}
			return true
		})
	}
}

func usesSynctest(s *source) bool {
	for _, im := range s.imports {
		if im == "testing/synctest" {
			return true
		}
	}
	return false
}

// TestGlobalsStay forbids assignments to package-level variables: what a package holds is a constant or a table.
func TestGlobalsStay(t *testing.T) {
	globals := map[string]map[string]bool{} // by folder
	all := sources(t)
	for _, s := range all {
		if s.test {
			continue
		}
		for name := range globalsOf(s.file) {
			if globals[s.dir] == nil {
				globals[s.dir] = map[string]bool{}
			}
			globals[s.dir][name] = name != "_"
		}
	}
	for _, s := range all {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			local := localsOf(f)
			for _, target := range assigned(f.Body) {
				if id := rootOf(target); id != nil && globals[s.dir][id.Name] && !local[id.Name] {
					t.Errorf("%s: %s changes the package-level variable %s: put it into a value that somebody owns",
						s.line(target), f.Name.Name, id.Name)
				}
			}
		}
	}
}

func globalsOf(f *ast.File) map[string]bool {
	out := map[string]bool{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				out[name.Name] = true
			}
		}
	}
	return out
}

// localsOf is every name that f declares anywhere: parameters, results, variables.
func localsOf(f *ast.FuncDecl) map[string]bool {
	out := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, name := range n.Names {
				out[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				out[name.Name] = true
			}
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				if id, ok := e.(*ast.Ident); ok && n.Tok == token.DEFINE {
					out[id.Name] = true
				}
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if id, ok := e.(*ast.Ident); ok && n.Tok == token.DEFINE {
					out[id.Name] = true
				}
			}
		}
		return true
	})
	return out
}

// assigned is what body assigns to, increments, or decrements.
func assigned(body *ast.BlockStmt) []ast.Expr {
	var out []ast.Expr
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				out = append(out, n.Lhs...)
			}
		case *ast.IncDecStmt:
			out = append(out, n.X)
		}
		return true
	})
	return out
}

// rootOf is the variable that an expression to the left of an assignment reaches into.
func rootOf(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return rootOf(e.X)
	case *ast.SelectorExpr:
		return rootOf(e.X)
	case *ast.StarExpr:
		return rootOf(e.X)
	case *ast.ParenExpr:
		return rootOf(e.X)
	}
	return nil
}
