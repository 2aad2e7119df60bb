package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// responsesNames are those of Responses, where they are not those of chat completions.
var responsesNames = dialect.Names{
	llm.FieldMessages:    "input",
	llm.FieldSystem:      "instructions",
	llm.FieldMaxTokens:   "max_output_tokens",
	llm.FieldOutput:      "text.format",
	llm.FieldSchema:      "text.format.schema",
	llm.FieldEffort:      "reasoning.effort",
	llm.FieldReasoning:   "input.reasoning",
	llm.FieldSignature:   "input.reasoning.encrypted_content",
	llm.FieldImage:       "input.image_url",
	llm.FieldImageURL:    "input.image_url",
	llm.FieldImageDetail: "input.image_url.detail",
	llm.FieldDocument:    "input.file_data",
	llm.FieldDocumentURL: "input.file_url",
	llm.FieldFile:        "input.file_id",
	llm.FieldContent:     "input.content",
}

// Field implements llm.Codec.
func (chatCodec) Field(f llm.Field) string { return string(f) }

// Field implements llm.Codec.
func (responsesCodec) Field(f llm.Field) string { return responsesNames.Of(f) }

// Field implements llm.Codec.
func (promptCodec) Field(f llm.Field) string { return string(f) }
