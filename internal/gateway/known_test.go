package gateway

import (
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/provider"
)

// TestAPIPath cuts from a path what a plain base would not have, and nothing that names a model.
func TestAPIPath(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/chat/completions":                       "/chat/completions",
		"/a/b/v1/chat/completions":                   "/chat/completions",
		"/completions":                               "/completions",
		"/chat/completions/embeddings":               "/embeddings",
		"/x/v1/messages":                             "/messages",
		"/openai/deployments/a%2Fb/chat/completions": "/deployments/a%2Fb/chat/completions",
		"/g/v1beta/models/gemini-x:generateContent":  "/models/gemini-x:generateContent",
		"/g/v1/projects/p/locations/l/publishers/google/models/g:countTokens": "",
		"/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict": "/publishers/anthropic/models/c:rawPredict",
		"/aws/model/anthropic.claude-3%3A0/converse-stream":                   "/model/anthropic.claude-3%3A0/converse-stream",
		"/g/v1/projects/p/locations/l/endpoints/12345:streamGenerateContent":  "/endpoints/12345:streamGenerateContent",
	} {
		got := ""
		for _, in := range provider.Inbounds() {
			if api, ok := in.Accepts(http.MethodPost, path); ok {
				got = apiPath(in, api, path)
				break
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
