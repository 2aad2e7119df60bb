package provider

import "github.com/spanway/spanway/internal/llm"

// locateCohere is Cohere's API (docs.cohere.com, API reference): the version is part of each path, and what the client sent is
// kept. Requests of other dialects go to version 2.
func locateCohere(c Config, r Call) (string, string) {
	switch {
	case r.Native:
		return c.Base + r.Path, r.Query
	case r.API == llm.CohereEmbed:
		return c.Base + "/v2/embed", ""
	}
	return c.Base + "/v2/chat", ""
}
