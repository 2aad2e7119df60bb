package matrix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// told is what an answer says in neutral terms: of each choice ("text 0"), and of the whole.
type told struct {
	facets facets
	ids    []string // of the calls, in order
}

// fold collects events.
type fold struct {
	told
	calls []llm.Part
}

func (f *fold) add(ev *llm.Event) {
	first := func(k, s string) {
		if s != "" && f.facets[k] == nil {
			f.facets[k] = s
		}
	}
	first("id", ev.ID)
	first("model", ev.Model)
	for _, c := range ev.Choices {
		if c.Finish != "" {
			f.facets[of("finish", c.Index)] = finishes[llm.FinishOf(c.Finish)]
		}
		first(of("stop", c.Index), c.Stop)
	}
	if u := ev.Usage; u != nil {
		for k, n := range map[string]llm.Opt[int64]{"input": u.Input, "output": u.Output, "cache_read": u.CacheRead, "cache_write": u.CacheWrite, "reasoning": u.Reasoning} {
			if delete(f.facets, "usage."+k); n.V > 0 {
				f.facets["usage."+k] = float64(n.V)
			}
		}
	}
	if ev.Err != nil {
		first("error", ev.Err.Message)
	}
	for i := range ev.Parts {
		if p := &ev.Parts[i]; !p.Repeat {
			f.part(p)
		}
	}
}

// finishes are the words for why a choice ended.
var finishes = map[llm.Finish]string{
	llm.FinishStop: "stop", llm.FinishLength: "length", llm.FinishTools: "tools", llm.FinishFilter: "filter", llm.FinishOther: "other",
}

func of(what string, choice int) string { return fmt.Sprint(what, " ", choice) }

func (f *fold) part(p *llm.Part) {
	text := func(what string) {
		if s, _ := f.facets[of(what, p.Choice)].(string); s+p.Text != "" {
			f.facets[of(what, p.Choice)] = s + p.Text
		}
	}
	list := func(what, s string) {
		if s != "" {
			f.facets.add(llm.Field(of(what, p.Choice)), s)
		}
	}
	switch p.Kind {
	case llm.PartText:
		text("text")
	case llm.PartRefusal:
		text("refusal")
	case llm.PartReasoning:
		text("reasoning")
		list("signature", p.Signature)
		list("encrypted", p.Data)
	case llm.PartToolCall:
		f.call(p)
	default:
		list("other", fmt.Sprint(p.Kind, " ", p.Name))
	}
	for _, l := range p.Logprobs {
		s := fmt.Sprintf("%s %v [", l.Token, l.Logprob)
		for i, t := range l.Top {
			s += fmt.Sprintf("%s%s %v", strings.Repeat(" ", min(i, 1)), t.Token, t.Logprob)
		}
		list("logprobs", s+"]")
	}
}

func (f *fold) call(p *llm.Part) {
	for i := range f.calls {
		if q := &f.calls[i]; q.Choice == p.Choice && q.Index == p.Index {
			q.Text += p.Text
			q.ID, q.Name = cmp.Or(q.ID, p.ID), cmp.Or(q.Name, p.Name)
			return
		}
	}
	f.calls = append(f.calls, *p)
}

// result is what all events said. A model that calls a tool ends for that, whatever its provider says.
func (f *fold) result(t testing.TB) told {
	t.Helper()
	for i := range f.calls {
		p := &f.calls[i]
		f.facets.add(llm.Field(of("calls", p.Choice)), p.Name+" "+canonical(cmp.Or(p.Text, "{}")))
		f.ids = append(f.ids, p.ID)
		if k := of("finish", p.Choice); f.facets[k] == "stop" {
			f.facets[k] = "tools"
		}
	}
	b, err := json.Marshal(f.facets)
	if err != nil {
		t.Fatal(err)
	}
	out := told{facets: facets{}, ids: f.ids}
	if err := json.Unmarshal(b, &out.facets); err != nil {
		t.Fatal(err)
	}
	return out
}

// losses are the names by which a writer may tell that a facet has no place.
var losses = map[string][]string{
	"reasoning": {"reasoning"}, "signature": {"reasoning.signature", "reasoning"}, "encrypted": {"reasoning.encrypted", "reasoning"},
	"refusal": {"refusal"}, "finish": {"finish_reason"}, "logprobs": {"logprobs", "top_logprobs"}, "stop": {"stop_sequence"},
	"usage.cache_read": {"usage.cache_read"}, "usage.cache_write": {"usage.cache_write"}, "usage.reasoning": {"usage.reasoning"},
}

// without are what some APIs have no place for in any answer, so that nobody misses it: the notes would be on every span.
var without = map[llm.API][]string{
	llm.OllamaChat:      {"id"},
	llm.BedrockConverse: {"id", "model"},
	llm.CohereChat:      {"model"},
}

// lacks compares what a provider told with what c's client was told, and says what differs and nobody noted as lost.
func (a *told) lacks(c *dialect, got *told, dropped []string) []string {
	lost := func(k string) bool {
		what, choice, _ := strings.Cut(k, " ")
		return slices.Contains(without[c.api], k) || choice != "" && choice != "0" && slices.Contains(dropped, "response.choices") ||
			slices.ContainsFunc(losses[what], func(name string) bool { return slices.Contains(dropped, "response."+name) })
	}
	// Without a place for a refusal it is told as text, which ends for that reason or is noted.
	refusal := a.facets["refusal 0"] != nil && a.facets["refusal 0"] == got.facets["text 0"] &&
		(got.facets["finish 0"] == "filter" || slices.Contains(dropped, "response.refusal"))
	instead := func(k, what string) bool { return refusal && strings.HasPrefix(k, what) }
	var out []string
	for k, want := range a.facets {
		got, ok := got.facets[k]
		switch {
		case lost(k), instead(k, "refusal"):
		case a.facets["error"] != nil && (strings.HasPrefix(k, "usage.") || !ok && want == "other"): // a stream that breaks off counts nothing
		case !ok:
			out = append(out, fmt.Sprintf("%s is lost in silence: %v", k, want))
		case canonicalOf(want) != canonicalOf(got) && !instead(k, "finish"):
			out = append(out, fmt.Sprintf("%s is %v, the client is told %v", k, want, got))
		}
	}
	for k, v := range got.facets {
		made := k == "id" || k == "model" || a.facets["error"] != nil && v == "other" // how an answer with an error ends
		if _, ok := a.facets[k]; !ok && !made && !instead(k, "text") {
			out = append(out, fmt.Sprintf("%s is made up: %v", k, v))
		}
	}
	for i, id := range a.ids {
		if i < len(got.ids) && id != "" && got.ids[i] != "" && got.ids[i] != id {
			out = append(out, fmt.Sprintf("call %d has the id %q, the client is told %q", i, id, got.ids[i]))
		}
	}
	slices.Sort(out)
	return out
}

// given is t without the ids that a writer made up, because asked has none.
func (a *told) given(asked *told) told {
	out := told{facets: maps.Clone(a.facets), ids: slices.Clone(a.ids)}
	if asked.facets["id"] == nil {
		delete(out.facets, "id")
	}
	for i := range out.ids {
		if i >= len(asked.ids) || asked.ids[i] == "" {
			out.ids[i] = ""
		}
	}
	return out
}

func canonicalOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
