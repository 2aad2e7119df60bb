// Package manifest reads Kubernetes objects from files, and takes or refuses them as an API server would: with the schemas' defaults
// and rules. [Load] gives what [translate.Translate] needs, and every problem with its place; [Set.Place] finds the places of what
// translation has to say.
package manifest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/spanway/spanway/internal/apiserver"
	"github.com/spanway/spanway/internal/translate"
)

// MaxFile bounds a file, in bytes.
const MaxFile = 16 << 20

// Options say what files may refer to.
type Options struct {
	// Getenv looks up the variable of ${VAR}; nil is os.LookupEnv.
	Getenv func(string) (string, bool)
}

// Set is the objects of some files. It does not change.
type Set struct {
	// Input has the objects that were taken.
	Input translate.Input
	// Problems are what is wrong with files and objects, in the order of the files.
	Problems []Problem
	// Files and Folders are what was read, as paths.
	Files, Folders []string

	objects map[translate.Object]*object
}

// Problem is something that an author should know, and where.
type Problem struct {
	File         string // "" = nowhere in the files
	Line, Column int    // from 1
	Object       translate.Object
	Field        string // path, such as spec.ai.llm.openai.authToken; "" = the whole object
	Severity     translate.Severity
	Message      string
}

// String is the problem in a line.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	}
	b.WriteString(map[translate.Severity]string{translate.Warning: "warning: ", translate.Unsupported: "unsupported: ", translate.Error: ""}[p.Severity])
	if p.Object.Kind != "" {
		fmt.Fprintf(&b, "%s %s: ", p.Object.Kind, strings.TrimPrefix(p.Object.Namespace+"/"+p.Object.Name, "/"))
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// object is where an object stands.
type object struct {
	file string
	line int // before the document's first
	node *yaml.Node
}

// at is p with the place of a field, or of the next thing around it that is written.
func (o *object) at(p Problem) Problem {
	n := find(o.node, p.Field)
	p.File, p.Line, p.Column = o.file, o.line+n.Line, n.Column
	return p
}

// server knows the kinds. It is made once: that takes a moment.
var server = sync.OnceValues(apiserver.Load)

// Load reads files, and folders with all that is below them: *.yaml, *.yml and *.json, but nothing whose name begins with a dot. The
// error is a path that cannot be read; all else becomes problems.
func Load(paths []string, o Options) (*Set, error) {
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	kinds, err := server()
	if err != nil {
		return nil, err
	}
	r := &reader{Set: &Set{objects: map[translate.Object]*object{}}, kinds: kinds, getenv: o.Getenv}
	for _, path := range paths {
		if err := r.walk(path); err != nil {
			return nil, err
		}
	}
	sortProblems(r.Problems)
	return r.Set, nil
}

// Place finds the places of what translation says of s's objects. That something refers to an object which is not there is no more than
// a warning: it may be elsewhere.
func (s *Set) Place(problems []translate.Problem) []Problem {
	out := make([]Problem, 0, len(problems))
	for _, p := range problems {
		placed := Problem{Object: p.Object, Field: p.Field, Severity: p.Severity, Message: p.Message}
		if p.Missing {
			placed.Severity, placed.Message = translate.Warning, "not among these files: "+p.Message
		}
		if o := s.objects[p.Object]; o != nil {
			placed = o.at(placed)
		}
		out = append(out, placed)
	}
	sortProblems(out)
	return out
}

func sortProblems(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Message, b.Message))
	})
}

// Errors is how many of the problems are errors.
func Errors(list []Problem) int {
	n := 0
	for _, p := range list {
		if p.Severity == translate.Error {
			n++
		}
	}
	return n
}
