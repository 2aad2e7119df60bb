package doctest

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/demo"
)

// TestGuides follows each document from its top to its end, as a reader would, in a folder of its own: what it shows as
// spanway.yaml is put into that file, gateways are started where it starts them, and calls are made. Addresses are others, so
// that the test runs beside anything, and the real providers are imitated.
func TestGuides(t *testing.T) {
	providers := httptest.NewServer(demo.Handler(demo.Options{}))
	defer providers.Close()
	for name, doc := range guides(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			r := newReader(t, providers.URL)
			for _, b := range doc {
				switch {
				case b.info == "sh":
					r.follow(&b)
				case b.info == "" && strings.Contains(b.text, " trace "):
					r.compare(&b)
				case b.info == "" && strings.HasPrefix(b.text, "{"):
					r.answered(&b)
				case b.info == "yaml" && strings.HasPrefix(b.text, "# spanway.yaml\n"):
					r.save("spanway.yaml", b.text)
				}
			}
		})
	}
}

// follow does what b says, command by command.
func (r *reader) follow(b *block) {
	r.t.Helper()
	for _, command := range commands(b.text) {
		if err := r.run(command); err != nil {
			r.t.Errorf("%s:%d: %s\n%v", b.doc, b.line, command, err)
		}
	}
}

// commands are those of text: a command goes on after a backslash, and to the end of its here-document.
func commands(text string) []string {
	var out []string
	current, end := "", ""
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		current += line + "\n"
		switch {
		case end != "":
			if line != end {
				continue
			}
			end = ""
		case strings.HasSuffix(line, "\\"):
			continue
		default:
			if _, word, ok := strings.Cut(line, "<<'"); ok {
				end, _, _ = strings.Cut(word, "'")
				continue
			}
		}
		if c := strings.TrimSpace(current); c != "" {
			out = append(out, c)
		}
		current = ""
	}
	return out
}

// What differs from run to run in what is printed, and what stands for it.
var volatile = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\.\d{3}\b`), "TIME"},
	{regexp.MustCompile(`trace [0-9a-f]{32}`), "trace ID"},
	{regexp.MustCompile(`[█·]+`), "BAR"},
	{regexp.MustCompile(`\d+(\.\d+)?(µs|ms|s)\b`), "DURATION"},
	{regexp.MustCompile(` +`), " "},
}

func normalize(text string) string {
	for _, v := range volatile {
		text = v.what.ReplaceAllString(text, v.with)
	}
	return text
}

// compare looks for the output b shows in what the gateway printed.
func (r *reader) compare(b *block) {
	r.t.Helper()
	if r.gateway == nil || r.gateway.calls == 0 {
		r.t.Errorf("%s:%d: there is output, and no call of which it could be", b.doc, b.line)
		return
	}
	want := normalize(b.text)
	got := r.gateway.printed(r.t, strings.Count(want, "\n"))
	if diff := cmp.Diff(want, normalize(got)); diff != "" {
		r.t.Errorf("%s:%d: the gateway prints something else\n-document +gateway:\n%s", b.doc, b.line, diff)
	}
	// The columns of the picture stand where the gateway puts them, too.
	if w, g := column(b.text), column(got); w != g {
		r.t.Errorf("%s:%d: the time line begins in column %d, the gateway's in %d", b.doc, b.line, w, g)
	}
}

// answered checks that the call before b was answered as b shows, with "…" for what is left out.
func (r *reader) answered(b *block) {
	r.t.Helper()
	rest := r.answer
	for i, part := range strings.Split(strings.TrimSpace(b.text), "…") {
		at := strings.Index(rest, part)
		if at < 0 || i == 0 && at > 0 {
			r.t.Errorf("%s:%d: the answer is another: %s", b.doc, b.line, r.answer)
			return
		}
		rest = rest[at+len(part):]
	}
	if rest != "" {
		r.t.Errorf("%s:%d: the answer goes on: %s", b.doc, b.line, rest)
	}
}

// column is where the first time line of text begins.
func column(text string) int {
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.IndexAny(line, "█·"); i >= 0 {
			return i
		}
	}
	return -1
}

// TestSchemaCommand checks that the schema beside the documents is the one that the program prints.
func TestSchemaCommand(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(root, "docs", "config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := at(root, programs.spanway, "schema").Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/config.schema.json is not what \"spanway schema\" prints: %s", diff)
	}
}

// TestHelpIsDocumented checks that the guide names every command and flag that help lists, and no flag that it does not.
func TestHelpIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "getting-started.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"--help": true}
	flag := regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`)
	collect := func(args ...string) string {
		out, err := at(root, programs.spanway, append(args, "--help")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range flag.FindAllSubmatch(out, -1) {
			listed[string(m[1])] = true
		}
		return string(out)
	}
	_, section, _ := strings.Cut(collect(), "Available Commands:\n")
	section, _, _ = strings.Cut(section, "\n\n")
	for line := range strings.SplitSeq(section, "\n") {
		name := strings.Fields(line)[0]
		if !regexp.MustCompile("`spanway " + name + "[` ]").Match(text) {
			t.Errorf("docs/getting-started.md does not name the command %s", name)
		}
		if name != "help" && name != "completion" { // those are the command library's own
			collect(name)
		}
	}
	if len(listed) < 5 {
		t.Errorf("help lists the flags %v", listed)
	}
	for name := range listed {
		if !strings.Contains(string(text), name) {
			t.Errorf("docs/getting-started.md does not name the flag %s", name)
		}
	}
	for _, m := range regexp.MustCompile("`(?:-\\w, )?(--[a-z-]+)").FindAllStringSubmatch(string(text), -1) {
		if !listed[m[1]] {
			t.Errorf("docs/getting-started.md names the flag %s, which help does not", m[1])
		}
	}
}
