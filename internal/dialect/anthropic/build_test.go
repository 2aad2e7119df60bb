package anthropic_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// build translates the OpenAI chat request body for the model claude-x.
func build(t testing.TB, body string) ([]byte, error) {
	t.Helper()
	r, err := openai.Dialect{}.ParseRequest(llm.OpenAIChat, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	api, out, err := d.BuildRequest(r, "claude-x", new(llm.Loss))
	if err == nil && api != llm.AnthropicMessages {
		t.Errorf("API %q", api)
	}
	return out, err
}

func TestBuildRequest(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	const head, hiOut = `{"model":"claude-x","max_tokens":4096,`, `"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	const f = `"tools":[{"type":"function","function":{"name":"f","description":"F","parameters":{"type":"object"},"strict":true}}]`
	const fOut = `"tools":[{"name":"f","description":"F","input_schema":{"type":"object"},"strict":true}]`
	for _, tt := range []struct{ name, body, want string }{
		{"least", `{"model":"gpt",` + hi + `}`, head + hiOut + `}`},
		{"parameters", `{"stream":true,"temperature":1,"top_p":0.5,"max_completion_tokens":9,"stop":"x","n":1,"user":"u",
			"frequency_penalty":0,"reasoning_effort":"low",` + hi + `}`,
			`{"model":"claude-x","max_tokens":9,` + hiOut + `,"stream":true,"temperature":1,"top_p":0.5,"stop_sequences":["x"],` +
				`"metadata":{"user_id":"u"},"output_config":{"effort":"low"}}`},
		{"reasoning off", `{"reasoning_effort":"none","response_format":{"type":"text"},` + hi + `}`,
			head + hiOut + `,"thinking":{"type":"disabled"}}`},
		{"systems are hoisted", `{"messages":[{"role":"developer","content":"a"},{"role":"user","content":"hi"},
			{"role":"system","content":[{"type":"text","text":"b"},{"type":"text","text":" "}]}]}`,
			head + `"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],` + hiOut + `}`},
		{"one side in a row", `{"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c"},
			{"role":"assistant","content":""},{"role":"assistant","content":[{"type":"text","text":"d"},{"type":"refusal","refusal":"e"}]}]}`,
			head + `"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},` +
				`{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"},{"type":"text","text":"e"}]}]}`},
		{"images", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}},
			{"type":"image_url","image_url":{"url":"https://x/y?z=<&>"}},
			{"type":"file","file":{"file_data":"data:application/pdf;base64,cGRm","filename":"x.pdf"}}]}]}`,
			head + `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},` +
				`{"type":"image","source":{"type":"url","url":"https://x/y?z=<&>"}},` +
				`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"cGRm"},"title":"x.pdf"}]}]}`},
		{"a round of tools", `{` + f + `,"messages":[{"role":"user","content":"hi"},
			{"role":"assistant","content":null,"tool_calls":[
				{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 12345678901234567890}"}},
				{"id":"c2","type":"function","function":{"name":"f","arguments":""}}]},
			{"role":"tool","tool_call_id":"c1","content":"r1"},{"role":"tool","tool_call_id":"c2","content":""},
			{"role":"user","content":"go on"}]}`,
			head + `"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":[` +
				`{"type":"tool_use","id":"c1","name":"f","input":{"a":12345678901234567890}},{"type":"tool_use","id":"c2","name":"f","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"r1"}]},` +
				`{"type":"tool_result","tool_use_id":"c2"},{"type":"text","text":"go on"}]}],` + fOut + `}`},
		{"tool without parameters", `{"tools":[{"type":"function","function":{"name":"f"}}],` + hi + `}`,
			head + hiOut + `,"tools":[{"name":"f","input_schema":{"type":"object"}}]}`},
		{"tool choice auto", `{"tool_choice":"auto",` + f + `,` + hi + `}`, head + hiOut + `,` + fOut + `,"tool_choice":{"type":"auto"}}`},
		{"tool choice none", `{"tool_choice":"none","parallel_tool_calls":false,` + f + `,` + hi + `}`,
			head + hiOut + `,` + fOut + `,"tool_choice":{"type":"none"}}`},
		{"tool choice required", `{"tool_choice":"required","parallel_tool_calls":true,` + f + `,` + hi + `}`,
			head + hiOut + `,` + fOut + `,"tool_choice":{"type":"any"}}`},
		{"tool choice by name", `{"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,` + f + `,` + hi + `}`,
			head + hiOut + `,` + fOut + `,"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}`},
		{"one tool at a time", `{"parallel_tool_calls":false,` + f + `,` + hi + `}`,
			head + hiOut + `,` + fOut + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`},
		{"tool choice without tools", `{"tool_choice":"none",` + hi + `}`, head + hiOut + `}`},
		{"structured output", `{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},` + hi + `}`,
			head + hiOut + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := build(t, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestBuildRequestRefuses(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	for _, tt := range []struct{ body, param string }{
		{`{"temperature":1.5,` + hi + `}`, "temperature"},
		{`{"n":2,` + hi + `}`, "n"},
		{`{"frequency_penalty":0.5,` + hi + `}`, "frequency_penalty"},
		{`{"presence_penalty":-1,` + hi + `}`, "presence_penalty"},
		{`{"response_format":{"type":"json_object"},` + hi + `}`, "response_format"},
		{`{"tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}],` + hi + `}`, "tools.type"},
		{`{"seed":1,` + hi + `}`, "seed"},
		{`{"reasoning_effort":"minimal",` + hi + `}`, "reasoning_effort"},
		{`{"stop":["a"," \n"],` + hi + `}`, "stop"},
		{`{"service_tier":"flex",` + hi + `}`, "service_tier"},
		{`{"tool_choice":"required",` + hi + `}`, "tool_choice"},
		{`{"messages":[]}`, "messages"},
		{`{"messages":[{"role":"system","content":"x"},{"role":"user","content":""}]}`, "messages"},
		{`{"messages":[{"role":"robot","content":"x"}]}`, "messages[0]"},
		{`{"messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"c","type":"function",
			"function":{"name":"f","arguments":"{\"a\":"}}]}]}`, "messages[1]"},
		{`{"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}]}]}`, "messages[0]"},
		{`{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"aGk="}}]}]}`, "messages.content.input_audio"},
		{`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,hi"}}]}]}`, "messages.content.image_url"},
		{`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:;base64,aGk="}}]}]}`, "messages.content.image_url"},
		{`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}`, "messages.content.image_url"},
		{`{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}`, "messages.content.file.file_id"},
	} {
		_, err := build(t, tt.body)
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Type != "invalid_request_error" || e.Param != tt.param || !strings.Contains(e.Message, " ") {
			t.Errorf("%s: got %v with %+v, want a 400 for %s", tt.body, err, e, tt.param)
		}
	}
}

func TestBuildRequestOfOtherAPIs(t *testing.T) {
	for _, api := range []llm.API{llm.OpenAICompletions, llm.OpenAIEmbeddings, llm.OpenAIImages} {
		r, err := openai.Dialect{}.ParseRequest(api, &llm.Head{}, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		var e *llm.Error
		if _, _, err := d.BuildRequest(r, "m", new(llm.Loss)); !errors.As(err, &e) || e.Status != 501 {
			t.Errorf("%s: got %v, want 501", api, err)
		}
	}
}

// What is built says what the client's request said: the same turns, tools and limits.
func TestBuildRequestExchanges(t *testing.T) {
	built := 0
	for _, x := range exchange.Load(t, "openai.chat") {
		r, err := openai.Dialect{}.ParseRequest(llm.OpenAIChat, x.Request.Head(), x.Request.Body)
		if err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		_, body, err := d.BuildRequest(r, "claude-x", new(llm.Loss))
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Status != 400 {
				t.Errorf("%s: %v", x.ID, err)
			}
			continue
		}
		built++
		want, err := r.Conversation()
		if err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		got, err := parse(t, llm.AnthropicMessages, string(body)).Conversation()
		if err != nil {
			t.Fatalf("%s: %v", x.ID, err)
		}
		if diff := cmp.Diff(said(want), said(got)); diff != "" {
			t.Errorf("%s: %s", x.ID, diff)
		}
		if len(got.Tools) != len(want.Tools) || got.ToolChoice != want.ToolChoice && len(want.Tools) > 0 && want.ToolChoice != "" {
			t.Errorf("%s: got tools %v, %q, want %v, %q", x.ID, got.Tools, got.ToolChoice, want.Tools, want.ToolChoice)
		}
	}
	if built < 80 {
		t.Errorf("only %d requests could be translated", built)
	}
}

// said lists what each side said, the system first.
func said(c *llm.Conversation) []string {
	var system, turns []string
	add := func(role llm.Role, p *llm.Part) {
		s := string(role) + ":" + p.ID + ":" + p.Text
		if p.Kind == llm.PartToolCall {
			var v any
			if json.Unmarshal([]byte(p.Text), &v) == nil {
				b, _ := json.Marshal(v)
				s = p.ID + ":" + p.Name + string(b)
			}
		}
		switch {
		case p.Kind == llm.PartReasoning || p.Kind != llm.PartToolResult && p.Kind != llm.PartToolCall && strings.TrimSpace(p.Text) == "":
		case role == llm.RoleSystem:
			system = append(system, s)
		default:
			turns = append(turns, s)
		}
	}
	for i := range c.System {
		add(llm.RoleSystem, &c.System[i])
	}
	for _, m := range c.Messages {
		for i := range m.Parts {
			add(m.Role, &m.Parts[i])
		}
	}
	return append(system, turns...)
}

func FuzzBuildRequest(f *testing.F) {
	for _, x := range exchange.Load(f, "openai.chat")[:20] {
		f.Add([]byte(x.Request.Body))
	}
	f.Add([]byte(`{"messages":[{"role":"tool","content":[{}]},{"role":"assistant","function_call":{"name":1}}],"tools":[{}],"tool_choice":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := openai.Dialect{}.ParseRequest(llm.OpenAIChat, &llm.Head{}, body)
		if err != nil {
			return
		}
		_, out, err := d.BuildRequest(r, "m", new(llm.Loss))
		if err != nil {
			if !errors.As(err, new(*llm.Error)) {
				t.Fatalf("not an error for the client: %v", err)
			}
			return
		}
		if _, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{}, out); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
}
