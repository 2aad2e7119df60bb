package telemetry

import (
	"math"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// SetRequest sets what r asked for (semantic conventions, GenAI spans): the operation, the model, the parameters as sent and
// none that was not. A model that is already set stays: it is the name that goes upstream, r's is the client's.
//
// gen_ai.provider.name must be set before, because openai.* attributes belong to some providers only. After a failover to
// another provider SetRequest is called again.
func (s *Span) SetRequest(r *llm.Request) {
	p := &r.Params
	s.String(GenAIOperationName, string(r.Op))
	if s.Get(GenAIRequestModel) == nil {
		s.String(GenAIRequestModel, r.Model)
	}
	if r.Stream {
		s.Bool(GenAIRequestStream, true)
	}
	s.optFloat(GenAIRequestTemperature, p.Temperature)
	s.optFloat(GenAIRequestTopP, p.TopP)
	s.optFloat(GenAIRequestFrequencyPenalty, p.FrequencyPenalty)
	s.optFloat(GenAIRequestPresencePenalty, p.PresencePenalty)
	if k := p.TopK; k.Set && k.V == math.Trunc(k.V) && math.Abs(k.V) < 1<<53 {
		s.Int(GenAIRequestTopK, int64(k.V))
	} else {
		s.optFloat(GenAIRequestTopK, k)
	}
	s.optInt(GenAIRequestMaxTokens, p.MaxTokens)
	s.optInt(GenAIRequestSeed, p.Seed)
	if p.ChoiceCount.V != 1 {
		s.optInt(GenAIRequestChoiceCount, p.ChoiceCount)
	}
	s.optInt(GenAIEmbeddingsDimensionCount, p.Dimensions) // until the result tells the true length
	s.Strings(GenAIRequestStopSequences, p.Stop)
	s.Strings(GenAIRequestEncodingFormats, p.EncodingFormats)
	s.String(GenAIOutputType, p.OutputType)
	s.String(GenAIRequestReasoningLevel, p.ReasoningLevel)
	s.String(GenAIConversationID, p.ConversationID)
	s.String(GenAIRequestPreviousResponseID, p.PreviousResponseID)
	s.setOpenAIRequest(r)
}

func (s *Span) setOpenAIRequest(r *llm.Request) {
	s.Unset(OpenAIAPIType)
	s.Unset(OpenAIRequestServiceTier)
	if !s.ofOpenAI() {
		return
	}
	switch r.API {
	case llm.OpenAIChat:
		s.String(OpenAIAPIType, "chat_completions")
	case llm.OpenAIResponses:
		s.String(OpenAIAPIType, "responses")
	}
	s.String(OpenAIRequestServiceTier, r.Params.ServiceTier)
}

// ofOpenAI reports whether the provider is one that openai.* attributes describe.
func (s *Span) ofOpenAI() bool {
	a := s.Get(GenAIProviderName)
	return a != nil && (a.Str == "openai" || strings.HasPrefix(a.Str, "azure."))
}

// SetResult sets what the provider reported (semantic conventions, GenAI spans). Usage that was not reported stays absent.
// It may be called more than once, later reports standing.
func (s *Span) SetResult(r *llm.Result) {
	s.String(GenAIResponseID, r.ID)
	s.String(GenAIResponseModel, r.Model)
	s.Strings(GenAIResponseFinishReasons, r.FinishReasons())
	s.String(GenAIConversationID, r.Conversation)
	s.optInt(GenAIUsageInputTokens, r.Usage.Input)
	s.optInt(GenAIUsageOutputTokens, r.Usage.Output)
	s.optInt(GenAIUsageCacheRead, r.Usage.CacheRead)
	s.optInt(GenAIUsageCacheCreation, r.Usage.CacheWrite)
	s.optInt(GenAIUsageReasoning, r.Usage.Reasoning)
	if r.Dimensions > 0 {
		s.Int(GenAIEmbeddingsDimensionCount, int64(r.Dimensions))
	}
	if r.Chunks > 0 && s.Get(GenAIRequestStream) != nil {
		s.Int(SpanwayStreamChunks, int64(r.Chunks))
	}
	if r.Truncated {
		s.Bool(SpanwayTruncated, true)
	}
	if s.ofOpenAI() {
		s.String(OpenAIResponseServiceTier, r.ServiceTier)
		s.String(OpenAIResponseSystemFingerprint, r.Fingerprint)
	}
}

func (s *Span) optInt(k Key, v llm.Opt[int64]) {
	if v.Set {
		s.Int(k, v.V)
	}
}

func (s *Span) optFloat(k Key, v llm.Opt[float64]) {
	if v.Set {
		s.Float(k, v.V)
	}
}
