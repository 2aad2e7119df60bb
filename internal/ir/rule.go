package ir

import (
	"reflect"
	"slices"
	"strings"
)

// rule is what the tags of a setting say; see file.go.
type rule struct {
	index    int // of the struct's field
	keys     []string
	enum     []string
	min, max string
	fallback string // the default, as in a file
	unset    string
	need     bool
	short    bool
	lines    bool
}

// rules is what the tags of a struct say.
type rules struct {
	settings []rule
	later    []string // keys that are known but not supported yet
}

// rulesOf reads the tags of t, a struct of file.go. decoder.rules keeps them.
func rulesOf(t reflect.Type) rules {
	var rs rules
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			rs.later = list(f.Tag.Get("later"))
			continue
		}
		rs.settings = append(rs.settings, rule{
			index:    i,
			keys:     list(f.Tag.Get("conf")),
			enum:     list(f.Tag.Get("enum")),
			min:      f.Tag.Get("min"),
			max:      f.Tag.Get("max"),
			fallback: f.Tag.Get("default"),
			unset:    f.Tag.Get("unset"),
			need:     f.Tag.Get("need") == "true",
			short:    f.Tag.Get("short") == "true",
			lines:    f.Tag.Get("lines") == "true",
		})
	}
	return rs
}

// list splits a tag at its commas; nil for "".
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// find returns the setting that key names, nil for none.
func (rs *rules) find(key string) *rule {
	for i := range rs.settings {
		if slices.Contains(rs.settings[i].keys, key) {
			return &rs.settings[i]
		}
	}
	return nil
}

// short returns the setting that a plain value in place of the mapping sets, nil for none.
func (rs *rules) short() *rule {
	for i := range rs.settings {
		if rs.settings[i].short {
			return &rs.settings[i]
		}
	}
	return nil
}

// names returns the keys of all settings, without their other spellings.
func (rs *rules) names() []string {
	names := make([]string, len(rs.settings))
	for i := range rs.settings {
		names[i] = rs.settings[i].keys[0]
	}
	return names
}
