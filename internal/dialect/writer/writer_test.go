package writer_test

import (
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

func TestAccepts(t *testing.T) {
	for path, want := range map[string]bool{"/v1/chat": true, "/chat": true, "/x/v1/chat": true, "/api/chat": false, "/v1/chat/completions": false} {
		if _, ok := d.Accepts("POST", path); ok != want {
			t.Errorf("%s: %v", path, ok)
		}
	}
}

// TestBuildRequest keeps to what Writer has of OpenAI's format.
func TestBuildRequest(t *testing.T) {
	r, err := openai.Dialect{}.ParseRequest(llm.OpenAIChat, &llm.Head{}, []byte(`{"model":"x","max_tokens":3,"seed":1,"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.BuildRequest(r, "palmyra-x5", &llm.Loss{}); err == nil || !strings.Contains(err.Error(), "seed") {
		t.Errorf("a seed: %v", err)
	}
	api, got, err := d.BuildRequest(r, "palmyra-x5", &llm.Loss{Allow: true})
	if err != nil || api != llm.WriterChat || strings.Contains(string(got), "seed") || !strings.Contains(string(got), `"tool_choice":{"value":"required"}`) {
		t.Errorf("%s %s, %v", api, got, err)
	}
}

// TestWriter ends a stream without [DONE].
func TestWriter(t *testing.T) {
	r, err := d.ParseRequest(llm.WriterChat, &llm.Head{}, []byte(`{"model":"x","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	w, err := d.NewWriter(r, &llm.Loss{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.Write(nil, &llm.Event{ID: "i", Parts: []llm.Part{{Text: "a"}}, Choices: []llm.Choice{{Finish: "end_turn"}}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err = w.Close(out, nil); err != nil || strings.Contains(string(out), "[DONE]") || !strings.HasSuffix(string(out), "\n\n") || !strings.Contains(string(out), `"finish_reason":"stop"`) {
		t.Errorf("%s, %v", out, err)
	}
}
