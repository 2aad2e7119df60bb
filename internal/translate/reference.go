package translate

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// ref names an object, or all objects of a namespace ("" = Name). Group "" is Kubernetes' core.
type ref struct{ Group, Kind, Namespace, Name string }

func (r ref) named() types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}

// granted reports whether objects like from may refer to the object to: within a namespace always, else by a ReferenceGrant in
// to's (Gateway API, ReferenceGrant).
func (t *translator) granted(from, to ref) bool {
	if from.Namespace == to.Namespace {
		return true
	}
	for _, g := range t.grants[to.Namespace] {
		fits := false
		for _, f := range g.Spec.From {
			fits = fits || string(f.Group) == from.Group && string(f.Kind) == from.Kind && string(f.Namespace) == from.Namespace
		}
		if !fits {
			continue
		}
		for _, target := range g.Spec.To {
			name := string(deref(target.Name, ""))
			if string(target.Group) == to.Group && string(target.Kind) == to.Kind && (name == "" || name == to.Name) {
				return true
			}
		}
	}
	return false
}

// grantHint says how a reference becomes allowed.
func (t *translator) grantHint(from, to ref) string {
	return t.lacks("a ReferenceGrant in namespace %q from %s of namespace %q to %s would allow it", to.Namespace, from.Kind, from.Namespace, to.Kind)
}

// manyNames is how many names are compared letter by letter; of more, only those that begin like the one that is missing.
const manyNames = 200

// didYouMean is "; did you mean X?" with the name of names that is most like name, or "" where none is like it.
func didYouMean(name string, names []string) string {
	best, distance := "", len(name)/2+1
	for _, n := range names {
		if len(names) > manyNames && !strings.HasPrefix(n, name[:len(name)/2]) {
			continue
		}
		d := max(len(n)-len(name), len(name)-len(n))
		part := d > 0 && (strings.HasPrefix(n, name) || strings.HasSuffix(n, name))
		switch {
		case part:
			d = 1 // a part of the name was left out
		case d > distance:
			continue
		default:
			d = edits(name, n)
		}
		if d < distance || d == distance && best != "" && n < best {
			best, distance = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is how many letters have to be changed, added or taken away to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := left
			if a[i] != b[j] {
				cost = min(left, row[j], row[j+1]) + 1
			}
			left, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// inNamespace are the names of m's objects of a namespace.
func inNamespace[V any](m map[types.NamespacedName]V, namespace string) []string {
	var out []string
	for n := range m {
		if n.Namespace == namespace {
			out = append(out, n.Name)
		}
	}
	return out
}
