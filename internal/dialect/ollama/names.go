package ollama

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// names are those of the Ollama API reference.
var names = dialect.Names{
	llm.FieldSystem:          "messages",
	llm.FieldTemperature:     "options.temperature",
	llm.FieldTopP:            "options.top_p",
	llm.FieldTopK:            "options.top_k",
	llm.FieldFrequency:       "options.frequency_penalty",
	llm.FieldPresence:        "options.presence_penalty",
	llm.FieldMaxTokens:       "options.num_predict",
	llm.FieldSeed:            "options.seed",
	llm.FieldStop:            "options.stop",
	llm.FieldOutput:          "format",
	llm.FieldSchema:          "format",
	llm.FieldEffort:          "think",
	llm.FieldThinking:        "think",
	llm.FieldServerTools:     "tools",
	llm.FieldImage:           "messages.images",
	llm.FieldReasoning:       "messages.thinking",
	llm.FieldToolResultMedia: "messages.images",
}

// Field implements llm.Codec.
func (codec) Field(f llm.Field) string { return names.Of(f) }
