package exchange

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

func TestLoad(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range Load(t) {
		if seen[x.ID] {
			t.Errorf("%s twice", x.ID)
		}
		seen[x.ID] = true
		if x.API == "" || x.Provider == "" || x.Request.Path == "" || len(x.Request.Body) == 0 ||
			x.Response.Status == 0 || len(x.Response.Body) == 0 || x.Expected["operation_name"] == nil {
			t.Errorf("%s: incomplete", x.ID)
		}
	}
	if n := len(Load(t, "openai.images")); n == 0 || n >= len(seen) {
		t.Errorf("%d exchanges of openai.images, %d in all", n, len(seen))
	}
}

func TestDiff(t *testing.T) {
	rule := func(v ...any) map[string]any { return map[string]any{"also_accept": v} }
	tests := []struct {
		name     string
		expected map[string]any
		attrs    map[string]any
		want     []string
	}{
		{name: "nothing", expected: map[string]any{}},
		{
			name:     "numbers compare as numbers",
			expected: map[string]any{"temperature": 1.0, "max_tokens": 5.0, "finish_reasons": []any{"stop"}},
			attrs: map[string]any{"gen_ai.request.temperature": 1.0, "gen_ai.request.max_tokens": int64(5),
				"gen_ai.response.finish_reasons": []string{"stop"}},
		},
		{
			name:     "absent must be absent",
			expected: map[string]any{},
			attrs:    map[string]any{"gen_ai.usage.input_tokens": 0},
			want:     []string{"gen_ai.usage.input_tokens: got 0, want <nil>"},
		},
		{
			name:     "expected must be there",
			expected: map[string]any{"response_id": "a"},
			want:     []string{"gen_ai.response.id: got <nil>, want a"},
		},
		{
			name:     "detail counters",
			expected: map[string]any{"usage": map[string]any{"cache_read_input_tokens": 0.0, "reasoning_output_tokens": 1.0}},
			attrs:    map[string]any{"gen_ai.usage.cache_creation.input_tokens": 0},
			want:     []string{"gen_ai.usage.reasoning.output_tokens: got <nil>, want 1"},
		},
		{
			name: "also accepted",
			expected: map[string]any{"finish_reasons": []any{"completed"}, "request_model": "a",
				"disputable": map[string]any{"finish_reasons": rule(nil, []any{"stop"}), "request_model": rule("b")}},
			attrs: map[string]any{"gen_ai.request.model": "b"},
		},
		{
			name: "not among the accepted",
			expected: map[string]any{"request_model": "a",
				"disputable": map[string]any{"request_model": rule("b")}},
			attrs: map[string]any{"gen_ai.request.model": "c"},
			want:  []string{"gen_ai.request.model: got c, want a"},
		},
		{
			name:     "any value but none",
			expected: map[string]any{"provider_name": "a", "operation_name": "b", "disputable": map[string]any{"provider_name": map[string]any{"any": true}, "operation_name": map[string]any{"any": true}}},
			attrs:    map[string]any{"gen_ai.provider.name": "z"},
			want:     []string{"gen_ai.operation.name: got <nil>, want b"},
		},
		{
			name: "the whole error may be absent",
			expected: map[string]any{"error": map[string]any{"type": "x"},
				"disputable": map[string]any{"error": rule(nil), "error.type": rule("200")}},
		},
		{
			name:     "an error may not be absent",
			expected: map[string]any{"error": map[string]any{"type": "x"}, "disputable": map[string]any{"error.type": rule("400")}},
			want:     []string{"error.type: got <nil>, want x"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := &Exchange{Expected: tt.expected}
			if d := cmp.Diff(tt.want, x.Diff(tt.attrs)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDiffMessages(t *testing.T) {
	choice := func(text string, calls ...any) map[string]any {
		return map[string]any{"index": 0.0, "output_text": text, "tool_calls": calls}
	}
	call := func(text string) llm.Part {
		return llm.Part{Kind: llm.PartToolCall, ID: "c", Name: "f", Text: text}
	}
	tests := []struct {
		name    string
		choices []any
		parts   []llm.Part
		same    bool
	}{
		{name: "nothing", same: true},
		{name: "text", choices: []any{choice("ab")}, same: true,
			parts: []llm.Part{{Text: "a"}, {Kind: llm.PartReasoning, Text: "x"}, {Text: "b"}}},
		{name: "other text", choices: []any{choice("ab")}, parts: []llm.Part{{Text: "a"}}},
		{name: "unexpected text", parts: []llm.Part{{Text: "a"}}},
		{name: "arguments as JSON", same: true, parts: []llm.Part{call(`{ "a":1 }`)},
			choices: []any{choice("", map[string]any{"id": "c", "name": "f", "arguments": map[string]any{"a": 1.0}})}},
		{name: "arguments as text", same: true, parts: []llm.Part{call(`{ "a`)},
			choices: []any{choice("", map[string]any{"id": "c", "name": "f", "arguments": `{ "a`})}},
		{name: "other arguments", parts: []llm.Part{call(`{"a":2}`)},
			choices: []any{choice("", map[string]any{"id": "c", "name": "f", "arguments": map[string]any{"a": 1.0}})}},
		{name: "missing call",
			choices: []any{choice("", map[string]any{"id": "c", "name": "f"})}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := &Exchange{Expected: map[string]any{"choices": tt.choices}}
			var msgs []llm.Message
			if tt.parts != nil {
				msgs = []llm.Message{{Role: llm.RoleAssistant, Parts: tt.parts}}
			}
			if d := x.DiffMessages(msgs); (len(d) == 0) != tt.same {
				t.Errorf("differences %q, want same: %v", d, tt.same)
			}
		})
	}
}

func TestAttributes(t *testing.T) {
	r := &llm.Request{Model: "m", Stream: true, Params: llm.Params{
		Temperature: llm.Some(0.0), Dimensions: llm.Some(int64(8)), Stop: []string{"x"}}}
	res := new(llm.Result)
	res.Add(&llm.Event{ID: "i", Err: &llm.Error{Message: "no"}, Usage: &llm.Usage{Input: llm.Some(int64(3))}})
	got := Attributes(r, res, llm.OpEmbeddings, "p", 400)
	want := map[string]any{
		"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "p", "gen_ai.request.model": "m",
		"gen_ai.request.stream": true, "gen_ai.request.temperature": 0.0, "gen_ai.request.stop_sequences": []string{"x"},
		"gen_ai.response.id": "i", "gen_ai.usage.input_tokens": int64(3), "gen_ai.embeddings.dimension.count": int64(8),
		"error.type": "400",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
