package dialect

import (
	"slices"

	"github.com/spanway/spanway/internal/jsonscan"
)

// Members edits the members of the object in a body, so that every other byte stays: names that a host has for a member, members
// that it refuses or needs.
type Members struct {
	Body  []byte
	all   []member
	edits []jsonscan.Edit
}

// member is where a member stands: its name, and its value.
type member struct {
	key, val [2]int
	name     string
	drop     bool
}

// MembersOf walks the object in body. Of what is no JSON object, it has the members before the error.
func MembersOf(body []byte) *Members {
	m := &Members{Body: body}
	for it := jsonscan.Object(body); it.Next(); {
		m.all = append(m.all, member{key: it.KeyAt(), val: it.At(), name: string(it.Key())})
	}
	return m
}

// Get is the value of the last member called name, nil when there is none.
func (m *Members) Get(name string) []byte {
	for _, x := range slices.Backward(m.all) {
		if x.name == name {
			return m.Body[x.val[0]:x.val[1]]
		}
	}
	return nil
}

// Names lists the members' names in the order of the body.
func (m *Members) Names() []string {
	out := make([]string, len(m.all))
	for i := range m.all {
		out[i] = m.all[i].name
	}
	return out
}

// Rename gives the members called from another name.
func (m *Members) Rename(from, to string) {
	for i := range m.all {
		if x := &m.all[i]; x.name == from && !x.drop {
			m.Replace(x.key, jsonscan.AppendString(nil, to))
		}
	}
}

// Drop takes the members called name out. One that was renamed or replaced must not be dropped.
func (m *Members) Drop(name string) {
	for i := range m.all {
		if m.all[i].name == name {
			m.all[i].drop = true
		}
	}
}

// Replace puts with in the place of the bytes of Body from at[0] to at[1], which lie within a member that stays.
func (m *Members) Replace(at [2]int, with []byte) {
	m.edits = append(m.edits, jsonscan.Edit{At: at, With: with})
}

// Result is the body with the edits made, and with add, members without braces, before its own; Body itself when there is
// nothing to do.
func (m *Members) Result(add string) []byte {
	kept := -1 // the end of the last member that stays
	stay := slices.ContainsFunc(m.all, func(x member) bool { return !x.drop })
	for i, x := range m.all {
		switch {
		case !x.drop:
			kept = x.val[1]
		case kept >= 0: // with the comma before it
			m.Replace([2]int{m.all[i-1].val[1], x.val[1]}, nil)
		case i+1 < len(m.all): // with the comma after it
			m.Replace([2]int{x.key[0], m.all[i+1].key[0]}, nil)
		default:
			m.Replace([2]int{x.key[0], x.val[1]}, nil)
		}
	}
	if add == "" && len(m.edits) == 0 {
		return m.Body
	}
	out := apply(make([]byte, 0, len(m.Body)+len(add)+16), m.Body, m.edits)
	if add == "" {
		return out
	}
	if stay {
		add += ","
	}
	open := slices.Index(out, '{') + 1
	return slices.Insert(out, open, []byte(add)...)
}
