package deployer_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/deployer"
)

var update = flag.Bool("update", false, "write what Render makes into the files of testdata")

// input is a Gateway and its parameters, as YAML.
func input(t *testing.T, gateway, parameters []byte) deployer.Input {
	t.Helper()
	in := deployer.Input{
		Gateway: &gwv1.Gateway{}, Parameters: &v1alpha1.KubeParameters{}, Version: "1.2.3",
		Control: deployer.Control{Address: "spanway.spanway-system.svc:9977", CA: "the authority\n"},
		Images: deployer.Images{Envoy: deployer.Image{Repository: "envoyproxy/envoy", Tag: "distroless-v1.40.0"},
			Processor: deployer.Image{Registry: "images.example.com", Repository: "spanway/spanway", Tag: "1.2.3", PullPolicy: corev1.PullIfNotPresent}},
	}
	for _, d := range []struct {
		text []byte
		into any
	}{{gateway, in.Gateway}, {parameters, in.Parameters}} {
		if err := yaml.UnmarshalStrict(d.text, d.into); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

// TestGoldens: each file of testdata is a Gateway, its parameters, and the objects that they become: all, or those of the kinds that
// the file's line "Shows:" names.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil || len(a.Files) != 3 {
				t.Fatalf("want gateway.yaml, parameters.yaml and objects.yaml: %v", err)
			}
			objects, err := deployer.Render(input(t, a.Files[0].Data, a.Files[1].Data))
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			if _, line, ok := strings.Cut(string(a.Comment), "Shows: "); ok {
				kinds = strings.Fields(strings.TrimSpace(line))
			}
			got := printed(t, objects, kinds)
			if *update {
				a.Files[2].Data = got
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(a.Files[2].Data), string(got)); d != "" {
				t.Errorf("other objects than the golden's; -update writes them (-want +got):\n%s", d)
			}
		})
	}
}

func printed(t *testing.T, objects []deployer.Object, kinds []string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, o := range objects {
		if kinds != nil && !slices.Contains(kinds, o.GetObjectKind().GroupVersionKind().Kind) {
			continue
		}
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(bytes.ReplaceAll(text, []byte("status: {}\n"), nil))
	}
	return out.Bytes()
}
