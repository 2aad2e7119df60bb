package talks

import (
	"context"
	"net/url"

	"github.com/ollama/ollama/api"
)

// ollamaChat is Ollama's library.
func ollamaChat(ctx context.Context, s *session) (out [2]turn, err error) {
	base, err := url.Parse(s.base)
	if err != nil {
		return out, err
	}
	c := api.NewClient(base, s.http)
	r := &api.ChatRequest{Model: s.model, Stream: &s.stream, Options: map[string]any{"num_predict": limit}, Messages: []api.Message{
		{Role: "system", Content: system}, {Role: "user", Content: question, Images: []api.ImageData{png}}}}
	for i, t := range offered {
		tool := api.Tool{Type: "function", Function: api.ToolFunction{Name: t.name, Description: t.description}}
		if err := into(schema(i), &tool.Function.Parameters); err != nil {
			return out, err
		}
		r.Tools = append(r.Tools, tool)
	}
	for i := range out {
		m := api.Message{Role: "assistant"}
		if err := c.Chat(ctx, r, func(x api.ChatResponse) error {
			m.Content += x.Message.Content
			m.ToolCalls = append(m.ToolCalls, x.Message.ToolCalls...)
			if x.Done {
				out[i] = turn{Model: x.Model, Finish: x.DoneReason, Input: int64(x.PromptEvalCount), Output: int64(x.EvalCount)}
			}
			return nil
		}); err != nil {
			return out, err
		}
		out[i].Text = m.Content
		r.Messages = append(r.Messages, m)
		for _, x := range m.ToolCalls {
			out[i].Calls = append(out[i].Calls, call{x.ID, x.Function.Name, x.Function.Arguments.String()})
			r.Messages = append(r.Messages, api.Message{Role: "tool", ToolName: x.Function.Name, ToolCallID: x.ID, Content: resultOf(x.Function.Name)})
		}
	}
	return out, nil
}
