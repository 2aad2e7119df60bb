package openai

import (
	"math"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// thoughts is what a stream has told of the reasoning of one choice by a member that has its text alone.
type thoughts struct {
	choice int
	told   bool
	block  int // the index of what such a member tells next: each block that is signed ends one
}

func (t *texts) thoughtsOf(choice int) thoughts {
	for i := range t.thoughts {
		if t.thoughts[i].choice == choice {
			return t.thoughts[i]
		}
	}
	return thoughts{choice: choice}
}

// think remembers th.
func (t *texts) think(choice int, th thoughts) {
	for i := range t.thoughts {
		if t.thoughts[i].choice == choice {
			t.thoughts[i] = th
			return
		}
	}
	if th.told && len(t.thoughts) < maxTold {
		t.thoughts = append(t.thoughts, th)
	}
}

// reasoning walks the members of a message that have its reasoning. Where details have the text too, theirs counts: they tell
// the blocks apart.
func (t *texts) reasoning(m []byte, choice int) {
	var plain [2][]byte
	var details []byte
	n := 0
	for it := jsonscan.Object(m); it.Next(); {
		switch string(it.Key()) {
		case "reasoning_content", "reasoning":
			if n < len(plain) && isText(it.Value()) {
				plain[n] = it.Value()
				n++
			}
		case "reasoning_details":
			details = it.Value()
		}
	}
	if n == 0 && details == nil {
		return
	}
	th := t.thoughtsOf(choice)
	thought := !th.told && speaks(details)
	for _, v := range plain[:n] {
		t.add(llm.Part{Kind: llm.PartReasoning, Choice: choice, Index: th.block, Repeat: thought}, v)
		th.told = th.told || !thought
		thought = true
	}
	t.details(details, choice, &th)
	t.think(choice, th)
}

// speaks reports whether reasoning_details have a text.
func speaks(details []byte) bool {
	for _, d := range elements(details) {
		if isText(jsonscan.Get(d, "text")) || isText(jsonscan.Get(d, "summary")) {
			return true
		}
	}
	return false
}

// details walks reasoning_details (OpenRouter, "Reasoning tokens"): blocks of reasoning with a text, or a summary of one, a
// signature, or data that only the provider can read. Their text is repeated where a member before had it.
func (t *texts) details(v []byte, choice int, th *thoughts) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	all := jsonscan.Array(v)
	for n := 0; all.Next(); n++ {
		p := llm.Part{Kind: llm.PartReasoning, Choice: choice, Index: n}
		var said []byte
		for d := jsonscan.Object(all.Value()); d.Next(); {
			switch m := d.Value(); string(d.Key()) {
			case "text", "summary":
				if isText(m) {
					said = m
				}
			case "signature":
				p.Signature = jsonscan.String(m)
			case "data":
				p.Data = jsonscan.String(m)
			case "index":
				p.Index = index(m, n)
			}
		}
		if said != nil {
			if th.told {
				p.Index = th.block
			}
			t.add(llm.Part{Kind: llm.PartReasoning, Choice: choice, Index: p.Index, Repeat: th.told}, said)
		}
		if p.Signature != "" || p.Data != "" {
			t.add(p, nil)
			th.block = max(th.block, p.Index+1)
		}
	}
}

// logprobs gives the texts of choice, those of the parts from from on, the log probabilities of their tokens ("The chat
// completion object", choices, logprobs). Tokens without a text have a part of their own.
func (t *texts) logprobs(v []byte, choice, from int) {
	for _, x := range [...]struct {
		key  string
		kind llm.PartKind
	}{{"content", llm.PartText}, {"refusal", llm.PartRefusal}} {
		probs := logprobs(jsonscan.Get(v, x.key))
		if len(probs) == 0 {
			continue
		}
		i := from
		for i < len(t.parts) && (t.parts[i].Kind != x.kind || t.parts[i].Repeat) {
			i++
		}
		if i == len(t.parts) {
			t.add(llm.Part{Kind: x.kind, Choice: choice}, nil)
		}
		t.parts[i].Logprobs = probs
	}
}

// logprobs decodes a list of log probabilities; nil for what is none.
func logprobs(v []byte) []llm.Logprob {
	if jsonscan.KindOf(v) != jsonscan.List || len(v) == len("[]") {
		return nil
	}
	var out []llm.Logprob
	for it := jsonscan.Array(v); it.Next(); {
		var p llm.Logprob
		for m := jsonscan.Object(it.Value()); m.Next(); {
			switch x := m.Value(); string(m.Key()) {
			case "token":
				p.Token = jsonscan.String(x)
			case "logprob":
				if f, ok := jsonscan.Float(x); ok && !math.IsInf(f, 0) {
					p.Logprob = f
				}
			case "bytes":
				p.Bytes = tokenBytes(x)
			case "top_logprobs":
				p.Top = logprobs(x)
			}
		}
		out = append(out, p)
	}
	return out
}

// tokenBytes decodes a list of bytes as numbers.
func tokenBytes(v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.List {
		return nil
	}
	out := []byte{}
	for it := jsonscan.Array(v); it.Next(); {
		n, ok := jsonscan.Int(it.Value())
		if !ok || n < 0 || n > math.MaxUint8 {
			return nil
		}
		out = append(out, byte(n))
	}
	return out
}
