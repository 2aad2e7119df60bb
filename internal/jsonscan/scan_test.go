package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/jsonscan"
)

// texts are valid and invalid JSON alike: encoding/json says which.
var texts = []string{
	``, ` `, `null`, `true`, `false`, ` true `, `nul`, `truex`, `tru`, `falze`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5`, `-1.5e+10`,
	`1e`, `1e+`, `1E5`, `1e5.5`, `+1`, `--1`, `0x10`, `12 13`, `NaN`, `Infinity`, `""`, `"`, `"a`, `"a\`, `"\"`, `"\\"`, `"\u12"`, `"\u12`,
	`"\u12fG"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\x"`, `"\b\f\n\r\t\/\"\\"`, "\"\x00\"", "\"\x1f\"",
	"\"\x7f\"", "\"1234567\x1f\"", "\"12345678\n\"", "\"\xff\xfe\"", "\"é\"", "\"1234567é890123456é\"", `"12345678901234567890123456789012345678901234567890"`,
	`"1234567890123456789012345678901234567890\"1234567890"`, `[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[1`, `[`, `]`, `[]]`, `[[],[[]]]`,
	`{}`, `{ }`, `{"a"}`, `{"a":}`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{a:1}`, `{"a":1,"a":2}`, `{1:2}`, `{"a":{"b":[{"c":null}]}}`,
	"\t{\n\"a\" :\r1 , \"b\" : [ 1 , \"x\" , { } ] }\n", "\v1", "\u00a01", `{"a":1}x`, `{"":""}`, `{"é":"\n"}`, `[1e400]`, `123456789012345678901234567890`,
	`{"model":"gpt-4o","messages":[{"role":"user","content":"say \"hi\"\nplease 😀"}],"stream":true,"n":1.0}`,
}

func TestValidateAgrees(t *testing.T) {
	for _, s := range texts {
		agree(t, []byte(s))
	}
}

func FuzzValidate(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, data) })
}

// agree checks everything about data against encoding/json.
func agree(t *testing.T, data []byte) {
	t.Helper()
	err := jsonscan.Validate(data)
	if valid := json.Valid(data); valid != (err == nil) && !tooDeep(err) {
		t.Fatalf("Validate(%q) = %v, encoding/json says valid is %v", data, err, valid)
	}
	var syntax *jsonscan.SyntaxError
	if errors.As(err, &syntax) && (syntax.Offset < 0 || syntax.Offset > len(data)) {
		t.Fatalf("%q: the error is at byte %d", data, syntax.Offset)
	}
	if it := jsonscan.Object(data); kind(data) != jsonscan.Dict {
		for it.Next() {
			t.Fatalf("%q is not an object and has the member %q", data, it.Key())
		}
		if it.Err() == nil {
			t.Fatalf("%q is not an object and has no error", data)
		}
	}
	if err == nil {
		compare(t, bytes.TrimSpace(data))
	}
	walk(t, data, err, jsonscan.Object(data), jsonscan.Dict)
	walk(t, data, err, jsonscan.Array(data), jsonscan.List)
}

func tooDeep(err error) bool { return err != nil && strings.Contains(err.Error(), "nested too deeply") }

func kind(data []byte) jsonscan.Kind { return jsonscan.KindOf(bytes.TrimLeft(data, " \t\r\n")) }

// walk checks that a walk finds the same fault as Validate, and where values stand.
func walk(t *testing.T, data []byte, err error, it jsonscan.Iter, want jsonscan.Kind) {
	t.Helper()
	for it.Next() {
		at := it.At()
		if got := data[at[0]:at[1]]; !bytes.Equal(got, it.Value()) || jsonscan.At(data, it.Value()) != at {
			t.Fatalf("%q: value %q is said to be at %v", data, it.Value(), at)
		}
		if jsonscan.Validate(it.Value()) != nil && !tooDeep(err) {
			t.Fatalf("%q: value %q is invalid", data, it.Value())
		}
	}
	if it.Next() {
		t.Fatalf("%q: Next goes on after the end", data)
	}
	if kind(data) == want && !cmp.Equal(message(it.Err()), message(err)) {
		t.Fatalf("%q: the walk ends with %v, Validate with %v", data, it.Err(), err)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// compare checks the value v, which is valid, against what encoding/json decodes.
func compare(t *testing.T, v []byte) {
	t.Helper()
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		var want string
		unmarshal(t, v, &want)
		// encoding/json replaces bytes that are not UTF-8, which is no business of a scanner.
		if got := jsonscan.String(v); string([]rune(got)) != want {
			t.Fatalf("String(%s) = %q, want %q", v, got, want)
		}
		if again := jsonscan.AppendString(nil, want); jsonscan.String(again) != want || !json.Valid(again) {
			t.Fatalf("AppendString(%q) = %s", want, again)
		}
	case jsonscan.Number:
		var want float64
		err := json.Unmarshal(v, &want)
		if got, ok := jsonscan.Float(v); ok != (err == nil) || ok && got != want {
			t.Fatalf("Float(%s) = %v, %v, want %v, %v", v, got, ok, want, err)
		}
	case jsonscan.List:
		var want []json.RawMessage
		unmarshal(t, v, &want)
		i := 0
		for it := jsonscan.Array(v); it.Next(); i++ {
			if i >= len(want) || !bytes.Equal(it.Value(), want[i]) {
				t.Fatalf("element %d of %s is %s", i, v, it.Value())
			}
			compare(t, it.Value())
		}
		if i != len(want) {
			t.Fatalf("%s has %d elements, want %d", v, i, len(want))
		}
	case jsonscan.Dict:
		compareObject(t, v)
	case jsonscan.Invalid:
		t.Fatalf("%s is invalid", v)
	default:
		if got, want := jsonscan.Bool(v), string(v) == "true"; got != want || jsonscan.IsNull(v) != (string(v) == "null") {
			t.Fatalf("%s: Bool is %v", v, got)
		}
	}
}

func compareObject(t *testing.T, v []byte) {
	t.Helper()
	var want map[string]json.RawMessage
	unmarshal(t, v, &want)
	got := map[string]json.RawMessage{}
	for it := jsonscan.Object(v); it.Next(); {
		name := string([]rune(string(it.Key())))
		got[name] = it.Value()
		compare(t, it.Value())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", v, diff)
	}
}

func unmarshal(t *testing.T, v []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(v, into); err != nil {
		t.Fatalf("%s: %v", v, err)
	}
}

// Every place of a special byte within the words and blocks that strings are scanned by.
func TestStringEnds(t *testing.T) {
	for n := range 100 {
		for _, fill := range []string{"a", "\xff", "\x80", "\xa2", "\xdc", "\x9f", "!", "#", "[", "]", "\x7f"} {
			text := strings.Repeat(fill, n)
			for _, tail := range []string{`"`, `\""`, `\\"`, "\"\x00\x01\"\"", `\u0041"`} {
				in := `"` + text + tail + strings.Repeat("\"", 9)
				it := jsonscan.Array([]byte("[" + in))
				it.Next()
				want := 1 + 1 + n + strings.Index(tail+" ", `"`) + 1
				if tail == `\""` {
					want++
				}
				if at := it.At(); at != [2]int{1, want} {
					t.Fatalf("a string of %d × %q and %q is at %v, want its end at %d", n, fill, tail, at, want)
				}
			}
			if err := jsonscan.Validate([]byte(`"` + text + "\x1f" + text + `"`)); err == nil {
				t.Fatalf("a control character after %d × %q is valid", n, fill)
			}
			if err := jsonscan.Validate([]byte(`"` + text)); err == nil {
				t.Fatalf("an open string of %d × %q is valid", n, fill)
			}
		}
	}
}

func TestDepth(t *testing.T) {
	nest := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := jsonscan.Validate(nest(jsonscan.MaxDepth)); err != nil {
		t.Errorf("%d levels: %v", jsonscan.MaxDepth, err)
	}
	if err := jsonscan.Validate(nest(jsonscan.MaxDepth + 1)); !tooDeep(err) {
		t.Errorf("%d levels: %v", jsonscan.MaxDepth+1, err)
	}
	it := jsonscan.Array(nest(jsonscan.MaxDepth + 1))
	if it.Next() || !tooDeep(it.Err()) {
		t.Errorf("walking %d levels: %v", jsonscan.MaxDepth+1, it.Err())
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{``, "unexpected end at byte 0"},
		{`{"a":1`, "unexpected end at byte 6"},
		{`{"a" 1}`, "expected a colon at byte 5"},
		{`{"a":1 "b"}`, "expected a comma at byte 7"},
		{`{"a":[1 2]}`, "expected a comma at byte 8"},
		{`{"a":1,}`, "expected a member name at byte 7"},
		{`{"a":[{1}]}`, "expected a member name at byte 7"},
		{`{"a":[{"b"}]}`, "expected a colon at byte 10"},
		{`{"a":x}`, "expected a value at byte 5"},
		{`{"a":trux}`, "expected a value at byte 5"},
		{`{"a":1.x}`, "invalid number at byte 7"},
		{`{"a":"\x"}`, "invalid escape at byte 7"},
		{"{\"a\":\"\n\"}", "control character in a string at byte 6"},
		{`{} {}`, "unexpected data after the value at byte 3"},
		{`[]`, "expected an object at byte 0"},
	} {
		it := jsonscan.Object([]byte(tt.in))
		for it.Next() {
		}
		if got := message(it.Err()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.in, got, tt.want)
		}
	}
	it := jsonscan.Array([]byte(`{}`))
	if got, want := it.Next(), "expected an array at byte 0"; got || message(it.Err()) != want {
		t.Errorf("an object as an array: %v, want %q", it.Err(), want)
	}
}

func TestGet(t *testing.T) {
	data := []byte(`{"a":{"b":1,"b":{"c":"x"}},"d":[{"e":1}]}`)
	for _, tt := range []struct {
		path []string
		want string
	}{
		{nil, string(data)}, {[]string{"a", "b", "c"}, `"x"`}, {[]string{"a", "b"}, `{"c":"x"}`}, {[]string{"a", "x"}, ""},
		{[]string{"d", "e"}, ""}, {[]string{"x", "y"}, ""},
	} {
		if got := string(jsonscan.Get(data, tt.path...)); got != tt.want {
			t.Errorf("Get(%q) = %s, want %s", tt.path, got, tt.want)
		}
	}
}

func TestEscapedName(t *testing.T) {
	if got := string(jsonscan.Get([]byte(`{"\u0061\\b":1}`), `a\b`)); got != "1" {
		t.Errorf("got %q", got)
	}
}

func TestEnd(t *testing.T) {
	tests := []struct {
		data string
		i    int
		want int // -1: an error
	}{
		{`{"a":"b}"},`, 0, 10},
		{`{"a":"b}"},`, 5, 9},
		{`x"" y`, 1, 3},
		{`{"a":`, 0, -1},
		{``, 0, -1},
	}
	for _, tt := range tests {
		got, err := jsonscan.End([]byte(tt.data), tt.i)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("End(%q, %d) = %d, %v, want %d", tt.data, tt.i, got, err, tt.want)
		}
	}
}
