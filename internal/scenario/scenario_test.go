package scenario

import (
	"flag"
	"testing"
)

var update = flag.Bool("update", false, "write the expected sections of the scenarios")

// TestScenarios plays the scenarios through the native data plane.
func TestScenarios(t *testing.T) {
	Suite{Dir: "testdata", Update: *update}.Run(t, Native{})
}
