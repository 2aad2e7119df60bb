package talks

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/spanway/spanway/internal/matrix/published"
)

// bedrockConverse is AWS' library with Converse and ConverseStream.
func bedrockConverse(ctx context.Context, s *session) (out [2]turn, err error) {
	c := bedrockruntime.New(bedrockruntime.Options{Region: "eu-west-1", BaseEndpoint: &s.base, HTTPClient: published.AWSClient{HTTP: s.http}, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDCLIENT", "client-secret", "")})
	r := &bedrockruntime.ConverseInput{ModelId: &s.model, InferenceConfig: &types.InferenceConfiguration{MaxTokens: aws.Int32(limit)},
		System: []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: system}}, ToolConfig: new(types.ToolConfiguration),
		Messages: []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: question},
			&types.ContentBlockMemberImage{Value: types.ImageBlock{Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: png}}}}}}}
	for i, t := range offered {
		r.ToolConfig.Tools = append(r.ToolConfig.Tools, &types.ToolMemberToolSpec{Value: types.ToolSpecification{Name: aws.String(t.name),
			Description: aws.String(t.description), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(schema(i))}}})
	}
	for i := range out {
		var m types.Message
		if s.stream {
			m, err = out[i].streamBedrock(ctx, c, r)
		} else {
			m, err = out[i].askBedrock(ctx, c, r)
		}
		if err != nil {
			return out, err
		}
		results := types.Message{Role: types.ConversationRoleUser}
		for _, b := range m.Content {
			switch b := b.(type) {
			case *types.ContentBlockMemberText:
				out[i].Text += b.Value
			case *types.ContentBlockMemberToolUse:
				args, err := b.Value.Input.MarshalSmithyDocument()
				if err != nil {
					return out, err
				}
				out[i].Calls = append(out[i].Calls, call{*b.Value.ToolUseId, *b.Value.Name, string(args)})
				results.Content = append(results.Content, &types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{ToolUseId: b.Value.ToolUseId,
					Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: resultOf(*b.Value.Name)}}}})
			default:
				return out, fmt.Errorf("a block %T", b)
			}
		}
		r.Messages = append(r.Messages, m, results)
	}
	return out, nil
}

func (t *turn) bedrockUsage(u *types.TokenUsage) {
	t.Input, t.Output = int64(*u.InputTokens), int64(*u.OutputTokens)
}

func (t *turn) askBedrock(ctx context.Context, c *bedrockruntime.Client, r *bedrockruntime.ConverseInput) (types.Message, error) {
	answer, err := c.Converse(ctx, r)
	if err != nil {
		return types.Message{}, err
	}
	t.Finish = string(answer.StopReason)
	t.bedrockUsage(answer.Usage)
	m, ok := answer.Output.(*types.ConverseOutputMemberMessage)
	if !ok {
		return types.Message{}, fmt.Errorf("an output %T", answer.Output)
	}
	return m.Value, nil
}

// streamBedrock puts the message together from its blocks, as the library leaves to its users.
func (t *turn) streamBedrock(ctx context.Context, c *bedrockruntime.Client, r *bedrockruntime.ConverseInput) (types.Message, error) {
	m := types.Message{Role: types.ConversationRoleAssistant}
	answer, err := c.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{ModelId: r.ModelId, InferenceConfig: r.InferenceConfig,
		System: r.System, ToolConfig: r.ToolConfig, Messages: r.Messages})
	if err != nil {
		return m, err
	}
	events := answer.GetStream()
	defer events.Close()
	text := ""
	var use *types.ToolUseBlock
	for ev := range events.Events() {
		switch ev := ev.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			if start, ok := ev.Value.Start.(*types.ContentBlockStartMemberToolUse); ok {
				use = &types.ToolUseBlock{ToolUseId: start.Value.ToolUseId, Name: start.Value.Name}
			}
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			switch d := ev.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				text += d.Value
			case *types.ContentBlockDeltaMemberToolUse:
				text += *d.Value.Input
			default:
				return m, fmt.Errorf("a delta %T", d)
			}
		case *types.ConverseStreamOutputMemberContentBlockStop:
			if use == nil {
				m.Content = append(m.Content, &types.ContentBlockMemberText{Value: text})
			} else {
				var input any
				if err := json.Unmarshal([]byte(text), &input); err != nil {
					return m, err
				}
				use.Input = document.NewLazyDocument(input)
				m.Content = append(m.Content, &types.ContentBlockMemberToolUse{Value: *use})
			}
			text, use = "", nil
		case *types.ConverseStreamOutputMemberMessageStop:
			t.Finish = string(ev.Value.StopReason)
		case *types.ConverseStreamOutputMemberMetadata:
			t.bedrockUsage(ev.Value.Usage)
		}
	}
	return m, events.Err()
}
