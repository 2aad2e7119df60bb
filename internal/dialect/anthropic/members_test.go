package anthropic_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// Members that say what has no neutral form are extra; those that say what their absence does are not.
func TestConversationExtra(t *testing.T) {
	for _, tt := range []struct {
		body string
		want []string
	}{
		{`{"model":"m","max_tokens":1,"temperature":1,"top_p":1,"top_k":1,"stop_sequences":[],"stream":true,"service_tier":"auto",
			"anthropic_version":"vertex-2023-10-16","metadata":{"user_id":"u"},"speed":"standard","container":null,"mcp_servers":null,
			"output_config":null,"thinking":null,"tool_choice":null,"tools":null,"cache_control":null}`, nil},
		{`{"container":"c","context_management":{},"mcp_servers":[],"inference_geo":"us","speed":"fast","cache_control":{"type":"ephemeral"},"new":1}`,
			[]string{"container", "context_management", "mcp_servers", "inference_geo", "speed", "cache_control", "new"}},
		{`{"metadata":{"a":1},"output_config":{"effort":"low","task_budget":1,"format":{"type":"json_schema","name":"n","schema":{},"z":1}},
			"thinking":{"type":"often","display":"loud","x":1},"tool_choice":{"type":"all","x":1}}`,
			[]string{"metadata.a", "output_config.task_budget", "output_config.format.z", "thinking.type", "thinking.display", "thinking.x", "tool_choice.type", "tool_choice.x"}},
		{`{"tool_choice":{"name":"f","type":"auto"}}`, []string{"tool_choice.name"}},
		{`{"tool_choice":{"name":"f","type":"tool"}}`, nil},
		{`{"thinking":true,"tool_choice":"any"}`, []string{"thinking", "tool_choice"}},
		{`{"tools":[{"name":"f","defer_loading":false,"allowed_callers":["direct"],"strict":null,"eager_input_streaming":null},
			{"name":"g","defer_loading":true,"allowed_callers":["x"],"input_examples":[{}],"eager_input_streaming":false}]}`,
			[]string{"tools.defer_loading", "tools.allowed_callers", "tools.input_examples", "tools.eager_input_streaming"}},
		{`{"messages":[{"role":"user","name":"x","content":[
			{"type":"text","text":"a","citations":null},{"type":"text","text":"a","citations":[]},{"type":"text","text":"a","citations":[{}]},
			{"type":"document","citations":{"enabled":false},"source":{"type":"text","data":"x"}},
			{"type":"document","citations":{"enabled":true},"context":"c","source":{"type":"text","data":"x","z":1}},
			{"type":"tool_use","caller":{"type":"direct"}},{"type":"tool_use","caller":{"type":"code"},"toolset_name":"t"},
			{"type":"text","text":"a","cache_control":{"type":"forever","scope":"all"}},
			{"type":"tool_result","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}]}]}`,
			[]string{"messages.content.citations", "messages.content.citations", "messages.content.context", "messages.content.source.z", "messages.content.caller",
				"messages.content.toolset_name", "messages.content.cache_control.type", "messages.content.cache_control.scope",
				"messages.content.tool_result.content.cache_control", "messages.name"}},
	} {
		c, err := parse(t, llm.AnthropicMessages, tt.body).Conversation()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range c.Extra {
			got = append(got, x.Field)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
	}
}

func TestConversationThinking(t *testing.T) {
	for body, want := range map[string]llm.Conversation{
		`{"type":"enabled","budget_tokens":2000}`:    {Thinking: "on", ThinkingBudget: llm.Some[int64](2000)},
		`{"type":"disabled"}`:                        {Thinking: "off"},
		`{"type":"adaptive","display":"summarized"}`: {Thinking: "on", ShowThinking: llm.Some(true)},
		`{"type":"adaptive","display":"omitted"}`:    {Thinking: "on", ShowThinking: llm.Some(false)},
	} {
		got, err := parse(t, llm.AnthropicMessages, `{"thinking":`+body+`}`).Conversation()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

// Several results stay with their own ids, what belongs to each behind it; the user's own image stays the user's.
func TestConversationResults(t *testing.T) {
	got, err := parse(t, llm.AnthropicMessages, `{"messages":[{"role":"user","content":[
		{"type":"tool_result","tool_use_id":"a","cache_control":{"type":"ephemeral","ttl":"1h"},"content":[{"type":"text","text":"x"},
			{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="},"cache_control":{"type":"ephemeral"}},
			{"type":"text","text":"y"},{"type":"tool_reference","tool_name":"t"}]},
		{"type":"tool_result","tool_use_id":"b","is_error":true,"content":[{"type":"document","source":{"type":"url","url":"https://x"}}]},
		{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"z","cache_control":{"type":"ephemeral"}}]},
		{"type":"image","source":{"type":"url","url":"https://y"}}]}]}`).Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Message{
		{Role: llm.RoleTool, Parts: []llm.Part{
			{Kind: llm.PartToolResult, ID: "a", Text: "x\ny", Cache: "1h"},
			{Kind: llm.PartBlob, MIME: "image/png", Data: "aGk=", Cache: "default"},
			{Kind: llm.PartOther, Name: "tool_reference", Raw: []byte(`{"type":"tool_reference","tool_name":"t"}`)},
			{Kind: llm.PartToolResult, ID: "b", IsError: true},
			{Kind: llm.PartURI, MIME: "application/pdf", URI: "https://x"},
			{Kind: llm.PartToolResult, ID: "c", Text: "z", Cache: "default"}}},
		{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartURI, MIME: "image/*", URI: "https://y"}}},
	}
	if diff := cmp.Diff(want, got.Messages); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of every block what a person, a model or a tool wrote is offered, and nothing that the API made for itself.
func TestEditTextBlocks(t *testing.T) {
	for _, tt := range []struct{ block, want string }{
		{`{"type":"tool_use","id":"x","name":"x","input":{"a":"S","b":["S",{"c":"S"}],"n":1}}`,
			`{"type":"tool_use","id":"x","name":"x","input":{"a":"*","b":["*",{"c":"*"}],"n":1}}`},
		{`{"type":"mcp_tool_use","id":"x","name":"x","server_name":"x","input":{"a":"S"}}`, `{"type":"mcp_tool_use","id":"x","name":"x","server_name":"x","input":{"a":"*"}}`},
		{`{"type":"thinking","thinking":"S","signature":"x"}`, `{"type":"text","text":"*"}`},
		{`{"signature":"","type":"thinking","thinking":"S"}`, `{"signature":"","type":"thinking","thinking":"*"}`},
		{`{"type":"thinking","thinking":"","signature":"x"}`, `{"type":"thinking","thinking":"","signature":"x"}`},
		{`{"type":"redacted_thinking","data":"x"}`, `{"type":"redacted_thinking","data":"x"}`},
		{`{"type":"text","text":"S","citations":[{"type":"x","cited_text":"S","encrypted_index":"x"}]}`,
			`{"type":"text","text":"*","citations":[{"type":"x","cited_text":"*","encrypted_index":"x"}]}`},
		{`{"type":"web_search_tool_result","tool_use_id":"x","content":[{"type":"web_search_result","title":"S","encrypted_content":"x"}]}`,
			`{"type":"web_search_tool_result","tool_use_id":"x","content":[{"type":"web_search_result","title":"*","encrypted_content":"x"}]}`},
		{`{"type":"bash_code_execution_tool_result","tool_use_id":"x","content":{"type":"x","stdout":"S","stderr":"S","content":[{"type":"x","file_id":"x"}]}}`,
			`{"type":"bash_code_execution_tool_result","tool_use_id":"x","content":{"type":"x","stdout":"*","stderr":"*","content":[{"type":"x","file_id":"x"}]}}`},
		{`{"type":"web_fetch_tool_result","content":{"content":{"type":"document","source":{"type":"base64","media_type":"x","data":"x"}}}}`,
			`{"type":"web_fetch_tool_result","content":{"content":{"type":"document","source":{"type":"base64","media_type":"x","data":"x"}}}}`},
		{`{"type":"document","source":{"type":"base64","data":"x"},"title":"S"}`, `{"type":"document","source":{"type":"base64","data":"x"},"title":"*"}`},
	} {
		r := parse(t, llm.AnthropicMessages, `{"messages":[{"role":"assistant","content":[`+tt.block+`]}],"tools":[{"name":"x","description":"x"}]}`)
		if _, err := r.EditText(func(llm.Role, string) (string, bool) { return "*", true }); err != nil {
			t.Fatal(err)
		}
		if want := `{"messages":[{"role":"assistant","content":[` + tt.want + `]}],"tools":[{"name":"x","description":"x"}]}`; string(r.Raw) != want {
			t.Errorf("got  %s\nwant %s", r.Raw, want)
		}
	}
}

// The stop sequence, signatures and what is redacted are read from whole answers and from streams.
func TestReadSigned(t *testing.T) {
	whole := `{"type":"message","id":"i","model":"m","stop_reason":"stop_sequence","stop_sequence":"END","content":[` +
		`{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"thinking","thinking":"","signature":"t"}]}`
	stream := sse(`{"type":"message_start","message":{"id":"i","model":"m"}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"d"}}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"thinking","thinking":"","signature":"t"}}`,
		`{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{}}`, stop)
	for ct, body := range map[string]string{"application/json": whole, "text/event-stream": stream} {
		end := ""
		read := func(ev *llm.Event) error {
			for _, c := range ev.Choices {
				end += c.Stop
			}
			return nil
		}
		if err := d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantMeta).Read([]byte(body), true, read); err != nil {
			t.Fatal(err)
		}
		want := []llm.Part{{Kind: llm.PartReasoning, Text: "hm", Signature: "s"}, {Kind: llm.PartReasoning, Index: 1, Data: "d"}, {Kind: llm.PartReasoning, Index: 2, Signature: "t"}}
		if diff := cmp.Diff(want, joined(t, []byte(body), ct)); diff != "" || end != "END" {
			t.Errorf("%s: stopped by %q: %s", ct, end, diff)
		}
	}
}

// What an answer holds beside plain text is written in the blocks that Anthropic has for it, or noted as lost.
func TestWriteKinds(t *testing.T) {
	said := []llm.Event{
		{Dialect: llm.Bedrock, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "hm"}, {Kind: llm.PartReasoning, Signature: "s"}, {Kind: llm.PartReasoning, Index: 1, Data: "d"},
			{Kind: llm.PartReasoning, Index: 2, Signature: "t"}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 3, Name: "f", Text: "{"}, {Kind: llm.PartToolCall, Index: 4, Name: "g"}}},
		{Parts: []llm.Part{{Kind: llm.PartServerTool, Index: 5}, {Kind: llm.PartBlob, Index: 6}, {Kind: llm.PartOther, Index: 7}, {Text: "x", Choice: 1},
			{Kind: llm.PartRefusal, Index: 8, Text: "no", Logprobs: []llm.Logprob{{Token: "no"}}}}},
		{Choices: []llm.Choice{{Finish: "COMPLETE"}}, Usage: &llm.Usage{Input: llm.Some[int64](9), Output: llm.Some[int64](5), CacheWrite: llm.Some[int64](2), Reasoning: llm.Some[int64](4)}, Last: true},
	}
	lost := []string{"response.server_tools", "response.media", "response.content", "response.choices", "response.logprobs"}
	for _, stream := range []bool{true, false} {
		r := request(stream)
		r.Model = "asked"
		var loss llm.Loss
		w, err := d.NewWriter(r, &loss)
		if err != nil {
			t.Fatal(err)
		}
		var out []byte
		for i := range said {
			if out, err = w.Write(out, &said[i]); err != nil {
				t.Fatal(err)
			}
		}
		if out, err = w.Close(out, nil); err != nil {
			t.Fatal(err)
		}
		got := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, w.ContentType()), llm.WantParts), [][]byte{out})
		id, ok := strings.CutPrefix(got.ID, "msg_")
		want := []llm.Part{{Kind: llm.PartReasoning, Text: "hm", Signature: "s"}, {Kind: llm.PartReasoning, Index: 1, Data: "d"}, {Kind: llm.PartReasoning, Index: 2, Signature: "t"},
			{Kind: llm.PartToolCall, Index: 3, ID: "toolu_" + id + "_1", Name: "f", Text: "{"}, {Kind: llm.PartToolCall, Index: 4, ID: "toolu_" + id + "_2", Name: "g", Text: "{}"},
			{Index: 5, Text: "no"}}
		noted := slices.Clone(lost)
		if !stream {
			want[3].Text = "{}"
			noted = append(noted, "response.tool_use.input")
		}
		if diff := cmp.Diff(want, joined(t, out, w.ContentType())); diff != "" || !ok || got.Model != "asked" {
			t.Errorf("stream %v, %q of %q: %s\n%s", stream, got.ID, got.Model, diff, out)
		}
		if diff := cmp.Diff(noted, loss.Dropped); diff != "" {
			t.Errorf("stream %v: lost %s", stream, diff)
		}
		for _, s := range []string{`"stop_reason":"tool_use","stop_sequence":null`, `"usage":{"input_tokens":7,"cache_creation_input_tokens":2,"output_tokens":5,"output_tokens_details":{"thinking_tokens":4}}`} {
			if !strings.Contains(string(out), s) {
				t.Errorf("stream %v: no %s in %s", stream, s, out)
			}
		}
	}
}

// joined is the parts of an answer, fragments joined.
func joined(t *testing.T, body []byte, ct string) []llm.Part {
	t.Helper()
	var parts []llm.Part
	if err := d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantParts).Read(body, true, func(ev *llm.Event) error {
		for _, p := range ev.Parts {
			if n := len(parts); n > 0 && p.Index == parts[n-1].Index {
				parts[n-1].Text, parts[n-1].Signature = parts[n-1].Text+p.Text, parts[n-1].Signature+p.Signature
				continue
			}
			if i := slices.IndexFunc(parts, func(q llm.Part) bool { return q.Index == p.Index }); i >= 0 {
				parts[i].Text += p.Text
				continue
			}
			parts = append(parts, p)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return parts
}
