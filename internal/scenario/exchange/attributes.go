package exchange

import (
	"strconv"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

// Attributes is what a GenAI span says about a call, by attribute name: r as parsed, res as folded, and the status of the
// response, which error.type falls back to. It is the dialects' own check, independent of the gateway.
func Attributes(r *llm.Request, res *llm.Result, op llm.Op, provider string, status int) map[string]any {
	a := attrs{}
	a.set(telemetry.GenAIOperationName, string(op))
	a.set(telemetry.GenAIProviderName, provider)
	a.set(telemetry.GenAIRequestModel, r.Model)
	if r.Stream {
		a[telemetry.GenAIRequestStream.String()] = true
	}
	a.request(&r.Params)
	a.response(res)
	errType := ""
	if res.Err != nil {
		errType = res.Err.Type
	}
	failed := res.Err != nil || status >= 400
	if failed && errType == "" {
		errType = strconv.Itoa(status)
	}
	a.set(telemetry.ErrorType, errType)
	if res.Dimensions > 0 {
		a[telemetry.GenAIEmbeddingsDimensionCount.String()] = res.Dimensions
	} else if failed {
		opt(a, telemetry.GenAIEmbeddingsDimensionCount, r.Params.Dimensions)
	}
	return a
}

type attrs map[string]any

// set sets k unless v is empty.
func (a attrs) set(k telemetry.Key, v string) {
	if v != "" {
		a[k.String()] = v
	}
}

func (a attrs) list(k telemetry.Key, v []string) {
	if len(v) > 0 {
		a[k.String()] = v
	}
}

func opt[T any](a attrs, k telemetry.Key, v llm.Opt[T]) {
	if v.Set {
		a[k.String()] = v.V
	}
}

func (a attrs) request(p *llm.Params) {
	opt(a, telemetry.GenAIRequestTemperature, p.Temperature)
	opt(a, telemetry.GenAIRequestTopP, p.TopP)
	opt(a, telemetry.GenAIRequestTopK, p.TopK)
	opt(a, telemetry.GenAIRequestFrequencyPenalty, p.FrequencyPenalty)
	opt(a, telemetry.GenAIRequestPresencePenalty, p.PresencePenalty)
	opt(a, telemetry.GenAIRequestMaxTokens, p.MaxTokens)
	opt(a, telemetry.GenAIRequestSeed, p.Seed)
	opt(a, telemetry.GenAIRequestChoiceCount, p.ChoiceCount)
	a.list(telemetry.GenAIRequestStopSequences, p.Stop)
	a.list(telemetry.GenAIRequestEncodingFormats, p.EncodingFormats)
	a.set(telemetry.GenAIOutputType, p.OutputType)
	a.set(telemetry.GenAIRequestReasoningLevel, p.ReasoningLevel)
	a.set(telemetry.OpenAIRequestServiceTier, p.ServiceTier)
	a.set(telemetry.GenAIConversationID, p.ConversationID)
}

func (a attrs) response(res *llm.Result) {
	a.set(telemetry.GenAIResponseID, res.ID)
	a.set(telemetry.GenAIResponseModel, res.Model)
	a.list(telemetry.GenAIResponseFinishReasons, res.FinishReasons())
	a.set(telemetry.OpenAIResponseServiceTier, res.ServiceTier)
	a.set(telemetry.OpenAIResponseSystemFingerprint, res.Fingerprint)
	opt(a, telemetry.GenAIUsageInputTokens, res.Usage.Input)
	opt(a, telemetry.GenAIUsageOutputTokens, res.Usage.Output)
	opt(a, telemetry.GenAIUsageCacheRead, res.Usage.CacheRead)
	opt(a, telemetry.GenAIUsageCacheCreation, res.Usage.CacheWrite)
	opt(a, telemetry.GenAIUsageReasoning, res.Usage.Reasoning)
}
