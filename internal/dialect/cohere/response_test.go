package cohere_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
)

func head(status int, contentType string) *llm.Head {
	return &llm.Head{Status: status, Header: http.Header{"Content-Type": {contentType}}}
}

// streams of both versions, with everything in them that a stream can hold.
const (
	streamV2 = `event: message-start
data: {"id":"id-1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

event: tool-plan-delta
data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I look."}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm."}}}}

event: content-end
data: {"type":"content-end","index":0}

event: content-start
data: {"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}

event: content-delta
data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"It is sunny."}}},"logprobs":{"text":"It is sunny.","token_ids":[1,2],"logprobs":[-0.5,-0.25]}}

event: citation-start
data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":6,"end":11,"text":"sunny","sources":[{"type":"tool","id":"f_1:0","tool_output":{"content":"sunny, 20"}}],"type":"TEXT_CONTENT"}}}}

event: citation-end
data: {"type":"citation-end","index":0}

event: content-end
data: {"type":"content-end","index":1}

event: tool-call-start
data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"f_1","type":"function","function":{"name":"f","arguments":""}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}

event: tool-call-end
data: {"type":"tool-call-end","index":0}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":2,"output_tokens":3},"tokens":{"input_tokens":20,"output_tokens":30},"cached_tokens":16}}}

data: [DONE]

`
	streamV1 = `{"is_finished":false,"event_type":"stream-start","generation_id":"g-1"}
{"is_finished":false,"event_type":"tool-calls-chunk","text":"I look."}
{"is_finished":false,"event_type":"tool-calls-chunk","tool_call_delta":{"index":0,"name":"f"}}
{"is_finished":false,"event_type":"tool-calls-chunk","tool_call_delta":{"index":0,"parameters":"{\"a\":"}}
{"is_finished":false,"event_type":"tool-calls-chunk","tool_call_delta":{"index":0,"parameters":"\"x\"}"}}
{"is_finished":false,"event_type":"tool-calls-generation","text":"I look.","tool_calls":[{"name":"f","parameters":{"a":"x"}}]}
{"is_finished":true,"event_type":"stream-end","response":{"response_id":"r-1","text":"I look.","generation_id":"g-1","chat_history":[{"role":"USER","message":"x?"},{"role":"CHATBOT","message":"I look.","tool_calls":[{"name":"f","parameters":{"a":"x"}}]}],"finish_reason":"COMPLETE","meta":{"api_version":{"version":"1"},"billed_units":{"input_tokens":2,"output_tokens":3},"tokens":{"input_tokens":20,"output_tokens":30}},"tool_calls":[{"name":"f","parameters":{"a":"x"}}]},"finish_reason":"COMPLETE"}
`
)

// read folds the events of a body and hands each to f.
func read(t testing.TB, api llm.API, h *llm.Head, body string, f func(*llm.Event)) *llm.Result {
	t.Helper()
	res := new(llm.Result)
	err := cohere.Dialect{}.NewReader(api, h, llm.WantParts).Read([]byte(body), true, func(ev *llm.Event) error {
		res.Add(ev)
		res.Content(ev)
		if f != nil {
			f(ev)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const plan = 1 << 20 // the index of the plan before calls of tools

func TestStreams(t *testing.T) {
	sse := func(lines string) string {
		return "data: " + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n\ndata: ") + "\n\n"
	}
	v1 := []llm.Part{
		{Kind: llm.PartReasoning, Index: plan, Text: "I look."},
		{Kind: llm.PartToolCall, Name: "f"},
		{Kind: llm.PartToolCall, Text: `{"a":`},
		{Kind: llm.PartToolCall, Text: `"x"}`},
		{Kind: llm.PartReasoning, Index: plan, Text: "I look.", Repeat: true},
		{Kind: llm.PartToolCall, Name: "f", Text: `{"a":"x"}`, Repeat: true},
		{Text: "I look.", Repeat: true},
		{Kind: llm.PartToolCall, Name: "f", Text: `{"a":"x"}`, Repeat: true},
		{Text: "I look.", Repeat: true},
		{Kind: llm.PartToolCall, Name: "f", Text: `{"a":"x"}`, Repeat: true},
	}
	usage := llm.Usage{Input: llm.Some[int64](20), Output: llm.Some[int64](30)}
	cached := usage
	cached.CacheRead = llm.Some[int64](16)
	for _, tt := range []struct {
		name, contentType, body string
		api                     llm.API
		parts                   []llm.Part
		id                      string
		finish                  []string
		usage                   llm.Usage
	}{
		{"version 2", "text/event-stream", streamV2, llm.CohereChat, []llm.Part{
			{Kind: llm.PartReasoning, Index: plan, Text: "I look."},
			{Kind: llm.PartReasoning, Text: "Hm."},
			{Index: 1, Text: "It is sunny.", Logprobs: []llm.Logprob{{Token: "It is sunny.", Logprob: -0.75}}},
			{Choice: llm.Aside, Text: "sunny", Repeat: true},
			{Choice: llm.Aside, Text: "sunny, 20", Repeat: true},
			{Kind: llm.PartToolCall, ID: "f_1", Name: "f"},
			{Kind: llm.PartToolCall, Text: `{"a":`},
			{Kind: llm.PartToolCall, Text: "1}"},
		}, "id-1", []string{"TOOL_CALL"}, cached},
		{"version 1", "application/stream+json", streamV1, llm.CohereChatV1, v1, "r-1", []string{"COMPLETE"}, usage},
		{"version 1 as events", "text/event-stream", sse(streamV1), llm.CohereChatV1, v1, "r-1", []string{"COMPLETE"}, usage},
		{"calls without chunks", "application/stream+json", `{"is_finished":false,"event_type":"tool-calls-generation","tool_calls":[{"name":"f","parameters":{}}]}
{"is_finished":true,"event_type":"stream-end","response":{"text":"","tool_calls":[{"name":"f","parameters":{}}]},"finish_reason":"COMPLETE"}
`, llm.CohereChatV1, []llm.Part{{Kind: llm.PartToolCall, Name: "f", Text: "{}"}, {Kind: llm.PartToolCall, Name: "f", Text: "{}", Repeat: true}}, "", []string{"COMPLETE"}, llm.Usage{}},
		{"searches", "application/stream+json", `{"event_type":"search-queries-generation","is_finished":false,"search_queries":[{"text":"q","generation_id":"g"}]}
{"event_type":"search-results","is_finished":false,"documents":[{"snippet":"s"}]}
{"event_type":"text-generation","is_finished":false,"text":"a"}
{"event_type":"citation-generation","is_finished":false,"citations":[{"start":0,"end":1,"text":"a","document_ids":["d"]}]}
{"event_type":"stream-end","is_finished":true,"finish_reason":"MAX_TOKENS","response":{"generation_id":"g-2","text":"a","finish_reason":"MAX_TOKENS"}}
`, llm.CohereChatV1, []llm.Part{
			{Kind: llm.PartReasoning, Index: plan + 1, Text: "q"}, {Choice: llm.Aside, Text: "s", Repeat: true}, {Text: "a"}, {Choice: llm.Aside, Text: "a", Repeat: true}, {Text: "a", Repeat: true},
		}, "g-2", []string{"MAX_TOKENS"}, llm.Usage{}},
		{"generate", "application/stream+json", `{"text":"a","is_finished":false,"event_type":"text-generation"}
{"text":"b","index":1,"is_finished":false}
{"is_finished":true,"finish_reason":"COMPLETE","response":{"id":"i","prompt":"p","generations":[{"id":"1","text":"a","finish_reason":"COMPLETE"},{"id":"2","text":"b"}]}}
`, llm.CohereGenerate, []llm.Part{{Text: "a"}, {Choice: 1, Text: "b"}, {Text: "a", Repeat: true}, {Choice: 1, Text: "b", Repeat: true}}, "i", []string{"COMPLETE", "COMPLETE"}, llm.Usage{}},
		{"cut", "application/stream+json", `{"event_type":"stream-start","is_finished":false,"generation_id":"g"}`, llm.CohereChatV1, nil, "", []string{"error"}, llm.Usage{}},
	} {
		var parts []llm.Part
		res := read(t, tt.api, head(200, tt.contentType), tt.body, func(ev *llm.Event) { parts = append(parts, ev.Parts...) })
		if d := cmp.Diff(tt.parts, parts); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		if res.ID != tt.id || cmp.Diff(tt.finish, res.FinishReasons()) != "" || res.Usage != tt.usage || res.Last == (tt.name == "cut") {
			t.Errorf("%s: id %q, finish %q, usage %+v, last %v", tt.name, res.ID, res.FinishReasons(), res.Usage, res.Last)
		}
	}
}

func TestWhole(t *testing.T) {
	var parts []llm.Part
	res := read(t, llm.CohereChat, head(200, "application/json"), `{"id":"1","message":{"role":"assistant","tool_plan":"p","content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"a"}],
		"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}],"citations":[{"text":"a","sources":[]}]},"finish_reason":"STOP_SEQUENCE",
		"usage":{"billed_units":{"input_tokens":4}},"logprobs":[{"text":"a","token_ids":[7],"logprobs":[-1]}]}`, func(ev *llm.Event) { parts = append(parts, ev.Parts...) })
	want := []llm.Part{
		{Kind: llm.PartReasoning, Index: plan, Text: "p"}, {Kind: llm.PartReasoning, Text: "t"}, {Index: 1, Text: "a", Logprobs: []llm.Logprob{{Token: "a", Logprob: -1}}},
		{Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "{}"}, {Choice: llm.Aside, Text: "a", Repeat: true},
	}
	if d := cmp.Diff(want, parts); d != "" {
		t.Error(d)
	}
	if !res.Last || !res.Whole || res.ID != "1" || res.Usage != (llm.Usage{Input: llm.Some[int64](4)}) || cmp.Diff([]string{"STOP_SEQUENCE"}, res.FinishReasons()) != "" {
		t.Errorf("%+v, finish %q", res, res.FinishReasons())
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		api         llm.API
		status      int
		contentType string
		body        string
		want        *llm.Error
		finish      []string
	}{
		{llm.CohereChat, 429, "application/json", `{"id":"1","message":"slow down"}`, &llm.Error{Status: 429, Message: "slow down"}, nil},
		{llm.CohereEmbed, 400, "application/json", `{"data":"x"}`, &llm.Error{Status: 400}, nil},
		{llm.CohereRerank, 500, "text/html", `<p>no`, nil, nil},
		{llm.CohereChat, 200, "text/event-stream", "data: {\"type\":\"message-end\",\"delta\":{\"error\":\"broke\",\"finish_reason\":\"ERROR\"}}\n\n", &llm.Error{Message: "broke"}, []string{"ERROR"}},
		{llm.CohereGenerate, 200, "application/stream+json", `{"event_type":"stream-error","is_finished":true,"finish_reason":"ERROR","err":"broke"}` + "\n", &llm.Error{Message: "broke"}, []string{"ERROR"}},
		{llm.CohereChatV1, 200, "application/stream+json", `{"message":"broke"}` + "\n", &llm.Error{Message: "broke"}, nil},
	} {
		res := read(t, tt.api, head(tt.status, tt.contentType), tt.body, nil)
		if d := cmp.Diff(tt.want, res.Err); d != "" || cmp.Diff(tt.finish, res.FinishReasons()) != "" {
			t.Errorf("%s: %s, finish %q", tt.body, d, res.FinishReasons())
		}
	}
}

func TestVectors(t *testing.T) {
	for _, tt := range []struct {
		body       string
		dimensions int
		want       []string
	}{
		{`{"id":"1","embeddings":{"int8":[[1,2,3]],"float":[[0.10,2],[3,4e-1]]}}`, 2, []string{"[0.10,2]", "[3,4e-1]"}},
		{`{"embeddings":{"uint8":[[1,2,3]]}}`, 3, []string{"[1,2,3]"}},
		{`{"embeddings":{"base64":["AAAAAAAAAAAAAAAA","AAAA"]}}`, 3, nil},
		{`{"embeddings":{"base64":["AAAAAA=="],"ubinary":[[1]]}}`, 1, nil},
		{`{"embeddings":[[1,2],[3,4]],"response_type":"embeddings_floats"}`, 2, []string{"[1,2]", "[3,4]"}},
		{`{"embeddings":{}}`, 0, nil},
		{`{"embeddings":[]}`, 0, nil},
	} {
		var got []string
		res := read(t, llm.CohereEmbed, head(200, "application/json"), tt.body, func(ev *llm.Event) {
			for _, v := range ev.Vectors {
				got = append(got, string(v))
			}
		})
		if res.Dimensions != tt.dimensions || cmp.Diff(tt.want, got) != "" || !res.Last {
			t.Errorf("%s: %d dimensions, vectors %q", tt.body, res.Dimensions, got)
		}
	}
}

func TestRerank(t *testing.T) {
	res := read(t, llm.CohereRerank, head(200, "application/json"), `{"id":"r","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}`, nil)
	if res.ID != "r" || !res.Last || !res.Usage.IsZero() || res.FinishReasons() != nil {
		t.Errorf("%+v", res)
	}
}

// TestRewrite changes every text of every frame: all that tells the answer changes, and nothing else.
func TestRewrite(t *testing.T) {
	for _, tt := range []struct {
		api               llm.API
		contentType, body string
		want              func(string) string
	}{
		{llm.CohereChat, "text/event-stream", streamV2, func(s string) string {
			return strings.NewReplacer("I look.", "#", "Hm.", "#", `"text":"It is sunny."}}},"logprobs":{"text":"It is sunny.","token_ids":[1,2],"logprobs":[-0.5,-0.25]}`,
				`"text":"#"}}},"logprobs":null`, `"sunny"`, `"#"`, "sunny, 20", "#", `"{\"a\":"`, `"#"`, `"1}"`, `"#"`).Replace(s)
		}},
		{llm.CohereChatV1, "application/stream+json", streamV1, func(s string) string {
			return strings.NewReplacer("I look.", "#", `"{\"a\":"`, `"#"`, `"\"x\"}"`, `"#"`, `{"a":"x"}`, `{"b":1}`).Replace(s)
		}},
	} {
		var got []byte
		read(t, tt.api, head(200, tt.contentType), tt.body, func(ev *llm.Event) {
			for i := range ev.Parts {
				switch p := &ev.Parts[i]; {
				case p.Text == "":
				case p.Kind == llm.PartToolCall && p.Name != "":
					p.Text = `{"b":1}`
				default:
					p.Text = "#"
				}
			}
			var err error
			if got, err = (cohere.Dialect{}).Rewrite(got, &llm.Request{API: tt.api, Stream: true}, ev); err != nil {
				t.Fatal(err)
			}
		})
		if d := cmp.Diff(tt.want(tt.body), string(got)); d != "" {
			t.Errorf("%s: %s", tt.api, d)
		}
	}
}

func TestStreamError(t *testing.T) {
	e := &llm.Error{Status: 400, Type: "guardrail_rejected", Message: `no "x"`}
	for _, tt := range []struct {
		request *llm.Request
		want    string
	}{
		{&llm.Request{API: llm.CohereChat, Stream: true, StreamSSE: true}, "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":\"no \\\"x\\\"\",\"finish_reason\":\"ERROR\"}}\n\ndata: [DONE]\n\n"},
		{&llm.Request{API: llm.CohereChatV1, Stream: true}, `{"is_finished":true,"event_type":"stream-end","finish_reason":"ERROR","error":"no \"x\"","response":{"text":"","finish_reason":"ERROR"}}` + "\n"},
		{&llm.Request{API: llm.CohereGenerate, Stream: true, StreamSSE: true}, "data: {\"is_finished\":true,\"event_type\":\"stream-error\",\"finish_reason\":\"ERROR\",\"err\":\"no \\\"x\\\"\"}\n\n"},
	} {
		got := string(cohere.Dialect{}.StreamError(tt.request, e))
		if got != tt.want {
			t.Errorf("%s: %s", tt.request.API, got)
		}
		ct := "application/stream+json"
		if tt.request.StreamSSE {
			ct = "text/event-stream"
		}
		if res := read(t, tt.request.API, head(200, ct), got, nil); res.Err == nil || res.Err.Message != e.Message || !res.Last {
			t.Errorf("%s: read as %+v", tt.request.API, res.Err)
		}
	}
	if got, want := string(cohere.Dialect{}.Error(e)), `{"message":"no \"x\""}`; got != want {
		t.Errorf("error %s, want %s", got, want)
	}
}
