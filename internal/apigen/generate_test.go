// Package apigen makes of the types in api/v1alpha1 what follows from them: deep copies and CustomResourceDefinitions. It is a
// test, so that what is in the repository cannot fall behind; "make generate" has the same test write the files. It stands
// apart because it must compile while the deep copies do not.
package apigen

import (
	"bytes"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/deepcopy"
	"sigs.k8s.io/controller-tools/pkg/genall"
	"sigs.k8s.io/controller-tools/pkg/loader"
)

//go:generate go test . -run TestGenerated -update

var update = flag.Bool("update", false, "write what is generated from the types of api/v1alpha1")

// Where the types are, and where what is made of them goes.
const (
	types     = "../../api/v1alpha1"
	manifests = "../../install/helm/spanway-crds/templates"
)

// TestGenerated makes the deep copies and the CustomResourceDefinitions of the types, as controller-gen does, and compares
// them with those in the repository. The generator is the library of go.mod's version: no tool is installed or asked for.
func TestGenerated(t *testing.T) {
	out := memory{}
	var copies genall.Generator = deepcopy.Generator{}
	var definitions genall.Generator = definer{}
	rt, err := genall.Generators{&copies, &definitions}.ForRoots(types)
	if err != nil {
		t.Fatal(err)
	}
	rt.OutputRules.Default = out
	var faults strings.Builder
	rt.ErrorWriter = &faults
	if rt.Run() {
		t.Fatalf("generate: %s", &faults)
	}
	if len(out) != 1+7 {
		t.Errorf("generated %q; want the deep copies and seven kinds", slices.Sorted(maps.Keys(out)))
	}
	old, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if out[name] != nil {
			continue
		}
		if !*update {
			t.Errorf("%s is of no kind", name)
		} else if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
	for name, text := range out {
		if *update {
			if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		have, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(text.String(), string(have)); diff != "" {
			t.Errorf("%s is not what the types say; run \"make generate\" (-types +file):\n%s", name, diff)
		}
	}
}

// memory keeps what generators write, by the name of the file that it is for.
type memory map[string]*bytes.Buffer

// Open implements genall.OutputRule.
func (m memory) Open(pkg *loader.Package, name string) (io.WriteCloser, error) {
	dir := manifests
	if pkg != nil {
		dir = types
	}
	b := &bytes.Buffer{}
	m[filepath.Join(dir, name)] = b
	return nopCloser{b}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// definer is controller-gen's generator of CustomResourceDefinitions, but keeps only the first sentence of what types of other
// modules say of themselves: the whole of it would make GatewayParameters too large for kubectl apply, which notes an object in
// an annotation of at most 256 KiB.
type definer struct{ crd.Generator }

// Generate implements genall.Generator.
func (definer) Generate(ctx *genall.GenerationContext) error {
	p := &crd.Parser{Collector: ctx.Collector, Checker: ctx.Checker}
	crd.AddKnownTypes(p)
	for _, root := range ctx.Roots {
		p.NeedPackage(root)
	}
	kinds := crd.FindKubeKinds(p, crd.FindMetav1(ctx.Roots))
	for _, kind := range kinds {
		for _, root := range ctx.Roots {
			p.NeedSchemaFor(crd.TypeIdent{Package: root, Name: kind.Kind})
		}
	}
	for id, schema := range p.Schemata {
		if slices.Contains(ctx.Roots, id.Package) {
			continue
		}
		crd.EditSchema(&schema, shorten{})
		p.Schemata[id] = schema
	}
	for _, kind := range kinds {
		p.NeedCRDFor(kind, nil)
		def := p.CustomResourceDefinitions[kind]
		crd.FixTopLevelMetadata(def)
		name := def.Spec.Group + "_" + def.Spec.Names.Plural + ".yaml"
		if err := ctx.WriteYAML(name, "# Made from api/v1alpha1 by \"make generate\"; do not edit.\n", []any{&def},
			genall.WithTransform(genall.TransformRemoveCreationTimestamp),
			genall.WithTransform(func(o map[string]any) error { delete(o, "status"); return nil })); err != nil {
			return err
		}
	}
	return nil
}

// shorten visits a schema and leaves the first sentence of each description.
type shorten struct{}

// Visit implements crd.SchemaVisitor.
func (s shorten) Visit(schema *apiext.JSONSchemaProps) crd.SchemaVisitor {
	if schema == nil {
		return s
	}
	text, _, _ := strings.Cut(schema.Description, "\n\n")
	text = strings.Join(strings.Fields(text), " ")
	if first, _, ok := strings.Cut(text, ". "); ok {
		text = first + "."
	}
	schema.Description = text
	return s
}
