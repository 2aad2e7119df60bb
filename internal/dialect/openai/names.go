package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// chatNames are those of chat completions, where the neutral ones are not.
var chatNames = dialect.Names{
	llm.FieldSystem:          "messages",
	llm.FieldShowThinking:    "reasoning.exclude",
	llm.FieldImage:           "messages.content.image_url",
	llm.FieldImageURL:        "messages.content.image_url",
	llm.FieldImageDetail:     "messages.content.image_url.detail",
	llm.FieldDocument:        "messages.content.file.file_data",
	llm.FieldDocumentURL:     "messages.content.file.file_data",
	llm.FieldAudio:           "messages.content.input_audio",
	llm.FieldFile:            "messages.content.file.file_id",
	llm.FieldToolResultMedia: "messages.content",
	llm.FieldReasoning:       "messages.reasoning_content",
	llm.FieldSignature:       "messages.reasoning_details",
}

// responsesNames are those of Responses.
var responsesNames = dialect.Names{
	llm.FieldMessages:        "input",
	llm.FieldSystem:          "instructions",
	llm.FieldMaxTokens:       "max_output_tokens",
	llm.FieldLogprobs:        "include",
	llm.FieldOutput:          "text.format",
	llm.FieldSchema:          "text.format.schema",
	llm.FieldEffort:          "reasoning.effort",
	llm.FieldShowThinking:    "reasoning.summary",
	llm.FieldReasoning:       "input.summary",
	llm.FieldSignature:       "input.encrypted_content",
	llm.FieldImage:           "input.content.image_url",
	llm.FieldImageURL:        "input.content.image_url",
	llm.FieldImageDetail:     "input.content.detail",
	llm.FieldAudio:           "input.content.input_audio",
	llm.FieldDocument:        "input.content.file_data",
	llm.FieldDocumentURL:     "input.content.file_url",
	llm.FieldFile:            "input.content.file_id",
	llm.FieldToolResultMedia: "input.output",
	llm.FieldContent:         "input.content",
}

// Field implements llm.Codec.
func (chatCodec) Field(f llm.Field) string { return chatNames.Of(f) }

// Field implements llm.Codec.
func (responsesCodec) Field(f llm.Field) string { return responsesNames.Of(f) }

// Field implements llm.Codec.
func (promptCodec) Field(f llm.Field) string { return string(f) }
