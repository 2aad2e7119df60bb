package talks

import (
	"context"
	"encoding/base64"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// anthropicMessages is Anthropic's library.
func anthropicMessages(ctx context.Context, s *session) (out [2]turn, err error) {
	c := anthropic.NewClient(option.WithBaseURL(s.base), option.WithAPIKey("sk-client"), option.WithMaxRetries(0), option.WithHTTPClient(s.http))
	p := anthropic.MessageNewParams{Model: s.model, MaxTokens: limit, System: []anthropic.TextBlockParam{{Text: system}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(question),
			anthropic.NewImageBlockBase64("image/png", base64.StdEncoding.EncodeToString(png)))}}
	for _, t := range offered {
		p.Tools = append(p.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{Name: t.name, Description: anthropic.String(t.description),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: t.properties, Required: t.required}}})
	}
	for i := range out {
		m, err := claudeMessage(ctx, s, &c, p)
		if err != nil {
			return out, err
		}
		out[i] = turn{ID: m.ID, Model: m.Model, Finish: string(m.StopReason), Output: m.Usage.OutputTokens,
			Input: m.Usage.InputTokens + m.Usage.CacheReadInputTokens + m.Usage.CacheCreationInputTokens}
		var results []anthropic.ContentBlockParamUnion
		for _, b := range m.Content {
			switch b := b.AsAny().(type) {
			case anthropic.TextBlock:
				out[i].Text += b.Text
			case anthropic.ToolUseBlock:
				out[i].Calls = append(out[i].Calls, call{b.ID, b.Name, string(b.Input)})
				results = append(results, anthropic.NewToolResultBlock(b.ID, resultOf(b.Name), false))
			}
		}
		p.Messages = append(p.Messages, m.ToParam(), anthropic.NewUserMessage(results...))
	}
	return out, nil
}

func claudeMessage(ctx context.Context, s *session, c *anthropic.Client, p anthropic.MessageNewParams) (*anthropic.Message, error) {
	if !s.stream {
		return c.Messages.New(ctx, p)
	}
	var m anthropic.Message
	events := c.Messages.NewStreaming(ctx, p)
	for events.Next() {
		if err := m.Accumulate(events.Current()); err != nil {
			return nil, err
		}
	}
	return &m, events.Err()
}
