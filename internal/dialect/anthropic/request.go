package anthropic

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// ParseRequest implements llm.Inbound. A member of the wrong type counts as absent: the provider is the one to refuse it.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	r := newRequest(api, body)
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		switch string(it.Key()) {
		case "model":
			r.Model, r.ModelAt = jsonscan.String(v), [2]int{}
			if jsonscan.KindOf(v) == jsonscan.Text {
				r.ModelAt = it.At()
			}
		case "stream":
			r.Stream = jsonscan.Bool(v)
		default:
			param(&r.Params, string(it.Key()), v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	if model, streamed := hosted(h.Path); model != "" {
		r.Stream = streamed
		if r.Model == "" {
			r.Model = model
		}
	}
	r.StreamUsage = r.Stream && api == llm.AnthropicMessages
	return r, nil
}

func newRequest(api llm.API, body []byte) *llm.Request {
	if api == llm.AnthropicComplete {
		return llm.NewRequest(api, llm.Anthropic, llm.OpTextCompletion, body, completeCodec{})
	}
	return llm.NewRequest(api, llm.Anthropic, llm.OpChat, body, messagesCodec{})
}

// param reads one parameter of either API. output_format is the beta's name for output_config.format.
func param(p *llm.Params, name string, v []byte) {
	switch name {
	case "max_tokens", "max_tokens_to_sample":
		dialect.SetInt(&p.MaxTokens, v)
	case "temperature":
		dialect.SetFloat(&p.Temperature, v)
	case "top_p":
		dialect.SetFloat(&p.TopP, v)
	case "top_k":
		dialect.SetFloat(&p.TopK, v)
	case "stop_sequences":
		p.Stop = jsonscan.Strings(v)
	case "service_tier":
		if p.ServiceTier = jsonscan.String(v); p.ServiceTier == "auto" {
			p.ServiceTier = ""
		}
	case "output_format":
		if p.OutputType == "" {
			p.OutputType = outputType(v)
		}
	case "output_config":
		p.ReasoningLevel = jsonscan.String(jsonscan.Get(v, "effort"))
		if t := outputType(jsonscan.Get(v, "format")); t != "" {
			p.OutputType = t
		}
	}
}

// outputType is gen_ai.output.type for an output format.
func outputType(format []byte) string {
	switch t := jsonscan.String(jsonscan.Get(format, "type")); t {
	case "json_schema", "json_object", "json":
		return "json"
	case "text":
		return t
	}
	return ""
}
