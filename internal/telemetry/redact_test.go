package telemetry

import (
	"strings"
	"testing"
	"time"
)

func TestRedactURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://api.openai.com/v1/chat/completions":          "https://api.openai.com/v1/chat/completions",
		"https://h/v1beta/m:generateContent?key=AIza&alt=sse": "https://h/v1beta/m:generateContent?key=REDACTED&alt=sse",
		"https://user:pw@h/p?x=1":                             "https://REDACTED:REDACTED@h/p?x=1",
		"https://user@h":                                      "https://REDACTED@h",
		"https://h/p@q?KEY=1&Sig=2&signature=3&token=4":       "https://h/p@q?KEY=REDACTED&Sig=REDACTED&signature=REDACTED&token=REDACTED",
		"https://h/?access_token=1&api_key=2&X-Goog-Signature=3&AWSAccessKeyId=4#f?key=5": "https://h/?access_token=REDACTED&" +
			"api_key=REDACTED&X-Goog-Signature=REDACTED&AWSAccessKeyId=REDACTED#f?key=5",
		"https://h/?k%65y=1":   "https://h/?k%65y=REDACTED",
		"https://h/?key":       "https://h/?key",
		"https://h/?key=":      "https://h/?key=REDACTED",
		"https://h/?monkey=1":  "https://h/?monkey=1",
		"https://h/?a=%zz&b=2": "https://h/?a=%zz&b=2",
		"/relative?token=x":    "/relative?token=REDACTED",
		"":                     "",
	} {
		if got := RedactURL(in); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", in, got, want)
		}
	}
}

func TestMaskSecrets(t *testing.T) {
	key := "sk-proj-" + strings.Repeat("aB3_", 10)
	google := "AIza" + strings.Repeat("x", 35)
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
	for in, want := range map[string]string{
		"nothing to hide":                               "nothing to hide",
		"my key is " + key + ".":                        "my key is [REDACTED].",
		key + " " + key:                                 "[REDACTED] [REDACTED]",
		"risk-" + strings.Repeat("a", 30):               "risk-" + strings.Repeat("a", 30),
		"ask-" + strings.Repeat("a", 30):                "ask-" + strings.Repeat("a", 30),
		"sk-short":                                      "sk-short",
		"(" + google + ")":                              "([REDACTED])",
		"AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE": "[REDACTED] and [REDACTED]",
		"Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789": "Authorization: Bearer [REDACTED]",
		"Bearer of bad news":                      "Bearer of bad news",
		"Bearer x-Bearer abcdefghijklmnopqrstuv":  "Bearer x-Bearer [REDACTED]",
		"jwt=" + jwt:                              "jwt=[REDACTED]",
		"eyJust.two.":                             "eyJust.two.",
		"é" + key:                                 "é[REDACTED]",
		"\n" + key + "\n":                         "\n[REDACTED]\n",
		"sk-sk-" + strings.Repeat("k", 20) + " x": "[REDACTED] x",
	} {
		if got := maskSecrets(in); got != want {
			t.Errorf("%q\nbecomes %q\nwant    %q", in, got, want)
		}
	}
}

// Text that begins a credential again and again must not take time that grows with its square.
func TestMaskSecretsIsLinear(t *testing.T) {
	for _, piece := range []string{"eyJ", "eyJ-", "sk-", "sk- ", "Bearer ", "AKIA", "AIza-"} {
		begin := time.Now()
		maskSecrets(strings.Repeat(piece, 1<<20))
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%q a million times: %v", piece, took)
		}
	}
}
