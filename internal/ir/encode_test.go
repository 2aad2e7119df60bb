package ir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filler gives every field of a value something of its own.
type filler struct {
	t      testing.TB
	n      int
	inside map[reflect.Type]int // how deep
	empty  bool                 // slices and maps are there and have nothing in them, pointers lead to zero values
}

const hidden = "sk-hidden-"

func (f *filler) fill(v reflect.Value) {
	f.n++
	if v.Kind() == reflect.Struct {
		if f.inside[v.Type()] == 2 { // a type that contains itself
			return
		}
		f.inside[v.Type()]++
		defer func() { f.inside[v.Type()]-- }()
	}
	switch v.Kind() {
	case reflect.String:
		switch {
		case f.empty:
		case v.Type() == reflect.TypeFor[Secret]():
			v.SetString(fmt.Sprintf("%s%d\xff", hidden, f.n))
		default:
			v.SetString(fmt.Sprintf("text %d <é\x00>", f.n))
		}
	case reflect.Bool:
		v.SetBool(!f.empty)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n) << 33)
	case reflect.Uint32:
		v.SetUint(uint64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) / 3)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		if f.empty {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			if f.empty {
				return
			}
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	default:
		f.t.Fatalf("a field is a %s: Encode does not know it", v.Type())
	}
}

func filled(t testing.TB, empty bool) *Gateway {
	g := &Gateway{}
	(&filler{t: t, inside: map[reflect.Type]int{}, empty: empty}).fill(reflect.ValueOf(g).Elem())
	return g
}

// TestEncode: every field arrives as it left, nothing and empty are told apart, equal configurations are equal bytes, and secrets
// are in their own list alone.
func TestEncode(t *testing.T) {
	for name, g := range map[string]*Gateway{"zero": {}, "filled": filled(t, false), "empty": filled(t, true)} {
		data, err := Encode(g)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(g, got) {
			t.Errorf("%s: %s", name, cmp.Diff(g, got))
		}
		for range 5 {
			if again, err := Encode(got); err != nil || !bytes.Equal(data, again) {
				t.Fatalf("%s: other bytes the second time: %v", name, err)
			}
		}
		var e encoded
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(e.Gateway, []byte(hidden)) {
			t.Errorf("%s: a secret is among what is not", name)
		}
		if name == "filled" && len(e.Secrets) < 10 {
			t.Errorf("only %d secrets", len(e.Secrets))
		}
	}
}

// TestEncodeOnlyReads: a configuration that is in use can be encoded.
func TestEncodeOnlyReads(t *testing.T) {
	g := filled(t, false)
	done := make(chan error, 2)
	for range cap(done) {
		go func() {
			_, err := Encode(g)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if d := cmp.Diff(filled(t, false), g); d != "" {
		t.Error(d)
	}
}

// TestDecodeNewer: what a later version says beside is left out, its secrets too.
func TestDecodeNewer(t *testing.T) {
	data := `{"format":1,"more":[1],"gateway":{"Admin":"a","Later":{"Token":"[redacted]"},"Backends":[{"Name":"b","Key":{"Value":"[redacted]","Later":true}}]},
		"secrets":{"Backends.0.Key.Value":"aw==","Later.Token":"eA=="}}`
	g, err := Decode([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	want := &Gateway{Admin: "a", Backends: []Backend{{Name: "b", Key: Credential{Value: "k"}}}}
	if d := cmp.Diff(want, g); d != "" || g.Backends[0].Key.Value != "k" {
		t.Error(d)
	}
}

// TestDecodeRefuses: what cannot be read is refused, and no secret is told.
func TestDecodeRefuses(t *testing.T) {
	const most = 1 << 20
	good, err := Encode(filled(t, false))
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string][]byte{
		"damaged":        good[:len(good)-20],
		"has format 2":   []byte(`{"format":2}`),
		"is missing":     []byte(`{"format":1,"gateway":{"Backends":[{"Key":{"Value":"[redacted]"}}]}}`),
		"cannot unmarsh": []byte(`{"format":1,"gateway":{"Backends":"sk"}}`),
		"more than":      append(good, bytes.Repeat([]byte{' '}, most)...),
	} {
		g, err := decode(data, most)
		if err == nil || g != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c2staGlkZGVu") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, g := range map[string]*Gateway{
		"Routes.0.Match.Prefix: the text is not UTF-8":       {Routes: []Route{{Match: Match{Prefix: "\xff"}}}},
		"Telemetry.Traces.0.Headers: the text is not UTF-8":  {Telemetry: Telemetry{Traces: []OTLP{{Headers: map[string]Secret{"\xff": hidden}}}}},
		"unsupported value: NaN":                             {Prices: []Price{{Input: nan()}}},
		fmt.Sprintf("it has more than %d bytes", most):       {Admin: strings.Repeat("a", most+1)},
		"Backends.1.Headers.cookie: the text is not UTF-8":   {Backends: []Backend{{Key: Credential{Value: hidden}}, {Headers: map[string]string{"cookie": "\xff"}}}},
		"Routes.0.Policies.0.Defaults.0.Value: the text is ": {Routes: []Route{{Policies: []Policy{{Defaults: []FieldDefault{{Value: "\xff"}}}}}}},
	} {
		if _, err := encode(g, most); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), hidden) {
			t.Errorf("%.200v, want %s", err, want)
		}
	}
}

func nan() float64 {
	var zero float64
	return zero / zero
}

func FuzzDecode(f *testing.F) {
	for _, empty := range []bool{false, true} {
		data, err := Encode(filled(f, empty))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(g)
		if err != nil {
			return // a place of a secret cannot be told from another by a field's odd key
		}
		if _, err := Decode(again); err != nil {
			t.Errorf("%q: %v", again, err)
		}
	})
}
