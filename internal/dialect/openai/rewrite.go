package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	data := dialect.Payload(ev.Raw)
	var t texts
	switch api := r.API; {
	case jsonscan.Validate(data) != nil: // no event of it has parts
	case api == llm.OpenAIResponses:
		t.response(data)
	case api == llm.OpenAIChat || api == llm.OpenAICompletions:
		t.completion(jsonscan.Get(data, "choices"), api)
	}
	w := dialect.Rewrite{Raw: ev.Raw, Data: data, Parts: ev.Parts}
	for i := range t.parts {
		w.Part(&t.parts[i], t.vals[i])
	}
	return w.Append(dst)
}
