package cohere

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// names are those of the API reference: chat of both versions and generate.
var names = dialect.Names{
	llm.FieldSystem:          "messages",
	llm.FieldTopP:            "p",
	llm.FieldTopK:            "k",
	llm.FieldStop:            "stop_sequences",
	llm.FieldChoices:         "num_generations",
	llm.FieldOutput:          "response_format",
	llm.FieldSchema:          "response_format.json_schema",
	llm.FieldThinking:        "thinking.type",
	llm.FieldThinkingBudget:  "thinking.token_budget",
	llm.FieldConversation:    "conversation_id",
	llm.FieldStrict:          "strict_tools",
	llm.FieldImage:           "messages.content.image_url",
	llm.FieldImageURL:        "messages.content.image_url",
	llm.FieldImageDetail:     "messages.content.image_url.detail",
	llm.FieldToolResultMedia: "messages.content",
	llm.FieldReasoning:       "messages.content.thinking",
}

// embedNames are those of embed.
var embedNames = dialect.Names{
	llm.FieldInput:      "texts",
	llm.FieldDimensions: "output_dimension",
	llm.FieldEncoding:   "embedding_types",
	llm.FieldImage:      "images",
	llm.FieldImageURL:   "images",
}

// Field implements llm.Codec.
func (chatCodec) Field(f llm.Field) string { return names.Of(f) }

// Field implements llm.Codec.
func (chatV1Codec) Field(f llm.Field) string { return names.Of(f) }

// Field implements llm.Codec.
func (generateCodec) Field(f llm.Field) string { return names.Of(f) }

// Field implements llm.Codec.
func (embedCodec) Field(f llm.Field) string { return embedNames.Of(f) }

// Field implements llm.Codec.
func (rerankCodec) Field(f llm.Field) string { return names.Of(f) }
