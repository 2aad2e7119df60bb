package anthropic

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// names are those of the Messages API.
var names = dialect.Names{
	llm.FieldStop:            "stop_sequences",
	llm.FieldOutput:          "output_config.format",
	llm.FieldSchema:          "output_config.format",
	llm.FieldEffort:          "output_config.effort",
	llm.FieldUser:            "metadata.user_id",
	llm.FieldParallel:        "tool_choice.disable_parallel_tool_use",
	llm.FieldImage:           "messages.content.image",
	llm.FieldImageURL:        "messages.content.image",
	llm.FieldDocument:        "messages.content.document",
	llm.FieldDocumentURL:     "messages.content.document",
	llm.FieldFile:            "messages.content.source.file_id",
	llm.FieldReasoning:       "messages.content.thinking",
	llm.FieldSignature:       "messages.content.signature",
	llm.FieldToolResultMedia: "messages.content.tool_result.content",
	llm.FieldToolResultError: "messages.content.tool_result.is_error",
}

// completeNames are those of the Text Completions API.
var completeNames = dialect.Names{llm.FieldMaxTokens: "max_tokens_to_sample", llm.FieldStop: "stop_sequences", llm.FieldUser: "metadata.user_id"}

// Field implements llm.Codec.
func (messagesCodec) Field(f llm.Field) string { return names.Of(f) }

// Field implements llm.Codec.
func (completeCodec) Field(f llm.Field) string { return completeNames.Of(f) }
