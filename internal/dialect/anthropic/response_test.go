package anthropic_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func head(status int, contentType string) *llm.Head {
	return &llm.Head{Status: status, Header: http.Header{"Content-Type": {contentType}}}
}

// sse frames each of data as an event that is named by its type, as the provider does.
func sse(data ...string) string {
	var b strings.Builder
	for _, s := range data {
		_, rest, _ := strings.Cut(s, `"type":"`)
		name, _, _ := strings.Cut(rest, `"`)
		b.WriteString("event: " + name + "\ndata: " + s + "\n\n")
	}
	return b.String()
}

// unnamed is stream without its event names.
func unnamed(stream string) string {
	lines := strings.SplitAfter(stream, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "event:") }), "")
}

const (
	start = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],` +
		`"stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":3,"cache_creation_input_tokens":2,"output_tokens":1,` +
		`"service_tier":"standard"}}}`
	stop = `{"type":"message_stop"}`
)

func TestReadStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames []string
		want   llm.Result
		finish []string
		parts  []llm.Part
	}{
		{"usage merges field by field", []string{start,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":20,"output_tokens":9,` +
				`"cache_read_input_tokens":null,"output_tokens_details":{"thinking_tokens":4}}}`, stop},
			llm.Result{ID: "msg_1", Model: "claude-x", Last: true, Usage: llm.Usage{Input: llm.Some[int64](25), Output: llm.Some[int64](9),
				CacheRead: llm.Some[int64](3), CacheWrite: llm.Some[int64](2), Reasoning: llm.Some[int64](4)}},
			[]string{"end_turn"}, nil},
		{"cut", []string{start, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}`},
			llm.Result{ID: "msg_1", Model: "claude-x", Usage: llm.Usage{Input: llm.Some[int64](15), Output: llm.Some[int64](1),
				CacheRead: llm.Some[int64](3), CacheWrite: llm.Some[int64](2)}},
			[]string{"error"}, []llm.Part{{Text: "ab"}}},
		{"error in the middle", []string{`{"type":"message_start","message":{"id":"i","model":"m"}}`,
			`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`},
			llm.Result{ID: "i", Model: "m", Err: &llm.Error{Type: "overloaded_error", Message: "Overloaded"}},
			[]string{"error"}, nil},
		{"tools and thinking", []string{`{"type":"message_start","message":{"id":"i","model":"m"}}`, `{"type":"ping"}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`,
			`{"type":"content_block_stop","index":1}`,
			`{"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"s1","name":"web","input":{}}}`,
			`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"q\":"}}`,
			`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
			`{"type":"content_block_stop","index":2}`,
			`{"type":"content_block_start","index":3,"content_block":{"type":"web_search_tool_result","tool_use_id":"s1","content":[]}}`,
			`{"type":"content_block_stop","index":3}`,
			`{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"t2","name":"g","input":{"whole":true}}}`,
			`{"type":"content_block_stop","index":4}`,
			`{"type":"content_block_delta","index":5,"delta":{"type":"citations_delta","citation":{"type":"x"}}}`,
			`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":5}}`, stop},
			llm.Result{ID: "i", Model: "m", Last: true, Usage: llm.Usage{Output: llm.Some[int64](5)}},
			[]string{"tool_use"}, []llm.Part{
				{Kind: llm.PartReasoning, Text: "hm", Signature: "sig"},
				{Kind: llm.PartToolCall, Index: 1, ID: "t1", Name: "f", Text: "{}"},
				{Kind: llm.PartServerTool, Index: 2, ID: "s1", Name: "web", Text: `{"q":1}`},
				{Kind: llm.PartOther, Index: 3, ID: "s1", Name: "web_search_tool_result"},
				{Kind: llm.PartToolCall, Index: 4, ID: "t2", Name: "g", Text: `{"whole":true}`}}},
		{"legacy completion", []string{`{"type":"completion","id":"compl_1","completion":" He","stop_reason":null,"model":"claude-2"}`,
			`{"type":"ping"}`, `{"type":"completion","id":"compl_1","completion":"llo","stop_reason":"stop_sequence","model":"claude-2"}`},
			llm.Result{ID: "compl_1", Model: "claude-2", Last: true}, []string{"stop_sequence"}, []llm.Part{{Text: " Hello"}}},
		{"completion of an old version", []string{`{"completion":" Hello","stop_reason":"max_tokens","model":"claude-1"}`},
			llm.Result{Model: "claude-1", Last: true}, []string{"max_tokens"}, []llm.Part{{Text: " Hello"}}},
		{"garbage", []string{`{"type":"message_start","message":[]}`, `{"type":"message_delta"`, `{"type":7}`, `nothing`, ``},
			llm.Result{}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, body := range []string{sse(tt.frames...), unnamed(sse(tt.frames...))} {
				cuts([]byte(body), func(how string, pieces [][]byte) {
					res := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, "text/event-stream"), llm.WantMeta), pieces)
					check(t, how, res, tt.want, tt.finish)
					res = exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, "text/event-stream"), llm.WantParts), pieces)
					check(t, how, res, tt.want, tt.finish)
					var parts []llm.Part
					for _, m := range res.Messages() {
						parts = append(parts, m.Parts...)
					}
					if diff := cmp.Diff(tt.parts, parts); diff != "" {
						t.Errorf("%s: parts: %s", how, diff)
					}
				})
			}
		})
	}
}

// cuts calls f for the ways in which body can come in one piece, in two, and byte by byte.
func cuts(body []byte, f func(how string, pieces [][]byte)) {
	f("byte by byte", slices.Collect(slices.Chunk(body, 1)))
	for i := range body {
		f(fmt.Sprintf("cut at byte %d", i), [][]byte{body[:i], body[i:]})
	}
}

func check(t *testing.T, how string, got *llm.Result, want llm.Result, finish []string) {
	t.Helper()
	g := llm.Result{ID: got.ID, Model: got.Model, ServiceTier: got.ServiceTier, Usage: got.Usage, Err: got.Err, Last: got.Last}
	w := llm.Result{ID: want.ID, Model: want.Model, Usage: want.Usage, Err: want.Err, Last: want.Last}
	if diff := cmp.Diff(&w, &g, cmp.Comparer(func(a, b llm.Result) bool {
		return a.ID == b.ID && a.Model == b.Model && a.ServiceTier == b.ServiceTier && a.Usage == b.Usage && a.Last == b.Last &&
			cmp.Equal(a.Err, b.Err)
	})); diff != "" {
		t.Errorf("%s: %s", how, diff)
	}
	if diff := cmp.Diff(finish, got.FinishReasons()); diff != "" {
		t.Errorf("%s: finish reasons: %s", how, diff)
	}
}

func TestReadErrors(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		want       *llm.Error
	}{
		{"as documented", `{"type":"error","error":{"type":"not_found_error","message":"m"},"request_id":"r"}`, 404,
			&llm.Error{Status: 404, Type: "not_found_error", Message: "m"}},
		{"no type", `{"error":{"message":"m"}}`, 500, &llm.Error{Status: 500, Message: "m"}},
		{"a string", `{"error":"m"}`, 503, &llm.Error{Status: 503, Message: "m"}},
		{"under status 200", `{"error":{"type":"api_error","message":"m"},"type":"error"}`, 200,
			&llm.Error{Type: "api_error", Message: "m"}},
		{"not JSON", `<html>`, 502, nil},
		{"nothing", ``, 502, nil},
	} {
		res := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(tt.status, "application/json"), llm.WantParts), [][]byte{[]byte(tt.body)})
		if diff := cmp.Diff(tt.want, res.Err); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestReadAllocations(t *testing.T) {
	frames := sse(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type": "ping"}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}         }`,
		`{"type":"content_block_stop","index":0}`)
	for _, body := range []string{frames, unnamed(frames)} {
		r := d.NewReader(llm.AnthropicMessages, head(200, "text/event-stream"), llm.WantMeta)
		chunk, emit := []byte(body), func(*llm.Event) error { return nil }
		read := func() {
			if err := r.Read(chunk, false, emit); err != nil {
				t.Fatal(err)
			}
		}
		read()
		if n := testing.AllocsPerRun(100, read); n != 0 {
			t.Errorf("content that nobody asked for costs %v allocations", n)
		}
	}
}

// edited reads body, sets the texts of each frame with edit and returns what Rewrite makes of it.
func edited(t testing.TB, api llm.API, h *llm.Head, body []byte, edit func(*llm.Part) string) []byte {
	t.Helper()
	var out []byte
	req := llm.NewRequest(api, llm.Anthropic, llm.OpChat, nil, nil)
	err := d.NewReader(api, h, llm.WantParts).Read(body, true, func(ev *llm.Event) error {
		for i := range ev.Parts {
			ev.Parts[i].Text = edit(&ev.Parts[i])
		}
		if len(ev.Parts) == 0 {
			out = append(out, ev.Raw...)
			return nil
		}
		var err error
		out, err = d.Rewrite(out, req, ev)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRewriteExchanges(t *testing.T) {
	for _, x := range exchange.Load(t, "anthropic.messages", "anthropic.complete") {
		for _, body := range [][]byte{x.Response.Body, bytes.ReplaceAll(x.Response.Body, []byte("\n"), []byte("\r\n"))} {
			same := edited(t, x.API, x.Response.Head(), body, func(p *llm.Part) string { return p.Text })
			if !bytes.Equal(same, body) {
				t.Errorf("%s: unedited parts do not give the same bytes", x.ID)
			}
			mark := edited(t, x.API, x.Response.Head(), body, func(p *llm.Part) string {
				if p.Kind == llm.PartText && p.Text != "" {
					return "\x01" + p.Text
				}
				return p.Text
			})
			if !bytes.Equal(bytes.ReplaceAll(mark, []byte(`\u0001`), nil), body) && !bytes.Contains(body, []byte(`\u`)) {
				t.Errorf("%s: bytes other than those of the texts changed", x.ID)
			}
			read := func(b []byte) string {
				var s strings.Builder
				res := exchange.Read(t, d.NewReader(x.API, x.Response.Head(), llm.WantParts), [][]byte{b})
				for _, m := range res.Messages() {
					for _, p := range m.Parts {
						if p.Kind == llm.PartText {
							s.WriteString(p.Text)
						}
					}
				}
				return s.String()
			}
			before, after := read(body), read(mark)
			if before == after && before != "" || strings.ReplaceAll(after, "\x01", "") != before {
				t.Errorf("%s: got %q, want the marked %q", x.ID, after, before)
			}
		}
	}
}

func TestRewrite(t *testing.T) {
	frame := "id: 7\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\ndata:\"index\":0,\"delta\":{\"type\":\"text_delta\", " +
		"\"text\":\"a\\u00e9b\" }}\n: note\n\n"
	got := edited(t, llm.AnthropicMessages, head(200, "text/event-stream"), []byte(frame), func(p *llm.Part) string {
		return strings.ReplaceAll(p.Text, "é", "\n\"")
	})
	if want := strings.Replace(frame, `a\u00e9b`, `a\n\"b`, 1); string(got) != want {
		t.Errorf("data on two lines:\ngot  %q\nwant %q", got, want)
	}
	whole := `{"type":"message","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"i","name":"n",` +
		`"input":{"a": "b"}},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"x"}]}`
	got = edited(t, llm.AnthropicMessages, head(200, "application/json"), []byte(whole), func(p *llm.Part) string {
		return strings.NewReplacer("b", "c", "x", "", "t", "u").Replace(p.Text)
	})
	want := strings.NewReplacer(`"thinking":"t"`, `"thinking":"u"`, `"a": "b"`, `"a": "c"`, `"text":"x"`, `"text":""`).Replace(whole)
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRewriteFails(t *testing.T) {
	const tool = `{"type":"message","content":[{"type":"tool_use","input":{}}]}`
	for _, tt := range []struct {
		name, raw string
		parts     []llm.Part
	}{
		{"parts missing", `{"type":"message","content":[{"type":"text","text":"x"}]}`, nil},
		{"no place", `{"type":"message","content":[]}`, []llm.Part{{Text: "x"}}},
		{"input that is not JSON", tool, []llm.Part{{Kind: llm.PartToolCall, Text: "***"}}},
		{"not JSON", `{`, []llm.Part{{Text: "x"}}},
	} {
		ev := &llm.Event{Raw: []byte(tt.raw), Parts: tt.parts, Whole: true}
		if got, err := d.Rewrite(nil, nil, ev); err == nil {
			t.Errorf("%s: got %s, want an error", tt.name, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(sse(start, stop)), uint8(3))
	f.Add([]byte(unnamed(sse(`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","input":{}}}`,
		`{"type":"content_block_stop","index":1}`, `{"type":"error","error":{"type":"x"}}`))), uint8(1))
	f.Add([]byte(`data: {"type":"message","content":[{"type":"text"},{"type":"tool_use","input":1},{}],"usage":{"input_tokens":1.5e0}}`), uint8(9))
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		for _, ct := range []string{"text/event-stream", "application/json"} {
			whole := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantParts), [][]byte{body})
			pieces := slices.Collect(slices.Chunk(body, int(size)+1))
			cut := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantParts), pieces)
			check(t, "in pieces", cut, *whole, whole.FinishReasons())
			meta := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantMeta), pieces)
			if meta.ID != whole.ID || meta.Usage != whole.Usage && ct == "application/json" {
				t.Errorf("without content: %+v, with: %+v", meta, whole)
			}
			if diff := cmp.Diff(whole.Messages(), cut.Messages()); diff != "" {
				t.Error(diff)
			}
			if same := edited(t, llm.AnthropicMessages, head(200, ct), body, func(p *llm.Part) string { return p.Text }); !bytes.Equal(same, body) {
				t.Errorf("rewritten: %q, want %q", same, body)
			}
		}
	})
}
