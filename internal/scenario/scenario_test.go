package scenario

import (
	"flag"
	"strconv"
	"testing"
)

var update = flag.Bool("update", false, "write the expected sections of the scenarios")

// TestScenarios plays the scenarios through the native data plane. After a change that is meant, look at what
// "go test ./internal/scenario -run TestScenarios -update" makes of them.
func TestScenarios(t *testing.T) {
	Suite{Dir: "testdata", Update: *update}.Run(t, Native{})
}

// TestScenariosEnvoy plays them through a real Envoy.
func TestScenariosEnvoy(t *testing.T) { Suite{Dir: "testdata"}.Run(t, Envoy{}) }

// TestScenariosSplit plays them with the providers' answers cut anew: nothing that anybody sees depends on the cuts.
func TestScenariosSplit(t *testing.T) {
	for _, n := range []int{1, 7, 100} {
		t.Run(strconv.Itoa(n), func(t *testing.T) { Suite{Dir: "testdata", Split: n}.Run(t, Native{}) })
	}
}
