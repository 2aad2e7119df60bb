package ir

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// introduction stands before the settings in the reference.
const introduction = `# Configuration

<!-- Generated from internal/ir/file.go. Do not edit: make generate -->

` + "`spanway run --config spanway.yaml`" + ` reads one YAML file, which ` + "`spanway validate`" + ` checks: every problem is told at once, with its
line, column and setting, what was found and what is allowed. Editors check it with [config.schema.json](config.schema.json).

- **Values.** Durations are Go's: ` + "`500ms`, `30s`, `1m40s`" + `. Sizes are ` + "`10MiB`, `64KiB`, `5MB`" + ` or a number of bytes. A list of one
  plain value may be written without brackets. A key without a value is as good as none. Anchors, aliases and merges
  (` + "`<<`" + `) work.
- **Variables.** In any value, ` + "`${VAR}`" + ` is an environment variable, which must be set; ` + "`${VAR:-default}`" + ` has a default, for when
  it is unset or empty; ` + "`${file:PATH}`" + ` is a file's content without line ends at its end. ` + "`$${`" + ` is a plain ` + "`${`" + `. Relative paths
  start at the folder of the configuration file.
- **Secrets** never print: not in messages, logs or traces.
- **Bounds.** A file is at most 4 MiB; a file behind ` + "`${file:PATH}`" + ` at most 64 KiB.

Without a file, and with an empty one, this is the configuration:

` + "```yaml\n"

// Reference returns the reference of every setting of the native file, in Markdown.
func Reference() []byte {
	r := reference{prose: prose()}
	r.visit("", reflect.TypeFor[file]())
	r.text.WriteString(introduction + defaultYAML + "```\n")
	for _, s := range r.sections {
		r.section(s)
	}
	return []byte(r.text.String())
}

// reference writes the settings, one section per struct.
type reference struct {
	prose    map[string]string
	sections []*section
	text     strings.Builder
}

// section is one struct and every place where it may stand.
type section struct {
	of    reflect.Type
	paths []string
}

// visit notes that a mapping of t may stand at path, and what may stand inside it.
func (r *reference) visit(path string, t reflect.Type) {
	for _, s := range r.sections {
		if s.of == t {
			s.paths = append(s.paths, path)
			return
		}
	}
	r.sections = append(r.sections, &section{of: t, paths: []string{path}})
	rs := rulesOf(t)
	for i := range rs.settings {
		s := &rs.settings[i]
		if inner, suffix := mapping(t.Field(s.index).Type); inner != nil {
			r.visit(strings.TrimPrefix(path+"."+s.keys[0], ".")+suffix, inner)
		}
	}
}

// mapping returns the struct that values of t are made of, nil for none, and what follows the setting's name in its path.
func mapping(t reflect.Type) (inner reflect.Type, suffix string) {
	for {
		switch {
		case isScalar(t):
			return nil, ""
		case t.Kind() == reflect.Struct:
			return t, suffix
		case t.Kind() == reflect.Slice:
			suffix += "[]"
		case t.Kind() == reflect.Map:
			suffix += ".NAME"
		}
		t = t.Elem()
	}
}

// section writes one section.
func (r *reference) section(s *section) {
	fmt.Fprintf(&r.text, "\n## %s\n\n%s", title(s.paths[0]), r.prose[s.of.Name()])
	if len(s.paths) > 1 {
		fmt.Fprintf(&r.text, " Also at `%s`.", strings.Join(s.paths[1:], "`, `"))
	}
	r.text.WriteString("\n\n| setting | value | default | |\n|---|---|---|---|\n")
	rs := rulesOf(s.of)
	for i := range rs.settings {
		set := &rs.settings[i]
		f := s.of.Field(set.index)
		about := r.prose[s.of.Name()+"."+f.Name]
		if set.short {
			about += " A plain value in place of the mapping is this setting."
		}
		fmt.Fprintf(&r.text, "| `%s` | %s | %s | %s |\n", strings.Join(set.keys, "`, `"), r.value(f.Type, set), absence(set), cell(about))
	}
}

// title is the heading of the mapping at path.
func title(path string) string {
	if path == "" {
		return "The file"
	}
	return path
}

// value says what a setting of type t may be, with a link to the section of a mapping.
func (r *reference) value(t reflect.Type, set *rule) string {
	what := kindOf(t)
	if inner, _ := mapping(t); inner != nil {
		for _, s := range r.sections {
			if s.of == inner {
				what = strings.Replace(what, "mapping", fmt.Sprintf("[mapping](#%s)", anchor(title(s.paths[0]))), 1)
			}
		}
	}
	if set.enum != nil {
		what = strings.Replace(what, "text", "`"+strings.Join(set.enum, "`, `")+"`", 1)
	}
	switch {
	case set.min != "" && set.max != "":
		what += ", " + set.min + " to " + set.max
	case set.max != "":
		what += ", at most " + set.max
	}
	return cell(what)
}

// absence says what a key that is not there means.
func absence(set *rule) string {
	switch {
	case set.need:
		return "needed"
	case set.fallback != "":
		return "`" + strings.ReplaceAll(set.fallback, ",", "`, `") + "`"
	}
	return cell(set.unset)
}

// cell is text inside a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// anchor is the name that GitHub gives to a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
