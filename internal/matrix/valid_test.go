package matrix

import (
	"testing"

	"github.com/spanway/spanway/internal/matrix/published"
)

// takes fails when d's provider would not know a member of body, or wants it to be something else.
func (d *dialect) takes(t testing.TB, body []byte) {
	t.Helper()
	if err := published.Request(d.api, body); err != nil {
		t.Errorf("%s: %v\nin %s", d.api, err, body)
	}
}
