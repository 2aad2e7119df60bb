package gateway

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// recogniseAny is recognise for a route whose paths tell nothing (ir.Known): when the path is that of an API after all, it is that
// API, of which what stands before is left out; else the call is one of the chat API of the first target's provider.
func (c *Call) recogniseAny() {
	h := &c.llm.Head
	whole, rest := c.in.Head.Path, h.Path
	first := &c.route.groups[0][0]
	for _, spoken := range [...]bool{true, false} {
		for _, in := range c.state.snapshot.inbounds {
			d := in.Dialect()
			if first.backend.speaks(d, rest) != spoken || !spoken && !telling(d, rest, c.route.match.exact != "") {
				continue
			}
			api, ok := in.Accepts(http.MethodPost, whole)
			if !ok {
				continue
			}
			c.inbound, c.api, h.Path = in, api, rest
			if !first.backend.provider.Owns(rest) {
				h.Path = apiPath(in, api, whole)
			}
			return
		}
	}
	d, api, path, query := first.backend.provider.Chat(first.modelFor(""), llm.Dialect(first.backend.conf.Dialect), c.route.conf.Known.Stream)
	c.inbound, c.api, h.Path = c.inboundOf(d), api, path
	if query == "" {
		return
	}
	if c.in.Head.Query != "" {
		query = c.in.Head.Query + "&" + query
	}
	c.in.Head.Query, h.Query = query, query
}

// telling reports whether a path of d can be told from one that the author of a route made up, when the first target's provider does
// not speak d. Ollama's, Cohere's and Writer's are plain words, such as /api/chat: Ollama's tell where a client was given the route's prefix as its
// base, the others' never. Mistral's are OpenAI's, too.
func telling(d llm.Dialect, rest string, exact bool) bool {
	switch d {
	case llm.Ollama:
		return !exact && strings.HasPrefix(rest, "/api/")
	case llm.Cohere, llm.WriterAI, llm.Mistral:
		return false
	}
	return true
}

// apiPath is the shortest end of path, beginning at a slash, that in takes for api: where a client of a plain base sends such calls. A
// deployment of Azure's, which names the model, stays.
func apiPath(in llm.Inbound, api llm.API, path string) string {
	if i := strings.Index(path, "/deployments/"); i >= 0 && in.Dialect() == llm.OpenAI {
		return path[i:]
	}
	for {
		i := strings.IndexByte(path[1:], '/') + 1
		if i == 0 {
			return path
		}
		if got, ok := in.Accepts(http.MethodPost, path[i:]); !ok || got != api {
			return path
		}
		path = path[i:]
	}
}

// nameless refuses an attempt for which nobody has named a model, where the gateway, and not the client, says where a request goes.
func (a *Attempt) nameless() error {
	r := a.call.llm.Request
	if !a.call.route.conf.Known.Any || r == nil || a.model != "" || a.Backend.conf.Deployment != "" {
		return nil
	}
	e := llm.Errorf(http.StatusBadRequest, "invalid_request_error", "the request names no model, and backend %s has none of its own", a.Backend.Name)
	e.Param = "model"
	return e
}
