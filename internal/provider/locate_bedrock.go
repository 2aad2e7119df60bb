package provider

import (
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// locateBedrock is Amazon Bedrock's runtime (Amazon Bedrock API reference, Amazon Bedrock Runtime): /model/{modelId}/{operation}.
// The model of the client's path is replaced where the backend has another.
func locateBedrock(c Config, r Call) (string, string) {
	if !r.Native {
		return c.Base + "/model/" + escapeModel(r.Model) + "/" + bedrockVerb(r), ""
	}
	i, end := strings.Index(r.Path, "/model/"), strings.LastIndexByte(r.Path, '/')
	if r.API == "" || i < 0 {
		return verbatim(c, r.Path), r.Query
	}
	path, from := r.Path, i+len("/model/")
	if r.Rename || strings.Contains(path[from:end], "/") {
		path = path[:from] + escapeModel(r.Model) + path[end:]
	}
	if i == 0 {
		return c.Base + path, r.Query
	}
	return verbatim(c, path), r.Query
}

// bedrockVerb is the operation of a translated call.
func bedrockVerb(r Call) string {
	switch {
	case r.API == llm.BedrockInvoke && r.Stream:
		return "invoke-with-response-stream"
	case r.API == llm.BedrockInvoke:
		return "invoke"
	case r.Stream:
		return "converse-stream"
	}
	return "converse"
}

// escapeModel makes a model's id or ARN one segment of a path, as AWS's clients do: all but unreserved characters is escaped.
func escapeModel(model string) string { return strings.ReplaceAll(url.QueryEscape(model), "+", "%20") }
