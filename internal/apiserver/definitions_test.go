package apiserver

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// definitions are the kinds' definitions, and their files' texts.
func definitions(t *testing.T) (defs []apiext.CustomResourceDefinition, texts [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var def apiext.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &def); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		defs, texts = append(defs, def), append(texts, text)
	}
	if len(defs) != len(kinds) {
		t.Fatalf("%d definitions, want %d", len(defs), len(kinds))
	}
	return defs, texts
}

// TestDefinitions checks what clients and tools see of the definitions.
func TestDefinitions(t *testing.T) {
	short := map[string]string{}
	defs, texts := definitions(t)
	for i, def := range defs {
		kind := def.Spec.Names.Kind
		if strings.Contains(string(texts[i]), "{{") {
			t.Errorf("%s: Helm would take {{ for a template", kind)
		}
		compact, err := yaml.YAMLToJSON(texts[i])
		if err != nil {
			t.Fatal(err)
		}
		// kubectl apply notes the whole object in an annotation, and annotations have at most 256 KiB.
		if limit := 240 << 10; len(compact) > limit {
			t.Errorf("%s: %d bytes as JSON, more than %d: kubectl apply would fail", kind, len(compact), limit)
		}
		for _, name := range def.Spec.Names.ShortNames {
			if other := short[name]; other != "" {
				t.Errorf("%s and %s have the short name %s", kind, other, name)
			}
			short[name] = kind
		}
		v := def.Spec.Versions[0]
		if def.Spec.Group != "gateway.kgateway.dev" || def.Spec.Scope != apiext.NamespaceScoped || len(def.Spec.Versions) != 1 || v.Name != "v1alpha1" ||
			len(def.Spec.Names.ShortNames) != 1 || !slices.Equal(def.Spec.Names.Categories, []string{"kgateway", "spanway"}) ||
			v.Subresources == nil || v.Subresources.Status == nil || len(v.AdditionalPrinterColumns) == 0 {
			t.Errorf("%s: wrong group, scope, version, short name, categories, status or columns", kind)
		}
		if policy := def.Labels["gateway.networking.k8s.io/policy"]; (policy == "Direct") != strings.HasSuffix(kind, "Policy") {
			t.Errorf("%s has the policy label %q", kind, policy)
		}
	}
}

// TestDescriptions checks that kubectl explain has something to say of every field.
func TestDescriptions(t *testing.T) {
	defs, _ := definitions(t)
	for _, def := range defs {
		props(def.Spec.Versions[0].Schema.OpenAPIV3Schema, def.Spec.Names.Kind, func(path string, s *apiext.JSONSchemaProps) {
			if s.Description == "" && !strings.HasSuffix(path, ".metadata") {
				t.Errorf("%s has no description", path)
			}
		})
	}
}

// props visits the fields below s, with their paths.
func props(s *apiext.JSONSchemaProps, path string, visit func(path string, s *apiext.JSONSchemaProps)) {
	for name, p := range s.Properties {
		visit(path+"."+name, &p)
		props(&p, path+"."+name, visit)
	}
	if s.Items != nil && s.Items.Schema != nil {
		props(s.Items.Schema, path+"[]", visit)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		props(s.AdditionalProperties.Schema, path+"{}", visit)
	}
}

// TestRefused gives New definitions that an API server refuses, and Create what is no object of a kind.
func TestRefused(t *testing.T) {
	const head = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n" +
		"spec:\n  group: example.com\n  names: {kind: Thing, listKind: ThingList, plural: things, singular: thing}\n  scope: Namespaced\n" +
		"  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema: "
	for _, c := range []struct{ schema, want string }{
		{"{type: object, properties: {spec: {properties: {a: {type: string}}}}}", "must not be empty for specified object fields"},
		{"{type: object, properties: {a: {type: string, x-kubernetes-validations: [{rule: 'self >'}]}}}", "compilation failed"},
		{"{type: object, properties: {a: {type: array, items: {type: string, x-kubernetes-validations: [{rule: 'self.matches(\"(a*)*b\")'}]}}}}", "cost"},
		{"{type: object, properties: {a: {type: integer, default: text}}}", "must be of type integer"},
	} {
		_, err := New(t.Context(), fstest.MapFS{"a.yaml": {Data: []byte(head + c.schema)}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q in it", c.schema, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Upstream", `no kind "Upstream"`},
		{"apiVersion: gateway.kgateway.dev/v1\nkind: Backend", `in version "gateway.kgateway.dev/v1"`},
		{"kind: [", "did not find expected"},
		{"text", "cannot unmarshal"},
	} {
		if _, err := server(t).Create(t.Context(), []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error %v, want %q in it", c.text, err, c.want)
		}
	}
}
