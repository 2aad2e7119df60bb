package ir

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// maxValueFile bounds, in bytes, a file that ${file:PATH} puts into a value.
const maxValueFile = 64 << 10

// expansion is a value after its ${…} were replaced.
type expansion struct {
	text string
	file string // the path, when the value is exactly one ${file:PATH}
	used bool   // something was replaced without a default of its own
}

// expand replaces, in one pass, ${VAR}, ${VAR:-default} and ${file:PATH} in s; $${ stands for ${. A variable with a
// default counts as unset when it is empty, as in a shell. Errors name the variable or file, never a content.
func (o *LoadOptions) expand(s string) (expansion, []error) {
	var e expansion
	var b strings.Builder
	var errs []error
	for rest := s; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		name, after, closed := strings.Cut(rest[i+2:], "}")
		if !closed {
			return e, append(errs, errors.New(`"${" without "}"; "$${" stands for a plain "${"`))
		}
		value, err := o.lookup(name, &e)
		if err != nil {
			errs = append(errs, err)
		}
		if e.file != "" && len(name)+len("${}") != len(s) {
			e.file = ""
		}
		b.WriteString(value)
		rest = after
	}
	e.text = b.String()
	return e, errs
}

// lookup returns what ${name} stands for, and notes in e how it came.
func (o *LoadOptions) lookup(name string, e *expansion) (string, error) {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		e.used = true
		e.file = o.abs(path)
		return o.valueFile(e.file, path)
	}
	name, otherwise, optional := strings.Cut(name, ":-")
	if !isVariable(name) {
		return "", errors.New(`"${" stands before no VAR}, VAR:-default} or file:PATH}; "$${" stands for a plain "${"`)
	}
	value, set := o.Getenv(name)
	switch {
	case optional && value == "":
		return otherwise, nil
	case !set:
		return "", fmt.Errorf("environment variable %s is not set; ${%s:-default} would give it a default", name, name)
	}
	e.used = true
	return value, nil
}

// valueFile reads path, which is called name in messages, without the line ends at its end.
func (o *LoadOptions) valueFile(path, name string) (string, error) {
	if name == "" {
		return "", errors.New("${file:} without a path")
	}
	data, err := o.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read ${file:%s}: %w", name, err)
	}
	if len(data) > maxValueFile {
		return "", fmt.Errorf("${file:%s} is larger than %d KiB", name, maxValueFile>>10)
	}
	return string(bytes.TrimRight(data, "\r\n")), nil
}

// abs is path, taken from the configuration file's folder when it is relative.
func (o *LoadOptions) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(o.Dir, path)
}

// isVariable reports whether s can name an environment variable: a letter or "_", then letters, digits and "_".
func isVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
