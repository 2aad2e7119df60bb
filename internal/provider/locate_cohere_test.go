package provider

import (
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

func TestLocateCohere(t *testing.T) {
	for _, c := range []struct {
		name  string
		conf  Config
		call  Call
		path  string
		query string
	}{
		{"version 2", Config{}, Call{API: llm.CohereChat, Path: "/v2/chat", Query: "a=b", Native: true}, "/v2/chat", "a=b"},
		{"version 1", Config{}, Call{API: llm.CohereChatV1, Path: "/v1/chat", Native: true}, "/v1/chat", ""},
		{"what passes through", Config{}, Call{Path: "/v1/tokenize", Native: true}, "/v1/tokenize", ""},
		{"a private deployment", Config{Base: "/cohere", Explicit: true}, Call{API: llm.CohereRerank, Path: "/v2/rerank", Native: true}, "/cohere/v2/rerank", ""},
		{"translated", Config{}, Call{API: llm.CohereChat, Path: "/v1/messages", Query: "beta=true"}, "/v2/chat", ""},
		{"translated embeddings", Config{Base: "/cohere", Explicit: true}, Call{API: llm.CohereEmbed, Path: "/v1/embeddings"}, "/cohere/v2/embed", ""},
	} {
		if path, query := locateCohere(c.conf, c.call); path != c.path || query != c.query {
			t.Errorf("%s: %s?%s, want %s?%s", c.name, path, query, c.path, c.query)
		}
	}
}

// TestChooseCohere leaves the Compatibility API to those who ask for it.
func TestChooseCohere(t *testing.T) {
	p, _ := Lookup("cohere")
	for _, c := range []struct {
		speaks, want llm.Dialect
		path         string
		chosen       llm.Dialect
		native       bool
	}{
		{llm.Cohere, "", "/v2/chat", llm.Cohere, true},
		{llm.OpenAI, "", "/v1/chat/completions", llm.Cohere, false},
		{llm.OpenAI, llm.OpenAI, "/v1/chat/completions", llm.OpenAI, true},
		{llm.OpenAI, "", "/compatibility/v1/chat/completions", llm.OpenAI, true},
	} {
		e, native := p.Choose(Query{Dialect: c.speaks, Want: c.want, Path: c.path, Model: "command-a-03-2025"})
		if got := e.Outbound.Dialect(); got != c.chosen || native != c.native {
			t.Errorf("%s %q %s: %s, native %v, want %s, %v", c.speaks, c.want, c.path, got, native, c.chosen, c.native)
		}
	}
	e, _ := p.Choose(Query{Dialect: llm.OpenAI, Path: "/compatibility/v1/chat/completions", Model: "m"})
	if path, _ := e.Locate(Config{Base: e.Base}, Call{API: llm.OpenAIChat, Path: "/compatibility/v1/chat/completions", Native: true}); path != "/compatibility/v1/chat/completions" {
		t.Errorf("the Compatibility API is at %s", path)
	}
}
