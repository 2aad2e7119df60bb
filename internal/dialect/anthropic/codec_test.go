package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func parse(t testing.TB, api llm.API, body string) *llm.Request {
	t.Helper()
	r, err := d.ParseRequest(api, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const everything = `{
  "model": "m", "max_tokens": 1,
  "system": [{"type": "text", "text": "sys", "cache_control": {"type": "ephemeral"}}],
  "messages": [
    {"role": "user", "content": "one"},
    {"role": "user", "content": [
      {"type": "text", "text": "two"},
      {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
      {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
      {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
      {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "doc"}},
      {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
      {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "chunk"}]}},
      {"type": "search_result", "source": "https://x", "title": "S", "content": [{"type": "text", "text": "found"}]}]},
    {"role": "assistant", "content": [
      {"type": "thinking", "thinking": "hm", "signature": "sig"},
      {"type": "redacted_thinking", "data": "zz"},
      {"type": "text", "text": "three"},
      {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
      {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}]},
    {"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
        {"type": "text", "text": "r1"}, {"type": "text", "text": "r2"}]},
      {"type": "tool_result", "tool_use_id": "t2", "content": "plain"},
      {"type": "text", "text": "four"}]}],
  "tools": [
    {"name": "f", "description": "F", "input_schema": {"type": "object"}, "strict": true},
    {"type": "custom", "name": "g", "input_schema": {}},
    {"type": "web_search_20250305", "name": "web_search"}],
  "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
  "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
  "metadata": {"user_id": "u"}
}`

func TestConversation(t *testing.T) {
	got, err := parse(t, llm.AnthropicMessages, everything).Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{
		System: []llm.Part{{Text: "sys", Cache: "default"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Parts: []llm.Part{{Text: "one"}}},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Text: "two"},
				{Kind: llm.PartBlob, MIME: "image/png", Data: "aGk="},
				{Kind: llm.PartURI, MIME: "image/*", URI: "https://x/y.png"},
				{Kind: llm.PartFile, ID: "file_1"},
				{Kind: llm.PartBlob, MIME: "text/plain", Data: "ZG9j", Name: "T"},
				{Kind: llm.PartURI, MIME: "application/pdf", URI: "https://x/y.pdf"},
				{Kind: llm.PartOther, Name: "document", Raw: []byte(`{"type": "document", "source": {"type": "content", "content": [` +
					`{"type": "text", "text": "chunk"}]}}`)},
				{Kind: llm.PartOther, Name: "search_result", Raw: []byte(`{"type": "search_result", "source": "https://x", "title": "S", ` +
					`"content": [{"type": "text", "text": "found"}]}`)}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartReasoning, Text: "hm", Signature: "sig"},
				{Kind: llm.PartReasoning, Data: "zz"},
				{Text: "three"},
				{Kind: llm.PartToolCall, ID: "t1", Name: "f", Text: `{"a": 1}`},
				{Kind: llm.PartServerTool, ID: "s1", Name: "web_search", Text: `{"query": "q"}`}}},
			{Role: llm.RoleTool, Parts: []llm.Part{
				{Kind: llm.PartToolResult, ID: "t1", Text: "r1\nr2", IsError: true},
				{Kind: llm.PartToolResult, ID: "t2", Text: "plain"}}},
			{Role: llm.RoleUser, Parts: []llm.Part{{Text: "four"}}},
		},
		Tools: []llm.Tool{
			{Name: "f", Description: "F", Schema: []byte(`{"type": "object"}`), Strict: llm.Some(true)},
			{Name: "g", Schema: []byte(`{}`)},
			{Name: "web_search", Raw: []byte(`{"type": "web_search_20250305", "name": "web_search"}`)},
		},
		ToolChoice: "required", ParallelToolCalls: llm.Some(false), User: "u", OutputSchema: []byte(`{"type": "object"}`),
		Extra: []llm.Extra{{Field: "messages.content.context", Raw: []byte(`"C"`)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestConversationComplete(t *testing.T) {
	r := parse(t, llm.AnthropicComplete, `{"prompt":"\n\nHuman: hi","metadata":{"user_id":"u"}}`)
	got, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{User: "u", Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: "\n\nHuman: hi"}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestConversationRefuses(t *testing.T) {
	for _, body := range []string{
		`{"messages":{}}`, `{"messages":["x"]}`, `{"messages":[{"content":1}]}`, `{"messages":[{"content":["x"]}]}`,
		`{"system":true}`, `{"tools":"x"}`,
		`{"messages":[{"content":[{"type":"tool_result","content":7}]}]}`,
	} {
		_, err := parse(t, llm.AnthropicMessages, body).Conversation()
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param == "" {
			t.Errorf("%s: got %v, want a 400 that names the field", body, err)
		}
	}
}

func TestEditText(t *testing.T) {
	r := parse(t, llm.AnthropicMessages, everything)
	var seen []string
	changed, err := r.EditText(func(role llm.Role, text string) (string, bool) {
		seen = append(seen, string(role)+":"+text)
		return text, false
	})
	if err != nil || changed || string(r.Raw) != everything {
		t.Fatalf("an edit that changes nothing: %v, %v", changed, err)
	}
	want := []string{"system:sys", "user:one", "user:two", "user:T", "user:C", "user:doc", "user:chunk", "user:S", "user:found",
		"assistant:hm", "assistant:three", "assistant:q", "tool:r1", "tool:r2", "tool:plain", "user:four"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Fatal(diff)
	}
	changed, err = r.EditText(func(_ llm.Role, text string) (string, bool) { return `<"` + text + `">`, len(text) > 3 })
	if err != nil || !changed || r.ModelAt != [2]int{} {
		t.Fatalf("got %v, %v, %v", changed, err, r.ModelAt)
	}
	edited := everything
	for _, s := range want {
		if _, text, _ := strings.Cut(s, ":"); len(text) > 3 {
			edited = strings.Replace(edited, `"`+text+`"`, `"<\"`+text+`\">"`, 1)
		}
	}
	if diff := cmp.Diff(edited, string(r.Raw)); diff != "" {
		t.Error(diff)
	}
}

// A guard must see what the provider will see, however it is spelled.
func TestEditTextEscapes(t *testing.T) {
	body := `{"m\u0065ssages":[{"role":"us\u0065r","cont\u0065nt":[{"type":"docum\u0065nt","sourc\u0065":{"typ\u0065":"t\u0065xt",` +
		`"data":"s\u0065cret"}},{"type":"tool_r\u0065sult","content":"s\u0065cret"}]}]}`
	r := parse(t, llm.AnthropicMessages, body)
	var roles []llm.Role
	_, err := r.EditText(func(role llm.Role, text string) (string, bool) {
		roles = append(roles, role)
		return "*", text == "secret"
	})
	if err != nil || strings.Contains(string(r.Raw), "cret") {
		t.Errorf("got %s, %v", r.Raw, err)
	}
	if diff := cmp.Diff([]llm.Role{llm.RoleUser, llm.RoleTool}, roles); diff != "" {
		t.Error(diff)
	}
}

func TestEditTextComplete(t *testing.T) {
	r := parse(t, llm.AnthropicComplete, `{"prompt": "a\u00e9", "model":"m"}`)
	_, err := r.EditText(func(role llm.Role, text string) (string, bool) { return text + "!", role == llm.RoleUser })
	if want := `{"prompt": "aé!", "model":"m"}`; err != nil || string(r.Raw) != want {
		t.Errorf("got %s, %v, want %s", r.Raw, err, want)
	}
}

// The texts of the recorded requests are those that their conversations hold.
func TestEditTextExchanges(t *testing.T) {
	for _, x := range exchange.Load(t, "anthropic.messages") {
		r := parse(t, x.API, string(x.Request.Body))
		c, err := r.Conversation()
		if err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		var want, got []string
		for _, m := range append([]llm.Message{{Parts: c.System}}, c.Messages...) {
			for _, p := range m.Parts {
				switch p.Kind {
				case llm.PartText, llm.PartToolResult:
					want = append(want, p.Text)
				case llm.PartToolCall:
					want = appendStrings(want, decoded(t, []byte(p.Text)))
				}
			}
		}
		if _, err := r.EditText(func(_ llm.Role, text string) (string, bool) {
			got = append(got, text)
			return text, true
		}); err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		// The system's text comes where the client put it.
		if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
			t.Errorf("%s: %s", x.ID, diff)
		}
		if diff := cmp.Diff(decoded(t, x.Request.Body), decoded(t, r.Raw)); diff != "" {
			t.Errorf("%s: %s", x.ID, diff)
		}
	}
}

// appendStrings appends the strings in v, a decoded JSON value.
func appendStrings(dst []string, v any) []string {
	switch v := v.(type) {
	case string:
		dst = append(dst, v)
	case []any:
		for _, e := range v {
			dst = appendStrings(dst, e)
		}
	case map[string]any:
		for _, e := range v {
			dst = appendStrings(dst, e)
		}
	}
	return dst
}

func sorted(s []string) map[string]int {
	out := map[string]int{}
	for _, s := range s {
		out[s]++
	}
	return out
}

func decoded(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func FuzzEditText(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"messages":[{"content":[{"content":[{"text":"\ud800"}]}]}],"system":"\u0000"}`))
	f.Add([]byte(`{"messages":[{"content":{"content":{"content":"x"}}}],"messages":[[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{}, body)
		if err != nil {
			return
		}
		count := 0
		changed, err := r.EditText(func(_ llm.Role, text string) (string, bool) {
			count++
			return text, false
		})
		if err != nil || changed || !bytes.Equal(r.Raw, body) {
			t.Fatalf("identity: %v, %v", changed, err)
		}
		n := 0
		edit := func(llm.Role, string) (string, bool) {
			n++
			return fmt.Sprintf("<%d>", n), true
		}
		if changed, err = r.EditText(edit); err != nil || changed != (count > 0) {
			t.Fatalf("edit: %v, %v", changed, err)
		}
		if !json.Valid(r.Raw) {
			t.Fatalf("not JSON: %s", r.Raw)
		}
		var got []string
		if _, err := r.EditText(func(_ llm.Role, text string) (string, bool) { got = append(got, text); return "", false }); err != nil {
			t.Fatal(err)
		}
		if len(got) != count {
			t.Fatalf("%d texts after the edit, %d before", len(got), count)
		}
		for i, s := range got {
			if want := fmt.Sprintf("<%d>", i+1); s != want {
				t.Fatalf("text %d is %q, want %q", i, s, want)
			}
		}
	})
}
