package mistral_test

import (
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

func TestAccepts(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		api          llm.API
	}{
		{"POST", "/v1/chat/completions", llm.MistralChat},
		{"POST", "/v1/agents/completions", llm.MistralChat},
		{"POST", "/v1/fim/completions", llm.MistralFIM},
		{"POST", "/v1/embeddings", llm.MistralEmbed},
		{"POST", "/v1/completions", ""},
		{"POST", "/v1/ocr", ""},
		{"GET", "/v1/chat/completions", ""},
	} {
		if api, ok := d.Accepts(tt.method, tt.path); api != tt.api || ok != (tt.api != "") {
			t.Errorf("%s %s: %q, %v", tt.method, tt.path, api, ok)
		}
	}
}
