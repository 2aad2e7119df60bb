package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"github.com/spanway/spanway/internal/apiserver"
	"github.com/spanway/spanway/internal/translate"
)

// reader fills a Set.
type reader struct {
	*Set
	kinds  *apiserver.Server
	getenv func(string) (string, bool)
}

// IsFile reports whether a file of that name is read in a folder.
func IsFile(name string) bool {
	base := filepath.Base(name)
	return !strings.HasPrefix(base, ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(base))
}

func (r *reader) walk(root string) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.file(root)
	}
	before := len(r.Files)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			r.Folders = append(r.Folders, path)
			return nil
		case !IsFile(path):
			return nil
		}
		return r.file(path)
	})
	if err == nil && len(r.Files) == before {
		return fmt.Errorf("%s: no manifests: want files *.yaml, *.yml or *.json", root)
	}
	return err
}

func (r *reader) file(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return err
	}
	r.Files = append(r.Files, path)
	if info.Size() > MaxFile {
		r.bad(path, 1, fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20))
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, d := range split(text) {
		r.document(path, d)
	}
	return nil
}

// bad notes that something is no object at all.
func (r *reader) bad(file string, line int, message string) {
	r.Problems = append(r.Problems, Problem{File: file, Line: line, Column: 1, Severity: translate.Error, Message: message})
}

// document is one of a file.
type document struct {
	line int // of those before it
	text []byte
}

// split parts documents at lines that are three hyphens, as kubectl does.
func split(text []byte) []document {
	var out []document
	line, start, from := 0, 0, 0
	for pos := 0; pos < len(text); line++ {
		end := len(text)
		if i := bytes.IndexByte(text[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		if rest, ok := bytes.CutPrefix(text[pos:end], []byte("---")); ok {
			if rest = bytes.TrimSpace(rest); len(rest) == 0 || rest[0] == '#' {
				out = append(out, document{from, text[start:pos]})
				start, from = end, line+1
			}
		}
		pos = end
	}
	return append(out, document{from, text[start:]})
}

// yamlLine finds the line in a message of the YAML decoder.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// document reads the objects of a document.
func (r *reader) document(file string, d document) {
	var root yaml.Node
	err := yaml.Unmarshal(d.text, &root)
	var value any
	if err == nil {
		err = kyaml.Unmarshal(d.text, &value) // as kubectl reads it
	}
	if err != nil {
		message, line := err.Error(), 1
		if m := yamlLine.FindStringSubmatch(message); m != nil {
			line, _ = strconv.Atoi(m[1])
			message = message[len(m[0]):]
		}
		message = strings.TrimPrefix(strings.TrimPrefix(message, "error converting YAML to JSON: "), "yaml: ")
		if bytes.ContainsRune(d.text, '\t') {
			message += " (there is a tab in the document: YAML is indented with spaces)"
		}
		r.bad(file, d.line+line, "no YAML: "+message)
		return
	}
	if value == nil {
		return
	}
	r.duplicates(file, d.line, &root)
	m, ok := value.(map[string]any)
	if !ok {
		r.bad(file, d.line+root.Line, "no Kubernetes object: it has no apiVersion and kind")
		return
	}
	o := &object{file: file, line: d.line, node: root.Content[0]}
	items, isList := m["items"].([]any)
	if kind, _ := m["kind"].(string); !isList || !strings.HasSuffix(kind, "List") {
		r.object(o, m)
		return
	}
	_, list, _ := child(o.node, "items")
	for i, item := range items {
		if one, ok := item.(map[string]any); ok && i < len(list.Content) {
			r.object(&object{file: file, line: d.line, node: list.Content[i]}, one)
		}
	}
}

// duplicates tells of keys that stand twice: the last one counts.
func (r *reader) duplicates(file string, line int, n *yaml.Node) {
	seen := map[string]bool{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[c.Value] {
				r.Problems = append(r.Problems, Problem{File: file, Line: line + c.Line, Column: c.Column, Severity: translate.Warning,
					Message: fmt.Sprintf("%s stands twice; the last one counts", c.Value)})
			}
			seen[c.Value] = true
		}
		r.duplicates(file, line, c)
	}
}

// find is the node at path below n, or the last one on the way to it that is there.
func find(n *yaml.Node, path string) *yaml.Node {
	for path != "" {
		path = strings.TrimPrefix(path, ".")
		next := (*yaml.Node)(nil)
		switch {
		case strings.HasPrefix(path, "["):
			inside, rest, _ := strings.Cut(path[1:], "]")
			path = rest
			if i, err := strconv.Atoi(inside); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
				next = n.Content[i]
			} else if n.Kind == yaml.MappingNode {
				_, next, _ = child(n, inside)
			}
		case n.Kind == yaml.MappingNode:
			key, value, rest := child(n, path)
			if key != nil && rest == "" && value.Kind == yaml.ScalarNode {
				return value
			}
			if key != nil && rest == "" {
				return key
			}
			next, path = value, rest
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// child is the entry of n with the longest key that path begins with: keys may have dots.
func child(n *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i].Value
		after, ok := strings.CutPrefix(path, k)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && (key == nil || len(k) > len(key.Value)) {
			key, value, rest = n.Content[i], n.Content[i+1], after
		}
	}
	return key, value, rest
}

// toJSON is v as JSON.
func toJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // v comes from JSON
		return nil
	}
	return text
}
