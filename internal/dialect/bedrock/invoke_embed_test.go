package bedrock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// asked is a codec of a conversation that is there already.
type asked struct{ c *llm.Conversation }

func (a asked) Conversation([]byte) (*llm.Conversation, error)       { return a.c, nil }
func (a asked) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }
func (asked) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error)    { return body, nil }
func (a asked) Field(f llm.Field) string                             { return "its " + string(f) }
func embeddings(p llm.Params, inputs ...[]llm.Part) (*llm.Request, *llm.Conversation) {
	c := &llm.Conversation{Inputs: inputs}
	r := llm.NewRequest(llm.CohereEmbed, llm.Cohere, llm.OpEmbeddings, nil, asked{c})
	r.Params = p
	return r, c
}

func TestTitanEmbeddings(t *testing.T) {
	text, image := llm.Part{Text: "a"}, llm.Part{Kind: llm.PartBlob, MIME: "image/png", Data: "eA=="}
	dims := llm.Params{Dimensions: llm.Some[int64](256)}
	for _, c := range []struct {
		name, model string
		params      llm.Params
		inputs      [][]llm.Part
		typ         string
		lossy       bool
		body        string
		refused     string // the field, or the status
	}{
		{name: "version 2", model: "amazon.titan-embed-text-v2:0", params: dims, inputs: [][]llm.Part{{text}}, body: `{"inputText":"a","dimensions":256}`},
		{name: "an ARN", model: "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", inputs: [][]llm.Part{{text}}, body: `{"inputText":"a"}`},
		{name: "version 1", model: "amazon.titan-embed-text-v1", params: dims, inputs: [][]llm.Part{{text}}, refused: "its dimensions"},
		{name: "version 1, lossy", model: "amazon.titan-embed-text-v1", params: dims, inputs: [][]llm.Part{{text}}, lossy: true, body: `{"inputText":"a"}`},
		{name: "multimodal", model: "amazon.titan-embed-image-v1", params: dims, inputs: [][]llm.Part{{text, image}}, body: `{"inputText":"a","inputImage":"eA==","embeddingConfig":{"outputEmbeddingLength":256}}`},
		{name: "image for a text model", model: "amazon.titan-embed-text-v2:0", inputs: [][]llm.Part{{image}}, refused: "its input"},
		{name: "two texts", model: "amazon.titan-embed-text-v2:0", inputs: [][]llm.Part{{text, text}}, refused: "its input"},
		{name: "two inputs", model: "amazon.titan-embed-text-v2:0", inputs: [][]llm.Part{{text}, {text}}, refused: "its input"},
		{name: "two inputs, lossy", model: "amazon.titan-embed-text-v2:0", inputs: [][]llm.Part{{text}, {text}}, lossy: true, refused: "its input"},
		{name: "no input", model: "amazon.titan-embed-text-v2:0", refused: "its input"},
		{name: "an empty text", model: "amazon.titan-embed-text-v2:0", inputs: [][]llm.Part{{{}}}, refused: "its input"},
		{name: "input type", model: "amazon.titan-embed-text-v2:0", inputs: [][]llm.Part{{text}}, typ: llm.InputSearchQuery, refused: "its input_type"},
		{name: "whole numbers", model: "amazon.titan-embed-text-v2:0", params: llm.Params{EncodingFormats: []string{"int8"}}, inputs: [][]llm.Part{{text}}, refused: "its encoding_format"},
		{name: "another model", model: "cohere.embed-english-v3", inputs: [][]llm.Part{{text}}, refused: "501"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, conv := embeddings(c.params, c.inputs...)
			conv.InputType = c.typ
			api, body, err := d.BuildRequest(r, c.model, &llm.Loss{Allow: c.lossy})
			var e *llm.Error
			switch {
			case c.refused == "501":
				if !errors.As(err, &e) || e.Status != 501 {
					t.Errorf("got %v", err)
				}
			case c.refused != "":
				if !errors.As(err, &e) || e.Status != 400 || e.Param != c.refused || !strings.HasPrefix(e.Message, c.refused+": ") {
					t.Errorf("got %v", err)
				}
			case err != nil || api != llm.BedrockInvoke || string(body) != c.body:
				t.Errorf("%s %s, %v; want %s", api, body, err, c.body)
			}
		})
	}
}

// TestTitanVectors reads the vectors as they are, each number as the model wrote it.
func TestTitanVectors(t *testing.T) {
	err := d.NewReader(llm.BedrockInvoke, head(200, jsonType), llm.WantParts).Read([]byte(`{"embedding": [1.50, -2e-3], "inputTextTokenCount": 2}`), true, func(ev *llm.Event) error {
		if len(ev.Vectors) != 1 || string(ev.Vectors[0]) != "[1.50, -2e-3]" || ev.Dimensions != 2 || ev.Usage.Input.V != 2 || ev.Usage.Output.Set || !ev.Last {
			t.Errorf("event %+v", ev)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
