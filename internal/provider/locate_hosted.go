package provider

import (
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// locateVertexAnthropic is where Vertex AI serves Anthropic's models: …/publishers/anthropic/models/{model}:{method} (Vertex AI
// REST reference, publishers.models.rawPredict and streamRawPredict). A client that sends the whole path is left alone.
func locateVertexAnthropic(c Config, r Call) (string, string) {
	const models = "/publishers/anthropic/models/"
	if r.Native && r.API == "" {
		return verbatim(c, r.Path), r.Query
	}
	method := ":rawPredict"
	if r.Stream {
		method = ":streamRawPredict"
	}
	if before, _, ok := strings.Cut(r.Path, models); ok && r.Native {
		if !r.Rename {
			return verbatim(c, r.Path), r.Query
		}
		return verbatim(c, before+models+url.PathEscape(r.Model)+method), r.Query
	}
	return c.Base + "/projects/" + url.PathEscape(c.Project) + "/locations/" + url.PathEscape(c.Location) + models +
		url.PathEscape(r.Model) + method, ""
}

// foundryVersion is the version of the Azure AI Model Inference API (Azure AI Foundry REST reference, "Azure AI Model Inference").
const foundryVersion = "2024-05-01-preview"

// locateFoundry knows Azure AI Foundry's two shapes: /models/{api}?api-version=…, which has chat completions and embeddings, and
// /openai/v1/{api}, which has all of OpenAI's and is used for the rest, when configuration says v1 or preview, and for clients that
// call it.
func locateFoundry(c Config, r Call) (string, string) {
	base := foundryBase(c)
	query := r.Query
	if !r.Native {
		query = ""
	}
	if r.Native && within(r.Path, "/openai") {
		return base + r.Path, query
	}
	version := c.APIVersion
	inference := r.API == llm.OpenAIChat || r.API == llm.OpenAIEmbeddings || r.API == "" && strings.HasPrefix(r.Path, "/models/")
	if inference && (version == "" || datedVersion(version)) {
		if version == "" {
			version = foundryVersion
		}
		if r.API == "" {
			return base + r.Path, withVersion(query, version)
		}
		return base + "/models" + suffixes[r.API], withVersion(query, version)
	}
	if datedVersion(version) {
		version = "" // these are the other API's
	}
	tail := suffixes[r.API]
	if r.API == "" {
		tail = strings.TrimPrefix(r.Path, "/v1")
	}
	return base + "/openai/v1" + tail, withVersion(query, version)
}

// locateFoundryAnthropic is Anthropic's API below /anthropic/v1.
func locateFoundryAnthropic(c Config, r Call) (string, string) {
	c.Base, c.Explicit = foundryBase(c)+"/anthropic/v1", true
	if r.Native {
		r.Path = strings.TrimPrefix(r.Path, "/anthropic")
	}
	return locateVersioned(c, r)
}

// foundryBase is the path of the resource: the portal shows its URL with that of one of its APIs.
func foundryBase(c Config) string {
	if !c.Explicit {
		return ""
	}
	for _, api := range []string{"/models", "/openai/v1", "/openai", "/anthropic/v1", "/anthropic"} {
		if base, ok := strings.CutSuffix(c.Base, api); ok {
			return base
		}
	}
	return c.Base
}
