package bedrock_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// read is the events of a body, without their bytes.
func read(t *testing.T, h *llm.Head, body []byte) []llm.Event {
	t.Helper()
	var out []llm.Event
	if err := d.NewReader(llm.BedrockConverse, h, llm.WantParts).Read(body, true, func(ev *llm.Event) error {
		out = append(out, *ev.Clone())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadWhole(t *testing.T) {
	body := `{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"r","signature":"s"}}},{"reasoningContent":{"redactedContent":"eA=="}},` +
		`{"text":"a"},{"toolUse":{"toolUseId":"t","name":"f","input":{"x":1}}},{"toolUse":{"toolUseId":"u","name":"search","type":"server_tool_use","input":{}}},` +
		`{"citationsContent":{"content":[{"text":"b"}],"citations":[{"title":"c"}]}},{"image":{"format":"png","source":{"bytes":"aGk="}}},{"toolResult":{"toolUseId":"u"}}]}},` +
		`"stopReason":"stop_sequence","additionalModelResponseFields":{"stop_sequence":"END"},"usage":{"inputTokens":5,"outputTokens":7,"cacheReadInputTokens":3,"cacheWriteInputTokens":2,"totalTokens":17},` +
		`"trace":{"guardrail":{"modelOutput":["raw a"],"inputAssessment":{"g":{"wordPolicy":{"customWords":[{"action":"BLOCKED","match":"w"}]}}}}}}`
	got := read(t, head(200, jsonType), []byte(body))
	want := []llm.Event{{
		Choices: []llm.Choice{{Finish: "stop_sequence", Stop: "END"}}, Last: true, Whole: true, Dialect: llm.Bedrock,
		Usage: &llm.Usage{Input: llm.Some(int64(10)), Output: llm.Some(int64(7)), CacheRead: llm.Some(int64(3)), CacheWrite: llm.Some(int64(2))},
		Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "r", Signature: "s"}, {Kind: llm.PartReasoning, Index: 1, Data: "eA=="}, {Index: 2, Text: "a"},
			{Kind: llm.PartToolCall, Index: 3, ID: "t", Name: "f", Text: `{"x":1}`}, {Kind: llm.PartServerTool, Index: 4, ID: "u", Name: "search", Text: "{}"},
			{Index: 5, Text: "b"}, {Kind: llm.PartOther, Index: 5, Name: "citations", Raw: []byte(`[{"title":"c"}]`)}, {Choice: llm.Aside, Text: "c", Repeat: true},
			{Kind: llm.PartBlob, Index: 6, MIME: "image/png", Data: "aGk="}, {Kind: llm.PartOther, Index: 7, Name: "toolResult", Raw: []byte(`{"toolUseId":"u"}`)},
			{Index: 1 << 20, Text: "raw a", Repeat: true}, {Index: 1<<20 + 1, Text: "w", Repeat: true}},
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(llm.Event{}, "Raw"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadWholeWithout(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		choices    []llm.Choice
		usage      *llm.Usage
	}{
		{"an output", `{"stopReason":"guardrail_intervened","usage":{"inputTokens":5,"outputTokens":0}}`, []llm.Choice{{Finish: "guardrail_intervened"}},
			&llm.Usage{Input: llm.Some(int64(5)), Output: llm.Some(int64(0))}},
		{"a stop reason", `{"output":{}}`, []llm.Choice{{}}, nil},
		{"either", `{}`, nil, nil},
		{"the cache's usual names", `{"output":{},"usage":{"inputTokens":5,"cacheReadInputTokenCount":3,"cacheWriteInputTokenCount":2}}`, []llm.Choice{{}},
			&llm.Usage{Input: llm.Some(int64(10)), CacheRead: llm.Some(int64(3)), CacheWrite: llm.Some(int64(2))}},
	} {
		got := read(t, head(200, jsonType), []byte(tt.body))
		if len(got) != 1 || !got[0].Last || !cmp.Equal(tt.choices, got[0].Choices, cmpopts.EquateEmpty()) || !cmp.Equal(tt.usage, got[0].Usage) {
			t.Errorf("without %s: %+v", tt.name, got)
		}
	}
}

func TestReadUnknownEvents(t *testing.T) {
	body := append(event("metadata", `{"usage":{"inputTokens":5}}`), event("news", `{"usage":{"inputTokens":6},"stopReason":"x","delta":{"text":"a"}}`)...)
	got := read(t, head(200, eventStream), body)
	if len(got) != 2 || got[1].Usage != nil || got[1].Choices != nil || got[1].Parts != nil || got[1].Err != nil {
		t.Errorf("%+v", got)
	}
}

func TestReadErrors(t *testing.T) {
	for _, tt := range []struct {
		name, typ, body string
		want            llm.Error
	}{
		{"by its header", "ThrottlingException:http://internal.amazon.com/coral/", `{"message":"m"}`, llm.Error{Status: 429, Type: "ThrottlingException", Message: "m"}},
		{"with a namespace", "com.amazon.bedrock#ThrottlingException", `{"Message":"m"}`, llm.Error{Status: 429, Type: "ThrottlingException", Message: "m"}},
		{"by its body", "", `{"__type":"a#ThrottlingException","message":"m"}`, llm.Error{Status: 429, Type: "ThrottlingException", Message: "m"}},
		{"without a type", "", `{"message":"m"}`, llm.Error{Status: 429, Message: "m"}},
		{"not JSON", "", `<html>`, llm.Error{Status: 429}},
	} {
		h := head(429, jsonType)
		if tt.typ != "" {
			h.Header.Set("X-Amzn-Errortype", tt.typ)
		}
		got := read(t, h, []byte(tt.body))
		if len(got) != 1 || !got[0].Last || got[0].Err == nil || *got[0].Err != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	failed := frame.AppendHeader(frame.AppendHeader(frame.AppendHeader(nil, ":message-type", "error"), ":error-code", "InternalError"), ":error-message", "m")
	for want, body := range map[llm.Error][]byte{
		{Type: "modelStreamErrorException", Message: "m"}:                       exception("modelStreamErrorException", `{"message":"m","originalStatusCode":500}`),
		{Type: "InternalError", Message: "m"}:                                   frame.AppendMessage(nil, failed, nil), // such a message has no payload
		{Type: "malformed", Message: "The provider's event stream is corrupt."}: []byte("HTTP is not an event stream"),
	} {
		got := read(t, head(200, eventStream), body)
		if len(got) != 1 || got[0].Err == nil || *got[0].Err != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"contentBlockDelta", `{"p":"x", "delta":{"text":"a"},"contentBlockIndex":0}`, `{"p":"x", "delta":{"text":"new"},"contentBlockIndex":0}`},
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"a"}}}`, `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"new"}}}`},
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"a"}}}`, `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"new"}}}`},
		{"metadata", `{"usage":{},"trace":{"guardrail":{"modelOutput":["a"]}}}`, `{"usage":{},"trace":{"guardrail":{"modelOutput":["new"]}}}`},
		{"", `{"output":{"message":{"content":[{"text":"a"},{"toolUse":{"input":{"k":"v"}}}]}},"x":1}`, `{"output":{"message":{"content":[{"text":"new"},{"toolUse":{"input":"new"}}]}},"x":1}`},
	} {
		h, body, want := head(200, eventStream), event(tt.name, tt.in), event(tt.name, tt.want)
		if tt.name == "" {
			h, body, want = head(200, jsonType), []byte(tt.in), []byte(tt.want)
		}
		ev := read(t, h, body)[0]
		for i := range ev.Parts {
			ev.Parts[i].Text = "new"
			if ev.Parts[i].Kind == llm.PartToolCall && tt.name == "" {
				ev.Parts[i].Text = `"new"`
			}
		}
		got, err := d.Rewrite(nil, nil, &ev)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s %s: %q, %v, want %q", tt.name, tt.in, got, err, want)
		}
		if tt.name != "" {
			_ = exchange.Read(t, d.NewReader(llm.BedrockConverse, h, llm.WantParts), [][]byte{got}) // its CRCs are right
		}
	}
	stop := append(event("contentBlockStart", `{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}`), event("contentBlockStop", `{"contentBlockIndex":0}`)...)
	got := read(t, head(200, eventStream), stop)
	if p := got[1].Parts; len(p) != 1 || p[0].Text != "{}" || p[0].Kind != llm.PartToolCall {
		t.Fatalf("a call without input: %+v", p)
	}
	got[1].Parts[0].Text = "x"
	if _, err := d.Rewrite(nil, nil, &got[1]); err == nil {
		t.Error("an input that stands nowhere was rewritten")
	}
}

func TestErrorShapes(t *testing.T) {
	for status, want := range map[int]string{400: "ValidationException", 401: "AccessDeniedException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
		408: "ModelTimeoutException", 429: "ThrottlingException", 500: "InternalServerException", 502: "InternalServerException", 503: "ServiceUnavailableException", 504: "ModelTimeoutException"} {
		if got := string(d.Error(&llm.Error{Status: status, Message: "m\""})); got != `{"__type":"`+want+`","message":"m\""}` {
			t.Errorf("%d: %s", status, got)
		}
	}
	for want, e := range map[string]llm.Error{"throttlingException": {Status: 429}, "validationException": {Status: 403}, "serviceUnavailableException": {Status: 503},
		"internalServerException": {Status: 500}, "modelStreamErrorException": {Status: http.StatusBadGateway}} {
		got := read(t, head(200, eventStream), d.StreamError(nil, &e))
		if len(got) != 1 || got[0].Err == nil || got[0].Err.Type != want {
			t.Errorf("%+v: %+v, want %s", e, got, want)
		}
	}
}
