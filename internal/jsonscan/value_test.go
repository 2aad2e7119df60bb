package jsonscan_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/jsonscan"
)

func TestInt(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"-7", -7, true}, {"3.0", 3, true}, {"3e2", 300, true}, {"3.5", 0, false}, {"1e-1", 0, false},
		{"9223372036854775807", 1<<63 - 1, true}, {"-9223372036854775808", -1 << 63, true}, {"9223372036854775808", 0, false},
		{"1e30", 0, false}, {"1e400", 0, false}, {`"1"`, 0, false}, {"null", 0, false}, {"", 0, false},
	} {
		if got, ok := jsonscan.Int([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("Int(%s) = %d, %v, want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestFloatOfOthers(t *testing.T) {
	for _, in := range []string{"", "null", `"1"`, "[1]", "true"} {
		if f, ok := jsonscan.Float([]byte(in)); ok {
			t.Errorf("Float(%s) = %v", in, f)
		}
	}
}

func TestStringOfOthers(t *testing.T) {
	for _, in := range []string{"", "null", "1", "{}", `"`} {
		if s := jsonscan.String([]byte(in)); s != "" {
			t.Errorf("String(%s) = %q", in, s)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{`["a","b\n"]`, []string{"a", "b\n"}}, {`"a"`, []string{"a"}}, {`["a",1,null,["b"]]`, []string{"a"}}, {`[]`, nil}, {`null`, nil}, {``, nil},
	} {
		if diff := cmp.Diff(tt.want, jsonscan.Strings([]byte(tt.in))); diff != "" {
			t.Errorf("Strings(%s) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", `""`}, {"a/b<é>", `"a/b<é>"`}, {"\"\\\n\r\t", `"\"\\\n\r\t"`}, {"\x00\x1f\x7f", `"\u0000\u001f` + "\x7f" + `"`},
		{"a\xffb\xc3", `"a` + "\ufffdb\ufffd" + `"`}, {"\u2028", "\"\u2028\""},
	} {
		if got := string(jsonscan.AppendString([]byte("x"), tt.in)); got != "x"+tt.want {
			t.Errorf("AppendString(%q) = %s, want x%s", tt.in, got, tt.want)
		}
	}
}

// FuzzString checks that what AppendString writes is what encoding/json and String read.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "é\n\"\\\x00", "\xff\xed\xa0\x80x", "0123456789012345678901234567890123456789\"", "😀\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := jsonscan.AppendString(nil, s)
		var want string
		if err := json.Unmarshal(v, &want); err != nil {
			t.Fatalf("AppendString(%q) = %s: %v", s, v, err)
		}
		if valid := string([]rune(s)); want != valid || jsonscan.String(v) != valid {
			t.Fatalf("%q becomes %s, which is %q and %q", s, v, want, jsonscan.String(v))
		}
	})
}
