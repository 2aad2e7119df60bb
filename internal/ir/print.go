package ir

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Print is g in YAML, for people: what is not set is left out, and secrets are [redacted]. It is not the native file's form.
func Print(g *Gateway) ([]byte, error) {
	return yaml.Marshal(node(reflect.ValueOf(*g)))
}

// node is v as YAML has it.
func node(v reflect.Value) *yaml.Node {
	text := func(s string) *yaml.Node {
		n := &yaml.Node{}
		n.SetString(s)
		return n
	}
	plain := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }
	switch x := v.Interface().(type) {
	case time.Duration:
		return text(x.String())
	case Secret:
		return text(x.String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		return node(v.Elem())
	case reflect.Struct:
		if set := v.FieldByName("Set"); set.IsValid() && v.FieldByName("V").IsValid() { // an Opt
			return node(v.FieldByName("V"))
		}
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				n.Content = append(n.Content, text(lower(v.Type().Field(i).Name)), node(f))
			}
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, node(v.Index(i)))
		}
		return n
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		values := map[string]reflect.Value{}
		for it := v.MapRange(); it.Next(); {
			values[it.Key().String()] = it.Value()
		}
		for _, k := range slices.Sorted(maps.Keys(values)) {
			n.Content = append(n.Content, text(k), node(values[k]))
		}
		return n
	case reflect.Bool:
		return plain(strconv.FormatBool(v.Bool()))
	case reflect.Float64:
		return plain(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case reflect.String:
		return text(v.String())
	}
	return plain(fmt.Sprint(v.Interface()))
}

// lower is a field's name with its first word in lower case.
func lower(name string) string {
	r := []rune(name)
	for i := range r {
		if !unicode.IsUpper(r[i]) || i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}
