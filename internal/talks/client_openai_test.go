package talks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func dataURL() string { return "data:image/png;base64," + base64.StdEncoding.EncodeToString(png) }

func openAIClient(s *session) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.base+"/v1"), option.WithAPIKey("sk-client"), option.WithMaxRetries(0), option.WithHTTPClient(s.http))
}

// openAIChat is OpenAI's library with its chat completions.
func openAIChat(ctx context.Context, s *session) (out [2]turn, err error) {
	p := openai.ChatCompletionNewParams{Model: s.model, MaxTokens: openai.Int(limit),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.TextContentPart(question), openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: dataURL()})})}}
	for i, t := range offered {
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: t.name, Description: openai.String(t.description), Parameters: schema(i)}))
	}
	for i := range out {
		c, err := completion(ctx, s, p)
		if err != nil {
			return out, err
		}
		if len(c.Choices) != 1 {
			return out, fmt.Errorf("%d choices", len(c.Choices))
		}
		m := c.Choices[0].Message
		out[i] = turn{ID: c.ID, Model: c.Model, Text: m.Content, Finish: c.Choices[0].FinishReason, Input: c.Usage.PromptTokens, Output: c.Usage.CompletionTokens}
		p.Messages = append(p.Messages, m.ToParam())
		for _, x := range m.ToolCalls {
			out[i].Calls = append(out[i].Calls, call{x.ID, x.Function.Name, x.Function.Arguments})
			p.Messages = append(p.Messages, openai.ToolMessage(resultOf(x.Function.Name), x.ID))
		}
	}
	return out, nil
}

func completion(ctx context.Context, s *session, p openai.ChatCompletionNewParams) (*openai.ChatCompletion, error) {
	c := openAIClient(s)
	if !s.stream {
		return c.Chat.Completions.New(ctx, p)
	}
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	var acc openai.ChatCompletionAccumulator
	events := c.Chat.Completions.NewStreaming(ctx, p)
	for events.Next() {
		if !acc.AddChunk(events.Current()) {
			return nil, errors.New("the accumulator refuses a chunk")
		}
	}
	return &acc.ChatCompletion, events.Err()
}

// openAIResponses is OpenAI's library with its Responses.
func openAIResponses(ctx context.Context, s *session) (out [2]turn, err error) {
	p := responses.ResponseNewParams{Model: s.model, MaxOutputTokens: openai.Int(limit), Instructions: openai.String(system), Store: openai.Bool(false),
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage(responses.ResponseInputMessageContentListParam{
				responses.ResponseInputContentParamOfInputText(question),
				{OfInputImage: &responses.ResponseInputImageParam{Detail: "auto", ImageURL: openai.String(dataURL())}},
			}, responses.EasyInputMessageRoleUser)}}}
	for i, t := range offered {
		p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{
			Name: t.name, Description: openai.String(t.description), Parameters: schema(i), Strict: openai.Bool(false)}})
	}
	for i := range out {
		r, err := response(ctx, s, p)
		if err != nil {
			return out, err
		}
		out[i] = turn{ID: r.ID, Model: r.Model, Text: r.OutputText(), Finish: string(r.Status), Input: r.Usage.InputTokens, Output: r.Usage.OutputTokens}
		for _, item := range r.Output {
			if x, ok := item.AsAny().(responses.ResponseFunctionToolCall); ok {
				out[i].Calls = append(out[i].Calls, call{x.CallID, x.Name, x.Arguments})
				back := x.ToParam()
				p.Input.OfInputItemList = append(p.Input.OfInputItemList, responses.ResponseInputItemUnionParam{OfFunctionCall: &back})
			}
		}
		for _, x := range out[i].Calls {
			p.Input.OfInputItemList = append(p.Input.OfInputItemList, responses.ResponseInputItemUnionParam{
				OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{CallID: openai.String(x.ID),
					Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String(resultOf(x.Name))}}})
		}
	}
	return out, nil
}

// response is the whole response. Of a stream it is what the last event says, and the deltas must say the same.
func response(ctx context.Context, s *session, p responses.ResponseNewParams) (*responses.Response, error) {
	c := openAIClient(s)
	if !s.stream {
		return c.Responses.New(ctx, p)
	}
	events := c.Responses.NewStreaming(ctx, p)
	text, args := "", map[int64]string{}
	var last *responses.Response
	for events.Next() {
		switch ev := events.Current().AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += ev.Delta
		case responses.ResponseFunctionCallArgumentsDeltaEvent:
			args[ev.OutputIndex] += ev.Delta
		case responses.ResponseCompletedEvent:
			last = &ev.Response
		}
	}
	if err := events.Err(); err != nil || last == nil {
		return nil, errors.Join(err, errors.New("the response did not complete"))
	}
	if text != last.OutputText() {
		return nil, fmt.Errorf("the deltas say %q, the response %q", text, last.OutputText())
	}
	for i, item := range last.Output {
		if x, ok := item.AsAny().(responses.ResponseFunctionToolCall); ok && x.Arguments != args[int64(i)] {
			return nil, fmt.Errorf("the deltas say %q, the response %q", args[int64(i)], x.Arguments)
		}
	}
	return last, nil
}
