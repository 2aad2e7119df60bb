// Package collector holds the export of traces and metrics to what a real OpenTelemetry Collector prints of them, and to the
// account of receivers that fail in every way a receiver can. It has tests only.
package collector

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// programs are the processes that the tests start, set by TestMain.
var programs struct{ spanway, otelcol, envoy string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "spanway-collector-")
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build makes the gateway in dir, and the Collector where the tools are.
func build(dir string) error {
	root := filepath.Join("..", "..")
	install := exec.Command(filepath.Join(root, "tools", "install.sh"), "otelcol", "envoy")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("%s\nthe OpenTelemetry Collector or Envoy is missing (%w): see what tools/install.sh says above, then run "+
			"\"make tools\"", out, err)
	}
	tools, err := filepath.Abs(filepath.Join(root, ".tools", "bin"))
	if err != nil {
		return err
	}
	programs.otelcol, programs.envoy = filepath.Join(tools, "otelcol"), filepath.Join(tools, "envoy")
	if own := os.Getenv("ENVOY"); own != "" {
		programs.envoy = own
	}
	programs.spanway = filepath.Join(dir, "spanway")
	gateway := exec.Command("go", "build", "-o", programs.spanway, "./cmd/spanway")
	gateway.Dir = root
	if out, err := gateway.CombinedOutput(); err != nil {
		return fmt.Errorf("%s\nbuild cmd/spanway: %w", out, err)
	}
	return nil
}
