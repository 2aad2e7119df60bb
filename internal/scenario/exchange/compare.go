package exchange

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// row pairs a key of expected with its attribute.
type row struct {
	key    string
	attr   string
	detail bool // a detail counter: an expected 0 and an absent attribute are the same
}

// rows is the README's table of attributes. A key that it lists without an attribute is not compared.
var rows = []row{
	{key: "operation_name", attr: "gen_ai.operation.name"},
	{key: "provider_name", attr: "gen_ai.provider.name"},
	{key: "request_model", attr: "gen_ai.request.model"},
	{key: "temperature", attr: "gen_ai.request.temperature"},
	{key: "top_p", attr: "gen_ai.request.top_p"},
	{key: "top_k", attr: "gen_ai.request.top_k"},
	{key: "max_tokens", attr: "gen_ai.request.max_tokens"},
	{key: "frequency_penalty", attr: "gen_ai.request.frequency_penalty"},
	{key: "presence_penalty", attr: "gen_ai.request.presence_penalty"},
	{key: "seed", attr: "gen_ai.request.seed"},
	{key: "stop_sequences", attr: "gen_ai.request.stop_sequences"},
	{key: "encoding_formats", attr: "gen_ai.request.encoding_formats"},
	{key: "choice_count", attr: "gen_ai.request.choice.count"},
	{key: "stream", attr: "gen_ai.request.stream"},
	{key: "output_type", attr: "gen_ai.output.type"},
	{key: "reasoning_level", attr: "gen_ai.request.reasoning.level"},
	{key: "service_tier", attr: "openai.request.service_tier"},
	{key: "conversation_id", attr: "gen_ai.conversation.id"},
	{key: "response_id", attr: "gen_ai.response.id"},
	{key: "response_model", attr: "gen_ai.response.model"},
	{key: "finish_reasons", attr: "gen_ai.response.finish_reasons"},
	{key: "response_service_tier", attr: "openai.response.service_tier"},
	{key: "system_fingerprint", attr: "openai.response.system_fingerprint"},
	{key: "usage.input_tokens", attr: "gen_ai.usage.input_tokens"},
	{key: "usage.output_tokens", attr: "gen_ai.usage.output_tokens"},
	{key: "usage.cache_read_input_tokens", attr: "gen_ai.usage.cache_read.input_tokens", detail: true},
	{key: "usage.cache_write_input_tokens", attr: "gen_ai.usage.cache_creation.input_tokens", detail: true},
	{key: "usage.reasoning_output_tokens", attr: "gen_ai.usage.reasoning.output_tokens", detail: true},
	{key: "embedding_dimension_count", attr: "gen_ai.embeddings.dimension.count"},
	{key: "error.type", attr: "error.type"},
}

// Diff compares the attributes of a GenAI span, by their OpenTelemetry names, with what is expected and returns one line
// per difference. Attributes outside of the README's table are not looked at.
func (x *Exchange) Diff(attrs map[string]any) []string {
	var out []string
	for _, r := range rows {
		want, got := lookup(x.Expected, r.key), normal(attrs[r.attr])
		if r.detail {
			want, got = zeroIsAbsent(want), zeroIsAbsent(got)
		}
		if !x.accepts(r, want, got) {
			out = append(out, fmt.Sprintf("%s: got %v, want %v", r.attr, got, want))
		}
	}
	return out
}

// accepts applies disputable: the rule of the key, and whether the object it belongs to may be missing.
func (x *Exchange) accepts(r row, want, got any) bool {
	if reflect.DeepEqual(want, got) {
		return true
	}
	for _, alt := range x.alternatives(r.key) {
		if r.detail {
			alt = zeroIsAbsent(alt)
		}
		if reflect.DeepEqual(alt, got) {
			return true
		}
	}
	if rule, _ := x.rule(r.key); rule["any"] == true && got != nil {
		return true
	}
	parent, _, nested := strings.Cut(r.key, ".")
	if nested && got == nil {
		for _, alt := range x.alternatives(parent) {
			if alt == nil {
				return true
			}
		}
	}
	return false
}

func (x *Exchange) rule(key string) (map[string]any, bool) {
	all, _ := x.Expected["disputable"].(map[string]any)
	rule, ok := all[key].(map[string]any)
	return rule, ok
}

func (x *Exchange) alternatives(key string) []any {
	rule, _ := x.rule(key)
	alts, _ := rule["also_accept"].([]any)
	return alts
}

// lookup descends by the dots of key; null and absent are both nil.
func lookup(m map[string]any, key string) any {
	head, rest, nested := strings.Cut(key, ".")
	if !nested {
		return m[head]
	}
	inner, _ := m[head].(map[string]any)
	return lookup(inner, rest)
}

func zeroIsAbsent(v any) any {
	if v == float64(0) {
		return nil
	}
	return v
}

// normal is v as encoding/json would read it back.
func normal(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("not JSON: %v", err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		return fmt.Sprintf("not JSON: %v", err)
	}
	return out
}

// maxText is how much of one part's text capture keeps, bytes: a longer text is compared up to there.
const maxText = 64 << 10

// DiffMessages compares the captured messages of the response, one per choice, with the expected choices and returns one
// line per difference.
func (x *Exchange) DiffMessages(msgs []llm.Message) []string {
	var out []string
	if _, ok := x.rule("choices"); ok {
		return nil
	}
	want := map[int]map[string]any{}
	choices, _ := x.Expected["choices"].([]any)
	last := len(msgs) - 1
	for i, c := range choices {
		m, _ := c.(map[string]any)
		if n, ok := m["index"].(float64); ok {
			i = int(n)
		}
		want[i], last = m, max(last, i)
	}
	for i := range last + 1 {
		var got llm.Message
		if i < len(msgs) {
			got = msgs[i]
		}
		out = append(out, diffChoice(i, want[i], got)...)
	}
	return out
}

func diffChoice(i int, want map[string]any, got llm.Message) []string {
	var out []string
	text, _ := want["output_text"].(string)
	gotText, calls := content(got)
	cut := len(gotText) >= maxText && strings.HasPrefix(text, gotText)
	if gotText != text && !cut {
		out = append(out, fmt.Sprintf("choices[%d].output_text: got %q, want %q", i, gotText, text))
	}
	wantCalls, _ := want["tool_calls"].([]any)
	if len(calls) == 0 && len(wantCalls) == 0 {
		return out
	}
	if !reflect.DeepEqual(calls, wantCalls) {
		out = append(out, fmt.Sprintf("choices[%d].tool_calls: got %v, want %v", i, calls, wantCalls))
	}
	return out
}

// content is the text and the tool calls of m in the form of expected.
func content(m llm.Message) (string, []any) {
	var text strings.Builder
	var calls []any
	for _, p := range m.Parts {
		switch p.Kind {
		case llm.PartText:
			text.WriteString(p.Text)
		case llm.PartToolCall:
			call := map[string]any{"name": p.Name}
			if p.ID != "" {
				call["id"] = p.ID
			}
			if p.Text != "" {
				call["arguments"] = arguments(p.Text)
			}
			calls = append(calls, call)
		}
	}
	return text.String(), calls
}

// arguments parses what is JSON and leaves the rest a string.
func arguments(s string) any {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return s
	}
	return v
}
