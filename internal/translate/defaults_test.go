package translate

import (
	"testing"

	"github.com/spanway/spanway/internal/ir"
)

func TestDefaults(t *testing.T) {
	if _, err := ir.Load("defaults", []byte(defaultsFile), ir.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if g := defaults(); !g.Backends[0].Propagate || len(g.Telemetry.Traces) != 1 || g.Envoy.Tracing == nil {
		t.Errorf("defaults are not those of the file: %+v", g)
	}
}
