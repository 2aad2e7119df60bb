package ir

import (
	"strings"
	"testing"
)

// TestCheckFormat has one format for each way to go wrong; internal/translate's golden listener_logs_operators shows all operators to
// Envoy itself.
func TestCheckFormat(t *testing.T) {
	for format, want := range map[string]string{
		"":                                    "",
		"plain":                               "",
		"%% %PROTOCOL%%%":                     "",
		"[%START_TIME(%Y-%m-%dT%H:%M:%S%z)%]": "",
		"%REQ(X-A?:PATH):10%%RESP(b)%":        "",
		"%CEL(size(request.path) > 1)%":       "",
		"%NOPE%":                              "there is no command operator %NOPE%",
		"50% more":                            "begins no command operator",
		"%":                                   "begins no command operator",
		"%req(a)%":                            "begins no command operator",
		"%PROTOCOL:5%":                        "%PROTOCOL% has no arguments and no length",
		"%PROTOCOL(x)%":                       "%PROTOCOL% has no arguments and no length",
		"%REQ%":                               "needs the name of a header",
		"%REQ(a?b?c)%":                        "needs the name of a header",
		"%TRAILER(a b)%":                      "needs the name of a header",
		"%ENVIRONMENT%":                       "%ENVIRONMENT(…)% needs arguments",
		"%CEL(nosuch(1))%":                    "there is no function nosuch",
		"ok %DURATION% and %CEL(1 +)%":        "column 4",
	} {
		err := CheckFormat(format)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", format, err, want)
		}
	}
}

func TestCheckExpression(t *testing.T) {
	for text, want := range map[string]string{
		"response.code >= 400 && request.url_path.startsWith('/v1')": "",
		"'a' in request.headers && -1 < size([1, 2]) % 2":            "",
		"response.code >=":     "column",
		"":                     "column",
		"severity(1) == 'x'":   "there is no function severity",
		"a.b.frobnicate() < 1": "there is no function frobnicate",
	} {
		err := CheckExpression(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestCheckRegex(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"/(foo|bar|baz|qux){20}[a-z]{50}":       "",
		`/\p{L}{20}`:                            "",
		"(?=a)":                                 "invalid or unsupported Perl syntax",
		"a(":                                    "missing closing",
		`\p{L}{900}`:                            "too large",
		strings.Repeat("(abcdefghij){500}", 10): "too large",
	} {
		err := CheckRegex(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
