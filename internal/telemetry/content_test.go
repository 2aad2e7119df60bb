package telemetry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/spanway/spanway/internal/llm"
)

// fixed is a codec whose conversation does not depend on the body.
type fixed struct{ c llm.Conversation }

func (f fixed) Conversation([]byte) (*llm.Conversation, error) { return &f.c, nil }

func (fixed) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error) { return body, nil }
func (fixed) Field(f llm.Field) string                            { return string(f) }

func (f fixed) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }

func chatRequest(c llm.Conversation) *llm.Request {
	return llm.NewRequest(llm.OpenAIChat, llm.OpenAI, llm.OpChat, nil, fixed{c: c})
}

// schemaOf compiles one of the schemas in testdata.
func schemaOf(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("testdata/content.schema.json#/$defs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkContent parses the attribute k and validates it.
func checkContent(t testing.TB, s *Span, k Key, schema string) any {
	t.Helper()
	a := s.Get(k)
	if a == nil {
		t.Fatalf("no %v", k)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.Str))
	if err != nil {
		t.Fatalf("%v does not parse: %v", k, err)
	}
	if err := schemaOf(t, schema).Validate(v); err != nil {
		t.Errorf("%v: %v\n%.2000s", k, err, a.Str)
	}
	return v
}

func TestContentOfEveryKind(t *testing.T) {
	png := base64.StdEncoding.EncodeToString([]byte("png bytes"))
	c := llm.Conversation{
		System: []llm.Part{{Kind: llm.PartText, Text: "Be brief."}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{
				{Kind: llm.PartText, Text: "What is \"this\"?\n\x00\xff"},
				{Kind: llm.PartBlob, MIME: "image/png", Data: png},
				{Kind: llm.PartURI, URI: "data:audio/wav;base64," + png},
				{Kind: llm.PartURI, URI: "data:text/plain,hello"},
				{Kind: llm.PartURI, MIME: "image/jpeg", URI: "https://h/x.jpg?sig=secret"},
				{Kind: llm.PartFile, ID: "file-1", MIME: "application/pdf"},
				{Kind: llm.PartBlob, Data: "not base64!"},
				{Kind: llm.PartOther, Name: "video_thing", Raw: []byte(`{"a":[1,"sk-aaaaaaaaaaaaaaaaaaaaaaaa",null]}`)},
				{Kind: llm.PartOther},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartReasoning, Text: "Hm."},
				{Kind: llm.PartRefusal, Text: "No."},
				{Kind: llm.PartToolCall, ID: "c1", Name: "get", Text: `{"q": "x", "n": 1e3}`},
				{Kind: llm.PartToolCall, Name: "none"},
				{Kind: llm.PartToolCall, ID: "c2", Name: "broken", Text: `{"q": `},
				{Kind: llm.PartServerTool, ID: "s1", Name: "web_search", Text: `{"query":"y"}`},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "c1", Text: "plain result"}}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "c1", Text: ` {"temp": 21.50} `}}},
		},
		Tools: []llm.Tool{
			{Name: "get", Description: "Gets.", Schema: []byte(`{"type":"object"}`)},
			{Name: "bare"},
			{Raw: []byte(`{"type":"web_search_20250305","name":"web_search"}`)},
			{Raw: []byte(`{"googleSearch":{}}`)},
		},
	}
	var res llm.Result
	answer := &llm.Event{
		Choices: []llm.Choice{{Index: 0, Finish: "stop"}, {Index: 1}},
		Parts: []llm.Part{
			{Kind: llm.PartText, Text: "A cat."}, {Kind: llm.PartText, Choice: 1, Text: "A do"},
		},
	}
	res.Add(answer)
	res.Content(answer)
	var s Span
	s.SetContent(chatRequest(c), &res)

	ref := func(mime, modality, sum string, size int) map[string]any {
		m := map[string]any{"type": "uri", "modality": modality, "uri": "urn:sha256:" + sum, "size": json.Number(fmt.Sprint(size))}
		if mime != "" {
			m["mime_type"] = mime
		}
		return m
	}
	got := checkContent(t, &s, GenAIInputMessages, "input").([]any)
	parts := got[0].(map[string]any)["parts"].([]any)
	_, sum := digest(png)
	hexSum := fmt.Sprintf("%x", sum)
	_, sumHello := digest(base64.StdEncoding.EncodeToString([]byte("hello")))
	_, sumBroken := digest("not base64!")
	want := []any{
		map[string]any{"type": "text", "content": "What is \"this\"?\n\x00\ufffd"},
		ref("image/png", "image", hexSum, 9),
		ref("audio/wav", "audio", hexSum, 9),
		ref("text/plain", "document", fmt.Sprintf("%x", sumHello), 5),
		map[string]any{"type": "uri", "modality": "image", "mime_type": "image/jpeg", "uri": "https://h/x.jpg?sig=REDACTED"},
		map[string]any{"type": "file", "file_id": "file-1", "modality": "document", "mime_type": "application/pdf"},
		ref("", "document", fmt.Sprintf("%x", sumBroken), 11),
		map[string]any{"type": "video_thing", "content": map[string]any{"a": []any{json.Number("1"), "[REDACTED]", nil}}},
		map[string]any{"type": "unknown"},
	}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Errorf("user's parts: -want +got:\n%s", diff)
	}
	want = []any{
		map[string]any{"type": "reasoning", "content": "Hm."},
		map[string]any{"type": "refusal", "content": "No."},
		map[string]any{"type": "tool_call", "id": "c1", "name": "get",
			"arguments": map[string]any{"q": "x", "n": json.Number("1e3")}},
		map[string]any{"type": "tool_call", "name": "none"},
		map[string]any{"type": "tool_call", "id": "c2", "name": "broken", "arguments": `{"q": `},
		map[string]any{"type": "server_tool_call", "id": "s1", "name": "web_search",
			"server_tool_call": map[string]any{"type": "web_search", "arguments": map[string]any{"query": "y"}}},
	}
	if diff := cmp.Diff(want, got[1].(map[string]any)["parts"]); diff != "" {
		t.Errorf("assistant's parts: -want +got:\n%s", diff)
	}
	want = []any{map[string]any{"type": "tool_call_response", "id": "c1", "response": map[string]any{"temp": json.Number("21.50")}}}
	if diff := cmp.Diff(want, got[3].(map[string]any)["parts"]); diff != "" {
		t.Errorf("tool's parts: -want +got:\n%s", diff)
	}
	if got[2].(map[string]any)["parts"].([]any)[0].(map[string]any)["response"] != "plain result" {
		t.Errorf("plain tool result: %v", got[2])
	}

	output := checkContent(t, &s, GenAIOutputMessages, "output")
	if diff := cmp.Diff([]any{
		map[string]any{"role": "assistant", "finish_reason": "stop",
			"parts": []any{map[string]any{"type": "text", "content": "A cat."}}},
		map[string]any{"role": "assistant", "finish_reason": "error",
			"parts": []any{map[string]any{"type": "text", "content": "A do"}}},
	}, output); diff != "" {
		t.Errorf("output: -want +got:\n%s", diff)
	}
	checkContent(t, &s, GenAISystemInstructions, "system")
	tools := checkContent(t, &s, GenAIToolDefinitions, "tools").([]any)
	if len(tools) != 4 || tools[2].(map[string]any)["name"] != "web_search" {
		t.Errorf("tools %v", tools)
	}
	if s.Get(SpanwayTruncated) != nil {
		t.Error("marked as truncated")
	}
}

// The hash and the size are those of the data, not of its base64, with and without padding and across pieces.
func TestDigest(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 3 << 10, 3<<10 + 1, 10_000} {
		data := []byte(strings.Repeat("x", n))
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			size, sum := digest(enc.EncodeToString(data))
			if size != n || sum != sha256.Sum256(data) {
				t.Errorf("%d bytes: size %d, sum %x", n, size, sum)
			}
		}
	}
}

// However much there is, each attribute stays within its bound, parses and validates.
func TestContentIsBounded(t *testing.T) {
	long := strings.Repeat("é", 200<<10)
	many := make([]llm.Message, 20_000)
	for i := range many {
		many[i] = llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: fmt.Sprint("message ", i, long[:100])}}}
	}
	several := make([]llm.Message, 40)
	for i := range several {
		several[i] = llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: long}}}
	}
	call, err := json.Marshal(map[string]any{"q": long, "list": []string{long, "short"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		messages []llm.Message
		least    int // messages that have to be left
		last     string
	}{
		"one long": {[]llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: long}}}}, 1, ""},
		"several":  {several, 40, ""},
		"many":     {many, 1000, "message 19999"},
		"arguments": {[]llm.Message{{Role: llm.RoleAssistant, Parts: []llm.Part{
			{Kind: llm.PartToolCall, ID: "1", Name: "f", Text: string(call)}}}}, 1, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var s Span
			s.SetContent(chatRequest(llm.Conversation{Messages: tt.messages}), nil)
			got := checkContent(t, &s, GenAIInputMessages, "input").([]any)
			text := s.Get(GenAIInputMessages).Str
			if len(text) > maxInput || !utf8.ValidString(text) {
				t.Errorf("%d bytes, valid: %v", len(text), utf8.ValidString(text))
			}
			if len(got) < tt.least {
				t.Errorf("%d messages are left, want at least %d", len(got), tt.least)
			}
			if last, _ := json.Marshal(got[len(got)-1]); !strings.Contains(string(last), tt.last) {
				t.Errorf("the last message is %s", last)
			}
			if a := s.Get(SpanwayTruncated); a == nil || !a.Bool() {
				t.Error("not marked as truncated")
			}
		})
	}
}

// A credential that a cut goes through does not leave its beginning behind.
func TestContentMasksBeforeCutting(t *testing.T) {
	secret := "sk-" + strings.Repeat("s", 60)
	for shift := range 100 {
		text := strings.Repeat("x", maxLeaf-shift) + " " + secret + strings.Repeat(" y", 10_000)
		w := contentWriter{leaf: maxLeaf}
		w.text(text)
		if strings.Contains(string(w.b), "sk-s") {
			t.Fatalf("shift %d: the secret is in %q", shift, w.b[len(w.b)-100:])
		}
		if !w.cut {
			t.Fatalf("shift %d: not marked as cut", shift)
		}
	}
}

func TestNoContent(t *testing.T) {
	var s Span
	s.SetContent(nil, nil)
	s.SetContent(chatRequest(llm.Conversation{}), &llm.Result{})
	if len(s.Attrs) != 0 {
		t.Errorf("attributes %+v", s.Attrs)
	}
}

func FuzzContent(f *testing.F) {
	f.Add("text", `{"a":1}`, 64)
	f.Add("\xff\xfe", `[1,`, 1<<10)
	f.Add("sk-aaaaaaaaaaaaaaaaaaaaaaaa", `{"\u0041":"Bearer xxxxxxxxxxxxxxxxxxxxxx"}`, 64)
	f.Add("", "{\"\xff\":\"\xff\"}", 100)
	schema := schemaOf(f, "input")
	f.Fuzz(func(t *testing.T, text, raw string, limit int) {
		var s Span
		m := []llm.Message{{Role: llm.RoleUser, Name: text, Parts: []llm.Part{
			{Kind: llm.PartText, Text: text}, {Kind: llm.PartToolCall, Name: text, ID: raw, Text: raw},
			{Kind: llm.PartToolResult, Text: raw}, {Kind: llm.PartURI, URI: "data:" + text, MIME: raw},
			{Kind: llm.PartOther, Name: text, Raw: []byte(raw)}, {Kind: llm.PartBlob, MIME: text, Data: raw},
		}}}
		s.content(GenAIInputMessages, min(max(limit, 10), 1<<20), 1, func(w *contentWriter, i int) { w.message(&m[i]) })
		got := validText(s.Get(GenAIInputMessages).Str)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(got))
		if err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if err := schema.Validate(v); err != nil {
			t.Error(err)
		}
	})
}
