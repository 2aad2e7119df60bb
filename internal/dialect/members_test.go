package dialect_test

import (
	"testing"

	"github.com/spanway/spanway/internal/dialect"
)

func TestMembers(t *testing.T) {
	for _, tt := range []struct {
		in, drop, add, want string
	}{
		{`{"a":1, "b":2}`, "", "", `{"a":1, "b":2}`},
		{` {"a" : 1, "b":2 } `, "a", "", ` {"b":2 } `},
		{`{"a":1 , "b":2}`, "b", "", `{"a":1}`},
		{`{"b":2,"a":1,"b":{"b":3},"c":4,"b":5}`, "b", "", `{"a":1,"c":4}`},
		{`{"b":2,"b":3}`, "b", "", `{}`},
		{`{"b":2}`, "b", `"x":1`, `{"x":1}`},
		{`{ }`, "b", `"x":1`, `{"x":1 }`},
		{`{"a":1}`, "b", `"x":1`, `{"x":1,"a":1}`},
		{`{"\u0062":2,"a":1}`, "b", "", `{"a":1}`},
		{`{"old":1,"\u006fld":{"old":2}}`, "b", "", `{"new":1,"new":{"old":2}}`},
	} {
		m := dialect.MembersOf([]byte(tt.in))
		m.Rename("old", "new")
		m.Drop(tt.drop)
		if got := string(m.Result(tt.add)); got != tt.want {
			t.Errorf("%s without %q and with %q: %s, want %s", tt.in, tt.drop, tt.add, got, tt.want)
		}
	}
	m := dialect.MembersOf([]byte(`{"a":1,"a":[2]}`))
	if got := string(m.Get("a")); got != "[2]" || m.Get("b") != nil {
		t.Errorf("got %s, %s", got, m.Get("b"))
	}
}
