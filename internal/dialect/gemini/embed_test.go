package gemini_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

func TestConversationOfBatches(t *testing.T) {
	body := `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_DOCUMENT","title":"T","outputDimensionality":3},
		{"content":{"parts":{"text":"c"}},"taskType":"RETRIEVAL_DOCUMENT"},{"content":{"parts":{"text":"d"}},"outputDimensionality":3}]}`
	r, err := gemini.Dialect{}.ParseRequest(llm.GeminiEmbed, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{
		Inputs:    [][]llm.Part{{{Text: "a"}, {Text: "b", Index: 1}}, {{Text: "c"}}, {{Text: "d"}}},
		InputType: llm.InputSearchDocument,
		Extra: []llm.Extra{
			{Field: "requests.title", Raw: []byte(`"T"`)},
			{Field: "requests.outputDimensionality", Raw: []byte("0")},
			{Field: "requests.taskType", Raw: []byte(`""`)},
		},
	}
	for _, in := range want.Inputs {
		want.Messages = append(want.Messages, llm.Message{Role: llm.RoleUser, Parts: in})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBuildEmbeddings(t *testing.T) {
	for _, tt := range []struct {
		body   string
		api    llm.API
		want   string
		vertex int // the status with which Vertex AI's endpoint refuses it, 0 = it does not
	}{
		{`{"model":"e","input":"a","dimensions":3,"encoding_format":"base64"}`, llm.GeminiEmbed, `{"content":{"parts":[{"text":"a"}]},"outputDimensionality":3}`, 0},
		{`{"model":"e","input":["a","b"]}`, llm.GeminiBatchEmbed,
			`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},{"model":"models/m","content":{"parts":[{"text":"b"}]}}]}`, http.StatusBadRequest},
	} {
		r, err := openai.Dialect{}.ParseRequest(llm.OpenAIEmbeddings, &llm.Head{}, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		api, body, err := gemini.Dialect{}.BuildRequest(r, "m", new(llm.Loss))
		if err != nil || api != tt.api {
			t.Fatal(api, err)
		}
		if d := cmp.Diff(tt.want, string(body)); d != "" {
			t.Error(d)
		}
		_, err = gemini.OneInput(r, body, "m")
		var e *llm.Error
		if errors.As(err, &e) != (tt.vertex != 0) || e != nil && (e.Status != tt.vertex || e.Param != "input") {
			t.Errorf("Vertex AI: %v, want status %d", err, tt.vertex)
		}
	}
}

func TestEmbedWriter(t *testing.T) {
	one := llm.Event{Vectors: [][]byte{[]byte("[0.5,1e-3]")}, Usage: &llm.Usage{Input: llm.Some[int64](3)}}
	two := llm.Event{Vectors: [][]byte{[]byte("[1]"), []byte("[2]")}}
	for _, tt := range []struct {
		name, request string
		event         llm.Event
		err           *llm.Error
		want          string // "" = 502
	}{
		{"one", `{"content":{}}`, one, nil, `{"embedding":{"values":[0.5,1e-3]},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}`},
		{"several", `{"requests":[{},{}]}`, two, nil, `{"embeddings":[{"values":[1]},{"values":[2]}]}`},
		{"two for one", `{"content":{}}`, two, nil, ""},
		{"an error", `{"content":{}}`, one, &llm.Error{Status: 503, Message: "m"}, `{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := gemini.Dialect{}.NewWriter(&llm.Request{API: llm.GeminiEmbed, Raw: []byte(tt.request)}, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(nil, &tt.event); err != nil {
				t.Fatal(err)
			}
			out, err := w.Close(nil, tt.err)
			if string(out) != tt.want || (err != nil) != (tt.want == "") {
				t.Fatalf("got %s, %v, want %s", out, err, tt.want)
			}
			if err != nil || tt.err != nil {
				return
			}
			var vectors [][]byte
			if err := (gemini.Dialect{}).NewReader(llm.GeminiEmbed, head(200, json), llm.WantParts).Read(out, true, func(ev *llm.Event) error {
				vectors = ev.Clone().Vectors
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.event.Vectors, vectors); d != "" {
				t.Errorf("read again: %s", d)
			}
		})
	}
}

func TestLogprobs(t *testing.T) {
	body := `{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"hi"}]},"logprobsResult":{"chosenCandidates":[{"token":"h","logProbability":-0.5},{"token":"i","logProbability":-1e-7}],` +
		`"topCandidates":[{"candidates":[{"token":"h","logProbability":-0.5},{"token":"x","logProbability":-2}]},{"candidates":[{"token":"i","logProbability":-1e-7}]}]}}]}`
	evs := read(t, llm.GeminiGenerate, head(200, json), llm.WantParts, body)
	want := []llm.Part{{Kind: llm.PartReasoning, Text: "hm"}, {Index: 1, Text: "hi", Logprobs: []llm.Logprob{
		{Token: "h", Logprob: -0.5, Top: []llm.Logprob{{Token: "h", Logprob: -0.5}, {Token: "x", Logprob: -2}}},
		{Token: "i", Logprob: -1e-7, Top: []llm.Logprob{{Token: "i", Logprob: -1e-7}}},
	}}}
	if d := cmp.Diff(want, evs[0].Parts); d != "" {
		t.Error(d)
	}
	w, err := gemini.Dialect{}.NewWriter(&llm.Request{API: llm.GeminiGenerate}, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(nil, &evs[0]); err != nil {
		t.Fatal(err)
	}
	out, err := w.Close(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, read(t, llm.GeminiGenerate, head(200, json), llm.WantParts, string(out))[0].Parts); d != "" {
		t.Errorf("written and read again: %s", d)
	}
}
