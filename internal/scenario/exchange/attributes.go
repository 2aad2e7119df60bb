package exchange

import (
	"strconv"

	"github.com/spanway/spanway/internal/llm"
)

// Attributes is what a GenAI span says about a call, by attribute name: r as parsed, res as folded, and the status of the
// response, which error.type falls back to. It is the dialects' own check, independent of the gateway.
func Attributes(r *llm.Request, res *llm.Result, op llm.Op, provider string, status int) map[string]any {
	a := attrs{}
	a.set("gen_ai.operation.name", string(op))
	a.set("gen_ai.provider.name", provider)
	a.set("gen_ai.request.model", r.Model)
	if r.Stream {
		a["gen_ai.request.stream"] = true
	}
	a.request(&r.Params)
	a.response(res)
	if r.Params.ConversationID == "" {
		a.set("gen_ai.conversation.id", res.Conversation)
	}
	errType := ""
	if res.Err != nil {
		errType = res.Err.Type
	}
	failed := res.Err != nil || status >= 400
	if failed && errType == "" {
		errType = strconv.Itoa(status)
	}
	a.set("error.type", errType)
	if res.Dimensions > 0 {
		a["gen_ai.embeddings.dimension.count"] = res.Dimensions
	} else if failed {
		opt(a, "gen_ai.embeddings.dimension.count", r.Params.Dimensions)
	}
	return a
}

type attrs map[string]any

// set sets k unless v is empty.
func (a attrs) set(k string, v string) {
	if v != "" {
		a[k] = v
	}
}

func (a attrs) list(k string, v []string) {
	if len(v) > 0 {
		a[k] = v
	}
}

func opt[T any](a attrs, k string, v llm.Opt[T]) {
	if v.Set {
		a[k] = v.V
	}
}

func (a attrs) request(p *llm.Params) {
	opt(a, "gen_ai.request.temperature", p.Temperature)
	opt(a, "gen_ai.request.top_p", p.TopP)
	opt(a, "gen_ai.request.top_k", p.TopK)
	opt(a, "gen_ai.request.frequency_penalty", p.FrequencyPenalty)
	opt(a, "gen_ai.request.presence_penalty", p.PresencePenalty)
	opt(a, "gen_ai.request.max_tokens", p.MaxTokens)
	opt(a, "gen_ai.request.seed", p.Seed)
	opt(a, "gen_ai.request.choice.count", p.ChoiceCount)
	a.list("gen_ai.request.stop_sequences", p.Stop)
	a.list("gen_ai.request.encoding_formats", p.EncodingFormats)
	a.set("gen_ai.output.type", p.OutputType)
	a.set("gen_ai.request.reasoning.level", p.ReasoningLevel)
	a.set("openai.request.service_tier", p.ServiceTier)
	a.set("gen_ai.conversation.id", p.ConversationID)
}

func (a attrs) response(res *llm.Result) {
	a.set("gen_ai.response.id", res.ID)
	a.set("gen_ai.response.model", res.Model)
	a.list("gen_ai.response.finish_reasons", res.FinishReasons())
	a.set("openai.response.service_tier", res.ServiceTier)
	a.set("openai.response.system_fingerprint", res.Fingerprint)
	opt(a, "gen_ai.usage.input_tokens", res.Usage.Input)
	opt(a, "gen_ai.usage.output_tokens", res.Usage.Output)
	opt(a, "gen_ai.usage.cache_read.input_tokens", res.Usage.CacheRead)
	opt(a, "gen_ai.usage.cache_creation.input_tokens", res.Usage.CacheWrite)
	opt(a, "gen_ai.usage.reasoning.output_tokens", res.Usage.Reasoning)
}
