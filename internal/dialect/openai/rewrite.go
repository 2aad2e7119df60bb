package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound. The log probabilities of a text that has changed spell out what it was: they become null. So does
// the second copy of a delta that Writer sends.
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
	if r.API == llm.OpenAIResponses {
		voidResponse(&w, data)
	}
	for _, c := range elements(choices) {
		w.Void(jsonscan.Get(c, "logprobs"))
		if !jsonscan.IsNull(jsonscan.Get(c, "delta")) {
			w.Void(jsonscan.Get(c, "message")) // Writer's, the same as the delta
		}
	}
	return w.Append(dst)
}

// voidResponse takes the log probabilities out of a Responses object or one of its streaming events.
func voidResponse(w *dialect.Rewrite, data []byte) {
	w.Void(jsonscan.Get(data, "logprobs"))
	w.Void(jsonscan.Get(data, "part", "logprobs"))
	items := append(elements(jsonscan.Get(data, "output")), elements(jsonscan.Get(data, "response", "output"))...)
	for _, item := range append(items, jsonscan.Get(data, "item")) {
		for _, part := range elements(jsonscan.Get(item, "content")) {
			w.Void(jsonscan.Get(part, "logprobs"))
		}
	}
}
