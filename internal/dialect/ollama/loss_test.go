package ollama_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

const hi = `"contents":[{"parts":[{"text":"a"}]}]`

// TestLoss refuses what Ollama has no place for, in the client's words, or drops it where the route allows that.
func TestLoss(t *testing.T) {
	const built = `{"model":"m","messages":[{"role":"user","content":"a"}],"stream":false`
	for _, tt := range []struct {
		name, body, param string // param: "" = nothing is lost
		want              string // what is built when losses are allowed
	}{
		{"top k in parts", `{` + hi + `,"generationConfig":{"topK":1.5}}`, "generationConfig.topK", built + `}`},
		{"candidates", `{` + hi + `,"generationConfig":{"candidateCount":2}}`, "generationConfig.candidateCount", built + `}`},
		{"a budget", `{` + hi + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":99}}}`, "generationConfig.thinkingConfig.thinkingBudget", built + `,"think":true}`},
		{"no thinking", `{` + hi + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0,"includeThoughts":false}}}`, "", built + `,"think":false}`},
		{"hidden thinking", `{` + hi + `,"generationConfig":{"thinkingConfig":{"includeThoughts":false}}}`, "generationConfig.thinkingConfig.includeThoughts", built + `}`},
		{"a level in capitals", `{` + hi + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"HIGH","includeThoughts":true}}}`, "", built + `,"think":"high"}`},
		{"a level that it does not know", `{` + hi + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"minimal"}}}`, "generationConfig.thinkingConfig.thinkingLevel", built + `}`},
		{"log probabilities", `{` + hi + `,"generationConfig":{"responseLogprobs":true,"logprobs":2}}`, "", built + `,"logprobs":true,"top_logprobs":2}`},
		{"safety settings", `{` + hi + `,"safetySettings":[{"category":"HARM_CATEGORY_HATE_SPEECH"}]}`, "safetySettings", built + `}`},
		{"a file", `{"contents":[{"parts":[{"text":"a"},{"fileData":{"fileUri":"gs://b/a.png","mimeType":"image/png"}}]}]}`, "contents.parts.fileData", built + `}`},
		{"a document", `{"contents":[{"parts":[{"text":"a"},{"inlineData":{"data":"QQ==","mimeType":"application/pdf"}}]}]}`, "contents.parts.inlineData", built + `}`},
		{"a function that must be called", `{` + hi + `,"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}`,
			"toolConfig.functionCallingConfig", built[:len(built)-len(`,"stream":false`)] + `,"tools":[{"type":"function","function":{"name":"f"}}],"stream":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = ollama.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
			var e *llm.Error
			if tt.param == "" && err != nil || tt.param != "" && (!errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Param != tt.param) {
				t.Errorf("refused with %v, want a 400 for %q", err, tt.param)
			}
			loss := llm.Loss{Allow: true}
			_, body, err := ollama.Dialect{}.BuildRequest(r, "m", &loss)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(body)); d != "" {
				t.Error(d)
			}
			if got := len(loss.Dropped); (got > 0) != (tt.param != "") {
				t.Errorf("dropped %q", loss.Dropped)
			}
		})
	}
}

// TestWriterLoss notes what of an answer a client of Ollama's is not told.
func TestWriterLoss(t *testing.T) {
	var loss llm.Loss
	w, err := ollama.Dialect{}.NewWriter(&llm.Request{API: llm.OllamaChat}, &loss)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.Write(nil, &llm.Event{
		Parts: []llm.Part{
			{Kind: llm.PartReasoning, Text: "hm", Signature: "s"}, {Kind: llm.PartReasoning, Data: "d"}, {Kind: llm.PartServerTool}, {Kind: llm.PartOther, Name: "widget"},
			{Kind: llm.PartBlob, MIME: "image/png", Data: "QQ=="}, {Kind: llm.PartBlob, MIME: "audio/wav", Data: "QQ=="},
		},
		Choices: []llm.Choice{{Finish: "SAFETY", Stop: "x"}},
	})
	if err != nil || len(out) > 0 {
		t.Fatal(string(out), err)
	}
	want := []string{"response.reasoning.signature", "response.reasoning.encrypted", "response.server_tool", "response.widget", "response.content",
		"response.stop_sequence", "response.finish_reason"}
	if d := cmp.Diff(want, loss.Dropped); d != "" {
		t.Error(d)
	}
}

func TestLogprobs(t *testing.T) {
	const list = `"logprobs":[{"token":"h","logprob":-0.5,"bytes":[104],"top_logprobs":[{"token":"h","logprob":-0.5},{"token":"x","logprob":-2}]},{"token":"i","logprob":-1e-7}]`
	body := `{"model":"m","created_at":"2025-01-01T00:00:00Z","message":{"role":"assistant","content":"hi"},` + list + `,"done":true}`
	var parts []llm.Part
	read := func(ev *llm.Event) error {
		parts = ev.Clone().Parts
		return nil
	}
	if err := (ollama.Dialect{}).NewReader(llm.OllamaChat, head(200, "application/json"), llm.WantParts).Read([]byte(body), true, read); err != nil {
		t.Fatal(err)
	}
	want := []llm.Part{{Text: "hi", Index: 1, Logprobs: []llm.Logprob{
		{Token: "h", Logprob: -0.5, Bytes: []byte("h"), Top: []llm.Logprob{{Token: "h", Logprob: -0.5}, {Token: "x", Logprob: -2}}},
		{Token: "i", Logprob: -1e-7},
	}}}
	if d := cmp.Diff(want, parts); d != "" {
		t.Error(d)
	}
	w, err := ollama.Dialect{}.NewWriter(&llm.Request{API: llm.OllamaChat}, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(nil, &llm.Event{Parts: parts}); err != nil {
		t.Fatal(err)
	}
	out, err := w.Close(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	parts = nil
	if err := (ollama.Dialect{}).NewReader(llm.OllamaChat, head(200, "application/json"), llm.WantParts).Read(out, true, read); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, parts); d != "" {
		t.Errorf("written and read again: %s", d)
	}
}

func TestEmbeddings(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"model":"e","input":"a"}`, `{"model":"m","input":"a"}`},
		{`{"model":"e","input":["a","b"],"dimensions":3,"encoding_format":"base64"}`, `{"model":"m","input":["a","b"],"dimensions":3}`},
	} {
		r, err := openai.Dialect{}.ParseRequest(llm.OpenAIEmbeddings, &llm.Head{}, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		api, body, err := ollama.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
		if err != nil || api != llm.OllamaEmbed {
			t.Fatal(api, err)
		}
		if d := cmp.Diff(tt.want, string(body)); d != "" {
			t.Error(d)
		}
	}
}

func TestEmbedWriter(t *testing.T) {
	one := llm.Event{Model: "n", Vectors: [][]byte{[]byte("[0.5,1e-3]")}, Usage: &llm.Usage{Input: llm.Some[int64](3)}}
	two := llm.Event{Vectors: [][]byte{[]byte("[1]"), []byte("[2]")}}
	for _, tt := range []struct {
		name, request string
		event         llm.Event
		err           *llm.Error
		want          string // "" = 502
	}{
		{"a list", `{"input":["a","b"]}`, two, nil, `{"model":"alias","embeddings":[[1],[2]]}`},
		{"a list of one", `{"input":"a"}`, one, nil, `{"model":"n","embeddings":[[0.5,1e-3]],"prompt_eval_count":3}`},
		{"one", `{"prompt":"a"}`, one, nil, `{"embedding":[0.5,1e-3]}`},
		{"two for one", `{"prompt":"a"}`, two, nil, ""},
		{"an error", `{"prompt":"a"}`, one, &llm.Error{Message: "m"}, `{"error":"m"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := ollama.Dialect{}.NewWriter(&llm.Request{API: llm.OllamaEmbed, Model: "alias", Raw: []byte(tt.request)}, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(nil, &tt.event); err != nil {
				t.Fatal(err)
			}
			out, err := w.Close(nil, tt.err)
			if string(out) != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %s, %v, want %s", out, err, tt.want)
			}
			if err == nil && tt.err == nil {
				var vectors [][]byte
				if err := (ollama.Dialect{}).NewReader(llm.OllamaEmbed, head(200, "application/json"), llm.WantParts).Read(out, true, func(ev *llm.Event) error {
					vectors = ev.Clone().Vectors
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tt.event.Vectors, vectors); d != "" {
					t.Errorf("read again: %s", d)
				}
			}
		})
	}
}
