package sdk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	cohere "github.com/cohere-ai/cohere-go/v2"
	cohereclient "github.com/cohere-ai/cohere-go/v2/client"
	coherecore "github.com/cohere-ai/cohere-go/v2/core"
	"github.com/google/go-cmp/cmp"
)

// cohereCall is a call of Cohere's library; what it returns are values to compare.
type cohereCall func(ctx context.Context, c *cohereclient.Client) ([]any, error)

// headed keeps the head of the last response.
type headed struct{ last *http.Response }

// Do implements the library's HTTPClient.
func (h *headed) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	h.last = resp
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		resp.Body = &eventLines{Closer: resp.Body, lines: bufio.NewReader(resp.Body)}
	}
	return resp, err
}

// eventLines is a body of server-sent events, of which every Read returns one line of data. The library takes what one Read
// returns for lines that are whole and for events that go on, which a network does not promise (version 2.15.3).
type eventLines struct {
	io.Closer
	lines *bufio.Reader
	rest  []byte
}

// Read implements io.Reader.
func (l *eventLines) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		line, err := l.lines.ReadBytes('\n')
		if bytes.HasPrefix(line, []byte("data: ")) {
			l.rest = line
		} else if err != nil {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// commandR makes a call without retries by the library.
func commandR(call cohereCall) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		var s seen
		h := &headed{}
		c := cohereclient.NewClient(cohereclient.WithBaseURL(base), cohereclient.WithToken("co-test"), cohereclient.WithHTTPClient(h), cohereclient.WithMaxAttempts(1))
		values, err := call(ctx, c)
		s.Values = values
		s.head(h.last)
		var e *coherecore.APIError
		switch {
		case errors.As(err, &e):
			s.Failure = failure{Kind: fmt.Sprintf("%T", err), Status: e.StatusCode, Message: strings.ReplaceAll(err.Error(), base, "BASE")}
		case err != nil:
			s.Failure = otherFailure(err, base)
		}
		return s
	}
}

const commandA = "command-a-03-2025"

func cohereMessages() cohere.ChatMessages {
	return cohere.ChatMessages{
		{Role: "system", System: &cohere.SystemMessageV2{Content: &cohere.SystemMessageV2Content{String: "Be brief."}}},
		{Role: "user", User: &cohere.UserMessageV2{Content: &cohere.UserMessageV2Content{String: "Hi <there> & “you”!"}}},
	}
}

func cohereTools() []*cohere.ToolV2 {
	var out []*cohere.ToolV2
	for _, name := range []string{"get_weather", "get_time"} {
		out = append(out, &cohere.ToolV2{Type: cohere.String("function"), Function: &cohere.ToolV2Function{Name: name,
			Description: cohere.String("Looks it up."), Parameters: map[string]any{"type": "object"}}})
	}
	return out
}

func cohereChat(model string) cohereCall {
	return func(ctx context.Context, c *cohereclient.Client) ([]any, error) {
		return value(c.V2.Chat(ctx, &cohere.V2ChatRequest{Model: model, Messages: cohereMessages(), Tools: cohereTools(),
			MaxTokens: cohere.Int(64), Temperature: cohere.Float64(0.5)}))
	}
}

func cohereStream(model string) cohereCall {
	return func(ctx context.Context, c *cohereclient.Client) (out []any, err error) {
		s, err := c.V2.ChatStream(ctx, &cohere.V2ChatStreamRequest{Model: model, Messages: cohereMessages(), Tools: cohereTools(), MaxTokens: cohere.Int(64)})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		for {
			ev, err := s.Recv()
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			if err != nil {
				return out, err
			}
			out = append(out, ev)
		}
	}
}

func cohereStreamV1(ctx context.Context, c *cohereclient.Client) (out []any, err error) {
	s, err := c.ChatStream(ctx, &cohere.ChatStreamRequest{Model: cohere.String("command"), Message: "Hi!"})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for {
		ev, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, ev)
	}
}

func cohereEmbed(ctx context.Context, c *cohereclient.Client) ([]any, error) {
	return value(c.V2.Embed(ctx, &cohere.V2EmbedRequest{Model: "embed-v4.0", InputType: cohere.EmbedInputTypeSearchQuery, Texts: []string{"a", "b"},
		EmbeddingTypes: []cohere.EmbeddingType{cohere.EmbeddingTypeFloat}}))
}

func cohereRerank(ctx context.Context, c *cohereclient.Client) ([]any, error) {
	return value(c.V2.Rerank(ctx, &cohere.V2RerankRequest{Model: "rerank-v3.5", Query: "q", Documents: []string{"a", "b"}}))
}

func TestCohere(t *testing.T) {
	told := func(id string, in, out int64, finish string) map[string]any {
		return map[string]any{"gen_ai.provider.name": "cohere", "gen_ai.response.id": id, "gen_ai.response.model": nil, "gen_ai.usage.input_tokens": in,
			"gen_ai.usage.output_tokens": out, "gen_ai.response.finish_reasons": []string{finish}, "spanway.outcome": "ok"}
	}
	newRig(t).same(t, "", "/cohere", []trip{
		{name: "chat", answers: []string{"cohere/chat"}, do: commandR(cohereChat(commandA)), spans: []want{{name: "chat " + commandA,
			attrs: with(told("7f6aa44e-1618-44db-8bc5-975e28a9d155", 577, 90, "COMPLETE"), "gen_ai.usage.cache_read.input_tokens", int64(576),
				"gen_ai.request.temperature", 0.5, "gen_ai.request.max_tokens", int64(64), "gen_ai.request.stream", nil)}}},
		{name: "streamed", answers: []string{"cohere/stream"}, do: commandR(cohereStream(commandA)), spans: []want{{name: "chat " + commandA,
			attrs: with(told("e6d757a9-f0f3-40fe-9b8a-44cdc3bd18a7", 968, 83, "TOOL_CALL"), "gen_ai.request.stream", true)}}},
		{name: "version 1, streamed", answers: []string{"cohere/stream_v1"}, do: commandR(cohereStreamV1), spans: []want{{name: "chat command",
			attrs: told("dcdb9a85-a8dc-4f4c-9779-f7c1801248f3", 69, 4, "COMPLETE")}}},
		{name: "embed", answers: []string{"cohere/embed"}, do: commandR(cohereEmbed), spans: []want{{name: "embeddings embed-v4.0",
			attrs: map[string]any{"gen_ai.usage.input_tokens": int64(4), "gen_ai.embeddings.dimension.count": int64(3)}}}},
		{name: "rerank", answers: []string{"cohere/rerank"}, do: commandR(cohereRerank), spans: []want{{name: "rerank rerank-v3.5",
			attrs: map[string]any{"gen_ai.response.id": "rank-1", "gen_ai.usage.input_tokens": nil}}}},
		{name: "429", answers: []string{"cohere/429"}, do: commandR(cohereChat(commandA)), fails: failure{Kind: "*api.TooManyRequestsError", Status: 429},
			spans: []want{{name: "chat " + commandA, failed: "429", attrs: map[string]any{"spanway.outcome": "rate_limited"}}}},
	})
}

// saysCohere is what a response of Cohere's, or the events of one, say, in one line a part.
func saysCohere(t *testing.T, s seen) string {
	t.Helper()
	if s.Failure != (failure{}) {
		t.Fatalf("the library failed with %+v", s.Failure)
	}
	var b strings.Builder
	for _, v := range s.Values {
		switch v := v.(type) {
		case cohere.V2ChatResponse:
			fmt.Fprint(&b, v.Id)
			for _, c := range v.Message.Content {
				fmt.Fprintf(&b, "\n%s %s%s", c.Type, c.Text.GetText(), c.Thinking.GetThinking())
			}
			for _, c := range v.Message.ToolCalls {
				fmt.Fprintf(&b, "\n%s %s %s", *c.Id, *c.Function.Name, *c.Function.Arguments)
			}
			fmt.Fprintf(&b, "\n%s %v/%v", v.FinishReason, *v.Usage.Tokens.InputTokens, *v.Usage.BilledUnits.OutputTokens)
		case cohere.V2ChatStreamResponse:
			saysCohereEvent(&b, &v)
		}
	}
	return b.String()
}

func saysCohereEvent(b *strings.Builder, v *cohere.V2ChatStreamResponse) {
	switch {
	case v.MessageStart != nil:
		fmt.Fprint(b, *v.MessageStart.Id)
	case v.ContentStart != nil:
		fmt.Fprintf(b, "\n%s ", *v.ContentStart.Delta.Message.Content.Type)
	case v.ContentDelta != nil && v.ContentDelta.Delta.Message.Content.Text != nil:
		fmt.Fprint(b, *v.ContentDelta.Delta.Message.Content.Text)
	case v.ContentDelta != nil:
		fmt.Fprint(b, *v.ContentDelta.Delta.Message.Content.Thinking)
	case v.ToolCallStart != nil:
		c := v.ToolCallStart.Delta.Message.ToolCalls
		fmt.Fprintf(b, "\n%s %s ", *c.Id, *c.Function.Name)
	case v.ToolCallDelta != nil:
		fmt.Fprint(b, *v.ToolCallDelta.Delta.Message.ToolCalls.Function.Arguments)
	case v.MessageEnd != nil:
		d := v.MessageEnd.Delta
		fmt.Fprintf(b, "\n%s", *d.FinishReason)
		if d.Usage != nil {
			fmt.Fprintf(b, " %v/%v", *d.Usage.Tokens.InputTokens, *d.Usage.BilledUnits.OutputTokens)
		}
	}
}

// TestCohereElsewhere is Cohere's library against providers of other dialects: what it is told, and where they were asked.
func TestCohereElsewhere(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		name, path, script string
		do                 cohereCall
		want, target       string
	}{
		{"Anthropic", "/anthropic", "anthropic/tools", cohereChat(claude45), "msg_tools\ntext I'll look both up.\ntoolu_01A09q90qw90lq917835lq9 get_weather {\"location\":\"Paris\",\"unit\":\"c\"}\ntoolu_02B get_time {}\nTOOL_CALL 472/91", "/v1/messages"},
		{"Anthropic, streamed", "/anthropic", "anthropic/stream_tools", cohereStream(claude45), "msg_014p7gG3wDgGV9EUtLvnow3U\nthinking They want the weather.\ntext Okay.\ntoolu_01T1x1fJ34qAmk2tNTrN7Up6 get_weather {\"location\": \"San Francisco, CA\"}\ntoolu_02 get_time {}\nTOOL_CALL 472/89", "/v1/messages"},
		{"OpenAI", "/openai", "openai/tools", cohereChat("gpt-4.1"), "chatcmpl-tools\ncall_abc123 get_weather {\n\"location\": \"Paris\"\n}\ncall_def456 get_time {\"zone\":\"Europe/Paris\"}\nTOOL_CALL 82/17", "/v1/chat/completions"},
		{"OpenAI, streamed", "/openai", "openai/stream_tools", cohereStream("gpt-4.1"), "chatcmpl-T1\ncall_abc123 get_weather {\"location\":\"Paris\"}\ncall_def456 get_time {\"zone\":\"Europe/Paris\"}\nTOOL_CALL", "/v1/chat/completions"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s, sent := r.through(t, commandR(x.do), x.path, x.script)
			if d := cmp.Diff(x.want, saysCohere(t, s)); d != "" {
				t.Error(d)
			}
			if len(sent) != 1 || sent[0].Target != x.target {
				t.Errorf("the provider was asked %+v", sent)
			}
			r.gw.Trace(t)
		})
	}
}
