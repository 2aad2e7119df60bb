package openai

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// TestRewriteLogprobs keeps what a policy took out from being read in the log probabilities.
func TestRewriteLogprobs(t *testing.T) {
	const frame = `data: {"choices":[{"index":0,"delta":{"content":"my 123-45-6789"},"logprobs":{"content":[{"token":"123-45-6789","logprob":-0.1}]},"finish_reason":null}]}` + "\n\n"
	for _, c := range []struct{ name, text, want string }{
		{"changed", "my <SSN>", `data: {"choices":[{"index":0,"delta":{"content":"my <SSN>"},"logprobs":null,"finish_reason":null}]}` + "\n\n"},
		{"as it was", "my 123-45-6789", frame},
	} {
		ev := llm.Event{Raw: []byte(frame), Parts: []llm.Part{{Text: c.text}}, Edited: true}
		got, err := Dialect{}.Rewrite(nil, llm.NewRequest(llm.OpenAIChat, llm.OpenAI, llm.OpChat, nil, nil), &ev)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, string(got)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
