package sdk

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/matrix/published"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// bedrockCall is a call of AWS' library; what it returns are values to compare.
type bedrockCall func(ctx context.Context, c *bedrockruntime.Client) ([]any, error)

// bedrock makes a call with credentials that sign it.
func bedrock(call bedrockCall) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		c := bedrockruntime.New(bedrockruntime.Options{Region: "us-east-1", BaseEndpoint: &base, Retryer: aws.NopRetryer{}, HTTPClient: published.AWSClient{HTTP: http.DefaultClient},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-secret"}, nil
			})})
		values, err := call(ctx, c)
		s := seen{Values: values}
		var e smithy.APIError
		switch {
		case errors.As(err, &e):
			s.Failure = failure{Kind: "smithy.APIError", Type: e.ErrorCode(), Message: e.ErrorMessage()}
		case err != nil:
			s.Failure = otherFailure(err, base)
		}
		return s
	}
}

const novaModel = "us.amazon.nova-lite-v1:0"

// conversation is what converse and converseStream ask.
func conversation() ([]types.SystemContentBlock, []types.Message, *types.InferenceConfiguration, *types.ToolConfiguration) {
	schema := document.NewLazyDocument(map[string]any{"type": "object"})
	return []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: "Be brief."}},
		[]types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{
			&types.ContentBlockMemberText{Value: "What is this, and the weather there?"},
			&types.ContentBlockMemberImage{Value: types.ImageBlock{Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: []byte("\x89PNG")}}},
		}}},
		&types.InferenceConfiguration{MaxTokens: aws.Int32(200), Temperature: aws.Float32(0.5)},
		&types.ToolConfiguration{Tools: []types.Tool{&types.ToolMemberToolSpec{Value: types.ToolSpecification{
			Name: aws.String("get_weather"), InputSchema: &types.ToolInputSchemaMemberJson{Value: schema}}}}}
}

func converse(ctx context.Context, c *bedrockruntime.Client) ([]any, error) {
	in := &bedrockruntime.ConverseInput{ModelId: aws.String(novaModel)}
	in.System, in.Messages, in.InferenceConfig, in.ToolConfig = conversation()
	out, err := c.Converse(ctx, in)
	if err != nil {
		return nil, err
	}
	out.ResultMetadata = middleware.Metadata{} // when it was, and how long it took
	return []any{*out}, nil
}

func converseStream(ctx context.Context, c *bedrockruntime.Client) ([]any, error) {
	in := &bedrockruntime.ConverseStreamInput{ModelId: aws.String(novaModel)}
	in.System, in.Messages, in.InferenceConfig, in.ToolConfig = conversation()
	out, err := c.ConverseStream(ctx, in)
	if err != nil {
		return nil, err
	}
	s := out.GetStream()
	defer s.Close()
	var values []any
	for ev := range s.Events() {
		values = append(values, ev)
	}
	return values, s.Err()
}

// messages is an event stream: a name and a payload each; an exception's name begins with "!".
func messages(pairs ...string) answer {
	var body []byte
	for i := 0; i < len(pairs); i += 2 {
		name, kind := pairs[i], "event"
		if s, ok := strings.CutPrefix(name, "!"); ok {
			name, kind = s, "exception"
		}
		h := frame.AppendHeader(nil, ":"+kind+"-type", name)
		h = frame.AppendHeader(h, ":content-type", "application/json")
		body = frame.AppendMessage(body, frame.AppendHeader(h, ":message-type", kind), []byte(pairs[i+1]))
	}
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/vnd.amazon.eventstream"}}, body: string(body)}
}

func plain(status int, body string, header ...string) answer {
	a := answer{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: body}
	for i := 0; i < len(header); i += 2 {
		a.header.Set(header[i], header[i+1])
	}
	return a
}

// TestBedrock makes calls directly and through the gateway: the library decodes the same, the provider gets the same request but
// for its signature, which is the gateway's own.
func TestBedrock(t *testing.T) {
	r := newRig(t)
	attrs := func(more ...any) map[string]any {
		return with(map[string]any{"gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": novaModel, "gen_ai.request.max_tokens": int64(200),
			"gen_ai.request.temperature": 0.5}, more...)
	}
	for _, x := range []struct {
		name   string
		answer answer
		do     bedrockCall
		fails  failure
		want   want
	}{
		{"converse", plain(200, `{"metrics":{"latencyMs":610},"output":{"message":{"role":"assistant","content":[{"text":"A lighthouse."},{"toolUse":{"toolUseId":"tooluse_1","name":"get_weather","input":{"location":"Westerhever","days":[1,2.5]}}}]}},"stopReason":"tool_use","usage":{"inputTokens":10,"outputTokens":5,"totalTokens":35,"cacheReadInputTokens":20}}`),
			converse, failure{}, want{attrs: attrs("gen_ai.response.finish_reasons", []string{"tool_use"}, "gen_ai.usage.input_tokens", int64(30), "spanway.outcome", "ok")}},
		{"streamed", messages("messageStart", `{"role":"assistant","p":"ab"}`, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"A light"},"p":"x"}`,
			"contentBlockStop", `{"contentBlockIndex":0}`, "contentBlockStart", `{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"get_weather"}}}`,
			"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":1}"}}}`, "contentBlockStop", `{"contentBlockIndex":1}`,
			"messageStop", `{"stopReason":"tool_use"}`, "metadata", `{"metrics":{"latencyMs":9},"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15}}`),
			converseStream, failure{}, want{attrs: attrs("gen_ai.request.stream", true, "gen_ai.usage.output_tokens", int64(5), "spanway.outcome", "ok")}},
		{"400", plain(400, `{"message":"The provided model identifier is invalid."}`, "X-Amzn-Errortype", "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"),
			converse, failure{Type: "ValidationException", Message: "identifier"}, want{failed: "ValidationException", attrs: attrs("spanway.outcome", "client_error")}},
		{"429 of a stream", plain(429, `{"message":"slow down"}`, "X-Amzn-Errortype", "ThrottlingException"), converseStream,
			failure{Type: "ThrottlingException"}, want{failed: "ThrottlingException", attrs: attrs("spanway.outcome", "rate_limited")}},
		{"in the middle of a stream", messages("messageStart", `{"role":"assistant"}`, "!throttlingException", `{"message":"slow down"}`), converseStream,
			failure{Type: "ThrottlingException"}, want{failed: "throttlingException", attrs: attrs("spanway.outcome", "upstream_error")}},
	} {
		t.Run(x.name, func(t *testing.T) {
			direct, through := r.twice(t, x.answer, bedrock(x.do), "/bedrock")
			if d := cmp.Diff(direct, through, whole); d != "" {
				t.Errorf("the client sees something else (-direct +gateway):\n%s", d)
			}
			if x.fails != (failure{}) && !x.fails.in(direct.Failure) || x.fails == (failure{}) && (direct.Failure != failure{} || len(direct.Values) == 0) {
				t.Errorf("the library failed with %+v, want %+v", direct.Failure, x.fails)
			}
			x.want.name = "chat " + novaModel
			traces := r.gw.Traces(t, 1)
			x.want.check(t, traces[len(traces)-1])
		})
	}
}

// twice makes a call directly and through the gateway, below route, and compares the requests.
func (r *rig) twice(t *testing.T, a answer, do func(context.Context, string) seen, route string) (direct, through seen) {
	t.Helper()
	r.up.tell([]answer{a})
	direct, sent := do(t.Context(), r.up.URL), r.up.take()
	r.up.tell([]answer{a})
	through, got := do(t.Context(), r.gw.URL+route), r.up.take()
	if len(sent) != 1 || len(got) != 1 {
		t.Fatalf("%d and %d requests were made, want one each", len(sent), len(got))
	}
	if sent[0].Method != got[0].Method || sent[0].Target != got[0].Target || sent[0].Body != got[0].Body {
		t.Errorf("the provider receives %s %s %s, directly %s %s %s", got[0].Method, got[0].Target, got[0].Body, sent[0].Method, sent[0].Target, sent[0].Body)
	}
	return direct, through
}

// TestBedrockRecordings has the library decode every recorded answer of Converse, directly and through the gateway.
func TestBedrockRecordings(t *testing.T) {
	r := newRig(t)
	for _, x := range exchange.Load(t, "bedrock.converse", "bedrock.converse_stream") {
		call := converse
		if x.Stream {
			call = converseStream
		}
		a := answer{status: x.Response.Status, header: http.Header{}, body: string(x.Response.Body)}
		for k, v := range x.Response.Headers {
			a.header.Set(k, v)
		}
		direct, through := r.twice(t, a, bedrock(call), "/bedrock")
		if d := cmp.Diff(direct, through, whole); d != "" {
			t.Errorf("%s: the client sees something else (-direct +gateway):\n%s", x.ID, d)
		}
	}
}

// TestBedrockAcross has the library decode what the gateway makes of answers of OpenAI's.
func TestBedrockAcross(t *testing.T) {
	r := newRig(t)
	r.up.tell([]answer{script(t, "openai/tools")})
	s := bedrock(converse)(t.Context(), r.gw.URL+"/openai")
	if s.Failure != (failure{}) || len(s.Values) != 1 {
		t.Fatalf("the library failed with %+v", s.Failure)
	}
	out := s.Values[0].(bedrockruntime.ConverseOutput)
	m, ok := out.Output.(*types.ConverseOutputMemberMessage)
	if !ok || m.Value.Role != types.ConversationRoleAssistant || out.StopReason != types.StopReasonToolUse || *out.Usage.InputTokens == 0 {
		t.Errorf("the library made of it: %+v", out)
	}
	calls := map[string]string{}
	for _, b := range m.Value.Content {
		if use, ok := b.(*types.ContentBlockMemberToolUse); ok {
			args, err := use.Value.Input.MarshalSmithyDocument()
			if err != nil {
				t.Fatal(err)
			}
			calls[*use.Value.ToolUseId] = *use.Value.Name + " " + string(bytes.TrimSpace(args))
		}
	}
	r.up.tell([]answer{script(t, "openai/stream_tools")})
	s = bedrock(converseStream)(t.Context(), r.gw.URL+"/openai")
	if s.Failure != (failure{}) {
		t.Fatalf("the library failed with %+v", s.Failure)
	}
	streamed, ids, args := map[string]string{}, map[int32]string{}, map[int32]string{}
	for _, v := range s.Values {
		switch v := v.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			use := v.Value.Start.(*types.ContentBlockStartMemberToolUse).Value
			ids[*v.Value.ContentBlockIndex] = *use.ToolUseId
			args[*v.Value.ContentBlockIndex] = *use.Name + " "
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			if use, ok := v.Value.Delta.(*types.ContentBlockDeltaMemberToolUse); ok {
				args[*v.Value.ContentBlockIndex] += *use.Value.Input
			}
		}
	}
	for i, id := range ids {
		streamed[id] = args[i]
	}
	if len(calls) != 2 || len(streamed) == 0 {
		t.Errorf("the library sees the calls %v, streamed %v", calls, streamed)
	}
	last, ok := s.Values[len(s.Values)-1].(*types.ConverseStreamOutputMemberMetadata)
	if !ok || last.Value.Usage == nil {
		t.Errorf("the last event is %+v", s.Values[len(s.Values)-1])
	}
	r.up.tell([]answer{script(t, "openai/429")})
	if s := bedrock(converse)(t.Context(), r.gw.URL+"/openai"); s.Failure.Type != "ThrottlingException" {
		t.Errorf("the library failed with %+v, want a ThrottlingException", s.Failure)
	}
}
