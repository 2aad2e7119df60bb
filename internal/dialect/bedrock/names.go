package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// names are those of Converse.
var names = dialect.Names{
	llm.FieldTemperature:     "inferenceConfig.temperature",
	llm.FieldTopP:            "inferenceConfig.topP",
	llm.FieldTopK:            "additionalModelRequestFields.top_k",
	llm.FieldMaxTokens:       "inferenceConfig.maxTokens",
	llm.FieldStop:            "inferenceConfig.stopSequences",
	llm.FieldOutput:          "outputConfig.textFormat",
	llm.FieldSchema:          "outputConfig.textFormat",
	llm.FieldEffort:          "outputConfig.effort",
	llm.FieldThinking:        "additionalModelRequestFields.thinking",
	llm.FieldThinkingBudget:  "additionalModelRequestFields.thinking.budget_tokens",
	llm.FieldShowThinking:    "additionalModelRequestFields.thinking.display",
	llm.FieldServiceTier:     "serviceTier",
	llm.FieldTools:           "toolConfig.tools",
	llm.FieldServerTools:     "toolConfig.tools.systemTool",
	llm.FieldStrict:          "toolConfig.tools.toolSpec.strict",
	llm.FieldToolChoice:      "toolConfig.toolChoice",
	llm.FieldParallel:        "additionalModelRequestFields.tool_choice.disable_parallel_tool_use",
	llm.FieldCache:           "cachePoint",
	llm.FieldImage:           "messages.content.image",
	llm.FieldImageURL:        "messages.content.image.source.s3Location",
	llm.FieldDocument:        "messages.content.document",
	llm.FieldDocumentURL:     "messages.content.document.source.s3Location",
	llm.FieldAudio:           "messages.content.audio",
	llm.FieldToolResultMedia: "messages.content.toolResult.content",
	llm.FieldToolResultError: "messages.content.toolResult.status",
	llm.FieldReasoning:       "messages.content.reasoningContent",
	llm.FieldSignature:       "messages.content.reasoningContent.reasoningText.signature",
}

// Field implements llm.Codec.
func (converseCodec) Field(f llm.Field) string { return names.Of(f) }
