package bedrock_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
)

// written is what a Converse client gets of the events; of a stream one line a message.
func written(t *testing.T, verb, body string, events []llm.Event, cut *llm.Error) (string, []string) {
	t.Helper()
	r, err := d.ParseRequest(llm.BedrockConverse, &llm.Head{Path: "/model/m/" + verb}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	loss := new(llm.Loss)
	w, err := d.NewWriter(r, loss)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := range events {
		if out, err = w.Write(out, &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = w.Close(out, cut); err != nil {
		t.Fatal(err)
	}
	if !r.Stream {
		return string(out), loss.Dropped
	}
	var b strings.Builder
	if err := frame.NewEventStream(1<<20).Split(out, true, func(f frame.Frame) error {
		if f.Malformed || f.Headers == nil {
			t.Errorf("not a message: %q", f.Raw)
		}
		b.WriteString(f.Event + " " + string(f.Data) + "\n")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b.String(), loss.Dropped
}

func call(index int, id, name, args string) llm.Part {
	return llm.Part{Kind: llm.PartToolCall, Index: index, ID: id, Name: name, Text: args}
}

func parts(p ...llm.Part) llm.Event { return llm.Event{Parts: p} }

// answered is an answer with all that Converse has a place for, and more.
func answered() []llm.Event {
	usage := &llm.Usage{Input: llm.Some(int64(10)), Output: llm.Some(int64(7)), CacheRead: llm.Some(int64(4)), Reasoning: llm.Some(int64(2))}
	return []llm.Event{
		{ID: "x", Model: "m", Choices: []llm.Choice{{}}},
		parts(llm.Part{Kind: llm.PartReasoning, Text: "th"}), parts(llm.Part{Kind: llm.PartReasoning, Text: "ink", Signature: "sig"}),
		parts(llm.Part{Kind: llm.PartReasoning, Index: 1, Data: "eA=="}),
		parts(llm.Part{Index: 2, Text: "a", Logprobs: []llm.Logprob{{Token: "a"}}}, llm.Part{Index: 2, Text: "b"}, llm.Part{Index: 2, Text: "ab", Repeat: true}),
		parts(call(3, "c1", "f", `{"a"`)), parts(call(4, "c2", "g", "")), parts(call(3, "", "", `:1}`)), parts(call(4, "", "", `{"b":2}`)),
		parts(llm.Part{Kind: llm.PartOther, Name: "x"}, llm.Part{Choice: 1, Text: "z"}, llm.Part{Kind: llm.PartServerTool}, llm.Part{Kind: llm.PartURI, URI: "u"}),
		{Choices: []llm.Choice{{Finish: "stop"}}, Usage: usage, Last: true},
	}
}

func TestWriter(t *testing.T) { synctest.Test(t, testWriter) } // in a bubble, where nothing takes time

func testWriter(t *testing.T) {
	lost := []string{"response.logprobs", "response.content", "response.choices", "response.server_tools", "response.media", "response.usage.reasoning"}
	got, dropped := written(t, "converse", `{}`, answered(), nil)
	want := `{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"think","signature":"sig"}}},{"reasoningContent":{"redactedContent":"eA=="}},{"text":"ab"},` +
		`{"toolUse":{"toolUseId":"c1","name":"f","input":{"a":1}}},{"toolUse":{"toolUseId":"c2","name":"g","input":{"b":2}}}]}},"stopReason":"tool_use",` +
		`"usage":{"cacheReadInputTokens":4,"inputTokens":6,"outputTokens":7,"totalTokens":17},"metrics":{"latencyMs":0}}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(lost, dropped); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	got, dropped = written(t, "converse-stream", `{}`, answered(), nil)
	want = `messageStart {"role":"assistant"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"th"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"ink"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}}
contentBlockStop {"contentBlockIndex":0}
contentBlockDelta {"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"eA=="}}}
contentBlockStop {"contentBlockIndex":1}
contentBlockDelta {"contentBlockIndex":2,"delta":{"text":"a"}}
contentBlockDelta {"contentBlockIndex":2,"delta":{"text":"b"}}
contentBlockStop {"contentBlockIndex":2}
contentBlockStart {"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"c1","name":"f"}}}
contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"a\""}}}
contentBlockDelta {"contentBlockIndex":3,"delta":{"toolUse":{"input":":1}"}}}
contentBlockStop {"contentBlockIndex":3}
contentBlockStart {"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"c2","name":"g"}}}
contentBlockDelta {"contentBlockIndex":4,"delta":{"toolUse":{"input":"{\"b\":2}"}}}
contentBlockStop {"contentBlockIndex":4}
messageStop {"stopReason":"tool_use"}
metadata {"usage":{"cacheReadInputTokens":4,"inputTokens":6,"outputTokens":7,"totalTokens":17},"metrics":{"latencyMs":0}}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("streamed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(lost, dropped); diff != "" {
		t.Errorf("lost of a stream (-want +got):\n%s", diff)
	}
}

// TestLatency has a provider that takes its time.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, verb := range []string{"converse", "converse-stream"} {
			r, err := d.ParseRequest(llm.BedrockConverse, &llm.Head{Path: "/model/m/" + verb}, []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			w, err := d.NewWriter(r, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1234 * time.Millisecond)
			out, err := w.Close(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := `"metrics":{"latencyMs":1234}}`; !strings.Contains(string(out), want) {
				t.Errorf("%s: %q, want %s", verb, out, want)
			}
		}
	})
}

func TestStopReason(t *testing.T) {
	for word, want := range map[string]string{"stop": "end_turn", "STOP": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "MAX_TOKENS": "max_tokens",
		"tool_calls": "tool_use", "content_filter": "content_filtered", "guardrail_intervened": "guardrail_intervened", "model_context_window_exceeded": "model_context_window_exceeded",
		"MALFORMED_FUNCTION_CALL": "malformed_function_call", "": "end_turn"} {
		got, _ := written(t, "converse", `{}`, []llm.Event{{Choices: []llm.Choice{{Finish: word}}}}, nil)
		if !strings.Contains(got, `"stopReason":"`+want+`",`) {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
	said := []llm.Event{{Choices: []llm.Choice{{Finish: "stop", Stop: "END"}}}}
	got, _ := written(t, "converse", `{"additionalModelResponseFieldPaths":["/stop_sequence"]}`, said, nil)
	if !strings.Contains(got, `"stopReason":"stop_sequence","additionalModelResponseFields":{"stop_sequence":"END"}`) {
		t.Errorf("asked for the stop sequence: %s", got)
	}
}

func TestWriterErrors(t *testing.T) {
	e := &llm.Error{Status: 429, Type: "rate_limit", Message: "m"}
	begun := parts(llm.Part{Text: "a"})
	if got, _ := written(t, "converse", `{}`, []llm.Event{begun, {Err: e}}, nil); got != `{"__type":"ThrottlingException","message":"m"}` {
		t.Errorf("whole: %s", got)
	}
	want := "messageStart {\"role\":\"assistant\"}\ncontentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"}}\nthrottlingException {\"message\":\"m\"}\n"
	if got, _ := written(t, "converse-stream", `{}`, []llm.Event{begun, {Err: e}, begun}, nil); got != want {
		t.Errorf("told in the midst: %s", got)
	}
	if got, _ := written(t, "converse-stream", `{}`, []llm.Event{begun}, e); got != want {
		t.Errorf("cut: %s", got)
	}
	got, lost := written(t, "converse", `{}`, []llm.Event{parts(call(0, "", "f", `{"a`))}, nil)
	if !strings.Contains(got, `"name":"f","input":{}`) || !strings.Contains(got, `"toolUseId":"tooluse_`) || len(lost) != 1 {
		t.Errorf("a call cut short: %s, lost %q", got, lost)
	}
	r, err := d.ParseRequest(llm.BedrockInvoke, &llm.Head{Path: "/model/m/invoke"}, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.NewWriter(r, new(llm.Loss)); err == nil {
		t.Error("InvokeModel is written")
	}
}
