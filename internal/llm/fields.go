package llm

import (
	"slices"
	"strings"
)

// set lists the fields that r and c set, each once.
func (r *Request) set(c *Conversation) []Field {
	var s fieldSet
	s.params(&r.Params)
	s.options(c)
	s.when(r.Params.OutputType == "json" && c.OutputSchema == nil, FieldOutput)
	s.tools(c.Tools)
	if r.Op == OpEmbeddings {
		return s // what is embedded is in Inputs, which no builder leaves a part out of
	}
	s.parts(c.System, RoleSystem)
	for i := range c.Messages {
		m := &c.Messages[i]
		s.when(m.Name != "" && m.Role != RoleTool, FieldName)
		s.parts(m.Parts, m.Role)
	}
	return s
}

type fieldSet []Field

func (s *fieldSet) when(set bool, f Field) {
	if set && !slices.Contains(*s, f) {
		*s = append(*s, f)
	}
}

func (s *fieldSet) params(p *Params) {
	s.when(p.Temperature.Set, FieldTemperature)
	s.when(p.TopP.Set, FieldTopP)
	s.when(p.TopK.Set, FieldTopK)
	s.when(p.FrequencyPenalty.V != 0, FieldFrequency)
	s.when(p.PresencePenalty.V != 0, FieldPresence)
	s.when(p.MaxTokens.Set, FieldMaxTokens)
	s.when(p.Seed.Set, FieldSeed)
	s.when(len(p.Stop) > 0, FieldStop)
	s.when(p.ChoiceCount.V > 1, FieldChoices)
	s.when(p.OutputType != "" && p.OutputType != "json" && p.OutputType != "text", FieldModalities)
	s.when(p.ReasoningLevel != "", FieldEffort)
	s.when(p.ServiceTier != "" && p.ServiceTier != "default", FieldServiceTier)
	s.when(p.ConversationID != "", FieldConversation)
	s.when(p.PreviousResponseID != "", FieldPrevious)
	s.when(p.Dimensions.Set, FieldDimensions)
	s.when(slices.ContainsFunc(p.EncodingFormats, func(f string) bool { return f != "float" && f != "base64" }), FieldEncoding)
}

func (s *fieldSet) options(c *Conversation) {
	s.when(c.OutputSchema != nil, FieldSchema)
	s.when(c.User != "", FieldUser)
	s.when(c.Thinking != "", FieldThinking)
	s.when(c.ThinkingBudget.Set, FieldThinkingBudget)
	s.when(c.ShowThinking.Set, FieldShowThinking)
	s.when(c.Logprobs, FieldLogprobs)
	s.when(c.TopLogprobs.V > 0, FieldTopLogprobs)
	s.when(c.InputType != "", FieldInputType)
	none := c.ToolChoice == "none"
	s.when(c.ParallelToolCalls.Set && !c.ParallelToolCalls.V && !none && len(c.Tools) > 0, FieldParallel)
	s.when(c.ToolChoice != "" && c.ToolChoice != "auto" && (!none || c.HasFunction()), FieldToolChoice)
}

func (s *fieldSet) tools(tools []Tool) {
	for i := range tools {
		t := &tools[i]
		s.when(t.Raw == nil, FieldTools)
		s.when(t.Raw != nil, FieldServerTools)
		s.when(t.Strict.V, FieldStrict)
		s.when(t.Cache != "", FieldCache)
	}
}

func (s *fieldSet) parts(parts []Part, role Role) {
	for i := range parts {
		p := &parts[i]
		s.when(p.Cache != "", FieldCache)
		s.when(p.IsError, FieldToolResultError)
		if role == RoleTool && p.Kind != PartToolResult {
			s.when(true, FieldToolResultMedia)
			continue
		}
		switch p.Kind {
		case PartText, PartRefusal, PartToolCall, PartToolResult:
		case PartReasoning:
			s.when(p.Text != "", FieldReasoning)
			s.when(p.Signature != "" || p.Data != "", FieldSignature)
		case PartBlob, PartURI:
			s.when(true, p.MediaField())
		case PartFile:
			s.when(true, FieldFile)
		default:
			s.when(true, FieldContent)
		}
		s.when(p.Detail != "" && p.Detail != "auto", FieldImageDetail)
	}
}

// MediaField is the field of p, a blob or a link, by its media type. Without one it is an image: so Ollama and some URLs have it.
func (p *Part) MediaField() Field {
	image := p.MIME == "" || strings.HasPrefix(p.MIME, "image/")
	switch {
	case strings.HasPrefix(p.MIME, "audio/"):
		return FieldAudio
	case strings.HasPrefix(p.MIME, "video/"):
		return FieldContent
	case p.Kind == PartURI && image:
		return FieldImageURL
	case p.Kind == PartURI:
		return FieldDocumentURL
	case image:
		return FieldImage
	}
	return FieldDocument
}
