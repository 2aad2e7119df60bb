package matrix

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/translation.md anew")

// TestTable holds docs/translation.md to what becomes of each feature.
func TestTable(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "translation.md")
	got := page(t)
	if *update && !t.Failed() {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Error("docs/translation.md is not what the tests found: go test ./internal/matrix -update writes it")
	}
}

const preamble = `# Translation

What of a request reaches a provider that speaks another API than the client, and what of its answer reaches the client.
The tests of internal/matrix find out and write this page (` + "`go test ./internal/matrix -update`" + `): each feature is translated, and
what was built is read back and compared with what was asked for.

| | |
|---|---|
| ✓ | carried: the other side is told the same |
| ✗ | refused: 400, with the field's name in the client's own words |
| ~ | carried in part: what is left out is listed in ` + "`spanway.translation.dropped`" + ` on the span |
| = | not translated: the provider speaks the client's dialect and gets the client's bytes |
| – | the client's API, or the provider's, cannot say it |

A refusal names the field in ` + "`param`" + `, or where the client's dialect has its errors' details. A route with ` + "`lossy: allow`" + ` refuses
nothing: what has no place is left out, the rest is carried, and ` + "`spanway.translation.dropped`" + ` lists what was left out in the
client's words.

` + "```yaml" + `
backends:
  claude: {provider: anthropic}
routes:
  - {name: any, match: {path: /}, to: claude, lossy: allow}
` + "```" + `

Of answers nothing is refused. What the client's API has no place for is left out and listed after ` + "`response.`" + `.
`

// page is what docs/translation.md is to hold.
func page(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(preamble)
	for i := range dialects {
		c := &dialects[i]
		fmt.Fprintf(&b, "\n## %s clients\n", c.title)
		table(&b, "Requests", "field", section(t, "requests"), func(f *feature, to *dialect) outcome { return f.requested(t, c, to) })
		table(&b, "Answers", "lost", section(t, "answers"), func(f *feature, from *dialect) outcome { return f.answered(t, c, from) })
	}
	b.WriteString(embeddingsPage(t))
	return b.String()
}

// table writes what becomes of each feature, one row each, without those that no provider is told.
func table(b *strings.Builder, title, names string, features []feature, cell func(*feature, *dialect) outcome) {
	fmt.Fprintf(b, "\n%s\n\n| | %s |", title, names)
	rule := "|---|---|"
	providers := backends()
	for _, d := range providers {
		fmt.Fprintf(b, " %s |", d.provider)
		rule += ":-:|"
	}
	fmt.Fprintf(b, "\n%s\n", rule)
	for i := range features {
		var cells, fields []string
		said := false
		for _, d := range providers {
			o := cell(&features[i], d)
			said = said || o.mark != unsaid && o.mark != verbatim
			cells = append(cells, o.mark.String())
			for _, name := range o.names {
				if s := "`" + name + "`"; !slices.Contains(fields, s) {
					fields = append(fields, s)
				}
			}
		}
		if said {
			fmt.Fprintf(b, "| %s | %s | %s |\n", features[i].title, strings.Join(fields, ", "), strings.Join(cells, " | "))
		}
	}
}

// requested is what becomes of f on its way from c's client to b's provider.
func (f *feature) requested(t testing.TB, c, b *dialect) outcome {
	t.Helper()
	body := request(t, c, f)
	switch {
	case body == nil:
		return outcome{}
	case native(c, b):
		return outcome{mark: verbatim}
	}
	return translated(t, c, b, body)
}

// answered is what becomes of f on its way from b's provider to c's client: the worst of whole and streamed.
func (f *feature) answered(t testing.TB, c, b *dialect) outcome {
	t.Helper()
	var out outcome
	for _, a := range answers(t, b, f) {
		if native(c, b) {
			return outcome{mark: verbatim}
		}
		o := answered(t, c, b, &a)
		out.mark = max(out.mark, o.mark)
		for _, name := range o.names {
			if !slices.Contains(out.names, name) {
				out.names = append(out.names, name)
			}
		}
	}
	return out
}

// String implements fmt.Stringer.
func (m mark) String() string {
	return [...]string{unsaid: "–", verbatim: "=", carried: "✓", refused: "✗", lossy: "~"}[m]
}
