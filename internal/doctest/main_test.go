// Package doctest holds the documents to their word: what a reader would type is typed, at the real program, and what a
// document says is answered, printed or accepted is compared with what is. It has tests only.
package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

// programs are the processes that the tests start, set by TestMain.
var programs struct{ spanway, otelcol, envoy string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "spanway-doctest-")
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build makes the gateway in dir, and the Collector and Envoy where the tools are.
func build(dir string) error {
	programs.spanway = filepath.Join(dir, "spanway")
	if out, err := at(root, "go", "build", "-o", programs.spanway, "./cmd/spanway").CombinedOutput(); err != nil {
		return fmt.Errorf("%s\nbuild cmd/spanway: %w", out, err)
	}
	if out, err := at(root, "tools/install.sh", "otelcol", "envoy").CombinedOutput(); err != nil {
		return fmt.Errorf("%s\ntools/install.sh otelcol envoy: %w; see what it says above, then run \"make tools\"", out, err)
	}
	tools, err := filepath.Abs(filepath.Join(root, ".tools", "bin"))
	if err != nil {
		return err
	}
	programs.otelcol = filepath.Join(tools, "otelcol")
	if programs.envoy = os.Getenv("ENVOY"); programs.envoy == "" {
		programs.envoy = filepath.Join(tools, "envoy")
	}
	return os.Setenv("ENVOY", programs.envoy) // for the gateways of the documents, which are not where the tools are
}

func at(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	return cmd
}
