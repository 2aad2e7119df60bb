package talks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	cohere "github.com/cohere-ai/cohere-go/v2"
	cohereclient "github.com/cohere-ai/cohere-go/v2/client"
	"github.com/cohere-ai/cohere-go/v2/option"

	"github.com/spanway/spanway/internal/matrix/published"
)

// cohereChat is Cohere's library with its API v2.
func cohereChat(ctx context.Context, s *session) (out [2]turn, err error) {
	reading := &http.Client{Transport: published.CohereTransport{Base: s.http.Transport}}
	c := cohereclient.NewClient(option.WithBaseURL(s.base), option.WithToken("co-client"), option.WithMaxAttempts(1), option.WithHTTPClient(reading))
	messages := cohere.ChatMessages{
		{Role: "system", System: &cohere.SystemMessageV2{Content: &cohere.SystemMessageV2Content{String: system}}},
		{Role: "user", User: &cohere.UserMessageV2{Content: &cohere.UserMessageV2Content{ContentList: []*cohere.Content{
			{Type: "text", Text: &cohere.ChatTextContent{Text: question}},
			{Type: "image_url", ImageUrl: &cohere.ImageContent{ImageUrl: &cohere.ImageUrl{Url: dataURL()}}}}}}},
	}
	var tools []*cohere.ToolV2
	for i, t := range offered {
		tools = append(tools, &cohere.ToolV2{Type: cohere.String("function"), Function: &cohere.ToolV2Function{
			Name: t.name, Description: cohere.String(t.description), Parameters: schema(i)}})
	}
	for i := range out {
		var m *cohere.AssistantMessage
		if s.stream {
			m, err = out[i].streamCohere(ctx, c, &cohere.V2ChatStreamRequest{Model: s.model, MaxTokens: cohere.Int(limit), Messages: messages, Tools: tools})
		} else {
			m, err = out[i].askCohere(ctx, c, &cohere.V2ChatRequest{Model: s.model, MaxTokens: cohere.Int(limit), Messages: messages, Tools: tools})
		}
		if err != nil {
			return out, err
		}
		messages = append(messages, &cohere.ChatMessageV2{Role: "assistant", Assistant: m})
		for _, x := range m.ToolCalls {
			out[i].Calls = append(out[i].Calls, call{*x.Id, *x.Function.Name, *x.Function.Arguments})
			messages = append(messages, &cohere.ChatMessageV2{Role: "tool", Tool: &cohere.ToolMessageV2{ToolCallId: *x.Id,
				Content: &cohere.ToolMessageV2Content{String: resultOf(*x.Function.Name)}}})
		}
	}
	return out, nil
}

func (t *turn) cohereUsage(u *cohere.Usage) {
	if u != nil && u.Tokens != nil {
		t.Input, t.Output = int64(*u.Tokens.InputTokens), int64(*u.Tokens.OutputTokens)
	}
}

func (t *turn) askCohere(ctx context.Context, c *cohereclient.Client, r *cohere.V2ChatRequest) (*cohere.AssistantMessage, error) {
	answer, err := c.V2.Chat(ctx, r)
	if err != nil {
		return nil, err
	}
	t.ID, t.Finish = answer.Id, string(answer.FinishReason)
	t.cohereUsage(answer.Usage)
	for _, x := range answer.Message.Content {
		if x.Text == nil {
			return nil, fmt.Errorf("content %+v", x)
		}
		t.Text += x.Text.Text
	}
	return &cohere.AssistantMessage{ToolCalls: answer.Message.ToolCalls, ToolPlan: answer.Message.ToolPlan}, nil
}

func (t *turn) streamCohere(ctx context.Context, c *cohereclient.Client, r *cohere.V2ChatStreamRequest) (*cohere.AssistantMessage, error) {
	events, err := c.V2.ChatStream(ctx, r)
	if err != nil {
		return nil, err
	}
	defer events.Close()
	m := new(cohere.AssistantMessage)
	for {
		ev, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case ev.MessageStart != nil:
			t.ID = *ev.MessageStart.Id
		case ev.ContentDelta != nil:
			t.Text += *ev.ContentDelta.Delta.Message.Content.Text
		case ev.ToolCallStart != nil:
			m.ToolCalls = append(m.ToolCalls, ev.ToolCallStart.Delta.Message.ToolCalls)
		case ev.ToolCallDelta != nil:
			*m.ToolCalls[*ev.ToolCallDelta.Index].Function.Arguments += *ev.ToolCallDelta.Delta.Message.ToolCalls.Function.Arguments
		case ev.MessageEnd != nil:
			t.Finish = string(*ev.MessageEnd.Delta.FinishReason)
			t.cohereUsage(ev.MessageEnd.Delta.Usage)
		}
	}
}
