package ir

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong with a configuration file. It never holds the value of a secret field nor what a
// ${VAR} stands for.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 = not one place
	Field        string // such as routes[1].targets[0][1].backend; "" = the file
	Message      string
	Found        string // what is written there; ""
	Allowed      string // what may be; ""
	Suggestion   string // what was probably meant; ""
}

// String is the problem on one line: file:line:column: field: message; found …; allowed …; did you mean …
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		b.WriteString(strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) + ":")
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	if p.Found != "" {
		b.WriteString("; found " + p.Found)
	}
	if p.Allowed != "" {
		b.WriteString("; allowed: " + p.Allowed)
	}
	if p.Suggestion != "" {
		b.WriteString("; did you mean " + strconv.Quote(p.Suggestion) + "?")
	}
	return b.String()
}

// Problems is everything that is wrong with a file, in the file's order.
type Problems []Problem

// Error is one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// sort puts the problems in the order of the file.
func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// maxSuggest bounds, in bytes, the words that suggest compares.
const maxSuggest = 64

// suggest returns the candidate nearest to word, "" when none is near. Case, "-" and "_" count for nothing.
func suggest(word string, candidates []string) string {
	if word == "" || len(word) > maxSuggest {
		return ""
	}
	w, best, exact, found := fold(word), max(1, len(word)/3), maxSuggest, ""
	for _, c := range candidates {
		d, e := distance(w, fold(c)), distance(word, c)
		if d < best || d == best && e < exact {
			best, exact, found = d, e, c
		}
	}
	return found
}

// fold drops what people get wrong about a name: case and the separators of words.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// distance is Levenshtein's: how many bytes must be changed, added or taken to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// maxQuoted bounds, in runes, what a problem repeats of the file.
const maxQuoted = 80

// quoted is text as a problem shows it.
func quoted(text string) string {
	if r := []rune(text); len(r) > maxQuoted {
		text = string(r[:maxQuoted]) + "…"
	}
	return strconv.Quote(text)
}
