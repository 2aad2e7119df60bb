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
var programs struct{ spanway, otelcol string }

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

// build makes the gateway in dir, and the Collector where the tools are.
func build(dir string) error {
	programs.spanway = filepath.Join(dir, "spanway")
	if out, err := at(root, "go", "build", "-o", programs.spanway, "./cmd/spanway").CombinedOutput(); err != nil {
		return fmt.Errorf("%s\nbuild cmd/spanway: %w", out, err)
	}
	if out, err := at(root, "tools/install.sh", "otelcol").CombinedOutput(); err != nil {
		return fmt.Errorf("%s\ntools/install.sh otelcol: %w; see what it says above, then run \"make tools\"", out, err)
	}
	var err error
	programs.otelcol, err = filepath.Abs(filepath.Join(root, ".tools", "bin", "otelcol"))
	return err
}

func at(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	return cmd
}
