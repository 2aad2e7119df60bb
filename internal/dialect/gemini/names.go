package gemini

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// names are those of Google's API reference (GenerateContentRequest).
var names = dialect.Names{
	llm.FieldMessages:       "contents",
	llm.FieldSystem:         "systemInstruction",
	llm.FieldTemperature:    "generationConfig.temperature",
	llm.FieldTopP:           "generationConfig.topP",
	llm.FieldTopK:           "generationConfig.topK",
	llm.FieldFrequency:      "generationConfig.frequencyPenalty",
	llm.FieldPresence:       "generationConfig.presencePenalty",
	llm.FieldMaxTokens:      "generationConfig.maxOutputTokens",
	llm.FieldSeed:           "generationConfig.seed",
	llm.FieldStop:           "generationConfig.stopSequences",
	llm.FieldChoices:        "generationConfig.candidateCount",
	llm.FieldLogprobs:       "generationConfig.responseLogprobs",
	llm.FieldTopLogprobs:    "generationConfig.logprobs",
	llm.FieldOutput:         "generationConfig.responseMimeType",
	llm.FieldSchema:         "generationConfig.responseSchema",
	llm.FieldModalities:     "generationConfig.responseModalities",
	llm.FieldEffort:         "generationConfig.thinkingConfig.thinkingLevel",
	llm.FieldThinking:       "generationConfig.thinkingConfig",
	llm.FieldThinkingBudget: "generationConfig.thinkingConfig.thinkingBudget",
	llm.FieldShowThinking:   "generationConfig.thinkingConfig.includeThoughts",
	llm.FieldToolChoice:     "toolConfig.functionCallingConfig",
	llm.FieldServerTools:    "tools",
	llm.FieldImage:          "contents.parts.inlineData",
	llm.FieldDocument:       "contents.parts.inlineData",
	llm.FieldAudio:          "contents.parts.inlineData",
	llm.FieldImageURL:       "contents.parts.fileData",
	llm.FieldDocumentURL:    "contents.parts.fileData",
	llm.FieldFile:           "contents.parts.fileData",
	llm.FieldReasoning:      "contents.parts.thought",
	llm.FieldSignature:      "contents.parts.thoughtSignature",
	llm.FieldContent:        "contents.parts",
	llm.FieldInput:          "content",
	llm.FieldInputType:      "taskType",
	llm.FieldDimensions:     "outputDimensionality",
}

// Field implements llm.Codec.
func (codec) Field(f llm.Field) string { return names.Of(f) }
