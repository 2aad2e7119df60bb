package openai

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// TestRewriteUnedited rewrites every recorded response with its own texts: not a byte may change.
func TestRewriteUnedited(t *testing.T) {
	for _, x := range exchange.Load(t, "openai.chat", "openai.completions", "openai.responses", "openai.embeddings", "mistral.chat", "writer.chat") {
		api := x.API
		if api == "mistral.chat" || api == "writer.chat" {
			api = llm.OpenAIChat
		}
		var out []byte
		parts := 0
		for _, ev := range events(t, api, x.Response.Status, x.Response.Headers["content-type"], x.Response.Body, llm.WantParts) {
			parts += len(ev.Parts)
			out = rewrite(t, out, api, &ev)
		}
		if !bytes.Equal(out, x.Response.Body) {
			t.Errorf("%s/%s: rewriting with the same texts changed the response", x.API, x.ID)
		}
		if choices, _ := x.Expected["choices"].([]any); len(choices) > 0 && parts == 0 && len(x.DiffMessages(nil)) > 0 {
			t.Errorf("%s/%s: content without parts", x.API, x.ID)
		}
	}
}

func rewrite(t testing.TB, dst []byte, api llm.API, ev *llm.Event) []byte {
	t.Helper()
	dst, err := Dialect{}.Rewrite(dst, &llm.Request{API: api}, ev)
	if err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestRewrite puts upper case in the place of each text.
func TestRewrite(t *testing.T) {
	tests := []struct {
		name, in, want string
		api            llm.API
	}{
		{
			name: "chunk",
			in:   "id: 7\r\ndata: {\"choices\":[{\"index\":0, \"delta\":{\"content\":\"a\\u0062\",\"role\":\"assistant\"}}],\"x\":\"a\"}\r\n\r\n",
			want: "id: 7\r\ndata: {\"choices\":[{\"index\":0, \"delta\":{\"content\":\"AB\",\"role\":\"assistant\"}}],\"x\":\"a\"}\r\n\r\n",
		},
		{
			name: "data in lines",
			in:   "data:{\"choices\":[\ndata: {\"delta\":{\"content\":\"a\"}}\n: note\ndata: ]}\n\n",
			want: "data:{\"choices\":[\ndata: {\"delta\":{\"content\":\"A\"}}\n: note\ndata: ]}\n\n",
		},
		{
			name: "lines ended by CR",
			in:   "event: x\rdata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\r",
			want: "event: x\rdata: {\"choices\":[{\"delta\":{\"content\":\"A\"}}]}\r\r",
		},
		{name: "no JSON", in: "data: [DONE]\n\n", want: "data: [DONE]\n\n"},
		{name: "no data", in: ": ping\n\n", want: ": ping\n\n"},
		{
			name: "whole",
			in:   " {\"choices\":[{\"message\":{\"content\":\"a\",\"tool_calls\":[{\"function\":{\"arguments\":\"{}\",\"name\":\"f\"}}]}},{\"message\":{\"reasoning\":\"b\",\"content\":[{\"type\":\"text\",\"text\":\"c\\n\"}]}}]}\n",
			want: " {\"choices\":[{\"message\":{\"content\":\"A\",\"tool_calls\":[{\"function\":{\"arguments\":\"{}\",\"name\":\"f\"}}]}},{\"message\":{\"reasoning\":\"B\",\"content\":[{\"type\":\"text\",\"text\":\"C\\n\"}]}}]}\n",
		},
		{
			name: "completion", api: llm.OpenAICompletions,
			in:   `{"choices":[{"text":"a","index":0},{"index":1,"text":"b"}]}`,
			want: `{"choices":[{"text":"A","index":0},{"index":1,"text":"B"}]}`,
		},
		{
			name: "closing event", api: llm.OpenAIResponses,
			in:   "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"instructions\":\"a\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]},{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"x\"}]}}\n\n",
			want: "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"instructions\":\"a\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"A\"}]},{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"X\"}]}}\n\n",
		},
		{
			name: "delta event", api: llm.OpenAIResponses,
			in:   "data: {\"type\":\"response.refusal.delta\",\"delta\":\"a\",\"item_id\":\"a\"}\n\n",
			want: "data: {\"type\":\"response.refusal.delta\",\"delta\":\"A\",\"item_id\":\"a\"}\n\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.api == "" {
				tt.api = llm.OpenAIChat
			}
			ct := "text/event-stream"
			if strings.HasPrefix(strings.TrimSpace(tt.in), "{") {
				ct = "application/json"
			}
			var out []byte
			for _, ev := range events(t, tt.api, 200, ct, []byte(tt.in), llm.WantParts) {
				for i := range ev.Parts {
					ev.Parts[i].Text = strings.ToUpper(ev.Parts[i].Text)
				}
				out = rewrite(t, out, tt.api, &ev)
			}
			if d := cmp.Diff(tt.want, string(out)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRewriteFewerParts takes a part away: its text must not be left behind.
func TestRewriteFewerParts(t *testing.T) {
	in := "data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"reasoning\":\"b\"}}]}\n\n"
	ev := events(t, llm.OpenAIChat, 200, "text/event-stream", []byte(in), llm.WantParts)[0]
	ev.Parts = ev.Parts[:1]
	if out, err := (Dialect{}).Rewrite(nil, &llm.Request{API: llm.OpenAIChat}, &ev); err == nil {
		t.Errorf("got %q", out)
	}
}
