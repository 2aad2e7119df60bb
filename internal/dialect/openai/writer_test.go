package openai

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// foreign is a response of another dialect: reasoning, text, two calls of which one has no arguments.
var foreign = []llm.Event{
	{ID: "msg_1", Model: "claude", Usage: &llm.Usage{Input: some(10), Output: some(1)}},
	{Parts: []llm.Part{{Kind: llm.PartReasoning, Index: 0, Text: "hm"}}},
	{Parts: []llm.Part{{Index: 1, Text: "a\n"}}},
	{Parts: []llm.Part{{Index: 1, Text: "b"}, {Index: 1, Text: "b", Repeat: true}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 2, ID: "t1", Name: "f"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 2, Text: `{"x":`}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 2, Text: `1}`}}},
	{Parts: []llm.Part{{Kind: llm.PartServerTool, Index: 3, Name: "search"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 4, Name: "g"}}},
	{Choices: []llm.Choice{{Finish: "tool_use"}}, Usage: &llm.Usage{Input: some(10), Output: some(9), CacheRead: some(4), Reasoning: some(2)}},
	{Last: true},
}

func write(t testing.TB, r *llm.Request, evs []llm.Event, end *llm.Error) string {
	t.Helper()
	w, err := Dialect{}.NewWriter(r, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	w.(*writer).created = 1
	var out []byte
	for i := range evs {
		if out, err = w.Write(out, &evs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = w.Close(out, end); err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWriteStream(t *testing.T) {
	const head = `data: {"id":"msg_1","object":"chat.completion.chunk","created":1,"model":"claude","choices":[`
	delta := func(d string) string {
		return head + `{"index":0,"delta":` + d + `,"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"
	}
	want := delta(`{"role":"assistant","reasoning_content":"hm"}`) +
		delta(`{"content":"a\n"}`) + delta(`{"content":"b"}`) +
		delta(`{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]}`) +
		delta(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}`) +
		delta(`{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`) +
		delta(`{"tool_calls":[{"index":1,"id":"call_msg_1_1","type":"function","function":{"name":"g","arguments":""}}]}`) +
		delta(`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`) +
		head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}` + "\n\n" +
		head + `],"usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}` + "\n\n" +
		"data: [DONE]\n\n"
	got := write(t, &llm.Request{API: llm.OpenAIChat, Stream: true, StreamUsage: true}, foreign, nil)
	if d := cmp.Diff(strings.SplitAfter(want, "\n\n"), strings.SplitAfter(got, "\n\n")); d != "" {
		t.Error(d)
	}
	quiet := write(t, &llm.Request{API: llm.OpenAIChat, Stream: true}, foreign, nil)
	if strings.Contains(quiet, "usage") {
		t.Errorf("usage that was not asked for: %s", quiet)
	}
}

func TestWriteWhole(t *testing.T) {
	want := `{"id":"msg_1","object":"chat.completion","created":1,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":"a\nb",` +
		`"reasoning_content":"hm","refusal":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},` +
		`{"id":"call_msg_1_1","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],` +
		`"usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`
	if d := cmp.Diff(want, write(t, &llm.Request{API: llm.OpenAIChat}, foreign, nil)); d != "" {
		t.Error(d)
	}
	empty := write(t, &llm.Request{API: llm.OpenAIChat, Model: "m"}, []llm.Event{{ID: "i", Choices: []llm.Choice{{Finish: "SAFETY"}}}}, nil)
	want = `{"id":"i","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null},"logprobs":null,"finish_reason":"content_filter"}]}`
	if d := cmp.Diff(want, empty); d != "" {
		t.Error(d)
	}
}

// TestWriteReads reads what was written: the response says the same in OpenAI's words, streamed or not.
func TestWriteReads(t *testing.T) {
	for _, stream := range []bool{false, true} {
		ct := "application/json"
		if stream {
			ct = "text/event-stream"
		}
		out := write(t, &llm.Request{API: llm.OpenAIChat, Stream: stream, StreamUsage: stream}, foreign, nil)
		var res llm.Result
		for _, ev := range events(t, llm.OpenAIChat, 200, ct, []byte(out), llm.WantParts) {
			res.Add(&ev)
			res.Content(&ev)
		}
		want := []llm.Message{{Role: llm.RoleAssistant, Finish: "tool_calls", Parts: []llm.Part{
			{Kind: llm.PartReasoning, Text: "hm"}, {Text: "a\nb"},
			{Kind: llm.PartToolCall, Index: 0, ID: "t1", Name: "f", Text: `{"x":1}`},
			{Kind: llm.PartToolCall, Index: 1, ID: "call_msg_1_1", Name: "g", Text: "{}"},
		}}}
		got := res.Messages()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("stream %v: %s", stream, d)
		}
		usage := llm.Usage{Input: some(10), Output: some(9), CacheRead: some(4), Reasoning: some(2)}
		if res.Usage != usage || res.ID != "msg_1" || res.Model != "claude" || !res.Last {
			t.Errorf("stream %v: %+v", stream, res)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	refused := &llm.Error{Status: 403, Type: "guardrail_rejected", Message: "no"}
	stream := &llm.Request{API: llm.OpenAIChat, Stream: true}
	got := write(t, stream, foreign[:3], refused)
	if !strings.HasSuffix(got, "\n\n"+string(Dialect{}.StreamError(stream, refused))) {
		t.Errorf("stream ends with %q", got)
	}
	if got := write(t, &llm.Request{API: llm.OpenAIChat}, foreign[:3], refused); got != string(Dialect{}.Error(refused)) {
		t.Errorf("got %q", got)
	}
	reported := write(t, stream, []llm.Event{{Err: &llm.Error{Type: "overloaded_error", Message: "m"}}}, nil)
	if want := `data: {"error":{"message":"m","type":"server_error","param":null,"code":"overloaded_error"}}` + "\n\n"; reported != want {
		t.Errorf("got %q", reported)
	}
	for _, api := range []llm.API{llm.OpenAICompletions, llm.OpenAIImages} {
		var e *llm.Error
		if _, err := (Dialect{}).NewWriter(&llm.Request{API: api}, new(llm.Loss)); !errors.As(err, &e) || e.Status != 501 {
			t.Errorf("%s: %v", api, err)
		}
	}
}

// TestWriteFailed holds that an event which ends a choice with an error does not end it with a finish reason too.
func TestWriteFailed(t *testing.T) {
	evs := []llm.Event{
		{ID: "a", Parts: []llm.Part{{Text: "b"}}},
		{Choices: []llm.Choice{{Finish: "ERROR"}}, Err: &llm.Error{Message: "Overloaded"}, Last: true},
	}
	got := write(t, &llm.Request{API: llm.OpenAIChat, Stream: true}, evs, nil)
	if strings.Contains(got, `"finish_reason":"`) || !strings.Contains(got, `"message":"Overloaded"`) {
		t.Errorf("got %s", got)
	}
}

func TestWriteUnnamed(t *testing.T) {
	out := write(t, &llm.Request{API: llm.OpenAIChat, Stream: true, Model: "m"}, []llm.Event{{Parts: []llm.Part{{Text: "a"}}}}, nil)
	evs := events(t, llm.OpenAIChat, 200, "text/event-stream", []byte(out), llm.WantMeta)
	if !strings.HasPrefix(evs[0].ID, "chatcmpl-") || evs[0].Model != "m" {
		t.Errorf("id %q, model %q", evs[0].ID, evs[0].Model)
	}
}

func TestFinishReason(t *testing.T) {
	tests := map[string]string{
		"end_turn": "stop", "stop_sequence": "stop", "STOP": "stop", "stop": "stop", "max_tokens": "length", "MAX_TOKENS": "length",
		"length": "length", "tool_use": "tool_calls", "refusal": "content_filter", "SAFETY": "content_filter", "unheard_of": "stop",
	}
	for word, want := range tests {
		if got := finishReason(word, false); got != want {
			t.Errorf("%s: got %s, want %s", word, got, want)
		}
	}
	if got := finishReason("STOP", true); got != "tool_calls" {
		t.Errorf("STOP after calls: got %s", got)
	}
}
