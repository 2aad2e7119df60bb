package translate_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/translate"
)

var update = flag.Bool("update", false, "write what Translate makes into the files of testdata")

// TestGoldens: each file of testdata has objects (in.yaml, perhaps options.yaml), and of what follows from them the parts that it is
// about: configurations (ir.yaml), statuses (status.txt), problems (problems.txt).
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(f, "testdata/"), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			in, o := objects(t, a)
			out := translate.Translate(in, o)
			laws(t, in, o, out)
			got := map[string]string{"ir.yaml": printIR(t, out), "status.txt": printStatuses(out), "problems.txt": printProblems(out)}
			shown := 0
			for i := range a.Files {
				want := &a.Files[i]
				text, ok := got[want.Name]
				if !ok {
					continue
				}
				shown++
				if d := cmp.Diff(string(want.Data), text); d != "" && !*update {
					t.Errorf("another %s than the golden's; -update writes it (-want +got):\n%s", want.Name, d)
				}
				want.Data = []byte(text)
			}
			if shown == 0 {
				t.Error("the golden shows nothing")
			}
			if *update {
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// laws are what holds of every output.
func laws(t *testing.T, in *translate.Input, o translate.Options, out *translate.Output) {
	t.Helper()
	for seed := range int64(3) {
		again := translate.Translate(shuffled(in, rand.New(rand.NewSource(seed))), o)
		if d := cmp.Diff(out, again); d != "" {
			t.Errorf("another order of the objects gives another output (-want +got):\n%s", d)
		}
	}
	told := printStatuses(out) + printProblems(out)
	for _, s := range in.Secrets {
		for key, value := range s.Data {
			if len(value) > 3 && strings.Contains(told, string(value)) {
				t.Errorf("the value of key %s of Secret %s is told", key, s.Name)
			}
		}
	}
	generations(t, in, out)
	for _, g := range out.Gateways {
		if g.IR == nil {
			continue
		}
		if _, err := gateway.Compile(g.IR, &gateway.Env{}); err != nil {
			t.Errorf("the pipeline does not take it: %v", err)
		}
	}
}

// generations: every condition names the generation of its object.
func generations(t *testing.T, in *translate.Input, out *translate.Output) {
	t.Helper()
	for _, g := range in.Gateways {
		s := out.Statuses.Gateways[types.NamespacedName{Namespace: g.Namespace, Name: g.Name}]
		if s == nil {
			continue
		}
		conditions := s.Conditions
		for _, l := range s.Listeners {
			conditions = append(conditions, l.Conditions...)
		}
		for _, c := range conditions {
			if c.ObservedGeneration != g.Generation {
				t.Errorf("condition %s of Gateway %s has the generation %d, want %d", c.Type, g.Name, c.ObservedGeneration, g.Generation)
			}
		}
	}
	for _, r := range in.HTTPRoutes {
		s := out.Statuses.HTTPRoutes[types.NamespacedName{Namespace: r.Namespace, Name: r.Name}]
		if s == nil {
			continue
		}
		for _, p := range s.Parents {
			for _, c := range p.Conditions {
				if c.ObservedGeneration != r.Generation {
					t.Errorf("condition %s of HTTPRoute %s has the generation %d, want %d", c.Type, r.Name, c.ObservedGeneration, r.Generation)
				}
			}
		}
	}
}

// objects reads the objects and options of a golden.
func objects(t testing.TB, a *txtar.Archive) (*translate.Input, translate.Options) {
	t.Helper()
	var extra struct {
		Files           bool
		PolicyNamespace string
		Programmed      map[string]string
		Addresses       map[string]string
	}
	in := &translate.Input{}
	for _, f := range a.Files {
		switch f.Name {
		case "options.yaml":
			if err := yaml.UnmarshalStrict(f.Data, &extra); err != nil {
				t.Fatalf("options.yaml: %v", err)
			}
		case "in.yaml":
			for i, doc := range bytes.Split(f.Data, []byte("\n---\n")) {
				if err := add(in, named(doc)); err != nil {
					t.Fatalf("in.yaml, document %d: %v", i+1, err)
				}
			}
		}
	}
	for name, why := range extra.Programmed {
		in.Programmed = put(in.Programmed, name, why)
	}
	for name, address := range extra.Addresses {
		kind := gwv1.IPAddressType
		in.Addresses = put(in.Addresses, name, []gwv1.GatewayStatusAddress{{Type: &kind, Value: address}})
	}
	return in, translate.Options{Files: extra.Files, PolicyNamespace: extra.PolicyNamespace}
}

func put[V any](m map[types.NamespacedName]V, name string, v V) map[types.NamespacedName]V {
	if m == nil {
		m = map[types.NamespacedName]V{}
	}
	namespace, name, _ := strings.Cut(name, "/")
	m[types.NamespacedName{Namespace: namespace, Name: name}] = v
	return m
}

// Names of certificates in goldens, for what they stand for.
func certificates() map[string]string {
	return map[string]string{"$CERT1": certificate(1).cert, "$KEY1": certificate(1).key, "$CERT2": certificate(2).cert, "$KEY2": certificate(2).key}
}

// named puts in what names stand for: in base64 behind the word base64, else in JSON's form.
func named(doc []byte) []byte {
	text := string(doc)
	for name, value := range certificates() {
		text = strings.ReplaceAll(text, "base64 "+name, base64.StdEncoding.EncodeToString([]byte(value)))
		text = strings.ReplaceAll(text, name, fmt.Sprintf("%q", value))
	}
	return []byte(text)
}

// anonymous is the name of what has one, else the text itself.
func anonymous(text string) string {
	for name, value := range certificates() {
		if text == value {
			return name
		}
	}
	return text
}
