package bedrock

import (
	"net/http"

	"github.com/spanway/spanway/internal/llm"
)

// converseCodec reads requests of Converse and ConverseStream.
type converseCodec struct{}

// Conversation implements llm.Codec.
func (converseCodec) Conversation([]byte) (*llm.Conversation, error) {
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Converse requests are not translated")
}

// EditText implements llm.Codec.
func (converseCodec) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }

// Field implements llm.Codec.
func (converseCodec) Field(f llm.Field) string { return string(f) }
