package policy_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/dialect/writer"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
)

// The word that the files in testdata/texts have wherever a text of a person or a model can stand, and the mark after it where
// none does: definitions of tools, ids, URLs, data.
const (
	word   = "hunter2"
	stays  = "hunter2!"
	masked = "<word>"
)

// sample is a file of testdata/texts: the path of an API, a request, and what is answered. In the answers "|" cuts the word into
// pieces that different frames have, and what stands between ⟦ and ⟧ tells of the text beside it.
type sample struct {
	name    string
	api     llm.API
	dialect dialect
	head    *llm.Head
	parts   map[string]string
}

// samples reads the files of testdata/texts, each named after an API, and after a model where that has many bodies.
func samples(t *testing.T) []sample {
	t.Helper()
	files, err := filepath.Glob("testdata/texts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	dialects := map[string]dialect{
		"openai": openai.Dialect{}, "anthropic": anthropic.Dialect{}, "gemini": gemini.Dialect{}, "ollama": ollama.Dialect{}, "bedrock": bedrock.Dialect{},
		"cohere": cohere.Dialect{}, "mistral": mistral.Dialect{}, "writer": writer.Dialect{},
	}
	var out []sample
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := sample{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), parts: map[string]string{}}
		path, query, _ := strings.Cut(strings.TrimSpace(string(a.Comment)), "?")
		s.head = &llm.Head{Method: http.MethodPost, Path: path, Query: query, Header: http.Header{}}
		name, _, _ := strings.Cut(s.name, ".")
		s.dialect = dialects[name]
		var ok bool
		if s.api, ok = s.dialect.Accepts(http.MethodPost, path); !ok {
			t.Fatalf("%s: nobody knows %s", file, path)
		}
		for _, f := range a.Files {
			s.parts[f.Name] = string(f.Data)
		}
		out = append(out, s)
	}
	return out
}

// parse reads body as a request of s.
func (s *sample) parse(t *testing.T, body string) *llm.Request {
	t.Helper()
	r, err := s.dialect.ParseRequest(s.api, s.head, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// guardWord is a guard that looks for the word.
func guardWord(t *testing.T, action string) policy.Policy {
	t.Helper()
	g, err := policy.NewRegexGuard(ir.Guard{
		Name: "word", Request: action, Response: action, Regex: &ir.RegexGuard{Patterns: []ir.Pattern{{Name: "word", Regex: word}}},
		Reject: ir.Rejection{Status: 403, Message: "not here"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// without is s with every text masked.
func without(s string) string {
	s = strings.ReplaceAll(s, stays, "\x00")
	return strings.ReplaceAll(strings.ReplaceAll(s, word, masked), "\x00", stays)
}

// Of a request of each API every text is masked, and nothing else is touched; each text alone is reason to refuse it.
func TestRequestTexts(t *testing.T) {
	mask, reject := guardWord(t, "mask"), guardWord(t, "reject")
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			body := s.parts["request"]
			r := s.parse(t, body)
			var rep policy.Report
			if _, err := mask.Check(t.Context(), &llm.Call{Request: r}, &rep, new(policy.Report)); err != nil || rep.Result != "masked" {
				t.Fatal(rep.Result, err)
			}
			if err := jsonscan.Validate([]byte(strings.TrimSpace(string(r.Raw)))); err != nil {
				t.Error(err)
			}
			differ(t, without(body), string(r.Raw))
			again := s.parse(t, string(r.Raw))
			if again.Model != s.parse(t, body).Model {
				t.Errorf("model %q", again.Model)
			}
			if _, err := again.Conversation(); err != nil {
				t.Error(err)
			}
			s.eachWord(func(alone string) {
				_, err := reject.Check(t.Context(), &llm.Call{Request: s.parse(t, alone)}, new(policy.Report), new(policy.Report))
				if e := new(llm.Error); !errors.As(err, &e) || e.Type != policy.Rejected || e.Status != 403 {
					at := strings.Index(alone, word)
					t.Errorf("not refused (%v): …%s…", err, alone[max(0, at-60):min(len(alone), at+60)])
				}
			})
		})
	}
}

// eachWord calls do with the request as it is when only one of its texts has the word, for each.
func (s *sample) eachWord(do func(body string)) {
	body := strings.ReplaceAll(s.parts["request"], stays, "nothing")
	for from := 0; ; {
		i := strings.Index(body[from:], word)
		if i < 0 {
			return
		}
		from += i + len(word)
		do(strings.ReplaceAll(body[:from-len(word)], word, "nothing") + word + strings.ReplaceAll(body[from:], word, "nothing"))
	}
}

// differ reports where got is not what is wanted, line by line.
func differ(t *testing.T, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for len(a) > len(b) {
		b = append(b, "")
	}
	for i, is := range b {
		was := ""
		if i < len(a) {
			was = a[i]
		}
		at := 0
		for at < len(is) && at < len(was) && is[at] == was[at] {
			at++
		}
		if is != was {
			from := max(0, at-80)
			t.Errorf("line %d, from byte %d on:\n%.160q, want\n%.160q", i+1, from, is[from:], was[from:])
		}
	}
}
