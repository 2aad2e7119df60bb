package provider

import (
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// TestChat has every provider's chat at a path that its own dialect takes for that API.
func TestChat(t *testing.T) {
	inbounds := map[llm.Dialect]llm.Inbound{}
	for _, in := range Inbounds() {
		inbounds[in.Dialect()] = in
	}
	for _, name := range Names() {
		p, _ := Lookup(name)
		for _, stream := range []bool{false, true} {
			for _, model := range []string{"m", "claude-x", "a/b"} {
				d, api, path, _ := p.Chat(model, "", stream)
				if p.Plain {
					continue
				}
				got, ok := inbounds[d].Accepts("POST", path)
				if !ok || got != api || !p.Speaks(d, "", path) {
					t.Errorf("%s, %s: %s %s at %s is %q", name, model, d, api, path, got)
				}
			}
		}
	}
	for _, tt := range []struct {
		provider, model string
		want            llm.Dialect
		stream          bool
		path, query     string
	}{
		{"vertexai", "gemini-x", "", true, "/models/gemini-x:streamGenerateContent", "alt=sse"},
		{"vertexai", "claude-x", "", true, "/messages", ""},
		{"gemini", "a/b", "", false, "/models/a%2Fb:generateContent", ""},
		{"gemini", "a", llm.OpenAI, true, "/chat/completions", ""},
		{"bedrock", "m", "", true, "/model/m/converse-stream", ""},
		{"ollama", "m", llm.Ollama, false, "/api/chat", ""},
		{"cohere", "m", "", true, "/v2/chat", ""},
	} {
		p, _ := Lookup(tt.provider)
		if _, _, path, query := p.Chat(tt.model, tt.want, tt.stream); path != tt.path || query != tt.query {
			t.Errorf("%s %s: %s?%s, want %s?%s", tt.provider, tt.model, path, query, tt.path, tt.query)
		}
	}
}
