package anthropic_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func request(stream bool) *llm.Request {
	r := llm.NewRequest(llm.AnthropicMessages, llm.Anthropic, llm.OpChat, nil, nil)
	r.Stream = stream
	return r
}

// write encodes events for a client of the Messages API.
func write(t testing.TB, stream bool, events []llm.Event, end *llm.Error) string {
	t.Helper()
	w, err := d.NewWriter(request(stream), new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := range events {
		if out, err = w.Write(out, &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = w.Close(out, end); err != nil {
		t.Fatal(err)
	}
	return string(out)
}

var events = []llm.Event{
	{Choices: []llm.Choice{{Index: 0}}}, // says nothing yet, as Azure's first chunk
	{ID: "chatcmpl-1", Model: "gpt-x", Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "hm"}}},
	{Parts: []llm.Part{{Text: "a\n"}, {Text: "other", Choice: 1}, {Text: ""}}},
	{Parts: []llm.Part{{Text: "b"}, {Text: "ab", Repeat: true}, {Kind: llm.PartServerTool, Name: "web"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 0, ID: "c1", Name: "f"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 1, ID: "c2", Name: "g"}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 0, Text: `{"x":`}, {Kind: llm.PartToolCall, Index: 1, Text: `{`}}},
	{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 0, Text: `1}`}}},
	{Choices: []llm.Choice{{Index: 0, Finish: "tool_calls"}, {Index: 1, Finish: "stop"}}},
	{Usage: &llm.Usage{Input: llm.Some[int64](10), Output: llm.Some[int64](5), CacheRead: llm.Some[int64](4)}},
	{Last: true},
}

func TestWriteStream(t *testing.T) {
	want := sse(
		`{"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-x","content":[],`+
			`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a\n"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"b"}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"c1","name":"f","input":{}}}`,
		`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"c2","name":"g","input":{}}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}`,
		`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{"}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
		`{"type":"content_block_stop","index":2}`,
		`{"type":"content_block_stop","index":3}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":6,`+
			`"cache_read_input_tokens":4,"output_tokens":5}}`,
		`{"type":"message_stop"}`)
	if diff := gocmp.Diff(want, write(t, true, events, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteWhole(t *testing.T) {
	want := `{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-x","content":[{"type":"thinking","thinking":"hm","signature":""},` +
		`{"type":"text","text":"a\nb"},{"type":"tool_use","id":"c1","name":"f","input":{"x":1}},` +
		`{"type":"tool_use","id":"c2","name":"g","input":{}}],"stop_reason":"tool_use","stop_sequence":null,` +
		`"usage":{"input_tokens":6,"cache_read_input_tokens":4,"output_tokens":5}}`
	if diff := gocmp.Diff(want, write(t, false, events, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteErrors(t *testing.T) {
	failure := &llm.Error{Status: 502, Type: "upstream_cut", Message: "cut"}
	event := string(d.StreamError(nil, failure))
	const bare = `{"type":"error","error":{"type":"api_error","message":"cut"}}`
	if got := write(t, true, nil, failure); got != event {
		t.Errorf("at once: %q", got)
	}
	if got := write(t, true, events[:3], failure); !strings.HasSuffix(got, event) || strings.Contains(got, "message_stop") {
		t.Errorf("in the middle: %q", got)
	}
	reported := append(events[:3:3], llm.Event{Err: &llm.Error{Type: "server_error", Message: "cut"}}, llm.Event{Last: true})
	if got := write(t, true, reported, nil); !strings.HasSuffix(got, event) {
		t.Errorf("reported by the provider: %q", got)
	}
	if got := write(t, true, events, failure); strings.Contains(got, "error") {
		t.Errorf("after the end: %q", got)
	}
	if got := write(t, false, events[:3], failure); got != bare {
		t.Errorf("unstreamed: %s", got)
	}
	if got := write(t, false, reported, nil); got != bare {
		t.Errorf("unstreamed, reported by the provider: %s", got)
	}
	var e *llm.Error
	r := llm.NewRequest(llm.AnthropicComplete, llm.Anthropic, llm.OpTextCompletion, nil, nil)
	if _, err := d.NewWriter(r, new(llm.Loss)); !errors.As(err, &e) || e.Status != 501 {
		t.Errorf("legacy completions: got %v, want 501", err)
	}
}

func TestStopReason(t *testing.T) {
	tool := llm.Part{Kind: llm.PartToolCall, ID: "c", Name: "f", Text: "{}"}
	for _, tt := range []struct {
		finish string
		parts  []llm.Part
		want   string
	}{
		{"", nil, `null`},
		{"stop", nil, `"end_turn"`},
		{"STOP", []llm.Part{tool}, `"tool_use"`},
		{"length", []llm.Part{tool}, `"max_tokens"`},
		{"MAX_TOKENS", nil, `"max_tokens"`},
		{"function_call", nil, `"tool_use"`},
		{"content_filter", nil, `"refusal"`},
		{"SAFETY", nil, `"refusal"`},
		{"pause_turn", nil, `"pause_turn"`},
		{"model_context_window_exceeded", nil, `"model_context_window_exceeded"`},
		{"stop_sequence", nil, `"stop_sequence"`},
		{"guardrail_intervened", nil, `"refusal"`},
		{"COMPLETE", nil, `"end_turn"`},
		{"MAX_OUTPUT_TOKENS", nil, `"max_tokens"`},
		{"OTHER", nil, `"end_turn"`},
		{"stop", []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}, `"refusal"`},
	} {
		for _, stream := range []bool{false, true} {
			got := write(t, stream, []llm.Event{{Parts: tt.parts, Choices: []llm.Choice{{Finish: tt.finish}}, Last: true}}, nil)
			if n := strings.LastIndex(got, `"stop_reason":`); !strings.HasPrefix(got[n:], `"stop_reason":`+tt.want) {
				t.Errorf("%q: got %s, want %s", tt.finish, got[n:], tt.want)
			}
		}
	}
}

func TestStopSequence(t *testing.T) {
	for _, stream := range []bool{false, true} {
		got := write(t, stream, []llm.Event{{Parts: []llm.Part{{Text: "a"}}, Choices: []llm.Choice{{Finish: "COMPLETE", Stop: "END"}}, Last: true}}, nil)
		if want := `"stop_reason":"stop_sequence","stop_sequence":"END"`; !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWriteBounds(t *testing.T) {
	for _, stream := range []bool{false, true} {
		w, err := d.NewWriter(request(stream), new(llm.Loss))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; err == nil; i++ {
			if i > 1<<12 {
				t.Fatal("parts without bound")
			}
			_, err = w.Write(nil, &llm.Event{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: i}}})
		}
	}
}

// Another provider's recorded answers, written for an Anthropic client and read as that client would, say the same.
func TestWriteExchanges(t *testing.T) {
	var o openai.Dialect
	for _, x := range exchange.Load(t, "openai.chat", "anthropic.messages") {
		if x.Response.Status != 200 || x.Expected["error"] != nil {
			continue
		}
		var out llm.Outbound = o
		if x.API == llm.AnthropicMessages {
			out = d
		}
		want := exchange.Read(t, out.NewReader(x.API, x.Response.Head(), llm.WantParts), [][]byte{x.Response.Body})
		w, err := d.NewWriter(request(x.Stream), new(llm.Loss))
		if err != nil {
			t.Fatal(err)
		}
		var wire []byte
		if err := out.NewReader(x.API, x.Response.Head(), llm.WantParts).Read(x.Response.Body, true, func(ev *llm.Event) error {
			wire, err = w.Write(wire, ev)
			return err
		}); err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		if wire, err = w.Close(wire, nil); err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		got := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, w.ContentType()), llm.WantParts), [][]byte{wire})
		if want.ID == "" && strings.HasPrefix(got.ID, "msg_") {
			got.ID = ""
		}
		if got.ID != want.ID || got.Model != want.Model || !got.Last {
			t.Errorf("%s: got %q, %q, %v, want %q, %q", x.ID, got.ID, got.Model, got.Last, want.ID, want.Model)
		}
		if want.Usage.Input.Set && (got.Usage.Input != want.Usage.Input || got.Usage.Output != want.Usage.Output) {
			t.Errorf("%s: got %v, want %v", x.ID, got.Usage, want.Usage)
		}
		if diff := gocmp.Diff(content(want), content(got)); diff != "" {
			t.Errorf("%s: %s", x.ID, diff)
		}
	}
}

// madeUp is the id of a tool call whose provider gave none.
var madeUp = regexp.MustCompile(`^toolu_chatcmpl-\w+_\d+$`)

// content is the first choice of res as text and calls of tools.
func content(res *llm.Result) []string {
	out := []string{""}
	if len(res.Messages()) == 0 {
		return out
	}
	for _, p := range res.Messages()[0].Parts {
		switch p.Kind {
		case llm.PartText, llm.PartRefusal:
			out[0] += p.Text
		case llm.PartToolCall:
			var args bytes.Buffer
			if err := json.Compact(&args, []byte(cmp.Or(p.Text, "{}"))); err != nil {
				args.WriteString("not JSON")
			}
			out = append(out, strings.Trim(madeUp.ReplaceAllString(p.ID, "")+" "+p.Name+" "+args.String(), " "))
		}
	}
	return out
}
