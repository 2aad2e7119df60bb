package translate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/translate"
	"github.com/spanway/spanway/internal/xds"
)

// TestEnvoyTakesGoldens: Envoy accepts what it is told of every golden's Gateways, whatever is wrong with their objects.
func TestEnvoyTakesGoldens(t *testing.T) {
	bin := envoyBinary(t)
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(f, "testdata/"), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range translate.Translate(objects(t, a)).Gateways {
				if g.IR != nil {
					validate(t, bin, g.IR)
				}
			}
		})
	}
}

// validate has Envoy itself judge a configuration.
func validate(t *testing.T, bin string, g *ir.Gateway) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(certificate(1).cert), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := xds.Build(g, xds.Options{Processor: "unix:processor.sock", Roots: "ca.pem"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := xds.Static(r, xds.Boot{Admin: "127.0.0.1:9901", Connections: g.Limits.Connections})
	if err != nil {
		t.Fatal(err)
	}
	text, err := xds.YAML(b)
	if err != nil {
		t.Fatal(err)
	}
	f := filepath.Join(dir, "envoy.yaml")
	if err := os.WriteFile(f, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "--mode", "validate", "-c", f, "-l", "warn", "--concurrency", "1")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("Envoy does not accept it: %v\n%s", err, out)
	}
}

// envoyBinary is the path of Envoy's binary.
func envoyBinary(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("ENVOY")
	if bin == "" {
		bin, _ = filepath.Abs("../../.tools/bin/envoy")
	}
	found, err := envoy.Find(t.Context(), bin)
	if err != nil {
		t.Fatalf("this test needs Envoy: run tools/install.sh envoy, or set ENVOY to its path (%v)", err)
	}
	return found.Path
}
