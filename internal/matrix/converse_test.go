package matrix

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// converseRequest is what conversations say in Converse's JSON, which AWS' library writes and does not read.
type converseRequest struct {
	System   []struct{ Text string }
	Messages []struct {
		Role    string
		Content []converseBlock
	}
	ToolConfig struct {
		Tools []struct {
			ToolSpec struct {
				Name, Description string
				InputSchema       struct{ JSON map[string]any }
			}
		}
	}
}

type converseBlock struct {
	Text  string `json:"text,omitempty"`
	Image *struct {
		Format string
		Source struct{ Bytes []byte }
	} `json:"image,omitempty"`
	ToolUse    *converseCall `json:"toolUse,omitempty"`
	ToolResult *struct {
		ToolUseID string
		Content   []struct{ Text string }
	} `json:"toolResult,omitempty"`
}

type converseCall struct {
	ToolUseID string         `json:"toolUseId"`
	Name      string         `json:"name"`
	Input     map[string]any `json:"input"`
}

func (b *converseBlock) block() types.ContentBlock {
	switch {
	case b.Image != nil:
		return &types.ContentBlockMemberImage{Value: types.ImageBlock{Format: types.ImageFormat(b.Image.Format),
			Source: &types.ImageSourceMemberBytes{Value: b.Image.Source.Bytes}}}
	case b.ToolUse != nil:
		return &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: &b.ToolUse.ToolUseID, Name: &b.ToolUse.Name,
			Input: document.NewLazyDocument(b.ToolUse.Input)}}
	case b.ToolResult != nil:
		r := types.ToolResultBlock{ToolUseId: &b.ToolResult.ToolUseID}
		for _, c := range b.ToolResult.Content {
			r.Content = append(r.Content, &types.ToolResultContentBlockMemberText{Value: c.Text})
		}
		return &types.ContentBlockMemberToolResult{Value: r}
	}
	return &types.ContentBlockMemberText{Value: b.Text}
}

func bedrockConverse(ctx context.Context, base string, body []byte, stream bool) (said, error) {
	var s said
	var r converseRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return s, err
	}
	in := bedrockruntime.ConverseInput{ModelId: aws.String(model), ToolConfig: &types.ToolConfiguration{}}
	for _, b := range r.System {
		in.System = append(in.System, &types.SystemContentBlockMemberText{Value: b.Text})
	}
	for _, m := range r.Messages {
		out := types.Message{Role: types.ConversationRole(m.Role)}
		for i := range m.Content {
			out.Content = append(out.Content, m.Content[i].block())
		}
		in.Messages = append(in.Messages, out)
	}
	for _, t := range r.ToolConfig.Tools {
		in.ToolConfig.Tools = append(in.ToolConfig.Tools, &types.ToolMemberToolSpec{Value: types.ToolSpecification{Name: &t.ToolSpec.Name,
			Description: &t.ToolSpec.Description, InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(t.ToolSpec.InputSchema.JSON)}}})
	}
	c := bedrockruntime.New(bedrockruntime.Options{Region: "us-east-1", BaseEndpoint: &base, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDCLIENT", "client-secret", "")})
	blocks, err := s.converse(ctx, c, &in, stream)
	if err != nil {
		return s, err
	}
	for _, b := range blocks {
		s.Text += b.Text
	}
	return s, s.sends(map[string]any{"role": "assistant", "content": blocks})
}

// converse makes the call and returns the blocks of the answer.
func (s *said) converse(ctx context.Context, c *bedrockruntime.Client, in *bedrockruntime.ConverseInput, stream bool) ([]converseBlock, error) {
	var blocks []converseBlock
	if !stream {
		answer, err := c.Converse(ctx, in)
		if err != nil {
			return nil, err
		}
		message, ok := answer.Output.(*types.ConverseOutputMemberMessage)
		if !ok || answer.StopReason == "" {
			return nil, errors.New("the message has not ended")
		}
		for _, b := range message.Value.Content {
			switch b := b.(type) {
			case *types.ContentBlockMemberText:
				blocks = append(blocks, converseBlock{Text: b.Value})
			case *types.ContentBlockMemberToolUse:
				args, err := b.Value.Input.MarshalSmithyDocument()
				if err != nil {
					return nil, err
				}
				if blocks, err = s.converseCall(blocks, &b.Value, args); err != nil {
					return nil, err
				}
			}
		}
		return blocks, nil
	}
	answer, err := c.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{ModelId: in.ModelId, System: in.System, Messages: in.Messages, ToolConfig: in.ToolConfig})
	if err != nil {
		return nil, err
	}
	events := answer.GetStream()
	defer events.Close()
	var use *types.ToolUseBlock
	args, ended := "", false
	for ev := range events.Events() {
		switch ev := ev.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			if start, ok := ev.Value.Start.(*types.ContentBlockStartMemberToolUse); ok {
				use, args = &types.ToolUseBlock{ToolUseId: start.Value.ToolUseId, Name: start.Value.Name}, ""
			}
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			switch delta := ev.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				if n := len(blocks); n == 0 || blocks[n-1].ToolUse != nil {
					blocks = append(blocks, converseBlock{})
				}
				blocks[len(blocks)-1].Text += delta.Value
			case *types.ContentBlockDeltaMemberToolUse:
				args += *delta.Value.Input
			}
		case *types.ConverseStreamOutputMemberContentBlockStop:
			if use != nil {
				if blocks, err = s.converseCall(blocks, use, []byte(args)); err != nil {
					return nil, err
				}
				use = nil
			}
		case *types.ConverseStreamOutputMemberMessageStop:
			ended = ev.Value.StopReason != ""
		}
	}
	if err := events.Err(); err != nil || !ended {
		return nil, errors.Join(err, errors.New("the message has not ended"))
	}
	return blocks, nil
}

// converseCall adds a call with its arguments.
func (s *said) converseCall(blocks []converseBlock, use *types.ToolUseBlock, args []byte) ([]converseBlock, error) {
	call := &converseCall{ToolUseID: *use.ToolUseId, Name: *use.Name, Input: map[string]any{}}
	if len(args) > 0 {
		if err := json.Unmarshal(args, &call.Input); err != nil {
			return nil, err
		}
	}
	s.call(call.ToolUseID, call.Name, args)
	return append(blocks, converseBlock{ToolUse: call}), nil
}
