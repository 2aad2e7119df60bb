package matrix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/anthropics/anthropic-sdk-go"
	claude "github.com/anthropics/anthropic-sdk-go/option"
	cohere "github.com/cohere-ai/cohere-go/v2"
	coclient "github.com/cohere-ai/cohere-go/v2/client"
	cooption "github.com/cohere-ai/cohere-go/v2/option"
	"github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/matrix/published"
)

// libraries are the official ones of the clients' APIs. Mistral has none for Go.
var libraries = map[llm.API]library{
	llm.OpenAIChat:        openAIChat,
	llm.OpenAIResponses:   openAIResponses,
	llm.AnthropicMessages: anthropicMessages,
	llm.GeminiGenerate:    geminiGenerate,
	llm.CohereChat:        cohereChat,
	llm.BedrockConverse:   bedrockConverse,
	llm.OllamaChat:        ollamaChat,
}

// call adds a call of a tool.
func (s *said) call(id, name string, args []byte) {
	s.ids, s.Calls = append(s.ids, id), append(s.Calls, compact(name, args))
}

// sends adds a message to what the library sends back.
func (s *said) sends(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var back any
	if err := json.Unmarshal(b, &back); err != nil {
		return err
	}
	s.message = append(s.message, back)
	return nil
}

func openAIClient(base string) openai.Client {
	return openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

func openAIChat(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	var p openai.ChatCompletionNewParams
	if err := json.Unmarshal(body, &p); err != nil {
		return s, err
	}
	c := openAIClient(base)
	var answer *openai.ChatCompletion
	if stream {
		acc := openai.ChatCompletionAccumulator{}
		events := c.Chat.Completions.NewStreaming(ctx, p)
		for events.Next() {
			if !acc.AddChunk(events.Current()) {
				return s, errors.New("a chunk does not fit the ones before")
			}
		}
		if err := events.Err(); err != nil {
			return s, err
		}
		answer = &acc.ChatCompletion
	} else {
		var err error
		if answer, err = c.Chat.Completions.New(ctx, p); err != nil {
			return s, err
		}
	}
	if len(answer.Choices) != 1 || answer.Choices[0].FinishReason == "" {
		return s, errors.New("want one choice that has ended")
	}
	m := answer.Choices[0].Message
	s.Text = m.Content
	for _, call := range m.ToolCalls {
		s.call(call.ID, call.Function.Name, []byte(call.Function.Arguments))
	}
	return s, s.sends(m.ToParam())
}

func openAIResponses(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	p := param.Override[responses.ResponseNewParams](json.RawMessage(body)) // the library does not read what it writes
	c := openAIClient(base)
	var answer *responses.Response
	if stream {
		events := c.Responses.NewStreaming(ctx, p)
		text := ""
		for events.Next() {
			switch ev := events.Current(); ev.Type {
			case "response.output_text.delta":
				text += ev.Delta
			case "response.completed":
				answer = &ev.Response
			}
		}
		if err := events.Err(); err != nil || answer == nil {
			return s, cmp.Or(err, errors.New("the response is not complete"))
		}
		if text != answer.OutputText() {
			return s, errors.New("the deltas and the whole differ: " + text)
		}
	} else {
		var err error
		if answer, err = c.Responses.New(ctx, p); err != nil {
			return s, err
		}
	}
	s.Text = answer.OutputText()
	for _, item := range answer.Output {
		if item.Type == "function_call" {
			s.call(item.CallID, item.Name, []byte(item.Arguments.OfString))
		}
		if err := s.sends(json.RawMessage(item.RawJSON())); err != nil {
			return s, err
		}
	}
	return s, nil
}

func anthropicMessages(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	var p anthropic.MessageNewParams
	if err := json.Unmarshal(body, &p); err != nil {
		return s, err
	}
	c := anthropic.NewClient(claude.WithBaseURL(base), claude.WithAPIKey("k"), claude.WithMaxRetries(0))
	answer := new(anthropic.Message)
	if stream {
		events := c.Messages.NewStreaming(ctx, p)
		for events.Next() {
			if err := answer.Accumulate(events.Current()); err != nil {
				return s, err
			}
		}
		if err := events.Err(); err != nil {
			return s, err
		}
	} else {
		var err error
		if answer, err = c.Messages.New(ctx, p); err != nil {
			return s, err
		}
	}
	if answer.StopReason == "" {
		return s, errors.New("the message has not ended")
	}
	for _, b := range answer.Content {
		s.Text += b.Text
		if b.Type == "tool_use" {
			s.call(b.ID, b.Name, b.Input)
		}
	}
	return s, s.sends(answer.ToParam())
}

func geminiGenerate(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	var r published.GeminiRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return s, err
	}
	c, err := genai.NewClient(ctx, &genai.ClientConfig{Backend: genai.BackendGeminiAPI, APIKey: "k", HTTPOptions: genai.HTTPOptions{BaseURL: base}})
	if err != nil {
		return s, err
	}
	config := &genai.GenerateContentConfig{SystemInstruction: r.SystemInstruction, Tools: r.Tools}
	content := &genai.Content{Role: genai.RoleModel}
	finish := genai.FinishReason("")
	add := func(answer *genai.GenerateContentResponse) {
		for _, candidate := range answer.Candidates {
			finish = cmp.Or(candidate.FinishReason, finish)
			if candidate.Content != nil {
				content.Parts = append(content.Parts, candidate.Content.Parts...)
			}
		}
	}
	if stream {
		for answer, err := range c.Models.GenerateContentStream(ctx, model, r.Contents, config) {
			if err != nil {
				return s, err
			}
			add(answer)
		}
	} else {
		answer, err := c.Models.GenerateContent(ctx, model, r.Contents, config)
		if err != nil {
			return s, err
		}
		add(answer)
	}
	if finish == "" {
		return s, errors.New("the candidate has not ended")
	}
	for _, p := range content.Parts {
		s.Text += p.Text
		if p.FunctionCall != nil {
			args, err := json.Marshal(p.FunctionCall.Args)
			if err != nil {
				return s, err
			}
			s.call(p.FunctionCall.ID, p.FunctionCall.Name, args)
		}
	}
	return s, s.sends(content)
}

func cohereChat(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	m := map[string]any{"role": "assistant"}
	c := coclient.NewClient(cooption.WithBaseURL(base), cooption.WithToken("k"), cooption.WithMaxAttempts(1),
		cooption.WithHTTPClient(&http.Client{Transport: published.CohereTransport{Base: http.DefaultTransport}}))
	var calls []*cohere.ToolCallV2
	if stream {
		r := new(cohere.V2ChatStreamRequest)
		if err := json.Unmarshal(body, r); err != nil {
			return s, err
		}
		events, err := c.V2.ChatStream(ctx, r)
		if err != nil {
			return s, err
		}
		defer events.Close()
		if calls, err = s.cohereEvents(events.Recv); err != nil {
			return s, err
		}
	} else {
		r := new(cohere.V2ChatRequest)
		if err := json.Unmarshal(body, r); err != nil {
			return s, err
		}
		answer, err := c.V2.Chat(ctx, r)
		if err != nil {
			return s, err
		}
		for _, item := range answer.Message.Content {
			s.Text += item.Text.GetText()
		}
		calls = answer.Message.ToolCalls
	}
	for _, call := range calls {
		s.call(*call.Id, *call.Function.Name, []byte(*call.Function.Arguments))
	}
	if m["content"] = s.Text; len(calls) > 0 {
		m["tool_calls"] = calls
	}
	return s, s.sends(m)
}

func (s *said) cohereEvents(next func() (cohere.V2ChatStreamResponse, error)) ([]*cohere.ToolCallV2, error) {
	var calls []*cohere.ToolCallV2
	ended := false
	for {
		ev, err := next()
		switch {
		case errors.Is(err, io.EOF) && ended:
			return calls, nil
		case err != nil:
			return nil, err
		case ev.ContentDelta != nil:
			s.Text += *ev.ContentDelta.Delta.Message.Content.Text
		case ev.ToolCallStart != nil:
			calls = append(calls, ev.ToolCallStart.Delta.Message.ToolCalls)
		case ev.ToolCallDelta != nil:
			args := calls[*ev.ToolCallDelta.Index].Function
			joined := *args.Arguments + *ev.ToolCallDelta.Delta.Message.ToolCalls.Function.Arguments
			args.Arguments = &joined
		case ev.MessageEnd != nil:
			ended = ev.MessageEnd.Delta.FinishReason != nil
		}
	}
}

func ollamaChat(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	r := new(api.ChatRequest)
	if err := json.Unmarshal(body, r); err != nil {
		return s, err
	}
	r.Stream = &stream
	at, err := url.Parse(base)
	if err != nil {
		return s, err
	}
	m := api.Message{Role: "assistant"}
	done := false
	err = api.NewClient(at, http.DefaultClient).Chat(ctx, r, func(part api.ChatResponse) error {
		m.Content += part.Message.Content
		m.ToolCalls = append(m.ToolCalls, part.Message.ToolCalls...)
		done = done || part.Done && part.DoneReason != ""
		return nil
	})
	if err != nil || !done {
		return s, cmp.Or(err, errors.New("the answer has not ended"))
	}
	s.Text = m.Content
	for _, call := range m.ToolCalls {
		args, err := json.Marshal(call.Function.Arguments)
		if err != nil {
			return s, err
		}
		s.call(call.ID, call.Function.Name, args)
	}
	return s, s.sends(m)
}
