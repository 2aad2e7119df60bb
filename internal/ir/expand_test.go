package ir

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpand(t *testing.T) {
	o := world(t)
	for text, want := range map[string]expansion{
		"":                               {},
		"plain $ and {}":                 {text: "plain $ and {}"},
		"$${OPENAI_API_KEY}":             {text: "${OPENAI_API_KEY}"},
		"a$$${OPENAI_API_KEY}":           {text: "a$${OPENAI_API_KEY}"},
		"${OPENAI_API_KEY}":              {text: "sk-secret", used: true},
		"Bearer ${OPENAI_API_KEY}!":      {text: "Bearer sk-secret!", used: true},
		"${UNSET:-a:-b}${EMPTY:-c}":      {text: "a:-bc"},
		"${UNSET:-$x}":                   {text: "$x"},
		"${EMPTY}":                       {used: true},
		"${file:/run/secrets/anthropic}": {text: "ant-secret", file: "/run/secrets/anthropic", used: true},
		"${file:relative}":               {text: "rel-secret", file: "/etc/spanway/relative", used: true},
		"${file:relative}.":              {text: "rel-secret.", used: true},
		"${file:relative}${UNSET:-x}":    {text: "rel-secretx", used: true},
	} {
		got, errs := o.expand(text)
		if errs != nil {
			t.Errorf("%q: %v", text, errs)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(expansion{})); diff != "" {
			t.Errorf("%q: -want +got:\n%s", text, diff)
		}
	}
}

// TestZeroOptions reads variables and files of the process.
func TestZeroOptions(t *testing.T) {
	t.Setenv("SPANWAY_TEST_KEY", "sk-secret")
	g, err := Load("f", []byte(`{backends: {a: {provider: any, key: "${SPANWAY_TEST_KEY}"}, b: {provider: any, key: "${file:testdata/good/forms.txtar}"}}, routes: [{to: a}]}`), LoadOptions{})
	if g != nil || err == nil {
		t.Fatal("a key of several lines is accepted")
	}
	const want = `f:1:85: backends.b.key: holds a line break or another control character (the value is secret)`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}
