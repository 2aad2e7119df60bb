package matrix

import "testing"

func (d *dialect) takes(t testing.TB, body []byte) { t.Helper() }
