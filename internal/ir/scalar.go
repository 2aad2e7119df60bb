package ir

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// anyValue is a value of whatever kind, as JSON.
type anyValue string

// size is a number of bytes, written "10MiB", "64KiB", "5MB" or "1048576".
type size int64

// units are the units of a size; those with i are powers of 1024.
var units = [...]struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}, {"", 1},
}

// parseSize reads a size.
func parseSize(s string) (size, bool) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			return 0, false
		}
		return size(n * u.bytes), true
	}
	return 0, false
}

// isScalar reports whether a value of type t is written as one plain value.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return t == reflect.TypeFor[Credential]()
}

// isSecret reports whether values of type t must not be shown.
func isSecret(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[Credential]()
}

// set parses text into v, a scalar but no secret, and reports whether r allows it.
func set(v reflect.Value, text string, r *rule) bool {
	ok := true
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
		return r.enum == nil || slices.Contains(r.enum, text)
	case *bool:
		*p = text == "true"
		return *p || text == "false"
	case *int:
		n, err := strconv.Atoi(text)
		*p, ok = n, err == nil
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		*p, ok = n, err == nil && !math.IsNaN(n)
	case *time.Duration:
		n, err := time.ParseDuration(text)
		*p, ok = n, err == nil && n >= 0
	case *size:
		*p, ok = parseSize(text)
	}
	return ok && within(v, r)
}

// within reports whether v, a number, is within the bounds of r.
func within(v reflect.Value, r *rule) bool {
	bound := func(text string) reflect.Value {
		b := reflect.New(v.Type()).Elem()
		set(b, text, &rule{})
		return b
	}
	return (r.min == "" || compare(v, bound(r.min)) >= 0) && (r.max == "" || compare(v, bound(r.max)) <= 0)
}

// compare orders two numbers of one type.
func compare(a, b reflect.Value) int {
	if a.CanFloat() {
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(a.Int(), b.Int())
}

// allowed says what a value of type t may be under r.
func (r *rule) allowed(t reflect.Type) string {
	what := phrase(t)
	switch {
	case r.enum != nil && isScalar(t):
		return strings.Join(r.enum, ", ")
	case r.min != "" && r.max != "":
		return fmt.Sprintf("%s, from %s to %s", what, r.min, r.max)
	case r.max != "":
		return fmt.Sprintf("%s, at most %s", what, r.max)
	}
	return what
}

// phrase says in a sentence what a value of type t is.
func phrase(t reflect.Type) string {
	switch kind := kindOf(t); {
	case t == reflect.TypeFor[anyValue]():
		return "a value of any kind"
	case t == reflect.TypeFor[time.Duration]():
		return `a duration such as "30s", "1m40s" or "500ms"`
	case t == reflect.TypeFor[size]():
		return `a size such as "10MiB", "64KiB" or "1048576"`
	case isSecret(t):
		return `a plain value such as "${VAR}" or "${file:PATH}"`
	case t.Kind() == reflect.Slice:
		return "a list, each item " + phrase(t.Elem())
	case t.Kind() == reflect.Map:
		return "a mapping of names, each with " + phrase(t.Elem())
	case t.Kind() == reflect.Struct:
		rs := rulesOf(t)
		what := "a mapping of " + strings.Join(rs.names(), ", ")
		if short := rs.short(); short != nil {
			return short.allowed(t.Field(short.index).Type) + ", or " + what
		}
		return what
	case t.Kind() == reflect.Int || t.Kind() == reflect.Float64:
		return "a " + kind
	default:
		return kind
	}
}

// kindOf names the type of a setting as the documentation does.
func kindOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[anyValue]():
		return "any value"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[size]():
		return "size"
	case reflect.TypeFor[Secret](), reflect.TypeFor[Credential]():
		return "secret"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Slice:
		return "list of " + kindOf(t.Elem())
	case reflect.Map:
		return "names to " + kindOf(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	}
	return "text"
}
