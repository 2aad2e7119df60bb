package openai

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// thoughtful is a response of another dialect: signed and sealed reasoning, text in two blocks, calls side by side.
var thoughtful = []llm.Event{
	{ID: "msg_1", Model: "claude", Usage: &llm.Usage{Input: some(10), Output: some(1)}},
	{Parts: []llm.Part{{Kind: llm.PartReasoning, Index: 0, Text: "h"}}},
	{Parts: []llm.Part{{Kind: llm.PartReasoning, Index: 0, Text: "m"}}},
	{Parts: []llm.Part{{Kind: llm.PartReasoning, Index: 0, Signature: "sig"}}},
	{Parts: []llm.Part{{Kind: llm.PartReasoning, Index: 1, Data: "sealed"}}},
	{Parts: []llm.Part{{Index: 2, Text: "a", Logprobs: []llm.Logprob{{Token: "a", Logprob: -0.5, Bytes: []byte("a"), Top: []llm.Logprob{{Token: "b", Logprob: -2}}}}}}},
	{Parts: []llm.Part{{Index: 2, Text: "b", Logprobs: []llm.Logprob{{Token: "b", Logprob: -1}}}, {Index: 2, Text: "ab", Repeat: true}}},
	{Parts: []llm.Part{{Kind: llm.PartRefusal, Index: 3, Text: "no"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 4, ID: "t1", Name: "f", Text: `{"x"`}, {Kind: llm.PartToolCall, Index: 5, Name: "g"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 4, Text: `:1}`}}},
	{Parts: []llm.Part{{Kind: llm.PartServerTool, Index: 6, Name: "search"}}},
	{Choices: []llm.Choice{{Finish: "tool_use", Stop: "X"}}, Usage: &llm.Usage{Input: some(10), Output: some(9), CacheRead: some(4), Reasoning: some(2)}},
	{Last: true},
}

const responsesRequest = `{"model":"m","instructions":"i","input":"q","temperature":0.5,"tools":[{"type":"function","name":"f"}],"reasoning":{"effort":"low","summary":"auto"},"store":true,"stream":STREAM}`

func writeResponse(t testing.TB, stream bool, evs []llm.Event, end *llm.Error) (string, *llm.Loss) {
	t.Helper()
	r := parse(t, llm.OpenAIResponses, strings.Replace(responsesRequest, "STREAM", fmt.Sprint(stream), 1))
	loss := new(llm.Loss)
	w, err := Dialect{}.NewWriter(r, loss)
	if err != nil {
		t.Fatal(err)
	}
	w.(*responsesWriter).created = 1
	var out []byte
	for i := range evs {
		if out, err = w.Write(out, &evs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = w.Close(out, end); err != nil {
		t.Fatal(err)
	}
	return string(out), loss
}

const thoughtfulOutput = `[{"id":"rs_msg_1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"signature:sig"},` +
	`{"id":"rs_msg_1_1","type":"reasoning","summary":[],"encrypted_content":"sealed"},` +
	`{"id":"msg_msg_1_2","type":"message","role":"assistant","content":[{"type":"output_text","text":"ab","annotations":[],"logprobs":[` +
	`{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-2,"bytes":null}]},{"token":"b","logprob":-1,"bytes":null,"top_logprobs":[]}]},` +
	`{"type":"refusal","refusal":"no"}],"status":"completed"},` +
	`{"id":"fc_msg_1_3","type":"function_call","call_id":"t1","name":"f","arguments":"{\"x\":1}","status":"completed"},` +
	`{"id":"fc_msg_1_4","type":"function_call","call_id":"call_msg_1_4","name":"g","arguments":"{}","status":"completed"}]`

func TestWriteResponse(t *testing.T) {
	const want = `{"id":"msg_1","object":"response","created_at":1,"status":"completed","error":null,"incomplete_details":null,"model":"claude","output":` + thoughtfulOutput +
		`,"background":false,"instructions":"i","max_output_tokens":null,"max_tool_calls":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,` +
		`"prompt_cache_key":null,"reasoning":{"effort":"low","summary":"auto"},"safety_identifier":null,"temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto",` +
		`"tools":[{"type":"function","name":"f"}],"top_logprobs":0,"top_p":1.0,"truncation":"disabled","user":null,` +
		`"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":19}}`
	got, loss := writeResponse(t, false, thoughtful, nil)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"response.server_tools", "response.stop_sequence"}, loss.Dropped); d != "" {
		t.Error(d)
	}
}

// TestWriteResponseStream checks the events: their order, their numbers, and that the last has the same output as a response
// that is not streamed.
func TestWriteResponseStream(t *testing.T) {
	got, _ := writeResponse(t, true, thoughtful, nil)
	var said []string
	for i, frame := range strings.Split(strings.TrimSuffix(got, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(frame, "event: "), "\ndata: ")
		if !ok || jsonscan.Validate([]byte(data)) != nil {
			t.Fatalf("frame %q", frame)
		}
		v := []byte(data)
		if n, _ := jsonscan.Int(jsonscan.Get(v, "sequence_number")); n != int64(i) || str(v, "type") != name {
			t.Errorf("event %d: %s", i, data)
		}
		at := string(jsonscan.Get(v, "output_index"))
		told := str(v, "delta") + str(v, "text") + str(v, "refusal") + str(v, "arguments")
		said = append(said, strings.TrimSpace(strings.TrimPrefix(name, "response.")+" "+at+" "+told))
		if strings.HasPrefix(name, "response.output_item.") || !strings.Contains(name, "_") {
			continue
		}
		if id := str(v, "item_id"); name != "response.in_progress" && !strings.HasSuffix(id, "_"+at) {
			t.Errorf("%s is of the item %q", name, id)
		}
	}
	want := []string{
		"created", "in_progress",
		"output_item.added 0", "reasoning_summary_part.added 0", "reasoning_summary_text.delta 0 h", "reasoning_summary_text.delta 0 m",
		"reasoning_summary_text.done 0 hm", "reasoning_summary_part.done 0", "output_item.done 0",
		"output_item.added 1", "output_item.done 1",
		"output_item.added 2", "content_part.added 2", "output_text.delta 2 a", "output_text.delta 2 b", "output_text.done 2 ab", "content_part.done 2",
		"content_part.added 2", "refusal.delta 2 no", "refusal.done 2 no", "content_part.done 2", "output_item.done 2",
		"output_item.added 3", `function_call_arguments.delta 3 {"x"`, "output_item.added 4", "function_call_arguments.delta 3 :1}",
		`function_call_arguments.done 3 {"x":1}`, "output_item.done 3",
		"function_call_arguments.delta 4 {}", "function_call_arguments.done 4 {}", "output_item.done 4",
		"completed",
	}
	if d := cmp.Diff(want, said); d != "" {
		t.Error(d)
	}
	_, last, _ := strings.Cut(got, "event: response.completed\ndata: ")
	whole, _ := writeResponse(t, false, thoughtful, nil)
	if d := cmp.Diff(whole, string(jsonscan.Get(bytes.TrimSpace([]byte(last)), "response"))); d != "" {
		t.Error(d)
	}
	if !strings.Contains(got, `"delta":"b","logprobs":[{"token":"b","logprob":-1,"bytes":null,"top_logprobs":[]}]}`) {
		t.Errorf("the second delta's log probabilities: %s", got)
	}
}

func TestWriteResponseEnds(t *testing.T) {
	text := llm.Event{ID: "r", Parts: []llm.Part{{Text: "a"}}}
	for _, tt := range []struct {
		name   string
		evs    []llm.Event
		end    *llm.Error
		last   string
		status string
		want   string // in the last event
	}{
		{"length", []llm.Event{text, {Choices: []llm.Choice{{Finish: "max_tokens"}}}}, nil, "response.incomplete", "incomplete", `"incomplete_details":{"reason":"max_output_tokens"}`},
		{"filter", []llm.Event{text, {Choices: []llm.Choice{{Finish: "SAFETY"}}}}, nil, "response.incomplete", "incomplete", `"incomplete_details":{"reason":"content_filter"}`},
		{"cut", []llm.Event{text}, &llm.Error{Status: 502, Type: "upstream_cut", Message: "m"}, "response.failed", "failed", `"error":{"code":"upstream_cut","message":"m"}`},
		{"reported", []llm.Event{text, {Err: &llm.Error{Message: "m"}}}, nil, "response.failed", "failed", `"error":{"code":"server_error","message":"m"}`},
		{"nothing", nil, nil, "response.completed", "completed", `"output":[]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := writeResponse(t, true, tt.evs, tt.end)
			i := strings.LastIndex(got, "event: ")
			if !strings.HasPrefix(got[i:], "event: "+tt.last+"\n") || !strings.Contains(got[i:], tt.want) || !strings.Contains(got[i:], `"status":"`+tt.status+`"`) {
				t.Errorf("ends with %s", got[i:])
			}
			if !strings.HasPrefix(got, "event: response.created\n") {
				t.Errorf("begins with %.100s", got)
			}
		})
	}
	refused := &llm.Error{Status: 403, Type: "guardrail_rejected", Message: "no"}
	if got, _ := writeResponse(t, false, []llm.Event{text}, refused); got != string(Dialect{}.Error(refused)) {
		t.Errorf("got %s", got)
	}
}

// TestWriteResponseReads reads what was written: it says the same, streamed or not, but for what is lost.
func TestWriteResponseReads(t *testing.T) {
	for _, stream := range []bool{false, true} {
		ct := "application/json"
		if stream {
			ct = "text/event-stream"
		}
		out, _ := writeResponse(t, stream, thoughtful, nil)
		var res llm.Result
		var signatures, sealed string
		var probs []llm.Logprob
		for _, ev := range events(t, llm.OpenAIResponses, 200, ct, []byte(out), llm.WantParts) {
			res.Add(&ev)
			res.Content(&ev)
			for _, p := range ev.Parts {
				if !p.Repeat {
					signatures, sealed, probs = signatures+p.Signature, sealed+p.Data, append(probs, p.Logprobs...)
				}
			}
		}
		var said []string
		for _, p := range res.Messages()[0].Parts {
			said = append(said, fmt.Sprint(p.Kind, p.Index, p.ID, p.Name, p.Text))
		}
		want := []string{"1 0hm", "1 1", "0 2ab", "2 2no", `3 3t1f{"x":1}`, "3 4call_msg_1_4g{}"}
		if d := cmp.Diff(want, said); d != "" {
			t.Errorf("stream %v: %s", stream, d)
		}
		if signatures != "sig" || sealed != "sealed" {
			t.Errorf("stream %v: signature %q, data %q", stream, signatures, sealed)
		}
		wantProbs := append(append([]llm.Logprob{}, thoughtful[5].Parts[0].Logprobs...), thoughtful[6].Parts[0].Logprobs...)
		if d := cmp.Diff(wantProbs, probs); d != "" {
			t.Errorf("stream %v: %s", stream, d)
		}
		usage := llm.Usage{Input: some(10), Output: some(9), CacheRead: some(4), CacheWrite: some(0), Reasoning: some(2)}
		if d := cmp.Diff(usage, res.Usage); d != "" || res.ID != "msg_1" || res.Model != "claude" || !res.Last {
			t.Errorf("stream %v: %+v", stream, res)
		}
	}
}

// TestResponseRoundTrip sends the output back as input: reasoning keeps what its provider wants to see again.
func TestResponseRoundTrip(t *testing.T) {
	c, err := parse(t, llm.OpenAIResponses, `{"input":`+thoughtfulOutput+`}`).Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{Messages: []llm.Message{{Role: llm.RoleAssistant, Parts: []llm.Part{
		{Kind: llm.PartReasoning, Text: "hm", Signature: "sig"}, {Kind: llm.PartReasoning, Data: "sealed"}, {Text: "ab"}, {Kind: llm.PartRefusal, Text: "no"},
		{Kind: llm.PartToolCall, ID: "t1", Name: "f", Text: `{"x":1}`}, {Kind: llm.PartToolCall, ID: "call_msg_1_4", Name: "g", Text: "{}"},
	}}}}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestWriteEmbeddings(t *testing.T) {
	for format, want := range map[string]string{
		"float":  `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10, -2e0]},{"object":"embedding","index":1,"embedding":[1]}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}`,
		"base64": `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"zczMPQAAAMA="},{"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}`,
	} {
		r := parse(t, llm.OpenAIEmbeddings, `{"model":"m","input":"a","encoding_format":"`+format+`"}`)
		w, err := Dialect{}.NewWriter(r, new(llm.Loss))
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(nil, &llm.Event{Model: "e", Vectors: [][]byte{[]byte("[0.10, -2e0]"), []byte("[1]")}, Usage: &llm.Usage{Input: some(3)}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err = w.Close(out, nil); err != nil || w.ContentType() != "application/json" {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(out)); d != "" {
			t.Errorf("%s: %s", format, d)
		}
		ev := events(t, llm.OpenAIEmbeddings, 200, "application/json", out, llm.WantParts)[0]
		numbers := map[string][]string{"float": {"[0.10, -2e0]", "[1]"}, "base64": {"[0.1,-2]", "[1]"}}[format]
		var got []string
		for _, v := range ev.Vectors {
			got = append(got, string(v))
		}
		if d := cmp.Diff(numbers, got); d != "" || ev.Dimensions != 2 {
			t.Errorf("%s: %s, %d dimensions", format, d, ev.Dimensions)
		}
	}
}
