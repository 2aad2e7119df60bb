package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound. The log probabilities of a text that has changed spell out what it was: they become null.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	data := dialect.Payload(ev)
	var t texts
	var choices []byte
	switch api := r.API; {
	case jsonscan.Validate(data) != nil: // no event of it has parts
	case api == llm.OpenAIResponses:
		t.response(data)
	case api == llm.OpenAIChat || api == llm.OpenAICompletions:
		choices = jsonscan.Get(data, "choices")
		t.completion(choices, api)
	}
	w := dialect.Rewrite{Raw: ev.Raw, Data: data, Parts: ev.Parts}
	for i := range t.parts {
		w.Part(&t.parts[i], t.vals[i])
	}
	if jsonscan.KindOf(choices) == jsonscan.List {
		for it := jsonscan.Array(choices); it.Next(); {
			if jsonscan.KindOf(it.Value()) == jsonscan.Dict {
				w.Void(jsonscan.Get(it.Value(), "logprobs"))
			}
		}
	}
	return w.Append(dst)
}
