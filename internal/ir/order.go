package ir

import (
	"cmp"
	"strings"
)

// Compare orders the matches of routes under one host, as every data plane tries them: it is negative when m goes before o. An
// exact path goes before a prefix, a longer prefix before a shorter one, a regular expression last; of equal ones goes first what asks for a method,
// then what asks for more headers, for more parameters of the query, for a model. Matches that are equal for it keep the order of
// their routes. Hosts, which count before all this, are not looked at.
func (m *Match) Compare(o *Match) int {
	yes := func(n int) int { return min(n, 1) }
	return cmp.Or(
		cmp.Compare(m.pathClass(), o.pathClass()),
		cmp.Compare(len(strings.TrimSuffix(o.Prefix, "/")), len(strings.TrimSuffix(m.Prefix, "/"))),
		cmp.Compare(yes(len(o.Methods)), yes(len(m.Methods))),
		cmp.Compare(len(o.Headers), len(m.Headers)),
		cmp.Compare(len(o.Query), len(m.Query)),
		cmp.Compare(yes(len(o.Models)), yes(len(m.Models))),
	)
}

func (m *Match) pathClass() int {
	switch {
	case m.Exact != "":
		return 0
	case m.Regex != "":
		return 2
	}
	return 1
}
