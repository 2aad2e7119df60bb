package provider

import (
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// locateAzure knows Azure OpenAI's two shapes (Azure OpenAI REST reference, "API specs" and "v1 API"):
// /openai/deployments/{deployment}/{api}?api-version=… and /openai/v1/{api}. The second is used when configuration names
// neither a deployment nor a dated API version, and the client's query does not name one either. Responses, whose model is the
// deployment, are at /openai/responses?api-version=… in the first.
func locateAzure(c Config, r Call) (string, string) {
	base := c.Base
	if !c.Explicit {
		base = "/openai"
	}
	if i := strings.Index(r.Path, "/deployments/"); i >= 0 && r.Native {
		rest := r.Path[i+len("/deployments/"):]
		deployment, tail, _ := strings.Cut(rest, "/")
		if c.Deployment != "" {
			deployment = url.PathEscape(c.Deployment)
		}
		return base + "/deployments/" + deployment + "/" + tail, withVersion(r.Query, c.APIVersion)
	}
	tail := suffixes[r.API]
	if tail == "" {
		tail = strings.TrimPrefix(strings.TrimPrefix(r.Path, "/openai"), "/v1")
	}
	query := r.Query
	if !r.Native {
		query = ""
	}
	dated := datedVersion(c.APIVersion) || datedVersion(queryVersion(query)) && !strings.Contains(r.Path, "/v1/")
	whole := r.API == "" || r.API == llm.OpenAIResponses // not below a deployment
	if !dated && (c.Deployment == "" || whole) {
		return base + "/v1" + tail, withVersion(query, c.APIVersion)
	}
	if whole {
		return base + tail, withVersion(query, c.APIVersion)
	}
	deployment := c.Deployment
	if deployment == "" {
		deployment = r.Model
	}
	return base + "/deployments/" + url.PathEscape(deployment) + tail, withVersion(query, c.APIVersion)
}

// datedVersion reports whether an API version is one of those that the v1 API has replaced.
func datedVersion(v string) bool { return v != "" && v != "v1" && v != "preview" }

// queryVersion is the API version in a raw query, "" when it has none.
func queryVersion(query string) string {
	for part := range strings.SplitSeq(query, "&") {
		if v, ok := strings.CutPrefix(part, "api-version="); ok {
			return v
		}
	}
	return ""
}

// withVersion puts api-version into query unless the client did.
func withVersion(query, version string) string {
	if version == "" || version == "v1" || strings.Contains(query, "api-version=") {
		return query
	}
	if query != "" {
		query += "&"
	}
	return query + "api-version=" + url.QueryEscape(version)
}

// locateGemini is Google's Gemini API: /v1beta/models/{model}:{method}. A version in the client's path is kept.
func locateGemini(c Config, r Call) (string, string) {
	path := r.Path
	i := strings.Index(path, "/models/")
	if !r.Native || i < 0 {
		if r.Native && r.API == "" {
			return verbatim(c, path), r.Query
		}
		path, i = "/models/"+url.PathEscape(r.Model)+":"+geminiMethod(r), 0
	}
	if r.Rename {
		path = path[:i] + "/models/" + url.PathEscape(r.Model) + path[strings.LastIndexByte(path, ':'):]
	}
	query := r.Query
	if !r.Native {
		query = ""
		if r.Stream {
			query = "alt=sse"
		}
	}
	if i == 0 {
		return c.Base + path, query
	}
	return verbatim(c, path), query
}

// locateVertex is Vertex AI: …/projects/{project}/locations/{location}/publishers/google/models/{model}:{method} (Vertex AI
// REST reference, projects.locations.publishers.models). A client that sends the whole path is left alone.
func locateVertex(c Config, r Call) (string, string) {
	if r.Native && strings.Contains(r.Path, "/projects/") && !r.Rename {
		return verbatim(c, r.Path), r.Query
	}
	if r.Native && r.API == "" {
		return verbatim(c, r.Path), r.Query
	}
	method, query := geminiMethod(r), r.Query
	model := r.Model
	if r.Native {
		if i := strings.LastIndexByte(r.Path, ':'); i >= 0 {
			method = r.Path[i+1:]
		}
	} else if query = ""; r.Stream {
		query = "alt=sse"
	}
	return c.Base + "/projects/" + url.PathEscape(c.Project) + "/locations/" + url.PathEscape(c.Location) +
		"/publishers/google/models/" + url.PathEscape(model) + ":" + method, query
}

func geminiMethod(r Call) string {
	switch {
	case r.API == llm.GeminiEmbed:
		return "embedContent"
	case r.API == llm.GeminiBatchEmbed:
		return "batchEmbedContents"
	case r.Stream:
		return "streamGenerateContent"
	}
	return "generateContent"
}

// locateOllama is Ollama's native API (Ollama API reference): /api/chat and its like, below the base.
func locateOllama(c Config, r Call) (string, string) {
	if r.Native {
		return c.Base + r.Path, r.Query
	}
	if r.API == llm.OllamaEmbed {
		return c.Base + "/api/embed", ""
	}
	return c.Base + "/api/chat", ""
}

// locatePlain is where a server answers that has no API of models: the client's path, below the configured one.
func locatePlain(c Config, r Call) (string, string) { return c.Base + r.Path, r.Query }
