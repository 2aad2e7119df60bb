package ir

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

// docs is the folder of the documentation.
const docs = "../../docs"

// upToDate fails when the file name of the documentation is not want; with -update it writes it.
func upToDate(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join(docs, name)
	if *update {
		if err := os.MkdirAll(docs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/%s is out of date, run: make generate\n-generated +there:\n%s", name, diff)
	}
}

func TestReference(t *testing.T) {
	reference := Reference()
	upToDate(t, "configuration.md", reference)
	headings := make(map[string]bool)
	for _, h := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(reference), -1) {
		headings[anchor(h[1])] = true
	}
	for _, link := range regexp.MustCompile(`\(#([^)]*)\)`).FindAllStringSubmatch(string(reference), -1) {
		if !headings[link[1]] {
			t.Errorf("no heading for the link #%s", link[1])
		}
	}
}

// TestProse keeps every setting explained, and every tag one that is read.
func TestProse(t *testing.T) {
	r := reference{prose: prose()}
	r.visit("", reflect.TypeFor[file]())
	tags := regexp.MustCompile(`(\w+):"`)
	known := []string{"conf", "default", "unset", "enum", "later", "min", "max", "need", "short", "lines"}
	for _, s := range r.sections {
		if r.prose[s.of.Name()] == "" {
			t.Errorf("%s has no comment", s.of.Name())
		}
		for i := range s.of.NumField() {
			f := s.of.Field(i)
			if f.Name != "_" && !strings.HasSuffix(r.prose[s.of.Name()+"."+f.Name], ".") {
				t.Errorf("the comment of %s.%s is no sentence", s.of.Name(), f.Name)
			}
			for _, m := range tags.FindAllStringSubmatch(string(f.Tag), -1) {
				if !strings.Contains(strings.Join(known, " "), m[1]) {
					t.Errorf("%s.%s has the unknown tag %s", s.of.Name(), f.Name, m[1])
				}
			}
		}
	}
}

// TestTags checks that every default is a value that its own setting allows.
func TestTags(t *testing.T) {
	r := reference{}
	r.visit("", reflect.TypeFor[file]())
	for _, s := range r.sections {
		for _, setting := range rulesOf(s.of).settings {
			typ, texts := s.of.Field(setting.index).Type, []string{setting.fallback}
			if typ.Kind() == reflect.Slice {
				typ, texts = typ.Elem(), list(setting.fallback)
			}
			for _, text := range texts {
				if text != "" && !set(reflect.New(typ).Elem(), text, &setting) {
					t.Errorf("%s: default %q is not allowed", setting.keys[0], text)
				}
			}
		}
	}
}

// compiled is the schema, ready to validate.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate reads YAML as an editor does and returns what s says of it.
func validate(t *testing.T, s *jsonschema.Schema, config []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(config, &v); err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchema(t *testing.T) {
	upToDate(t, "config.schema.json", Schema())
	s := compiled(t)
	good := map[string][]byte{"default.yaml": Default(), "empty": nil}
	paths, err := filepath.Glob("testdata/good/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no files in testdata/good", err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		good[path] = a.Files[0].Data
	}
	for name, config := range good {
		if err := validate(t, s, config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, config := range []string{
		"listn: x",
		"listen: [x]",
		"limits: {body: 1TB}",
		"limits: {connections: 0}",
		"shutdown: {drain: 30}",
		"shutdown: {drain: 30 s}",
		"telemetry: {capture: yes}",
		"telemetry: {sampler: {ratio: 1}}",
		"telemetry: {sampler: {type: alwaysOn, ratio: 2}}",
		"telemetry: {traces: {otlp: {}}}",
		"listeners: [{name: x}]",
		"listeners: [null]",
		"routes: [{to: x, targets: [[{weight: 1}]]}]",
		"routes: [{to: x, targets: [x]}]",
		"routes: [{to: x, policies: [{guard: {request: masked}}]}]",
		"backends: {a: {provider: openai, propagate: 1}}",
		"- x",
	} {
		if validate(t, s, []byte(config)) == nil {
			t.Errorf("the schema accepts %q", config)
		}
	}
}
