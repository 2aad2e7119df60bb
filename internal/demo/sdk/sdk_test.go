// Package sdk asks the demo provider through the providers' own SDKs: what these accept is what a provider may send. It is
// apart from internal/demo so that fuzzing the latter does not build the SDKs.
package sdk

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/spanway/spanway/internal/demo"
)

const hello = "Hello from Spanway's demo provider. You sent 1 message of 3 tokens in all. The last one says: Hi there!"

func openAIClient(t *testing.T) openai.Client {
	t.Helper()
	srv := httptest.NewServer(demo.Handler(demo.Options{}))
	t.Cleanup(srv.Close)
	return openai.NewClient(option.WithBaseURL(srv.URL+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))
}

func TestOpenAISDKChat(t *testing.T) {
	c := openAIClient(t)
	ask := func(model string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{
			Model:         model,
			Messages:      []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hi there!")},
			StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
		}
	}
	whole, err := c.Chat.Completions.New(t.Context(), ask("demo"))
	if err != nil {
		t.Fatal(err)
	}
	if got := whole.Choices[0].Message.Content; got != hello || whole.Usage.PromptTokens != 3 || whole.Usage.CompletionTokens != 26 {
		t.Errorf("unstreamed: %q, usage %+v", got, whole.Usage)
	}
	for model, wantTool := range map[string]string{"demo": "", "demo-tool": "get_weather"} {
		s := c.Chat.Completions.NewStreaming(t.Context(), ask(model))
		var acc openai.ChatCompletionAccumulator
		for s.Next() {
			if !acc.AddChunk(s.Current()) {
				t.Fatalf("%s: chunk refused: %s", model, s.Current().RawJSON())
			}
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		m := acc.Choices[0].Message
		if acc.Usage.TotalTokens == 0 {
			t.Errorf("%s: no usage", model)
		}
		if wantTool == "" {
			if m.Content != hello {
				t.Errorf("%s: %q", model, m.Content)
			}
			continue
		}
		if len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != wantTool || m.ToolCalls[0].Function.Arguments != `{"location":"Paris"}` {
			t.Errorf("%s: tool calls %+v", model, m.ToolCalls)
		}
	}
	_, err = c.Chat.Completions.New(t.Context(), ask("demo-fail-429"))
	var refused *openai.Error
	if !errors.As(err, &refused) || refused.StatusCode != 429 || refused.Code != "rate_limit_exceeded" {
		t.Errorf("error %v, want 429 rate_limit_exceeded", err)
	}
}

func TestOpenAISDKResponses(t *testing.T) {
	c := openAIClient(t)
	ask := responses.ResponseNewParams{Model: "demo", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hi there!")}}
	whole, err := c.Responses.New(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if whole.OutputText() != hello || whole.Usage.InputTokens != 3 || whole.Usage.OutputTokens != 26 {
		t.Errorf("unstreamed: %q, usage %+v", whole.OutputText(), whole.Usage)
	}
	s := c.Responses.NewStreaming(t.Context(), ask)
	text, last := "", responses.Response{}
	for s.Next() {
		switch e := s.Current().AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += e.Delta
		case responses.ResponseCompletedEvent:
			last = e.Response
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if text != hello || last.OutputText() != hello || last.Usage.TotalTokens != 29 {
		t.Errorf("streamed: %q, then %q, usage %+v", text, last.OutputText(), last.Usage)
	}
}

func TestOpenAISDKEmbeddings(t *testing.T) {
	c := openAIClient(t)
	r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "demo", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Data) != 2 || len(r.Data[1].Embedding) != 16 || r.Usage.PromptTokens != 2 {
		t.Errorf("got %d vectors, usage %+v", len(r.Data), r.Usage)
	}
}

func TestAnthropicSDK(t *testing.T) {
	srv := httptest.NewServer(demo.Handler(demo.Options{}))
	defer srv.Close()
	c := anthropic.NewClient(anthropicoption.WithBaseURL(srv.URL), anthropicoption.WithAPIKey("none"), anthropicoption.WithMaxRetries(0))
	ask := func(model string) anthropic.MessageNewParams {
		return anthropic.MessageNewParams{Model: model, MaxTokens: 100,
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hi there!"))}}
	}
	whole, err := c.Messages.New(t.Context(), ask("demo"))
	if err != nil {
		t.Fatal(err)
	}
	if whole.Content[0].Text != hello || whole.Usage.InputTokens != 3 || whole.Usage.OutputTokens != 26 {
		t.Errorf("unstreamed: %+v", whole)
	}
	for model, wantStop := range map[string]anthropic.StopReason{"demo": "end_turn", "demo-tool": "tool_use"} {
		s := c.Messages.NewStreaming(t.Context(), ask(model))
		var m anthropic.Message
		for s.Next() {
			if err := m.Accumulate(s.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		if m.StopReason != wantStop || len(m.Content) != 1 || m.Usage.OutputTokens == 0 {
			t.Errorf("%s: %+v", model, m)
		}
		if model == "demo" && m.Content[0].Text != hello {
			t.Errorf("%s: %q", model, m.Content[0].Text)
		}
		if model == "demo-tool" && string(m.Content[0].Input) != `{"location":"Paris"}` {
			t.Errorf("%s: input %s", model, m.Content[0].Input)
		}
	}
	_, err = c.Messages.New(t.Context(), ask("demo-fail-500"))
	var refused *anthropic.Error
	if !errors.As(err, &refused) || refused.StatusCode != 500 {
		t.Errorf("error %v, want 500", err)
	}
}

func TestGeminiSDK(t *testing.T) {
	srv := httptest.NewServer(demo.Handler(demo.Options{}))
	defer srv.Close()
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{Backend: genai.BackendGeminiAPI, APIKey: "none",
		HTTPOptions: genai.HTTPOptions{BaseURL: srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := c.Models.GenerateContent(t.Context(), "demo", genai.Text("Hi there!"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Text() != hello || whole.UsageMetadata.PromptTokenCount != 3 || whole.UsageMetadata.CandidatesTokenCount != 26 {
		t.Errorf("unstreamed: %q, usage %+v", whole.Text(), whole.UsageMetadata)
	}
	text, last := "", &genai.GenerateContentResponse{}
	for r, err := range c.Models.GenerateContentStream(t.Context(), "demo", genai.Text("Hi there!"), nil) {
		if err != nil {
			t.Fatal(err)
		}
		text, last = text+r.Text(), r
	}
	if text != hello || last.Candidates[0].FinishReason != genai.FinishReasonStop || last.UsageMetadata.TotalTokenCount != 29 {
		t.Errorf("streamed: %q, last %+v", text, last)
	}
	called, err := c.Models.GenerateContent(t.Context(), "demo-tool", genai.Text("Hi there!"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := called.FunctionCalls(); len(f) != 1 || f[0].Name != "get_weather" || f[0].Args["location"] != "Paris" {
		t.Errorf("function calls %+v", f)
	}
	_, err = c.Models.GenerateContent(t.Context(), "demo-fail-500", genai.Text("Hi there!"), nil)
	var refused genai.APIError
	if !errors.As(err, &refused) || refused.Code != 500 {
		t.Errorf("error %v, want 500", err)
	}
}
