package ir

import (
	"fmt"
	"net/http"
	"regexp"
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
