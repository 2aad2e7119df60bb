package telemetry

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// environ is an environment of these variables.
func environ(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// exported is what leaves p of the trace that fill makes: its spans, decoded, with the attributes of the last but one by name.
func exported(t *testing.T, p *Pipeline, fill func(*Trace)) ([]*tracepb.Span, map[string]any) {
	t.Helper()
	tr := newTrace()
	sampleCall(tr, tr.base)
	fill(tr)
	p.naming.add(tr)
	p.naming.strip(tr)
	spans := decodeSpans(t, appendTrace(nil, tr))
	return spans, attributes(spans[1])
}

func attributes(s *tracepb.Span) map[string]any {
	out := map[string]any{}
	for _, kv := range s.Attributes {
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			out[kv.Key] = v.IntValue
		case *commonpb.AnyValue_DoubleValue:
			out[kv.Key] = v.DoubleValue
		case *commonpb.AnyValue_BoolValue:
			out[kv.Key] = v.BoolValue
		case *commonpb.AnyValue_ArrayValue:
			out[kv.Key] = len(v.ArrayValue.Values)
		}
	}
	return out
}

// only is the part of attrs whose names begin with one of the prefixes.
func only(attrs map[string]any, prefixes ...string) map[string]any {
	out := map[string]any{}
	for k, v := range attrs {
		for _, p := range prefixes {
			if strings.HasPrefix(k, p) {
				out[k] = v
			}
		}
	}
	return out
}

var openInferencePrefixes = []string{"openinference.", "llm.", "embedding.", "input.", "output."}

func openInferencePipeline(t *testing.T, vars map[string]string, conventions ...string) *Pipeline {
	t.Helper()
	return newPipeline(t, ir.Telemetry{Conventions: conventions}, Options{Getenv: environ(vars)})
}

func TestOpenInferenceOfAnyCall(t *testing.T) {
	p := openInferencePipeline(t, nil, "genai", "openinference")
	spans, chat := exported(t, p, func(tr *Trace) {
		s := &tr.Spans[1]
		s.Int(GenAIUsageCacheRead, 64)
		s.Int(GenAIUsageCacheCreation, 8)
		s.Int(GenAIUsageReasoning, 5)
		s.Bool(GenAIRequestStream, true)
		s.Int(GenAIRequestMaxTokens, 100)
		s.Strings(GenAIRequestStopSequences, []string{"a\"b", "c"})
		s.String(GenAIRequestReasoningLevel, "high")
		guard := tr.StartSpan("run_guardrail pii", KindInternal, Root, tr.base)
		tr.Span(guard).String(SpanwayGuardrailName, "pii")
	})
	want := map[string]any{
		"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-2024-08-06", "llm.provider": "openai", "llm.system": "openai",
		"llm.invocation_parameters": `{"model":"gpt-4o","temperature":0.7,"stream":true,"max_tokens":100,` +
			`"stop_sequences":["a\"b","c"],"reasoning_level":"high"}`,
		"llm.token_count.prompt": int64(120), "llm.token_count.completion": int64(48), "llm.token_count.total": int64(168),
		"llm.token_count.prompt_details.cache_read": int64(64), "llm.token_count.prompt_details.cache_write": int64(8),
		"llm.token_count.completion_details.reasoning": int64(5),
	}
	if diff := cmp.Diff(want, only(chat, openInferencePrefixes...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if chat["gen_ai.request.model"] != "gpt-4o" || chat["gen_ai.usage.cache_creation.input_tokens"] != int64(8) {
		t.Errorf("the GenAI conventions went: %v", chat)
	}
	for i, want := range []any{"CHAIN", "LLM", nil, "GUARDRAIL"} {
		if got := attributes(spans[i])["openinference.span.kind"]; got != want {
			t.Errorf("%s has kind %v, want %v", spans[i].Name, got, want)
		}
	}
}

func TestOpenInferenceAlone(t *testing.T) {
	p := openInferencePipeline(t, map[string]string{"OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS": "TRUE"}, "openinference")
	_, chat := exported(t, p, func(tr *Trace) {
		tr.Spans[1].Unset(GenAIUsageInputTokens)
		tr.Spans[1].Unset(GenAIResponseModel)
		tr.Spans[1].String(OpenAIAPIType, "chat_completions")
		p.SetContent(&tr.Spans[1], chatRequest(llm.Conversation{Messages: []llm.Message{{Role: llm.RoleUser,
			Parts: []llm.Part{{Text: "Hello"}}}}}), nil)
	})
	if got := only(chat, "gen_ai.", "openai."); len(got) > 0 {
		t.Errorf("names of the GenAI conventions: %v", got)
	}
	want := map[string]any{
		"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.provider": "openai", "llm.system": "openai",
		"llm.token_count.completion": int64(48), "llm.token_count.total": int64(48),
		"input.value": `[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]`, "input.mime_type": "application/json",
		"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Hello",
	}
	if diff := cmp.Diff(want, only(chat, openInferencePrefixes...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if chat["server.address"] != "api.openai.com" {
		t.Errorf("server.address is %v", chat["server.address"])
	}
}

// talk is a conversation with every kind of content.
func talk() (*llm.Request, *llm.Result) {
	png := base64.StdEncoding.EncodeToString([]byte("png bytes"))
	r := chatRequest(llm.Conversation{
		System: []llm.Part{{Text: "Be brief."}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Name: "ann", Parts: []llm.Part{
				{Text: "My key is sk-aaaaaaaaaaaaaaaaaaaaaaaa"},
				{Kind: llm.PartBlob, MIME: "image/png", Data: png},
				{Kind: llm.PartURI, URI: "data:audio/wav;base64," + png},
				{Kind: llm.PartURI, MIME: "image/jpeg", URI: "https://h/x.jpg?sig=secret"},
				{Kind: llm.PartFile, ID: "file-1", MIME: "application/pdf"},
				{Kind: llm.PartOther, Name: "odd", Raw: []byte(`{"a":"sk-aaaaaaaaaaaaaaaaaaaaaaaa"}`)},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartReasoning, Text: "Hm."},
				{Kind: llm.PartRefusal, Text: "No."},
				{Kind: llm.PartToolCall, ID: "c1", Name: "get", Text: `{"q":"sk-aaaaaaaaaaaaaaaaaaaaaaaa"}`},
				{Kind: llm.PartToolCall, ID: "c2", Name: "broken", Text: `{"q": `},
			}},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Kind: llm.PartToolResult, ID: "c1", Text: "one"}, {Kind: llm.PartToolResult, ID: "c2", Text: "two"}, {Text: "Go on."}}},
		},
		Tools: []llm.Tool{
			{Name: "get", Description: "Gets.", Schema: []byte(`{"type":"object"}`)},
			{Raw: []byte(`{"type":"web_search","name":"web"}`)},
		},
	})
	res := new(llm.Result)
	answer := &llm.Event{Choices: []llm.Choice{{Finish: "stop"}}, Parts: []llm.Part{{Text: "A cat."}}}
	res.Add(answer)
	res.Content(answer)
	return r, res
}

func TestOpenInferenceContent(t *testing.T) {
	p := openInferencePipeline(t, nil, "genai", "openinference")
	_, chat := exported(t, p, func(tr *Trace) {
		r, res := talk()
		p.SetContent(&tr.Spans[1], r, res)
	})
	const in, out = "llm.input_messages.", "llm.output_messages."
	urn, _ := reference(base64.StdEncoding.EncodeToString([]byte("png bytes")))
	part := func(i string) string { return in + "1.message.contents." + i + ".message_content." }
	call := func(i string) string { return in + "2.message.tool_calls." + i + ".tool_call." }
	want := map[string]any{
		in + "0.message.role": "system", in + "0.message.content": "Be brief.",
		in + "1.message.role": "user", in + "1.message.name": "ann",
		part("0") + "type": "text", part("0") + "text": "My key is [REDACTED]",
		part("1") + "type": "image", part("1") + "image.image.url": urn,
		part("2") + "type": "audio", part("2") + "audio.audio.mime_type": "audio/wav", part("2") + "audio.audio.url": urn,
		part("3") + "type": "image", part("3") + "image.image.url": "https://h/x.jpg?sig=REDACTED",
		part("4") + "type": "document", part("4") + "document.document.id": "file-1",
		part("5") + "type": "odd", part("5") + "text": `{"a":"[REDACTED]"}`,
		in + "2.message.role":                            "assistant",
		in + "2.message.contents.0.message_content.type": "reasoning",
		in + "2.message.contents.0.message_content.text": "Hm.",
		in + "2.message.contents.1.message_content.type": "text",
		in + "2.message.contents.1.message_content.text": "No.",
		call("0") + "id": "c1", call("0") + "function.name": "get", call("0") + "function.arguments": `{"q":"[REDACTED]"}`,
		call("1") + "id": "c2", call("1") + "function.name": "broken", call("1") + "function.arguments": `{"q": `,
		in + "3.message.role": "tool", in + "3.message.tool_call_id": "c1", in + "3.message.content": "one",
		in + "4.message.role": "tool", in + "4.message.tool_call_id": "c2", in + "4.message.content": "two",
		in + "5.message.role": "user", in + "5.message.content": "Go on.",
		out + "0.message.role": "assistant", out + "0.message.content": "A cat.",
		"llm.tools.0.tool.json_schema": `{"type":"function","function":{"name":"get","description":"Gets.","parameters":{"type":"object"}}}`,
		"llm.tools.1.tool.json_schema": `{"type":"web_search","name":"web","description":""}`,
		"input.mime_type":              "application/json", "output.mime_type": "application/json",
		"output.value": `[{"role":"assistant","parts":[{"type":"text","content":"A cat."}],"finish_reason":"stop"}]`,
	}
	got := only(chat, in, out, "llm.tools.", "input.", "output.")
	value, _ := got["input.value"].(string)
	delete(got, "input.value")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !strings.HasPrefix(value, `[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},`) || !json.Valid([]byte(value)) ||
		strings.Contains(value, "sk-a") {
		t.Errorf("input.value is %s", value)
	}
	if a, _ := chat["gen_ai.output.messages"].(string); a != want["output.value"] {
		t.Errorf("gen_ai.output.messages is %s", a)
	}
}

func TestOpenInferenceEmbeddings(t *testing.T) {
	p := openInferencePipeline(t, nil, "genai-latest", "openinference")
	_, got := exported(t, p, func(tr *Trace) {
		s := &tr.Spans[1]
		s.String(GenAIOperationName, "embeddings")
		s.Unset(GenAIUsageOutputTokens)
		r := llm.NewRequest(llm.OpenAIEmbeddings, llm.OpenAI, llm.OpEmbeddings, nil, fixed{c: llm.Conversation{Messages: []llm.Message{
			{Role: llm.RoleUser, Parts: []llm.Part{{Text: "one"}}}, {Role: llm.RoleUser, Parts: []llm.Part{{Text: "two"}}}}}})
		p.SetContent(s, r, new(llm.Result))
	})
	want := map[string]any{
		"openinference.span.kind": "EMBEDDING", "embedding.model_name": "gpt-4o-2024-08-06",
		"embedding.invocation_parameters": `{"model":"gpt-4o","temperature":0.7}`,
		"llm.token_count.prompt":          int64(120), "llm.token_count.total": int64(120),
		"embedding.embeddings.0.embedding.text": "one", "embedding.embeddings.1.embedding.text": "two",
		"input.mime_type": "application/json",
		"input.value":     `[{"role":"user","parts":[{"type":"text","content":"one"}]},{"role":"user","parts":[{"type":"text","content":"two"}]}]`,
	}
	if diff := cmp.Diff(want, only(got, openInferencePrefixes...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOpenInferenceHides(t *testing.T) {
	const in, out = "llm.input_messages.", "llm.output_messages."
	tests := map[string]struct {
		gone   []string // prefixes of names
		hidden []string // names whose value is hidden
		stays  []string // names with a value that is not hidden
	}{
		"INPUTS": {gone: []string{in, "llm.tools.", "input.mime_type"}, hidden: []string{"input.value"},
			stays: []string{"output.value", out + "0.message.content"}},
		"OUTPUTS":         {gone: []string{out, "output.mime_type"}, hidden: []string{"output.value"}, stays: []string{"input.value", in + "0.message.content"}},
		"INPUT_MESSAGES":  {gone: []string{in}, hidden: []string{"input.value"}, stays: []string{"llm.tools.0.tool.json_schema"}},
		"OUTPUT_MESSAGES": {gone: []string{out}, hidden: []string{"output.value"}, stays: []string{"input.value"}},
		"INPUT_TEXT": {hidden: []string{"input.value", in + "0.message.content", in + "1.message.contents.0.message_content.text",
			in + "3.message.content"}, stays: []string{in + "0.message.role", out + "0.message.content"},
			gone: []string{in + "1.message.contents.5.message_content.text"}},
		"OUTPUT_TEXT": {hidden: []string{"output.value", out + "0.message.content"}, stays: []string{out + "0.message.role", "input.value"}},
		"INPUT_IMAGES": {hidden: []string{"input.value", in + "1.message.contents.1.message_content.image.image.url"},
			stays: []string{in + "0.message.content"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := openInferencePipeline(t, map[string]string{"OPENINFERENCE_HIDE_" + name: "true"}, "openinference")
			_, got := exported(t, p, func(tr *Trace) {
				r, res := talk()
				p.SetContent(&tr.Spans[1], r, res)
			})
			if left := only(got, tt.gone...); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
			for _, k := range tt.hidden {
				if got[k] != hiddenText {
					t.Errorf("%s is %v", k, got[k])
				}
			}
			for _, k := range tt.stays {
				if v, ok := got[k].(string); !ok || v == hiddenText {
					t.Errorf("%s is %v", k, got[k])
				}
			}
		})
	}
}

// What is too long is cut at its texts, then the oldest messages go, and a trace is small enough in any case.
func TestOpenInferenceBounds(t *testing.T) {
	p := openInferencePipeline(t, nil, "genai", "openinference")
	long := strings.Repeat("long ", 10<<10)
	for name, n := range map[string]int{"long texts": 100, "many messages": 50_000} {
		t.Run(name, func(t *testing.T) {
			var c llm.Conversation
			for range n {
				c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: long}}})
			}
			c.Messages[n-1].Parts[0].Text = "the last"
			tr := newTrace()
			sampleCall(tr, tr.base)
			s := &tr.Spans[1]
			p.SetContent(s, chatRequest(c), nil)
			size := 0
			for _, a := range s.Named {
				size += len(a.Name) + len(a.Value)
			}
			if last := s.Named[len(s.Named)-1]; size > maxInput || size < maxInput/8 || last.Value != "the last" {
				t.Errorf("%d bytes, the last %+v", size, last)
			}
			if a := s.Get(SpanwayTruncated); a == nil || !a.Bool() {
				t.Error("not marked as cut")
			}
			for i := range s.Named {
				s.Named[i].Value = long
			}
			p.naming.add(tr)
			if b := tr.shrink(nil); len(b) > maxTrace {
				t.Errorf("%d bytes of a trace that was too large", len(b))
			}
		})
	}
}

func TestNaming(t *testing.T) {
	var log []string
	e := environment{get: environ(map[string]string{"OPENINFERENCE_HIDE_INPUTS": "yes"}), warn: func(variable, value, _ string) {
		log = append(log, variable+"="+value)
	}}
	for _, bad := range [][]string{{"genai", "genai-latest"}, {"otel"}} {
		if n, err := newNaming(bad, e); err == nil {
			t.Errorf("%v: %+v", bad, n)
		}
	}
	n, err := newNaming([]string{"openinference"}, e)
	if err != nil || n.openInference.input.value || n.genAI {
		t.Errorf("%+v, %v", n, err)
	}
	if diff := cmp.Diff([]string{"OPENINFERENCE_HIDE_INPUTS=yes"}, log); diff != "" {
		t.Errorf("warnings: -want +got:\n%s", diff)
	}
	for name, want := range map[string][2]string{
		"openai": {"openai", "openai"}, "azure.ai.openai": {"azure", "openai"}, "azure.ai.inference": {"azure", "azure.ai.inference"},
		"aws.bedrock": {"aws", "amazon"}, "gcp.gemini": {"google", "vertexai"}, "mistral_ai": {"mistralai", "mistralai"},
		"x_ai": {"xai", "xai"}, "moonshot_ai": {"moonshot", "moonshot"}, "groq": {"groq", "groq"},
	} {
		if provider, system := openInferenceNames(name); provider != want[0] || system != want[1] {
			t.Errorf("%s: %s, %s", name, provider, system)
		}
	}
}
