package cohere_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
)

// write writes events as a client of r's API gets them.
func write(t testing.TB, api llm.API, body string, e *llm.Error, events ...*llm.Event) (string, []string) {
	t.Helper()
	var loss llm.Loss
	w, err := cohere.Dialect{}.NewWriter(parse(t, api, body), &loss)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, ev := range events {
		if out, err = w.Write(out, ev); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = w.Close(out, e); err != nil {
		t.Fatal(err)
	}
	return string(out), loss.Dropped
}

// everything is an answer that has all that other providers' answers have.
func everything() []*llm.Event {
	usage := &llm.Usage{Input: llm.Some[int64](20), Output: llm.Some[int64](9), CacheRead: llm.Some[int64](8), Reasoning: llm.Some[int64](2)}
	call := func(index int, p llm.Part) llm.Part {
		p.Kind, p.Index = llm.PartToolCall, index
		return p
	}
	return []*llm.Event{
		{ID: "msg-1", Choices: []llm.Choice{{}}},
		{Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "Hm."}, {Kind: llm.PartReasoning, Signature: "s"}}},
		{Parts: []llm.Part{{Index: 1, Text: "I ", Logprobs: []llm.Logprob{{Token: "I", Logprob: -0.5, Top: []llm.Logprob{{Token: "You", Logprob: -2}}}, {Token: " ", Logprob: -1}}}, {Index: 1, Text: "look."}}},
		{Parts: []llm.Part{call(2, llm.Part{ID: "c1", Name: "f"}), call(2, llm.Part{Text: `{"a":`}), call(3, llm.Part{ID: "c2", Name: "g", Text: "{"}), call(2, llm.Part{Text: `1}`})}},
		{Parts: []llm.Part{call(3, llm.Part{Text: "}"}), {Kind: llm.PartServerTool, Name: "search"}, {Text: "I look.", Repeat: true}}},
		{Choices: []llm.Choice{{Finish: "tool_use"}}, Usage: usage},
		{Last: true},
	}
}

func TestWriteWhole(t *testing.T) {
	got, lost := write(t, llm.CohereChat, `{}`, nil, everything()...)
	want := `{"id":"msg-1","message":{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"I look."}],"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
		`"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":20,"output_tokens":9},"tokens":{"input_tokens":20,"output_tokens":9},"cached_tokens":8},"logprobs":[{"text":"I","token_ids":[],"logprobs":[-0.5]},{"text":" ","token_ids":[],"logprobs":[-1]}]}`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantLost := []string{"response.reasoning.signature", "response.logprobs.token_ids", "response.top_logprobs", "response.server_tool", "response.usage.reasoning"}
	if d := cmp.Diff(wantLost, lost); d != "" {
		t.Error(d)
	}
}

func TestWriteStream(t *testing.T) {
	got, _ := write(t, llm.CohereChat, `{"stream":true}`, nil, everything()...)
	var data []string
	for frame := range strings.SplitSeq(strings.TrimSuffix(got, "\n\n"), "\n\n") {
		name, d, _ := strings.Cut(frame, "\ndata: ")
		if name, ok := strings.CutPrefix(name, "event: "); ok && !strings.Contains(d, `"type":"`+name+`"`) {
			t.Errorf("event %s has data %s", name, d)
		}
		data = append(data, strings.TrimPrefix(d, "data: "))
	}
	want := []string{
		`{"id":"msg-1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`,
		`{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}`,
		`{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm."}}}}`,
		`{"type":"content-end","index":0}`,
		`{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}`,
		`{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"I "}}},"logprobs":{"text":"I ","token_ids":[],"logprobs":[-0.5,-1]}}`,
		`{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"look."}}}}`,
		`{"type":"content-end","index":1}`,
		`{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"f","arguments":""}}}}}`,
		`{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}`,
		`{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}`,
		`{"type":"tool-call-end","index":0}`,
		`{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c2","type":"function","function":{"name":"g","arguments":""}}}}}`,
		`{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"{"}}}}}`,
		`{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"}"}}}}}`,
		`{"type":"tool-call-end","index":1}`,
		`{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":20,"output_tokens":9},"tokens":{"input_tokens":20,"output_tokens":9},"cached_tokens":8}}}`,
		``,
	}
	if d := cmp.Diff(want, data); d != "" || !strings.HasSuffix(got, "\n\ndata: [DONE]\n\n") {
		t.Error(d)
	}
}

func TestFinishReasons(t *testing.T) {
	for _, tt := range []struct {
		choice llm.Choice
		calls  bool
		want   string
		lost   bool
	}{
		{llm.Choice{Finish: "stop"}, false, "COMPLETE", false},
		{llm.Choice{Finish: "STOP"}, true, "TOOL_CALL", false},
		{llm.Choice{Finish: "tool_calls"}, true, "TOOL_CALL", false},
		{llm.Choice{Finish: "length"}, false, "MAX_TOKENS", false},
		{llm.Choice{Finish: "stop_sequence", Stop: "x"}, false, "STOP_SEQUENCE", true},
		{llm.Choice{Finish: "stop_sequence"}, false, "STOP_SEQUENCE", false},
		{llm.Choice{Finish: "content_filter"}, false, "ERROR", true},
		{llm.Choice{Finish: "OTHER"}, false, "ERROR", true},
		{llm.Choice{}, true, "TOOL_CALL", false},
		{llm.Choice{}, false, "COMPLETE", false},
	} {
		ev := &llm.Event{ID: "1", Choices: []llm.Choice{tt.choice}}
		if tt.calls {
			ev.Parts = []llm.Part{{Kind: llm.PartToolCall, ID: "c", Name: "f"}}
		}
		got, lost := write(t, llm.CohereChat, `{}`, nil, ev)
		if !strings.Contains(got, `"finish_reason":"`+tt.want+`"`) || (len(lost) > 0) != tt.lost {
			t.Errorf("%+v: %s, lost %q", tt.choice, got, lost)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	text := &llm.Event{ID: "1", Parts: []llm.Part{{Text: "a"}}}
	failed := &llm.Event{Err: &llm.Error{Message: "broke"}}
	const end = "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":\"broke\",\"finish_reason\":\"ERROR\"}}\n\ndata: [DONE]\n\n"
	if got, _ := write(t, llm.CohereChat, `{"stream":true}`, nil, text, failed, text); !strings.HasSuffix(got, end) || strings.Count(got, "content-delta") != 2 {
		t.Error(got)
	}
	if got, _ := write(t, llm.CohereChat, `{"stream":true}`, &llm.Error{Message: "broke"}, text); !strings.HasSuffix(got, end) {
		t.Error(got)
	}
	for _, api := range []llm.API{llm.CohereChat, llm.CohereEmbed} {
		if got, _ := write(t, api, `{}`, nil, failed); got != `{"message":"broke"}` {
			t.Error(got)
		}
	}
	for _, api := range []llm.API{llm.CohereChatV1, llm.CohereGenerate, llm.CohereRerank} {
		var e *llm.Error
		if _, err := (cohere.Dialect{}).NewWriter(parse(t, api, `{}`), &llm.Loss{}); !errors.As(err, &e) || e.Status != 501 {
			t.Errorf("%s: %v, want 501", api, err)
		}
	}
}

func TestWriteEmbeddings(t *testing.T) {
	ev := &llm.Event{ID: "1", Vectors: [][]byte{[]byte("[0.5, 1e0]"), []byte("[-2,0]")}, Usage: &llm.Usage{Input: llm.Some[int64](4)}, Last: true, Whole: true}
	for _, tt := range []struct {
		api        llm.API
		body, want string
	}{
		{llm.CohereEmbed, `{"texts":["a","b"]}`, `{"id":"1","embeddings":{"float":[[0.5,1e0],[-2,0]]},"texts":["a","b"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":4}},"response_type":"embeddings_by_type"}`},
		{llm.CohereEmbed, `{"texts":["a","b"],"embedding_types":["base64"]}`, `{"id":"1","embeddings":{"base64":["AAAAPwAAgD8=","AAAAwAAAAAA="]},"texts":["a","b"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":4}},"response_type":"embeddings_by_type"}`},
		{llm.CohereEmbedV1, `{"texts":["a","b"]}`, `{"id":"1","embeddings":[[0.5,1e0],[-2,0]],"texts":["a","b"],"meta":{"api_version":{"version":"1"},"billed_units":{"input_tokens":4}},"response_type":"embeddings_floats"}`},
	} {
		if got, _ := write(t, tt.api, tt.body, nil, ev); got != tt.want {
			t.Errorf("%s: %s", tt.body, got)
		}
	}
	var e *llm.Error
	if _, err := (cohere.Dialect{}).NewWriter(parse(t, llm.CohereEmbed, `{"embedding_types":["float","int8"]}`), &llm.Loss{}); !errors.As(err, &e) || e.Param != "embedding_types" {
		t.Errorf("int8: %v", err)
	}
}

// TestWriteIdentity reads Cohere's own answers and writes them: they say the same afterwards, but for what was cited.
func TestWriteIdentity(t *testing.T) {
	for _, x := range recordings(t) {
		if apiOf(x) != llm.CohereChat || x.Response.Status >= 400 {
			continue
		}
		var events []*llm.Event
		h := x.Response.Head()
		want := read(t, llm.CohereChat, h, string(x.Response.Body), func(ev *llm.Event) { events = append(events, ev.Clone()) })
		body, _ := write(t, llm.CohereChat, string(x.Request.Body), nil, events...)
		got := read(t, llm.CohereChat, h, body, nil)
		if got.ID != want.ID || got.Usage != want.Usage || cmp.Diff(want.FinishReasons(), got.FinishReasons()) != "" {
			t.Errorf("%s: %q %+v %q, want %q %+v %q", x.ID, got.ID, got.Usage, got.FinishReasons(), want.ID, want.Usage, want.FinishReasons())
		}
		if d := cmp.Diff(said(want), said(got)); d != "" {
			t.Errorf("%s: %s", x.ID, d)
		}
	}
}

// said is the content of an answer, each part by its kind.
func said(res *llm.Result) (out []llm.Part) {
	for _, m := range res.Messages() {
		for _, p := range m.Parts {
			p.Index = 0
			out = append(out, p)
		}
	}
	return out
}
