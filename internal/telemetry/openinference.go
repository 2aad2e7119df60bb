package telemetry

import (
	"math"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// The values of openinference.span.kind (OpenInference, Semantic Conventions, Span Kinds) that describe a call. Attempts
// have none: they are plain HTTP.
const (
	kindChain     = "CHAIN" // the beginning of a request
	kindGuardrail = "GUARDRAIL"
	kindEmbedding = "EMBEDDING"
	kindLLM       = "LLM"
)

// openInference adds OpenInference's attributes to spans, save those that its environment variables hide (OpenInference, Trace
// Configuration). It does not change.
type openInference struct {
	hideParameters, hideTools bool
	input, output             visibility
}

// visibility is what of one side of a call is hidden.
type visibility struct {
	value, messages, text, images bool
}

func newOpenInference(e environment) *openInference {
	hide := func(what string) bool { return e.flag("OPENINFERENCE_HIDE_" + what) }
	inputs := hide("INPUTS")
	o := &openInference{
		hideParameters: hide("LLM_INVOCATION_PARAMETERS"),
		hideTools:      inputs,
		input: visibility{messages: hide("INPUT_MESSAGES") || inputs, text: hide("INPUT_TEXT"),
			images: hide("INPUT_IMAGES")},
		output: visibility{messages: hide("OUTPUT_MESSAGES") || hide("OUTPUTS"), text: hide("OUTPUT_TEXT")},
	}
	for _, v := range []*visibility{&o.input, &o.output} {
		// The value is made of the messages: what is hidden there must not be read here.
		v.value = v.messages || v.text || v.images
	}
	return o
}

// describe adds to s, which is finished, what follows from its attributes: the kind, and for the logical operation the
// model, the parameters and the usage.
func (o *openInference) describe(s *Span) {
	switch op := s.Get(GenAIOperationName); {
	case op != nil && op.Str == string(llm.OpEmbeddings):
		s.String(OpenInferenceSpanKind, kindEmbedding)
		s.String(EmbeddingModelName, s.model())
		o.setParameters(s, EmbeddingInvocationParameters)
		s.setTokenCounts()
	case op != nil:
		s.String(OpenInferenceSpanKind, kindLLM)
		s.String(LLMModelName, s.model())
		if p := s.Get(GenAIProviderName); p != nil {
			provider, system := openInferenceNames(p.Str)
			s.String(LLMProvider, provider)
			s.String(LLMSystem, system)
		}
		o.setParameters(s, LLMInvocationParameters)
		s.setTokenCounts()
	case s.Kind == KindServer:
		s.String(OpenInferenceSpanKind, kindChain)
	case s.Get(SpanwayGuardrailName) != nil:
		s.String(OpenInferenceSpanKind, kindGuardrail)
	}
}

// model is the model that answered, else the one that was asked.
func (s *Span) model() string {
	for _, k := range [...]Key{GenAIResponseModel, GenAIRequestModel} {
		if a := s.Get(k); a != nil {
			return a.Str
		}
	}
	return ""
}

// openInferenceNames are the well-known values of llm.provider, who hosts, and llm.system, whose product it is, for a
// gen_ai.provider.name; one without is its own (OpenInference, Semantic Conventions, llm.system and llm.provider).
func openInferenceNames(name string) (provider, system string) {
	switch name {
	case "azure.ai.openai":
		return "azure", "openai"
	case "azure.ai.inference":
		return "azure", name
	case "aws.bedrock":
		return "aws", "amazon"
	case "gcp.gemini", "gcp.vertex_ai":
		return "google", "vertexai"
	case "mistral_ai":
		return "mistralai", "mistralai"
	case "x_ai":
		return "xai", "xai"
	case "moonshot_ai":
		return "moonshot", "moonshot"
	}
	return name, name
}

// setParameters sets k to the parameters of the request, those that gen_ai.request tells, as a JSON object of their names
// there with underscores for dots.
func (o *openInference) setParameters(s *Span, k Key) {
	if o.hideParameters {
		return
	}
	b := []byte{'{'}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		name, ok := strings.CutPrefix(names[a.Key], "gen_ai.request.")
		if !ok || a.Type == TypeFloat && (math.IsNaN(a.Float()) || math.IsInf(a.Float(), 0)) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, strings.ReplaceAll(name, ".", "_"))
		b = appendJSON(append(b, ':'), a)
	}
	s.String(k, string(append(b, '}')))
}

// appendJSON appends the value of a, a finite one.
func appendJSON(b []byte, a *Attr) []byte {
	switch a.Type {
	case TypeInt:
		return strconv.AppendInt(b, a.Int(), 10)
	case TypeFloat:
		return strconv.AppendFloat(b, a.Float(), 'g', -1, 64)
	case TypeBool:
		return strconv.AppendBool(b, a.Bool())
	case TypeStrings:
		b = append(b, '[')
		for i, s := range a.Strs {
			if i > 0 {
				b = append(b, ',')
			}
			b = jsonscan.AppendString(b, s)
		}
		return append(b, ']')
	}
	return jsonscan.AppendString(b, a.Str)
}

// setTokenCounts repeats the usage. The total is that of what was reported.
func (s *Span) setTokenCounts() {
	total, reported := int64(0), false
	for _, c := range [...]struct {
		from, to Key
		counts   bool // in the total, of which the others are parts
	}{
		{GenAIUsageInputTokens, LLMTokenCountPrompt, true},
		{GenAIUsageOutputTokens, LLMTokenCountCompletion, true},
		{GenAIUsageCacheRead, LLMTokenCountCacheRead, false},
		{GenAIUsageCacheCreation, LLMTokenCountCacheWrite, false},
		{GenAIUsageReasoning, LLMTokenCountReasoning, false},
	} {
		a := s.Get(c.from)
		if a == nil {
			continue
		}
		n := a.Int()
		s.Int(c.to, n)
		if c.counts {
			total, reported = total+n, true
		}
	}
	if reported {
		s.Int(LLMTokenCountTotal, total)
	}
}
