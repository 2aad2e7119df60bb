package openai

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// events reads body whole and copies its events.
func events(t testing.TB, api llm.API, status int, contentType string, body []byte, want llm.Want) []llm.Event {
	t.Helper()
	h := &llm.Head{Status: status, Header: http.Header{"Content-Type": {contentType}}}
	var out []llm.Event
	err := Dialect{}.NewReader(api, h, want).Read(body, true, func(ev *llm.Event) error {
		out = append(out, clone(ev))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func clone(ev *llm.Event) llm.Event {
	e := *ev
	e.Raw = bytes.Clone(ev.Raw)
	e.Choices = append([]llm.Choice(nil), ev.Choices...)
	e.Parts = append([]llm.Part(nil), ev.Parts...)
	if ev.Usage != nil {
		u := *ev.Usage
		e.Usage = &u
	}
	return e
}

func some(n int64) llm.Opt[int64] { return llm.Some(n) }

// TestDecode looks at single frames: what the recordings do not show.
func TestDecode(t *testing.T) {
	tests := []struct {
		name   string
		api    llm.API
		status int
		frame  string // an event's data when it begins so, else a whole body
		want   llm.Event
	}{
		{name: "done", frame: "data: [DONE]\n\n", want: llm.Event{Last: true}},
		{name: "not JSON", frame: "data: {\"id\":\"x\",\n\n"},
		{name: "no object", frame: "data: 17\n\n"},
		{name: "comment", frame: ": ping\n\n"},
		{name: "cut body", frame: `{"id":"x","choices":[`},
		{name: "error in a stream", frame: `data: {"error":{"message":"m","type":"server_error","code":null}}` + "\n\n",
			want: llm.Event{Err: &llm.Error{Type: "server_error", Message: "m"}}},
		{name: "error with choices", frame: `data: {"id":"i","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"m"}}` + "\n\n",
			want: llm.Event{ID: "i", Choices: []llm.Choice{{Finish: "error"}}, Err: &llm.Error{Type: "502", Message: "m"}}},
		{name: "error event", frame: "event: error\ndata: {\"message\":\"m\",\"code\":\"c\"}\n\n",
			want: llm.Event{Err: &llm.Error{Type: "c", Message: "m"}}},
		{name: "no error", frame: `{"id":"i","error":null,"choices":[]}`, want: llm.Event{ID: "i", Last: true}},
		{name: "empty error", frame: `{"id":"i","error":{},"choices":[]}`, want: llm.Event{ID: "i", Last: true}},
		{name: "code before type", status: 404, frame: `{"error":{"code":"model_not_found","type":"invalid_request_error","message":"m","param":"model"}}`,
			want: llm.Event{Err: &llm.Error{Status: 404, Type: "model_not_found", Message: "m", Param: "model"}, Last: true}},
		{name: "vLLM", status: 400, frame: `{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}`,
			want: llm.Event{Err: &llm.Error{Status: 400, Type: "BadRequestError", Message: "m"}, Last: true}},
		{name: "Mistral", status: 429, frame: `{"object":"error","message":"m","type":"rate_limited","param":null,"code":"1300"}`,
			want: llm.Event{Err: &llm.Error{Status: 429, Type: "rate_limited", Message: "m"}, Last: true}},
		{name: "Google", status: 404, frame: `[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]`,
			want: llm.Event{Err: &llm.Error{Status: 404, Type: "NOT_FOUND", Message: "m"}, Last: true}},
		{name: "number as code", status: 401, frame: `{"error":{"code":"401","message":"m"}}`,
			want: llm.Event{Err: &llm.Error{Status: 401, Type: "401", Message: "m"}, Last: true}},
		{name: "text as error", status: 503, frame: `{"error":"busy"}`,
			want: llm.Event{Err: &llm.Error{Status: 503, Message: "busy"}, Last: true}},
		{name: "detail", status: 422, frame: `{"detail":"no"}`,
			want: llm.Event{Err: &llm.Error{Status: 422, Message: "no"}, Last: true}},
		{name: "page as error", status: 502, frame: `<html>`},
		{name: "usage of the details' other names", frame: `{"usage":{"prompt_tokens":3.0,"completion_tokens":2,"prompt_cache_hit_tokens":1,"reasoning_tokens":4,"prompt_tokens_details":{"cache_write_tokens":5},"cache_creation_input_tokens":9}}`,
			want: llm.Event{Last: true, Usage: &llm.Usage{Input: some(3), Output: some(2), CacheRead: some(1), CacheWrite: some(5), Reasoning: some(4)}}},
		{name: "usage in the words of both APIs", frame: `{"usage":{"input_tokens":0,"output_tokens":0,"prompt_tokens":3,"completion_tokens":2}}`,
			want: llm.Event{Last: true, Usage: &llm.Usage{Input: some(3), Output: some(2)}}},
		{name: "usage without a count", frame: `{"usage":{"total_tokens":3}}`, want: llm.Event{Last: true}},
		{name: "groq", frame: `data: {"choices":[],"x_groq":{"usage":{"prompt_tokens":1}}}` + "\n\n", want: llm.Event{Usage: &llm.Usage{Input: some(1)}}},
		{name: "usage before groq's", frame: `data: {"x_groq":{"usage":{"prompt_tokens":1}},"usage":{"prompt_tokens":2}}` + "\n\n", want: llm.Event{Usage: &llm.Usage{Input: some(2)}}},
		{name: "choices without index", frame: `{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}`,
			want: llm.Event{Last: true, Choices: []llm.Choice{{Index: 0, Finish: "stop"}, {Index: 1, Finish: "length"}}}},
		{name: "embeddings", api: llm.OpenAIEmbeddings, frame: `{"model":"e","data":[{"embedding":[0.1, 2, -3e1]},{"embedding":[1]}],"usage":{"total_tokens":4}}`,
			want: llm.Event{Model: "e", Dimensions: 3, Last: true, Usage: &llm.Usage{Input: some(4)}}},
		{name: "base64 embeddings", api: llm.OpenAIEmbeddings, frame: `{"data":[{"embedding":"AAAAAAAAgD8="}]}`, want: llm.Event{Dimensions: 2, Last: true}},
		{name: "base64 embeddings with escapes", api: llm.OpenAIEmbeddings, frame: `{"data":[{"embedding":"AA\/\/AAAAgD8="}]}`, want: llm.Event{Dimensions: 2, Last: true}},
		{name: "no embeddings", api: llm.OpenAIEmbeddings, frame: `{"data":[]}`, want: llm.Event{Last: true}},
		{name: "image", api: llm.OpenAIImages, frame: `{"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":5,"output_tokens":6,"input_tokens_details":{"text_tokens":5}}}`,
			want: llm.Event{Last: true, Usage: &llm.Usage{Input: some(5), Output: some(6)}}},
		{name: "streamed image", api: llm.OpenAIImages, frame: "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":5}}\n\n",
			want: llm.Event{Last: true, Usage: &llm.Usage{Input: some(5)}}},
		{name: "incomplete response", api: llm.OpenAIResponses,
			frame: `{"id":"r","model":"m","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"conversation":{"id":"c"},"service_tier":"default"}`,
			want: llm.Event{ID: "r", Model: "m", Conversation: "c", ServiceTier: "default", Last: true,
				Choices: []llm.Choice{{Finish: "max_output_tokens"}}}},
		{name: "queued response", api: llm.OpenAIResponses, frame: `{"id":"r","status":"queued","output":[]}`, want: llm.Event{ID: "r", Last: true}},
		{name: "failed response", api: llm.OpenAIResponses,
			frame: `data: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}}` + "\n\n",
			want:  llm.Event{ID: "r", Last: true, Err: &llm.Error{Type: "server_error", Message: "m"}}},
		{name: "failed for no reason", api: llm.OpenAIResponses, frame: `data: {"type":"response.failed","response":{"status":"failed","error":null}}` + "\n\n",
			want: llm.Event{Last: true, Err: &llm.Error{Type: "failed", Message: "The response failed and the provider did not say why."}}},
		{name: "response error event", api: llm.OpenAIResponses, frame: `data: {"type":"error","code":"c","message":"m","param":null,"sequence_number":1}` + "\n\n",
			want: llm.Event{Last: true, Err: &llm.Error{Type: "c", Message: "m"}}},
		{name: "response error event with an object", api: llm.OpenAIResponses, frame: `data: {"type":"error","error":{"type":"t","message":"m"}}` + "\n\n",
			want: llm.Event{Last: true, Err: &llm.Error{Type: "t", Message: "m"}}},
		{name: "output begins", api: llm.OpenAIResponses, frame: `data: {"type":"response.output_text.delta","delta":"a"}` + "\n\n",
			want: llm.Event{Choices: []llm.Choice{{}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.api == "" {
				tt.api = llm.OpenAIChat
			}
			if tt.status == 0 {
				tt.status = 200
			}
			ct := "application/json"
			if !strings.Contains("{[<", tt.frame[:1]) {
				ct = "text/event-stream; charset=utf-8"
			}
			got := events(t, tt.api, tt.status, ct, []byte(tt.frame), llm.WantMeta)
			tt.want.Raw, tt.want.Dialect, tt.want.Whole = []byte(tt.frame), llm.OpenAI, ct == "application/json"
			if d := cmp.Diff([]llm.Event{tt.want}, got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParts(t *testing.T) {
	tests := []struct {
		name string
		api  llm.API
		body string
		want []llm.Part
	}{
		{
			name: "delta", body: `{"choices":[{"index":1,"delta":{"content":"a","reasoning_content":"b","refusal":"c","tool_calls":[{"index":3,"id":"i","function":{"name":"f","arguments":""}},{"index":3,"function":{"arguments":"{"}}]}}]}`,
			want: []llm.Part{
				{Kind: llm.PartReasoning, Choice: 1, Text: "b"}, {Choice: 1, Text: "a"}, {Kind: llm.PartRefusal, Choice: 1, Text: "c"},
				{Kind: llm.PartToolCall, Choice: 1, Index: 3, ID: "i", Name: "f"}, {Kind: llm.PartToolCall, Choice: 1, Index: 3, Text: "{"},
			},
		},
		{
			name: "message", body: `{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"},{"type":"refusal","refusal":"r"}],
				"tool_calls":[{"index":0,"id":"i","custom":{"name":"f","input":"x"}},{"index":0,"id":"j","function":{"name":"g","arguments":{"k":1}}}],"function_call":{"name":"","arguments":""}}}]}`,
			want: []llm.Part{
				{Kind: llm.PartReasoning, Text: "t"}, {Text: "a"}, {Kind: llm.PartRefusal, Text: "r"},
				{Kind: llm.PartToolCall, ID: "i", Name: "f", Text: "x"}, {Kind: llm.PartToolCall, Index: 1, ID: "j", Name: "g", Text: `{"k":1}`},
			},
		},
		{
			name: "legacy call", body: `{"choices":[{"message":{"content":null,"function_call":{"name":"f","arguments":"{}"}}}]}`,
			want: []llm.Part{{Kind: llm.PartToolCall, Name: "f", Text: "{}"}},
		},
		{
			name: "reasoning said twice", body: `{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.text","text":"a"}],"reasoning":"a"}}]}`,
			want: []llm.Part{{Kind: llm.PartReasoning, Text: "a", Repeat: true}, {Kind: llm.PartReasoning, Text: "a"}},
		},
		{
			name: "reasoning said in details", body: `{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.summary","summary":"a"}],"reasoning":null}}]}`,
			want: []llm.Part{{Kind: llm.PartReasoning, Text: "a"}},
		},
		{
			name: "completion", api: llm.OpenAICompletions, body: `{"choices":[{"index":0,"text":"a"},{"index":1,"text":"b"},{"index":2,"text":""}]}`,
			want: []llm.Part{{Text: "a"}, {Choice: 1, Text: "b"}},
		},
		{
			name: "response", api: llm.OpenAIResponses, body: `{"status":"completed","output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"t"}]},
				{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"r"}]},{"type":"function_call","id":"x","call_id":"i","name":"f","arguments":"{}"},
				{"type":"custom_tool_call","call_id":"j","name":"g","input":"p"},{"type":"web_search_call","id":"ws"}]}`,
			want: []llm.Part{
				{Kind: llm.PartReasoning, Text: "s"}, {Kind: llm.PartReasoning, Text: "t"}, {Index: 1, Text: "a"}, {Kind: llm.PartRefusal, Index: 1, Text: "r"},
				{Kind: llm.PartToolCall, Index: 2, ID: "i", Name: "f", Text: "{}"}, {Kind: llm.PartToolCall, Index: 3, ID: "j", Name: "g", Text: "p"},
				{Kind: llm.PartServerTool, Index: 4, ID: "ws", Name: "web_search_call"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.api == "" {
				tt.api = llm.OpenAIChat
			}
			got := events(t, tt.api, 200, "application/json", []byte(tt.body), llm.WantParts)
			if d := cmp.Diff(tt.want, got[0].Parts); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRepeatedText follows a stream of the Responses API: what closes a part tells nothing new, unless nothing was told.
func TestRepeatedText(t *testing.T) {
	stream := `data: {"type":"response.output_text.delta","output_index":0,"delta":"a"}

data: {"type":"response.output_text.done","output_index":0,"text":"a"}

data: {"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"b"},{"type":"output_text","text":"c"}]}}

data: {"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"i","name":"f","arguments":""}}

data: {"type":"response.function_call_arguments.done","output_index":2,"arguments":"{}"}

data: {"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]},{"type":"message","content":[{"type":"output_text","text":"b"},{"type":"output_text","text":"c"}]},{"type":"function_call","call_id":"i","name":"f","arguments":"{}"}]}}

`
	var res llm.Result
	var repeats []bool
	for _, ev := range events(t, llm.OpenAIResponses, 200, "text/event-stream", []byte(stream), llm.WantParts) {
		res.Content(&ev)
		for _, p := range ev.Parts {
			repeats = append(repeats, p.Repeat)
		}
	}
	want := []llm.Message{{Role: llm.RoleAssistant, Parts: []llm.Part{
		{Text: "a"}, {Index: 1, Text: "bc"}, {Kind: llm.PartToolCall, Index: 2, ID: "i", Name: "f", Text: "{}"},
	}}}
	if d := cmp.Diff(want, res.Messages()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]bool{false, true, false, false, false, false, true, true, true, true}, repeats); d != "" {
		t.Error(d)
	}
}

// TestCallsUnderOneIndex reads what Gemini streams for two calls, and what others stream for one.
func TestCallsUnderOneIndex(t *testing.T) {
	stream := ""
	for _, call := range []string{
		`{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}`, `{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}`,
		`{"index":0,"function":{"arguments":"3"}}`, `{"index":0,"id":"z","function":{"arguments":"4"}}`, `{"index":1,"id":"c","function":{"name":"g","arguments":"5"}}`,
	} {
		stream += `data: {"choices":[{"index":0,"delta":{"tool_calls":[` + call + "]}}]}\n\n"
	}
	var res llm.Result
	for _, ev := range events(t, llm.OpenAIChat, 200, "text/event-stream", []byte(stream), llm.WantParts) {
		res.Content(&ev)
	}
	want := []llm.Part{
		{Kind: llm.PartToolCall, ID: "a", Name: "f", Text: "1"}, {Kind: llm.PartToolCall, Index: firstMore + 1, ID: "b", Name: "f", Text: "234"},
		{Kind: llm.PartToolCall, Index: 1, ID: "c", Name: "g", Text: "5"},
	}
	if d := cmp.Diff(want, res.Messages()[0].Parts); d != "" {
		t.Error(d)
	}
}

// TestPattern reads recorded streams with one decoder and with a fresh one for each frame: that frames resemble each other
// must not show.
func TestPattern(t *testing.T) {
	matched := 0
	for _, x := range exchange.Load(t, "openai.chat", "openai.completions", "writer.chat") {
		if !x.Stream || x.Response.Status != 200 {
			continue
		}
		api := x.API
		if api == "writer.chat" {
			api = llm.OpenAIChat
		}
		for _, want := range []llm.Want{llm.WantMeta, llm.WantParts} {
			matched += samePerFrame(t, api, x.Response.Body, want)
		}
	}
	if matched < 1000 {
		t.Errorf("%d frames matched the one before them: the pattern is of no use", matched)
	}
}

// TestPatternDiffers follows a chunk by one that looks like it and says something else.
func TestPatternDiffers(t *testing.T) {
	const like = `{"id":"i","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null,"obfuscation":"x"}`
	others := []string{
		`{"id":"i","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"ab"}],"usage":null,"obfuscation":"x"}`,
		`{"id":"i","choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}],"usage":null,"obfuscation":"x"}`,
		`{"id":"j","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}],"usage":null,"obfuscation":"x"}`,
		`{"id":"i","choices":[{"index":0,"delta":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}`,
		`{"id":"i","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}],"usage":null,"obfuscation":"x","error":{"code":"c"}}`,
		`{"id":"i","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}],"usage":null,"obfuscation":"x`,
		`{"id":"i","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":null}],"usage":null}`,
		`{"id":"i","choices":[{"index":0,"delta":{"content":"b"`,
	}
	for _, other := range others {
		stream := "data: " + like + "\n\ndata: " + other + "\n\n"
		for _, want := range []llm.Want{llm.WantMeta, llm.WantParts} {
			if n := samePerFrame(t, llm.OpenAIChat, []byte(stream), want); n != 0 {
				t.Errorf("matched: %s", other)
			}
		}
	}
	stream := strings.Repeat("data: "+like+"\n\n", 3)
	if n := samePerFrame(t, llm.OpenAIChat, []byte(stream), llm.WantParts); n != 2 {
		t.Errorf("%d of 2 matched", n)
	}
}

// samePerFrame compares both ways to read a stream, and counts the frames that are like the one before.
func samePerFrame(t testing.TB, api llm.API, stream []byte, want llm.Want) (matched int) {
	t.Helper()
	var p pattern
	for _, ev := range events(t, api, 200, "text/event-stream", stream, want) {
		fresh := events(t, api, 200, "text/event-stream", ev.Raw, want)
		for i := range ev.Parts { // a tool call under the index of another is told apart by the frames before
			if i < len(fresh[0].Parts) && ev.Parts[i].Kind == llm.PartToolCall {
				ev.Parts[i].Index = fresh[0].Parts[i].Index
			}
			if i < len(fresh[0].Parts) && ev.Parts[i].Kind == llm.PartReasoning { // so is a block of reasoning, and what is new of it
				ev.Parts[i].Index, ev.Parts[i].Repeat = fresh[0].Parts[i].Index, fresh[0].Parts[i].Repeat
			}
		}
		if !reflect.DeepEqual(fresh, []llm.Event{ev}) {
			t.Fatal(cmp.Diff(fresh, []llm.Event{ev}))
		}
		data := bytes.TrimSpace(dialect.Payload(&ev))
		if _, ok := p.match(data); ok {
			matched++
			continue
		}
		d := decoder{api: api}
		d.completion(data, &llm.Event{})
		p = d.last
	}
	return matched
}
