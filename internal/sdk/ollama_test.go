package sdk

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// ollama makes a call of Ollama's native API (Ollama API reference), which needs no library. It sees each line of the answer.
func ollama(method, path, body string) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
		if err != nil {
			return seen{Failure: otherFailure(err, base)}
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return seen{Failure: otherFailure(err, base)}
		}
		defer resp.Body.Close()
		var s seen
		s.head(resp)
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			s.Values = append(s.Values, lines.Text())
		}
		switch {
		case lines.Err() != nil:
			s.Failure = otherFailure(lines.Err(), base)
		case resp.StatusCode >= http.StatusBadRequest:
			s.Failure = failure{Kind: "status", Status: resp.StatusCode, Raw: fmt.Sprint(s.Values...)}
		}
		return s
	}
}

func TestOllama(t *testing.T) {
	newRig(t).same(t, "", "/ollama", []trip{
		{name: "chat", answers: []string{"ollama/chat"},
			do: ollama("POST", "/api/chat", `{"model":"llama3.2","messages":[{"role":"user","content":"Hi"}],"stream":false,"options":{"temperature":0.5,"num_predict":9}}`),
			spans: []want{{name: "chat llama3.2", attrs: map[string]any{"gen_ai.provider.name": "ollama", "gen_ai.response.model": "llama3.2",
				"gen_ai.usage.input_tokens": int64(26), "gen_ai.usage.output_tokens": int64(298), "gen_ai.response.finish_reasons": []string{"stop"},
				"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": int64(9), "gen_ai.request.stream": nil}}}},
		{name: "chat streamed, as it is when nothing is said", answers: []string{"ollama/chat_stream"},
			do: ollama("POST", "/api/chat", `{"model":"llama3.2","messages":[{"role":"user","content":"why is the sky blue?"}]}`),
			spans: []want{{name: "chat llama3.2", attrs: map[string]any{"gen_ai.request.stream": true, "gen_ai.usage.input_tokens": int64(26),
				"gen_ai.usage.output_tokens": int64(282), "gen_ai.response.finish_reasons": []string{"stop"}, "spanway.outcome": "ok"}}}},
		{name: "generate", answers: []string{"ollama/generate"}, do: ollama("POST", "/api/generate", `{"model":"llama3.2","prompt":"Why?"}`),
			spans: []want{{name: "text_completion llama3.2", attrs: map[string]any{"gen_ai.usage.input_tokens": int64(7), "gen_ai.usage.output_tokens": int64(259),
				"gen_ai.response.finish_reasons": []string{"length"}}}}},
		{name: "embed", answers: []string{"ollama/embed"}, do: ollama("POST", "/api/embed", `{"model":"all-minilm","input":"Why is the sky blue?"}`),
			spans: []want{{name: "embeddings all-minilm", attrs: map[string]any{"gen_ai.usage.input_tokens": int64(8), "gen_ai.embeddings.dimension.count": int64(4)}}}},
		{name: "tags", answers: []string{"ollama/tags"}, do: ollama("GET", "/api/tags", ""), spans: make([]want, 1)},
		{name: "404", answers: []string{"ollama/404"}, do: ollama("POST", "/api/chat", `{"model":"llama9","messages":[]}`),
			fails: failure{Status: 404, Raw: "model 'llama9' not found"},
			spans: []want{{name: "chat llama9", failed: "404", attrs: map[string]any{"spanway.outcome": "client_error"}}}},
	})
}
