package apiserver

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// manifests is where the definitions of our own kinds are.
const manifests = "../../install/helm/spanway-crds/templates"

var load = sync.OnceValues(Load)

func server(t *testing.T) *Server {
	t.Helper()
	s, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kinds are the kinds by the files of testdata with their documents.
var kinds = map[string]string{
	"backend": "Backend", "directresponse": "DirectResponse", "gatewayextension": "GatewayExtension",
	"gatewayparameters": "GatewayParameters", "httplistenerpolicy": "HTTPListenerPolicy", "listenerpolicy": "ListenerPolicy",
	"trafficpolicy": "TrafficPolicy",
}

// document is one file of a txtar, and what is to come of it.
type document struct {
	name            string
	text            []byte
	errors, unknown []string
}

func documents(t *testing.T, file string) []document {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", file+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var out []document
	for _, f := range a.Files {
		d := document{name: f.Name, text: f.Data}
		for line := range strings.Lines(string(f.Data)) {
			line = strings.TrimSpace(line)
			if want, ok := strings.CutPrefix(line, "# error: "); ok {
				d.errors = append(d.errors, want)
			}
			if want, ok := strings.CutPrefix(line, "# unknown: "); ok {
				d.unknown = append(d.unknown, want)
			}
		}
		if kinds[file] != "" && !bytes.Contains(f.Data, []byte("kind: "+kinds[file]+"\n")) {
			head := "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: " + kinds[file] + "\nmetadata: {name: x}\nspec:\n  "
			d.text = []byte(head + strings.TrimSuffix(strings.ReplaceAll(string(f.Data), "\n", "\n  "), "  "))
		}
		out = append(out, d)
	}
	return out
}

// TestDocuments creates the objects of testdata. Every rule of the kinds has one that it refuses.
func TestDocuments(t *testing.T) {
	s := server(t)
	for file, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			said := ""
			for _, d := range documents(t, file) {
				t.Run(d.name, func(t *testing.T) {
					o, err := s.Create(t.Context(), d.text)
					if err != nil {
						t.Fatal(err)
					}
					said += d.check(t, o)
					if o.Content["status"] != nil {
						t.Error("a status was taken at creation")
					}
				})
			}
			messages := ruleMessages(t, kind)
			if len(messages) == 0 && kind != "DirectResponse" {
				t.Error("no rules found")
			}
			for _, message := range messages {
				if !strings.Contains(said, message) {
					t.Errorf("no document breaks the rule %q", message)
				}
			}
		})
	}
}

// TestStatus writes statuses.
func TestStatus(t *testing.T) {
	for _, d := range documents(t, "status") {
		t.Run(d.name, func(t *testing.T) {
			o, err := server(t).UpdateStatus(t.Context(), d.text)
			if err != nil {
				t.Fatal(err)
			}
			d.check(t, o)
			if o.Content["status"] == nil {
				t.Error("the status is gone")
			}
		})
	}
}

// check compares what came of d with what was to come of it, and returns the faults' texts.
func (d *document) check(t *testing.T, o *Object) string {
	t.Helper()
	return d.compare(t, texts(o.Errors), o.Unknown)
}

func texts(l field.ErrorList) (out []string) {
	for _, e := range l {
		out = append(out, e.Error())
	}
	return out
}

// compare is check with the faults' texts.
func (d *document) compare(t *testing.T, faults, unknown []string) string {
	t.Helper()
	errs := slices.DeleteFunc(slices.Clone(faults), func(e string) bool { return strings.Contains(e, ": some validation rules were not checked") })
	unmatched(t, "error", d.errors, errs)
	unmatched(t, "unknown field", d.unknown, unknown)
	return strings.Join(errs, "\n") + "\n"
}

// unmatched reports what of got no text of want is part of, and the other way round.
func unmatched(t *testing.T, what string, want, got []string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, w) }) {
			t.Errorf("want %s %q", what, w)
		}
	}
	for _, g := range got {
		if !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(g, w) }) {
			t.Errorf("got %s %q", what, g)
		}
	}
}

// ruleMessages are the messages of a kind's rules in CEL, those on types of the Gateway API left out.
func ruleMessages(t *testing.T, kind string) []string {
	t.Helper()
	var out []string
	add := func(_ string, s *apiext.JSONSchemaProps) {
		for ; s != nil; s = items(s) {
			for _, r := range s.XValidations {
				if !slices.Contains(out, r.Message) && r.Message != "Must have port for Service reference" {
					out = append(out, r.Message)
				}
			}
		}
	}
	defs, _ := definitions(t)
	for _, def := range defs {
		if def.Spec.Names.Kind == kind {
			props(def.Spec.Versions[0].Schema.OpenAPIV3Schema, kind, add)
		}
	}
	return out
}

// items is the schema of a list's items; nil if s is of no list.
func items(s *apiext.JSONSchemaProps) *apiext.JSONSchemaProps {
	if s.Items == nil {
		return nil
	}
	return s.Items.Schema
}
