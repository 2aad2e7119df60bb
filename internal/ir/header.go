package ir

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
)

// HeaderRule is a compiled HeaderMatch. It is safe for concurrent use.
type HeaderRule struct {
	Name  string // canonical
	exact string
	regex *regexp.Regexp
}

// Compile fails for a Regex that is not RE2.
func (m HeaderMatch) Compile() (HeaderRule, error) {
	r := HeaderRule{Name: http.CanonicalHeaderKey(m.Name), exact: m.Exact}
	if m.Regex == "" {
		return r, nil
	}
	var err error
	if r.regex, err = regexp.Compile(`^(?:` + m.Regex + `)$`); err != nil {
		return r, fmt.Errorf("header %s: %w", m.Name, err)
	}
	return r, nil
}

// Takes reports whether a value of the header is one that r asks for.
func (r *HeaderRule) Takes(value string) bool {
	if r.regex != nil {
		return r.regex.MatchString(value)
	}
	return r.exact == "" || r.exact == value
}

// Holds reports whether h has a value that r asks for.
func (r *HeaderRule) Holds(h http.Header) bool {
	for _, v := range h[r.Name] {
		if r.Takes(v) {
			return true
		}
	}
	return false
}

// Apply changes h, whose names are canonical. A value of h is never changed in place: it may be shared.
func (e *HeaderEdits) Apply(h http.Header) {
	for _, name := range e.Remove {
		delete(h, name)
	}
	for _, f := range e.Set {
		h[f.Name] = []string{f.Value}
	}
	for _, f := range e.Add {
		h[f.Name] = append(slices.Clip(h[f.Name]), f.Value)
	}
}

func (f *headerEditFile) edits() HeaderEdits {
	e := HeaderEdits{Set: headers(f.Set), Add: headers(f.Add)}
	for _, name := range f.Remove {
		e.Remove = append(e.Remove, http.CanonicalHeaderKey(name))
	}
	slices.Sort(e.Remove)
	return e
}

// headers is m in the order of its names.
func headers(m map[string]string) []Header {
	var out []Header
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, Header{Name: http.CanonicalHeaderKey(name), Value: m[name]})
	}
	return out
}
