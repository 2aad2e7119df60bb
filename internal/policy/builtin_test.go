package policy

import (
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
)

func guard(t testing.TB, g ir.Guard) *RegexGuard {
	t.Helper()
	if g.Reject.Status == 0 {
		g.Reject = ir.Rejection{Status: 403, Message: "no"}
	}
	p, err := NewRegexGuard(g)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*RegexGuard)
}

func builtins(names ...string) *ir.RegexGuard { return &ir.RegexGuard{Builtins: names} }

func patterns(exprs ...string) *ir.RegexGuard {
	r := &ir.RegexGuard{}
	for _, e := range exprs {
		r.Patterns = append(r.Patterns, ir.Pattern{Regex: e})
	}
	return r
}

// masked is text after the whole-text search.
func masked(g *RegexGuard, text string) string {
	return string(g.mask(nil, []byte(text), g.find(nil, []byte(text), 0)))
}

func TestBuiltins(t *testing.T) {
	for _, tt := range []struct{ builtin, in, want string }{
		{"SSN", "My SSN is 536-22-8123.", "My SSN is <US_SSN>."},
		{"SSN", "536 22 8123, 536.22.8123 and 536228123", "<US_SSN>, <US_SSN> and <US_SSN>"},
		{"SSN", "536\u201122\u20118123 (536-22-8123)", "<US_SSN> (<US_SSN>)"},
		{"SSN", "536-22 8123", ""},
		{"SSN", "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000", ""},
		{"SSN", "123-45-6789 078-05-1120 219-09-9999 111-11-1111", ""},
		{"SSN", "1536228123 5362281234 a536228123 536228123b 0.536228123 536228123.5", ""},
		{"SSN", "1 536-22-8123 9", "1 <US_SSN> 9"},
		{"SSN", "5-536-22-8123", ""},

		{"CREDIT_CARD", "4111 1111 1111 1111", "<CREDIT_CARD>"},
		{"CREDIT_CARD", "4111-1111-1111-1111, 4111111111111111.", "<CREDIT_CARD>, <CREDIT_CARD>."},
		{"CREDIT_CARD", "4111.1111.1111.1111 4111\u00a01111\u202f1111\u20071111", "<CREDIT_CARD> <CREDIT_CARD>"},
		{"CREDIT_CARD", "3782 822463 10005 and 378282246310005", "<CREDIT_CARD> and <CREDIT_CARD>"},
		{"CREDIT_CARD", "3056 930902 5904; 6011-1111-1111-1117; 5555555555554444; 2223003122003222", "<CREDIT_CARD>; <CREDIT_CARD>; <CREDIT_CARD>; <CREDIT_CARD>"},
		{"CREDIT_CARD", "4222222222222 (13 digits), 6304000000000000000 (19)", "<CREDIT_CARD> (13 digits), <CREDIT_CARD> (19)"},
		{"CREDIT_CARD", "1234 4111 1111 1111 1111", "1234 <CREDIT_CARD>"},
		{"CREDIT_CARD", "5678 4111 1111 1111 1111 123", "5678 <CREDIT_CARD> 123"},
		{"CREDIT_CARD", "12 4111-1111-1111-1111-123", "12 <CREDIT_CARD>-123"},
		{"CREDIT_CARD", "(4111 1111 1111 1111) (4111111111111111) **4111111111111111**", "(<CREDIT_CARD>) (<CREDIT_CARD>) **<CREDIT_CARD>**"},
		{"CREDIT_CARD", "电话4111111111111111。", "电话<CREDIT_CARD>。"},
		{"CREDIT_CARD", "4111 1111 1111 1112 and 4111-1111 1111-1111", ""},
		{"CREDIT_CARD", "a4111111111111111 4111111111111111b 14111111111111111111111", ""},
		{"CREDIT_CARD", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20", ""},
		{"CREDIT_CARD", "4444444444444444444 1700000000000 0000000000000000", ""},

		{"PHONE_NUMBER", "(202) 555-0147 (202)555-0147 202-555-0147 202.555.0147 202 555 0147", "<PHONE_NUMBER> <PHONE_NUMBER> <PHONE_NUMBER> <PHONE_NUMBER> <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "1-202-555-0147, +1 202 555 0147, +12025550147, +1 (202) 555-0147, 2025550147", "<PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "+44 20 7946 0958 or +44 (0)20 7946 0958 or 020 7946 0958 or 07700 900123 or 07700900123", "<PHONE_NUMBER> or <PHONE_NUMBER> or <PHONE_NUMBER> or <PHONE_NUMBER> or <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "+49 30 901820, 030 901820, 0171/1234567, 0049 171 1234567", "<PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "+972-50-123-4567, 050-123-4567, 03-123-4567", "<PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "+91 98765 43210, 98765 43210, 9876543210", "<PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "+55 11 98765-4321, (11) 98765-4321, 11 98765-4321, (11) 3456-7890", "<PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>"},
		{"PHONE_NUMBER", "+33 1 23 45 67 89.", "<PHONE_NUMBER>."},
		{"PHONE_NUMBER", "(call 202-555-0147) (2025550147)", "(call <PHONE_NUMBER>) (<PHONE_NUMBER>)"},
		{"PHONE_NUMBER", "2024-01-15 10:30:45, 15.01.2024 10:30, 01/15/2024 12345, 2024-01-15 12345", ""},
		{"PHONE_NUMBER", "192.168.100.200 10.0.0.1 1700000000 12 345 678 1.234.567,89 0.1234567890", ""},
		{"PHONE_NUMBER", "555-0147, 123-456-7890 (no such area), v2025550147, 2025550147x", ""},
		{"PHONE_NUMBER", "4111 1111 1111 1111", ""},

		{"EMAIL", "Write to john.doe+x@mail.example.com.", "Write to <EMAIL_ADDRESS>."},
		{"EMAIL", "<a@b.co>, mailto:a_b%c@x-y.org?x", "<<EMAIL_ADDRESS>>, mailto:<EMAIL_ADDRESS>?x"},
		{"EMAIL", "联系john@example.com谢谢", "联系<EMAIL_ADDRESS>谢谢"},
		{"EMAIL", "a@b.com.123 and a@b.com-based and a@b.com_x", "<EMAIL_ADDRESS>.123 and <EMAIL_ADDRESS>-based and <EMAIL_ADDRESS>_x"},
		{"EMAIL", "...a@b.com a@b.c.de", "...<EMAIL_ADDRESS> <EMAIL_ADDRESS>"},
		{"EMAIL", "a@b@c.com", "a@<EMAIL_ADDRESS>"},
		{"EMAIL", "@handle a@b a@.com @b.com a.@b.com a@b.c a@1.2 @@ a@", ""},
	} {
		want := tt.want
		if want == "" {
			want = tt.in
		}
		if got := masked(guard(t, ir.Guard{Regex: builtins(tt.builtin)}), tt.in); got != want {
			t.Errorf("%s\n in   %s\n got  %s\n want %s", tt.builtin, tt.in, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name     string
		regex    *ir.RegexGuard
		in, want string
	}{
		{"custom", patterns("secret"), "a secret, SECRET", "a <CUSTOM>, SECRET"},
		{"flags", patterns("(?i)secret"), "a secret, SECRET", "a <CUSTOM>, <CUSTOM>"},
		{"named", &ir.RegexGuard{Patterns: []ir.Pattern{{Name: "KEY", Regex: `sk-\w+`}}}, "sk-a1 sk-b2", "<KEY> <KEY>"},
		{"empty matches", patterns("x*"), "axxb", "a<CUSTOM>b"},
		{"overlapping", patterns("abc", "cde", "fg"), "abcde abc.cde fg", "<CUSTOM> <CUSTOM>.<CUSTOM> <CUSTOM>"},
		{"the first names the union", &ir.RegexGuard{Builtins: []string{"EMAIL"}, Patterns: []ir.Pattern{{Name: "MY", Regex: "my a@b"}}},
			"my a@b.com", "<MY>"},
		{"the longer names equal starts", &ir.RegexGuard{Builtins: []string{"EMAIL"}, Patterns: []ir.Pattern{{Name: "A", Regex: "a@"}}},
			"a@b.com", "<EMAIL_ADDRESS>"},
		{"all builtins", builtins("SSN", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL"),
			"536-22-8123 4111 1111 1111 1111 202-555-0147 a@b.com", "<US_SSN> <CREDIT_CARD> <PHONE_NUMBER> <EMAIL_ADDRESS>"},
		{"anchors", patterns("^a", "z$"), "a az z\na z", "<CUSTOM> az z\na <CUSTOM>"},
	} {
		if got := masked(guard(t, ir.Guard{Regex: tt.regex}), tt.in); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestReach(t *testing.T) {
	for _, tt := range []struct {
		expr string
		want int
	}{
		{"secret", 0}, {`sk-\w+`, 0}, {`\d{3}-\d+`, 0}, {"a b", 3*4 + 4}, {`a\sb`, 3*4 + 4}, {"(?:ab|c d)?", 3*4 + 4}, {"a.{2}b", 4*4 + 4},
		{"a.*b", maxReach}, {`a\s+b`, maxReach}, {`[^,]`, 4 + 4}, {"秘密", 2*4 + 4}, {"(x y){40}", maxReach}, {`(x y){2,}`, maxReach},
		{`^foo\b$`, 0}, {"é", 0},
	} {
		d, err := newPattern("", tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		if d.reach != tt.want {
			t.Errorf("reach of %s is %d, want %d", tt.expr, d.reach, tt.want)
		}
	}
}

func TestRequired(t *testing.T) {
	for expr, want := range map[string]string{
		"secret": "secret", "(?i)SeCret": "secret", `sk-\w+`: "sk-", "(ab)+c": "ab", "(?:abc){2,3}d": "abc", "(abc){0,3}de": "de", "a*": "", "a|b": "",
		"é": "", "[ab]c": "c", ".*": "", "^x$": "x", "(abc)?": "",
	} {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := required(tree); got != want {
			t.Errorf("required(%s) = %q, want %q", expr, got, want)
		}
	}
}

// A text that an expression matches must contain the word that is looked for first.
func TestRequiredFindsAll(t *testing.T) {
	for _, tt := range []struct{ expr, text string }{
		{"(?i)secret", "a SECRET"}, {"(?i)secret", "a \u017fecret"}, {"(?i)key", "\u212aey"}, {"(?i)a_b", "A_B"}, {"a-b", "a-b"}, {"x", "x"}, {"(?i)[k]ey", "\u212aEY"},
	} {
		if got := masked(guard(t, ir.Guard{Regex: patterns(tt.expr)}), tt.text); !strings.Contains(got, "<CUSTOM>") {
			t.Errorf("%s does not find %q", tt.expr, tt.text)
		}
	}
}

func TestBorder(t *testing.T) {
	for _, tt := range []struct {
		text string
		from int
		want int
	}{
		{"ab cd ef", 0, 3}, {"ab cd ef", 3, 3}, {"ab cd ef", 4, 6}, {"abc", 0, -1}, {"", 0, -1}, {"a\nb", 1, 2}, {"é ", 1, 3},
		{"日本", 0, 3}, {"日本", 3, 3}, {"日本", 4, 6}, {"日本", 6, 6}, {"a日", 4, 4}, {"日"[:2], 0, -1}, {"日本"[:5], 4, -1}, {"ab", 9, -1},
	} {
		if got := border([]byte(tt.text), tt.from); got != tt.want {
			t.Errorf("border(%q, %d) = %d, want %d", tt.text, tt.from, got, tt.want)
		}
	}
}

func TestNewRegexGuardFails(t *testing.T) {
	for _, tt := range []struct {
		g    ir.Guard
		want string
	}{
		{ir.Guard{Name: "g"}, "guard g: no builtins and no patterns"},
		{ir.Guard{Name: "g", Regex: &ir.RegexGuard{}}, "guard g: no builtins and no patterns"},
		{ir.Guard{Name: "g", Regex: builtins("IBAN")}, `guard g: unknown builtin "IBAN"`},
		{ir.Guard{Name: "g", Regex: &ir.RegexGuard{Patterns: []ir.Pattern{{Name: "X", Regex: "("}}}}, "guard g: pattern X: "},
		{ir.Guard{Name: "g", Regex: builtins("SSN"), Request: "MASK"}, `guard g: unknown action "MASK"`},
		{ir.Guard{Name: "g", Regex: builtins("SSN"), Response: "reject"}, "guard g: status 0 of a rejection"},
		{ir.Guard{Name: "g", Regex: builtins("SSN"), Request: "reject", Reject: ir.Rejection{Status: 600}}, "guard g: status 600 of a rejection"},
	} {
		if _, err := NewRegexGuard(tt.g); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v, want %s…", err, tt.want)
		}
	}
}

// FuzzBuiltins checks that matches lie within the text, in order and apart, whatever the text.
func FuzzBuiltins(f *testing.F) {
	for _, s := range []string{"+1 (202) 555-0147", "4111 1111 1111 1111", "536-22-8123", "a@b.com", "+(1)-(2", "((((1)1)1", "@@a@.b@c.d@"} {
		f.Add(s, 0)
	}
	g := guard(f, ir.Guard{Regex: builtins("SSN", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL")})
	f.Fuzz(func(t *testing.T, text string, from int) {
		if from < 0 || from > len(text) {
			return
		}
		last := from
		for _, m := range g.find(nil, []byte(text), from) {
			if m.start < last || m.end <= m.start || m.end > len(text) {
				t.Fatalf("%q from %d: a match from %d to %d after %d", text, from, m.start, m.end, last)
			}
			last = m.end
			if g.rules[m.rule].name != "EMAIL" && m.end-m.start > numberReach-8 && len(text) < 2*numberReach {
				t.Fatalf("%q: a number of %d bytes is beyond the reach", text, m.end-m.start)
			}
		}
	})
}
