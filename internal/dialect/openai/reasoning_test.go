package openai

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// TestWriteThoughts writes reasoning that is signed, sealed or neither, and reads it: the blocks are told apart in a stream as
// in a whole message, and a client that sends the message back says all of it.
func TestWriteThoughts(t *testing.T) {
	details := `[{"type":"reasoning.text","text":"hm","signature":"sig","index":0},{"type":"reasoning.encrypted","data":"sealed","index":1}]`
	whole := write(t, &llm.Request{API: llm.OpenAIChat}, thoughtful, nil)
	for _, want := range []string{
		`"reasoning_content":"hm","reasoning_details":` + details,
		`"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-2,"bytes":null}]},{"token":"b","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null}`,
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("no %s in %s", want, whole)
		}
	}
	stream := write(t, &llm.Request{API: llm.OpenAIChat, Stream: true}, thoughtful, nil)
	for _, want := range []string{
		`"delta":{"role":"assistant","reasoning_content":"h"},"logprobs":null`,
		`"delta":{"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"sig","index":0}]}`,
		`"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"sealed","index":1}]}`,
		`"delta":{"content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null}`,
	} {
		if !strings.Contains(stream, want) {
			t.Errorf("no %s in %s", want, stream)
		}
	}
	for ct, out := range map[string]string{"application/json": whole, "text/event-stream": stream} {
		var got []string
		for _, ev := range events(t, llm.OpenAIChat, 200, ct, []byte(out), llm.WantParts) {
			for _, p := range ev.Parts {
				if p.Kind == llm.PartReasoning && !p.Repeat {
					got = append(got, fmt.Sprintf("%d%s|%s|%s", p.Index, p.Text, p.Signature, p.Data))
				}
			}
		}
		want := []string{"0hm||", "0|sig|", "1||sealed"}
		if ct == "text/event-stream" {
			want = append([]string{"0h||", "0m||"}, want[1:]...)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", ct, d)
		}
	}
	c, err := parse(t, llm.OpenAIChat, `{"messages":[{"role":"assistant","content":"ab","reasoning_content":"hm","reasoning_details":`+details+`}]}`).Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Part{{Kind: llm.PartReasoning, Text: "hm", Signature: "sig"}, {Kind: llm.PartReasoning, Data: "sealed"}, {Text: "ab"}}
	if d := cmp.Diff(want, c.Messages[0].Parts); d != "" {
		t.Error(d)
	}
}

// TestReadThoughts reads reasoning as other hosts send it.
func TestReadThoughts(t *testing.T) {
	chunk := func(delta string) string { return `data: {"choices":[{"index":0,"delta":` + delta + `}]}` + "\n\n" }
	for _, tt := range []struct {
		name, in string
		want     []llm.Part
	}{
		{"OpenRouter", chunk(`{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"signature":null}]}`) +
			chunk(`{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0}]}`) +
			chunk(`{"reasoning":null,"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0}]}`),
			[]llm.Part{
				{Kind: llm.PartReasoning, Text: "a", Repeat: true}, {Kind: llm.PartReasoning, Text: "a"},
				{Kind: llm.PartReasoning, Text: "b", Repeat: true}, {Kind: llm.PartReasoning, Text: "b"}, {Kind: llm.PartReasoning, Signature: "s"},
			}},
		{"details alone", chunk(`{"reasoning_details":[{"type":"reasoning.text","text":"a","index":1}]}`),
			[]llm.Part{{Kind: llm.PartReasoning, Index: 1, Text: "a"}}},
		{"summary and data", chunk(`{"reasoning":"a"}`) + chunk(`{"reasoning_details":[{"type":"reasoning.encrypted","data":"d","index":0}]}`),
			[]llm.Part{{Kind: llm.PartReasoning, Text: "a"}, {Kind: llm.PartReasoning, Data: "d"}}},
	} {
		var got []llm.Part
		for _, ev := range events(t, llm.OpenAIChat, 200, "text/event-stream", []byte(tt.in), llm.WantParts) {
			got = append(got, ev.Parts...)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// TestReadLogprobs reads log probabilities, and the stop sequence where a host names it.
func TestReadLogprobs(t *testing.T) {
	probs := []llm.Logprob{{Token: "é", Logprob: -0.25, Bytes: []byte("é"), Top: []llm.Logprob{{Token: "x", Logprob: -9999}}}}
	const list = `[{"token":"é","logprob":-0.25,"bytes":[195,169],"top_logprobs":[{"token":"x","logprob":-9999.0,"bytes":null}]}]`
	for _, tt := range []struct {
		name, in string
		api      llm.API
		want     []llm.Part
	}{
		{"chunks alike", strings.Repeat(`data: {"choices":[{"index":0,"delta":{"content":"é"},"logprobs":{"content":`+list+`,"refusal":null}}]}`+"\n\n", 2), llm.OpenAIChat,
			[]llm.Part{{Text: "é", Logprobs: probs}, {Text: "é", Logprobs: probs}}},
		{"whole", `{"choices":[{"index":1,"message":{"content":"é","refusal":"é"},"logprobs":{"content":` + list + `,"refusal":` + list + `}}]}`, llm.OpenAIChat,
			[]llm.Part{{Choice: 1, Text: "é", Logprobs: probs}, {Kind: llm.PartRefusal, Choice: 1, Text: "é", Logprobs: probs}}},
		{"without a text", `{"choices":[{"message":{"content":null},"logprobs":{"content":` + list + `}}]}`, llm.OpenAIChat,
			[]llm.Part{{Logprobs: probs}}},
		{"delta", `data: {"type":"response.output_text.delta","output_index":2,"delta":"é","logprobs":` + list + `}` + "\n\n", llm.OpenAIResponses,
			[]llm.Part{{Index: 2, Text: "é", Logprobs: probs}}},
		{"response", `{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"é","logprobs":` + list + `}]}]}`, llm.OpenAIResponses,
			[]llm.Part{{Text: "é", Logprobs: probs}}},
	} {
		ct := "text/event-stream"
		if strings.HasPrefix(tt.in, "{") {
			ct = "application/json"
		}
		var got []llm.Part
		for _, ev := range events(t, tt.api, 200, ct, []byte(tt.in), llm.WantParts) {
			got = append(got, ev.Parts...)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	for in, want := range map[string]string{`"END"`: "END", `128009`: "", `null`: ""} {
		ev := events(t, llm.OpenAIChat, 200, "application/json", []byte(`{"choices":[{"finish_reason":"stop","stop_reason":`+in+`}]}`), llm.WantMeta)[0]
		if ev.Choices[0].Stop != want {
			t.Errorf("%s: %q", in, ev.Choices[0].Stop)
		}
	}
}

// TestRewriteResponseLogprobs empties the log probabilities of Responses when a text has changed, wherever they stand.
func TestRewriteResponseLogprobs(t *testing.T) {
	const frame = `data: {"type":"response.output_text.delta","output_index":0,"delta":"TEXT","logprobs":LIST}` + "\n\n" +
		`data: {"type":"response.output_text.done","output_index":0,"text":"TEXT","logprobs":LIST}` + "\n\n" +
		`data: {"type":"response.content_part.done","output_index":0,"part":{"type":"output_text","text":"TEXT","logprobs":LIST}}` + "\n\n" +
		`data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"TEXT","logprobs":LIST}]}}` + "\n\n" +
		`data: {"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"TEXT","logprobs":LIST}]}]}}` + "\n\n"
	said := func(text, list string) string { return strings.NewReplacer("TEXT", text, "LIST", list).Replace(frame) }
	const list = `[{"token":"secret","logprob":-1}]`
	for _, text := range []string{"secret", "****"} {
		want := said(text, list)
		if text != "secret" {
			want = said(text, "[]")
		}
		var out []byte
		for _, ev := range events(t, llm.OpenAIResponses, 200, "text/event-stream", []byte(said("secret", list)), llm.WantParts) {
			for i := range ev.Parts {
				ev.Parts[i].Text = text
			}
			out = rewrite(t, out, llm.OpenAIResponses, &ev)
		}
		if d := cmp.Diff(want, string(out)); d != "" {
			t.Error(d)
		}
	}
}

// TestWriteChoices writes several choices whose pieces come mixed.
func TestWriteChoices(t *testing.T) {
	evs := []llm.Event{
		{ID: "r", Model: "m", Parts: []llm.Part{{Choice: 1, Text: "b"}, {Choice: 0, Text: "a"}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Choice: 1, ID: "t", Name: "f", Text: "{}"}}, Choices: []llm.Choice{{Index: 0, Finish: "MAX_TOKENS", Stop: "x"}}},
		{Choices: []llm.Choice{{Index: 1, Finish: "STOP"}}},
	}
	const want = `"choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":null},"logprobs":null,"finish_reason":"length"},` +
		`{"index":1,"message":{"role":"assistant","content":"b","refusal":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}]`
	if got := write(t, &llm.Request{API: llm.OpenAIChat}, evs, nil); !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
	var res llm.Result
	for _, ev := range events(t, llm.OpenAIChat, 200, "text/event-stream", []byte(write(t, &llm.Request{API: llm.OpenAIChat, Stream: true}, evs, nil)), llm.WantParts) {
		res.Add(&ev)
		res.Content(&ev)
	}
	if d := cmp.Diff([]string{"length", "tool_calls"}, res.FinishReasons()); d != "" {
		t.Error(d)
	}
	if m := res.Messages(); len(m) != 2 || m[0].Parts[0].Text != "a" || len(m[1].Parts) != 2 {
		t.Errorf("%+v", m)
	}
}
