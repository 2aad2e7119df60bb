package policy_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// dialect is a wire format that both sides speak.
type dialect interface {
	llm.Inbound
	llm.Outbound
}

// Recorded responses of every dialect pass a guard. One that finds nothing leaves every byte as it was. Behind one that
// finds a lot, the response still reads, and says what the recording says with each text masked.
func TestExchanges(t *testing.T) {
	for apis, d := range map[string]dialect{
		"openai.chat openai.completions openai.responses": openai.Dialect{},
		"anthropic.messages anthropic.complete":           anthropic.Dialect{},
		"gemini.generate_content":                         gemini.Dialect{},
		"ollama.chat ollama.generate":                     ollama.Dialect{},
	} {
		for _, x := range exchange.Load(t, strings.Fields(apis)...) {
			if x.Response.Status >= 400 {
				continue
			}
			t.Run(string(x.API)+"/"+x.ID, func(t *testing.T) {
				r := guarded{t: t, dialect: d, x: x}
				for _, size := range []int{97, 1 << 20} {
					if got := r.respond("no such text", size); got != string(x.Response.Body) {
						t.Errorf("nothing is found, and the body is changed to %q", got)
					}
					want, got := r.texts(string(x.Response.Body)), r.texts(r.respond("[aeit]", size))
					letters := regexp.MustCompile("[aeit]")
					for k, text := range want {
						if k.kind != llm.PartToolCall {
							want[k] = letters.ReplaceAllString(text, "<CUSTOM>")
						} else if jsonscan.Validate([]byte(got[k])) == nil {
							delete(want, k)
							delete(got, k)
						}
					}
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(part{})); diff != "" {
						t.Errorf("in reads of %d bytes (-want +got):\n%s", size, diff)
					}
				}
			})
		}
	}
}

// part names a part of a response.
type part struct {
	kind          llm.PartKind
	choice, index int
}

type guarded struct {
	t       *testing.T
	dialect dialect
	x       *exchange.Exchange
}

// respond returns what a client gets from behind a guard for expr when the provider's bytes come in reads of size.
func (g *guarded) respond(expr string, size int) string {
	g.t.Helper()
	p, err := policy.NewRegexGuard(ir.Guard{Response: "mask", Regex: &ir.RegexGuard{Patterns: []ir.Pattern{{Regex: expr}}}})
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := g.dialect.ParseRequest(g.x.API, g.x.Request.Head(), g.x.Request.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	w, err := p.Check(g.t.Context(), &llm.Call{Request: req}, &policy.Report{}, &policy.Report{})
	if err != nil {
		g.t.Fatal(err)
	}
	var out []byte
	emit := func(ev *llm.Event) (err error) {
		if !ev.Edited {
			out = append(out, ev.Raw...)
			return nil
		}
		out, err = g.dialect.Rewrite(out, req, ev)
		return err
	}
	r := g.dialect.NewReader(g.x.API, g.x.Response.Head(), llm.WantParts)
	for chunk := range slices.Chunk(g.x.Response.Body, size) {
		if err := r.Read(chunk, false, func(ev *llm.Event) error { return w.Event(ev, emit) }); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := r.Read(nil, true, func(ev *llm.Event) error { return w.Event(ev, emit) }); err != nil {
		g.t.Fatal(err)
	}
	if err := w.Flush(emit); err != nil {
		g.t.Fatal(err)
	}
	return string(out)
}

// texts returns the texts that a body says, the fragments of each part joined.
func (g *guarded) texts(body string) map[part]string {
	g.t.Helper()
	out := map[part]string{}
	r := g.dialect.NewReader(g.x.API, g.x.Response.Head(), llm.WantParts)
	err := r.Read([]byte(body), true, func(ev *llm.Event) error {
		for _, p := range ev.Parts {
			if !p.Repeat && p.Text != "" {
				out[part{p.Kind, p.Choice, p.Index}] += p.Text
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	maps.DeleteFunc(out, func(k part, _ string) bool { return k.kind > llm.PartToolCall })
	return out
}
