package mistral

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// names is what Mistral's API calls the neutral fields, where that is not OpenAI's name.
var names = dialect.Names{
	llm.FieldSeed:        "random_seed",
	llm.FieldThinking:    "prompt_mode",
	llm.FieldReasoning:   "messages.content.thinking",
	llm.FieldSignature:   "messages.content.thinking.signature",
	llm.FieldImage:       "messages.content.image_url",
	llm.FieldImageURL:    "messages.content.image_url",
	llm.FieldImageDetail: "messages.content.image_url.detail",
	llm.FieldDocument:    "messages.content.document_url",
	llm.FieldDocumentURL: "messages.content.document_url",
	llm.FieldAudio:       "messages.content.input_audio",
	llm.FieldFile:        "messages.content.file_id",
	llm.FieldDimensions:  "output_dimension",
}
