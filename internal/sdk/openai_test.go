package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// openAICall is a call of OpenAI's library; what it returns are values to compare.
type openAICall func(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error)

// openAI makes a call without retries by the library.
func openAI(call openAICall) func(context.Context, string) seen { return openAIRetrying(0, call) }

func openAIRetrying(retries int, call openAICall) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		return openAIWith(ctx, base, call, option.WithBaseURL(base), option.WithAPIKey("sk-test"), option.WithMaxRetries(retries),
			option.WithOrganization("acme"))
	}
}

func openAIWith(ctx context.Context, base string, call openAICall, opts ...option.RequestOption) seen {
	var s seen
	var resp *http.Response
	values, err := call(ctx, openai.NewClient(opts...), option.WithResponseInto(&resp))
	s.Values = values
	s.head(resp)
	var e *openai.Error
	var in *ssestream.StreamError
	switch {
	case errors.As(err, &e):
		s.head(e.Response)
		s.Failure = failure{Kind: "openai.Error", Status: e.StatusCode, Type: e.Type, Code: e.Code, Param: e.Param, Message: e.Message, Raw: e.RawJSON()}
	case errors.As(err, &in):
		s.Failure = failure{Kind: "ssestream.StreamError", Message: in.Message, Raw: string(in.Event.Data)}
	case err != nil:
		s.Failure = otherFailure(err, base)
	}
	return s
}

// value is the result of a call that returns one.
func value[T any](v *T, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	return []any{*v}, nil
}

// events are the results of a call that streams.
func events[T any](s *ssestream.Stream[T]) (out []any, err error) {
	for s.Next() {
		out = append(out, s.Current())
	}
	return out, s.Err()
}

// accumulated are the chunks of a chat completion and what the library puts together from them.
func accumulated(s *ssestream.Stream[openai.ChatCompletionChunk]) (out []any, err error) {
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		if !acc.AddChunk(s.Current()) {
			return nil, errors.New("the accumulator refuses a chunk")
		}
		out = append(out, s.Current())
	}
	return append(out, acc.ChatCompletion), s.Err()
}

func chatParams() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:               "gpt-4.1",
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Answer briefly."), openai.UserMessage("Hi <there> & “you”!")},
		Temperature:         openai.Float(0.5),
		MaxCompletionTokens: openai.Int(100),
		Seed:                openai.Int(7),
		Stop:                openai.ChatCompletionNewParamsStopUnion{OfString: openai.String("END")},
	}
}

func toolParams() openai.ChatCompletionNewParams {
	p := chatParams()
	for _, name := range []string{"get_weather", "get_time"} {
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: name, Description: openai.String("Looks it up."), Strict: openai.Bool(true),
			Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"location": map[string]any{"type": "string"}}},
		}))
	}
	return p
}

func chat(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Chat.Completions.New(ctx, chatParams(), head))
}

func chatStream(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	p := chatParams()
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	return accumulated(c.Chat.Completions.NewStreaming(ctx, p, head))
}

func chatTools(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Chat.Completions.New(ctx, toolParams(), head))
}

func chatToolsStream(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return accumulated(c.Chat.Completions.NewStreaming(ctx, toolParams(), head))
}

func completionParams() openai.CompletionNewParams {
	return openai.CompletionNewParams{Model: "gpt-3.5-turbo-instruct", MaxTokens: openai.Int(7),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Say this is a test")}}
}

func completion(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Completions.New(ctx, completionParams(), head))
}

func completionStream(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return events(c.Completions.NewStreaming(ctx, completionParams(), head))
}

func responseParams() responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: "gpt-4.1", Instructions: openai.String("Be brief."), MaxOutputTokens: openai.Int(50),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Tell me a story.")}}
}

func response(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Responses.New(ctx, responseParams(), head))
}

func responseStream(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return events(c.Responses.NewStreaming(ctx, responseParams(), head))
}

func embeddings(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "text-embedding-3-small", Dimensions: openai.Int(3),
		EncodingFormat: openai.EmbeddingNewParamsEncodingFormatFloat,
		Input:          openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}}}, head))
}

func images(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	return value(c.Images.Generate(ctx, openai.ImageGenerateParams{Model: "gpt-image-1", Prompt: "A cute sea otter"}, head))
}

func models(ctx context.Context, c openai.Client, head option.RequestOption) (out []any, err error) {
	page, err := c.Models.List(ctx, head)
	if err != nil {
		return nil, err
	}
	return []any{page.Data, page.RawJSON()}, nil
}

func files(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	page, err := c.Files.List(ctx, openai.FileListParams{Limit: openai.Int(2), Purpose: openai.String("fine-tune")}, head)
	if err != nil {
		return nil, err
	}
	return []any{page.Data, page.RawJSON()}, nil
}

func upload(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	// The boundary of a multipart body is random: the library sends other bytes each time, so only the answer is compared.
	return value(c.Files.New(ctx, openai.FileNewParams{File: strings.NewReader("one\ntwo"), Purpose: openai.FilePurposeBatch}, head))
}

func content(ctx context.Context, c openai.Client, head option.RequestOption) ([]any, error) {
	resp, err := c.Files.Content(ctx, "file-abc123", head)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return []any{string(b)}, err
}

func TestOpenAI(t *testing.T) {
	model := "gpt-4.1-2025-04-14"
	asked := map[string]any{"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": int64(100), "gen_ai.request.seed": int64(7),
		"gen_ai.request.stop_sequences": []string{"END"}, "openai.api.type": "chat_completions"}
	tools := answered("openai", "gpt-4.1", model, "chatcmpl-tools", 82, 17, "tool_calls")
	streamed := with(answered("openai", "gpt-4.1", model, "chatcmpl-S1", 19, 12, "length"), "gen_ai.request.stream", true)
	streamedTools := with(streamed, "gen_ai.response.id", "chatcmpl-T1", "gen_ai.response.finish_reasons", []string{"tool_calls"},
		"gen_ai.usage.input_tokens", nil, "gen_ai.usage.output_tokens", nil)
	one := func(name string, attrs map[string]any) []want { return []want{{name: name, attrs: attrs}} }
	newRig(t).same(t, "/v1", "/openai", []trip{
		{name: "chat", answers: []string{"openai/chat"}, do: openAI(chat), spans: one("chat gpt-4.1",
			join(asked, with(answered("openai", "gpt-4.1", model, "chatcmpl-BqGj1", 1419, 10, "stop"), "gen_ai.usage.cache_read.input_tokens", int64(1280),
				"gen_ai.usage.reasoning.output_tokens", int64(4), "openai.response.service_tier", "default",
				"openai.response.system_fingerprint", "fp_b376dfbbd5", "gen_ai.request.stream", nil)))},
		{name: "chat streamed", answers: []string{"openai/stream"}, do: openAI(chatStream), spans: one("chat gpt-4.1", join(asked, streamed))},
		{name: "tools", answers: []string{"openai/tools"}, do: openAI(chatTools), spans: one("chat gpt-4.1", tools)},
		{name: "tools streamed", answers: []string{"openai/stream_tools"}, do: openAI(chatToolsStream), spans: one("chat gpt-4.1", streamedTools)},
		{name: "completion", answers: []string{"openai/completion"}, do: openAI(completion), spans: one("text_completion gpt-3.5-turbo-instruct",
			answered("openai", "gpt-3.5-turbo-instruct", "gpt-3.5-turbo-instruct", "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7", 5, 7, "length"))},
		{name: "completion streamed", answers: []string{"openai/completion_stream"}, do: openAI(completionStream),
			spans: one("text_completion gpt-3.5-turbo-instruct", map[string]any{"gen_ai.response.id": "cmpl-7iA7", "gen_ai.request.stream": true,
				"gen_ai.response.finish_reasons": []string{"stop"}, "gen_ai.usage.input_tokens": nil, "spanway.outcome": "ok"})},
		{name: "response", answers: []string{"openai/response"}, do: openAI(response), spans: one("chat gpt-4.1",
			with(answered("openai", "gpt-4.1", model, "resp_67ccd2bed1ec8190", 36, 87, "completed"), "openai.api.type", "responses",
				"gen_ai.usage.cache_read.input_tokens", int64(3), "gen_ai.usage.reasoning.output_tokens", int64(5)))},
		{name: "response streamed", answers: []string{"openai/response_stream"}, do: openAI(responseStream), spans: one("chat gpt-4.1",
			with(answered("openai", "gpt-4.1", model, "resp_67c9fdce", 37, 11, "completed"), "gen_ai.request.stream", true))},
		{name: "response failed", answers: []string{"openai/response_failed"}, do: openAI(responseStream), spans: []want{{
			name: "chat gpt-4.1", failed: "server_error", attrs: map[string]any{"spanway.outcome": "upstream_error", "gen_ai.response.id": "resp_f"}}}},
		{name: "embeddings", answers: []string{"openai/embeddings"}, do: openAI(embeddings), spans: one("embeddings text-embedding-3-small",
			map[string]any{"gen_ai.response.model": "text-embedding-3-small", "gen_ai.usage.input_tokens": int64(8),
				"gen_ai.usage.output_tokens": nil, "gen_ai.embeddings.dimension.count": int64(3), "gen_ai.request.encoding_formats": []string{"float"}})},
		{name: "images", answers: []string{"openai/images"}, do: openAI(images), spans: one("generate_content gpt-image-1",
			map[string]any{"gen_ai.output.type": "image", "gen_ai.usage.input_tokens": int64(50), "gen_ai.usage.output_tokens": int64(50)})},
		{name: "models", answers: []string{"openai/models"}, do: openAI(models), spans: make([]want, 1)},
		{name: "files", answers: []string{"openai/files"}, do: openAI(files), spans: make([]want, 1)},
		{name: "content of a file", answers: []string{"openai/file"}, do: openAI(content), spans: make([]want, 1)},
	})
}

func TestOpenAIErrors(t *testing.T) {
	failed := func(typ, outcome string) []want {
		return []want{{name: "chat gpt-4.1", failed: typ, attrs: map[string]any{"spanway.outcome": outcome,
			"gen_ai.request.model": "gpt-4.1", "gen_ai.response.model": nil, "gen_ai.usage.input_tokens": nil}}}
	}
	apiError := func(status int, typ, code string) failure {
		return failure{Kind: "openai.Error", Status: status, Type: typ, Code: code}
	}
	r := newRig(t)
	r.same(t, "/v1", "/openai", []trip{
		{name: "400", answers: []string{"openai/400"}, do: openAI(chat), spans: failed("unsupported_value", "client_error"),
			fails: failure{Kind: "openai.Error", Status: 400, Type: "invalid_request_error", Code: "unsupported_value", Param: "temperature"}},
		{name: "401", answers: []string{"openai/401"}, do: openAI(chat), spans: failed("invalid_api_key", "client_error"),
			fails: apiError(401, "invalid_request_error", "invalid_api_key")},
		{name: "404 of a stream", answers: []string{"openai/404"}, do: openAI(chatStream), spans: failed("model_not_found", "client_error"),
			fails: apiError(404, "invalid_request_error", "model_not_found")},
		{name: "429", answers: []string{"openai/429"}, do: openAI(chat), spans: failed("rate_limit_exceeded", "rate_limited"),
			fails: apiError(429, "tokens", "rate_limit_exceeded")},
		{name: "500", answers: []string{"openai/500"}, do: openAI(chat), spans: failed("server_error", "upstream_error"),
			fails: apiError(500, "server_error", "")},
		{name: "502 that is not JSON", answers: []string{"openai/502"}, do: openAI(chat), spans: failed("502", "upstream_error"),
			fails: failure{Status: 502}},
		{name: "in the middle of a stream", answers: []string{"openai/stream_error"}, do: openAI(chatStream),
			fails: failure{Kind: "ssestream.StreamError", Raw: "server_overloaded"},
			spans: []want{{name: "chat gpt-4.1", failed: "server_overloaded",
				attrs: map[string]any{"spanway.outcome": "upstream_error", "gen_ai.response.id": "chatcmpl-E1"}}}},
		{name: "retried by the library", answers: []string{"openai/429", "openai/429", "openai/chat"}, do: openAIRetrying(2, chat),
			spans: append(append(failed("rate_limit_exceeded", "rate_limited"), failed("rate_limit_exceeded", "rate_limited")...),
				want{name: "chat gpt-4.1", attrs: map[string]any{"spanway.outcome": "ok", "gen_ai.response.id": "chatcmpl-BqGj1"}})},
	})
}

// TestOpenAIUpload sends a body that is no JSON, whose bytes differ from call to call.
func TestOpenAIUpload(t *testing.T) {
	r := newRig(t)
	a := answer{status: 200, header: http.Header{"Content-Type": {"application/json"}}, body: `{"id":"file-1","object":"file","bytes":7,"purpose":"batch"}`}
	r.up.tell([]answer{a})
	got := openAI(upload)(t.Context(), r.gw.URL+"/openai/v1")
	if got.Failure != (failure{}) || got.Values[0].(openai.FileObject).ID != "file-1" {
		t.Errorf("uploaded: %+v", got)
	}
	sent := r.up.take()
	if len(sent) != 1 || sent[0].Target != "/v1/files" || !strings.Contains(sent[0].Body, "one\ntwo") ||
		!strings.Contains(sent[0].Header.Get("Content-Type"), "boundary=") {
		t.Errorf("the provider received %+v", sent)
	}
	(&want{}).check(t, r.gw.Trace(t))
}

// azureOpenAI makes a call by way of the library's Azure options.
func azureOpenAI(call openAICall) func(context.Context, string) seen {
	return func(ctx context.Context, base string) seen {
		return openAIWith(ctx, base, call, azure.WithEndpoint(base, "2025-04-01-preview"), azure.WithAPIKey("azure-key"),
			azure.WithUnsafeAllowHTTP(), option.WithMaxRetries(0))
	}
}

func TestAzure(t *testing.T) {
	const ns, system = "azure.resource_provider.namespace", "azure.ai.openai"
	r := newRig(t)
	r.same(t, "", "/azure", []trip{
		{name: "chat", answers: []string{"openai/chat"}, do: azureOpenAI(chat), spans: []want{{name: "chat gpt-4.1",
			attrs: with(answered(system, "gpt-4.1", "gpt-4.1-2025-04-14", "chatcmpl-BqGj1", 1419, 10, "stop"), ns, "Microsoft.CognitiveServices")}}},
		{name: "chat streamed", answers: []string{"openai/stream"}, do: azureOpenAI(chatStream), spans: []want{{name: "chat gpt-4.1",
			attrs: answered(system, "gpt-4.1", "gpt-4.1-2025-04-14", "chatcmpl-S1", 19, 12, "length")}}},
		{name: "tools", answers: []string{"openai/tools"}, do: azureOpenAI(chatTools), spans: []want{{name: "chat gpt-4.1",
			attrs: answered(system, "gpt-4.1", "gpt-4.1-2025-04-14", "chatcmpl-tools", 82, 17, "tool_calls")}}},
		{name: "embeddings", answers: []string{"openai/embeddings"}, do: azureOpenAI(embeddings), spans: []want{{
			name: "embeddings text-embedding-3-small", attrs: map[string]any{"gen_ai.provider.name": system, "gen_ai.usage.input_tokens": int64(8)}}}},
		{name: "response", answers: []string{"openai/response"}, do: azureOpenAI(response), spans: []want{{name: "chat gpt-4.1",
			attrs: answered(system, "gpt-4.1", "gpt-4.1-2025-04-14", "resp_67ccd2bed1ec8190", 36, 87, "completed")}}},
		{name: "404", answers: []string{"openai/404"}, do: azureOpenAI(chat), fails: failure{Status: 404, Code: "model_not_found"},
			spans: []want{{name: "chat gpt-4.1", failed: "model_not_found", attrs: map[string]any{"gen_ai.provider.name": system}}}},
	})
}

// join is the members of both.
func join(a, b map[string]any) map[string]any {
	for k, v := range b {
		a = with(a, k, v)
	}
	return a
}
