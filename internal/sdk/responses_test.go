package sdk

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/spanway/spanway/internal/matrix/published"
)

func responseTools() responses.ResponseNewParams {
	p := responses.ResponseNewParams{Model: "claude-sonnet-4-5", Instructions: openai.String("Be brief."), MaxOutputTokens: openai.Int(50),
		Store: openai.Bool(false), Include: []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent},
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Weather and time?")}}
	for _, name := range []string{"get_weather", "get_time"} {
		p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{Name: name, Parameters: shared.FunctionParameters{"type": "object"}}})
	}
	return p
}

func responseWithTools(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Responses.New(ctx, responseTools(), head))
}

func responseStreamWithTools(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return events(c.Responses.NewStreaming(ctx, responseTools(), head))
}

// saysResponse is what a response says, in one line an item.
func saysResponse(r *responses.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", r.ID, r.Model, r.Status)
	for _, x := range r.Output {
		switch x := x.AsAny().(type) {
		case responses.ResponseReasoningItem:
			fmt.Fprintf(&b, "\nreasoning %s %s", x.Summary[0].Text, x.EncryptedContent)
		case responses.ResponseOutputMessage:
			fmt.Fprintf(&b, "\nmessage %s %s", x.Content[0].Text, x.Status)
		case responses.ResponseFunctionToolCall:
			fmt.Fprintf(&b, "\ncall %s %s %s", x.CallID, x.Name, x.Arguments)
		}
	}
	fmt.Fprintf(&b, "\n%d/%d/%d", r.Usage.InputTokens, r.Usage.InputTokensDetails.CachedTokens, r.Usage.OutputTokens)
	return b.String()
}

// TestResponses asks providers of other dialects through OpenAI's Responses: the library knows every member of what it is told.
func TestResponses(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		name, path, script string
		do                 openAICall
		want               string
	}{
		{"Anthropic", "/anthropic/v1", "anthropic/tools", responseWithTools,
			"msg_tools " + dated45 + " completed\nmessage I'll look both up. completed\ncall toolu_01A09q90qw90lq917835lq9 get_weather {\"location\":\"Paris\",\"unit\":\"c\"}\n" +
				"call toolu_02B get_time {}\n472/0/91"},
		{"Anthropic, streamed", "/anthropic/v1", "anthropic/stream_tools", responseStreamWithTools,
			"msg_014p7gG3wDgGV9EUtLvnow3U " + dated45 + " completed\nreasoning They want the weather. signature:EqQBCgIYAhIM1gbcDa9GJwZA2b3h\nmessage Okay. completed\n" +
				"call toolu_01T1x1fJ34qAmk2tNTrN7Up6 get_weather {\"location\": \"San Francisco, CA\"}\ncall toolu_02 get_time {}\n472/0/89"},
		{"Vertex AI", "/vertex/v1", "gemini/content", response,
			"eCrIaJ2EKv gemini-2.5-flash completed\nreasoning Thinking… \nmessage Hello “there”! completed\n8/4/62"},
		{"Vertex AI, streamed", "/vertex/v1", "gemini/stream", responseStream,
			"st1 gemini-2.5-flash completed\nmessage Hello wörld 🌍 completed\ncall call_st1_1 get_weather {\"location\": \"Paris\"}\n8/0/17"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, _ := r.through(t, openAI(x.do), x.path, x.script)
			r.gw.Trace(t)
			if got.Failure != (failure{}) || len(got.Values) == 0 {
				t.Fatalf("the library failed with %+v", got.Failure)
			}
			for i, v := range got.Values {
				if lost := published.Unknown(v); lost != nil {
					t.Errorf("value %d, %T: the library does not know %v", i, v, lost)
				}
			}
			last := got.Values[len(got.Values)-1]
			if e, ok := last.(responses.ResponseStreamEventUnion); ok {
				if e.Type != "response.completed" || int(e.SequenceNumber) != len(got.Values)-1 {
					t.Errorf("the stream ends with %s, number %d of %d", e.Type, e.SequenceNumber, len(got.Values))
				}
				last = e.Response
			}
			answer, ok := last.(responses.Response)
			if !ok {
				t.Fatalf("the library returned %T", last)
			}
			if d := cmp.Diff(x.want, saysResponse(&answer)); d != "" {
				t.Errorf("the client is told (-want +got):\n%s", d)
			}
		})
	}
}
