package bedrock_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

func TestAccepts(t *testing.T) {
	for path, want := range map[string]struct {
		api   llm.API
		model string
	}{
		"/model/amazon.nova-micro-v1%3A0/converse":                             {llm.BedrockConverse, "amazon.nova-micro-v1:0"},
		"/any/model/amazon.nova-micro-v1:0/converse-stream":                    {llm.BedrockConverse, "amazon.nova-micro-v1:0"},
		"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Acustom-model%2Fx/invoke": {llm.BedrockInvoke, "arn:aws:bedrock:us-east-1:1:custom-model/x"},
		"/model/arn:aws:bedrock:us-east-1:1:custom-model/x/converse":           {llm.BedrockConverse, "arn:aws:bedrock:us-east-1:1:custom-model/x"},
		"/model/m/invoke-with-response-stream":                                 {llm.BedrockInvoke, "m"},
		"/model/m/count-tokens":                                                {}, "/model//converse": {}, "/model/converse": {}, "/converse": {}, "/model/%zz/converse": {}, "/guardrail/g/apply": {},
	} {
		api, ok := d.Accepts("POST", path)
		if api != want.api || ok != (want.api != "") {
			t.Errorf("%s: %q, %v, want %q", path, api, ok, want.api)
		}
		if !ok {
			continue
		}
		r, err := d.ParseRequest(api, &llm.Head{Path: path}, []byte(`{}`))
		if err != nil || r.Model != want.model || r.Stream != (path[len(path)-6:] == "stream") {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
	if _, ok := d.Accepts("GET", "/model/m/converse"); ok {
		t.Error("GET is accepted")
	}
}

func TestConversation(t *testing.T) {
	body := `{"system":[{"text":"s"},{"cachePoint":{"type":"default","ttl":"1h"}}],
"messages":[
 {"role":"user","content":[{"text":"a"},{"guardContent":{"text":{"text":"g","qualifiers":["query"]}}},{"image":{"format":"jpeg","source":{"bytes":"aGk="}}},{"cachePoint":{"type":"default"}},
  {"document":{"format":"pdf","name":"n","source":{"bytes":"aGk="},"citations":{"enabled":true}}},{"document":{"format":"md","name":"m","source":{"text":"hi"}}},
  {"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://b/k","bucketOwner":"1"}}}},{"searchResult":{"title":"t"}}]},
 {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"r","signature":"c2ln"}}},{"reasoningContent":{"redactedContent":"eA=="}},{"toolUse":{"toolUseId":"t1","name":"f","input":{"a":1}}}]},
 {"role":"user","content":[{"toolResult":{"toolUseId":"t1","status":"error","content":[{"text":"x"},{"json":{"b":2}},{"image":{"format":"png","source":{"bytes":"aGk="}}}]}},{"cachePoint":{}},{"text":"go on"}]}],
"inferenceConfig":{"maxTokens":5,"later":1},
"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}},"strict":true}},{"cachePoint":{"type":"default"}},{"systemTool":{"name":"nova_grounding"}}],"toolChoice":{"any":{}}},
"outputConfig":{"effort":"low","textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"o"}}}},
"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":9},"tool_choice":{"type":"any","disable_parallel_tool_use":true},"top_k":3,"anthropic_beta":["x"]},
"additionalModelResponseFieldPaths":["/stop_sequence"],"performanceConfig":{"latency":"optimized"},"serviceTier":{"type":"default"},"guardrailConfig":{"guardrailIdentifier":"g"},"requestMetadata":{}}`
	r, err := d.ParseRequest(llm.BedrockConverse, &llm.Head{Path: "/model/m/converse"}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Params; p.MaxTokens.V != 5 || p.TopK.V != 3 || p.ReasoningLevel != "low" || p.OutputType != "json" {
		t.Errorf("parameters %+v", p)
	}
	got, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{
		System: []llm.Part{{Text: "s", Cache: "1h"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Parts: []llm.Part{{Text: "a"}, {Text: "g"}, {Kind: llm.PartBlob, MIME: "image/jpeg", Data: "aGk=", Cache: "default"},
				{Kind: llm.PartBlob, MIME: "application/pdf", Data: "aGk=", Name: "n"}, {Kind: llm.PartBlob, MIME: "text/markdown", Data: "aGk=", Name: "m"},
				{Kind: llm.PartURI, MIME: "video/mp4", URI: "s3://b/k"}, {Kind: llm.PartOther, Name: "searchResult", Raw: []byte(`{"title":"t"}`)}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "r", Signature: "c2ln"}, {Kind: llm.PartReasoning, Data: "eA=="},
				{Kind: llm.PartToolCall, ID: "t1", Name: "f", Text: `{"a":1}`}}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "t1", Text: "x\n{\"b\":2}", IsError: true, Cache: "default"}, {Kind: llm.PartBlob, MIME: "image/png", Data: "aGk="}}},
			{Role: llm.RoleUser, Parts: []llm.Part{{Text: "go on"}}},
		},
		Tools: []llm.Tool{{Name: "f", Description: "d", Schema: []byte(`{"type":"object"}`), Strict: llm.Some(true), Cache: "default"},
			{Name: "nova_grounding", Raw: []byte(`{"name":"nova_grounding"}`)}},
		ToolChoice: "required", ParallelToolCalls: llm.Some(false), OutputSchema: []byte(`{"type":"object"}`), OutputName: "o",
		Thinking: "on", ThinkingBudget: llm.Some(int64(9)),
		Extra: []llm.Extra{
			{Field: "messages.content.document.citations", Raw: []byte(`{"enabled":true}`)},
			{Field: "messages.content.video.source.s3Location.bucketOwner", Raw: []byte(`"1"`)},
			{Field: "inferenceConfig.later", Raw: []byte("1")},
			{Field: "additionalModelRequestFields.anthropic_beta", Raw: []byte(`["x"]`)},
			{Field: "performanceConfig", Raw: []byte(`{"latency":"optimized"}`)},
			{Field: "guardrailConfig", Raw: []byte(`{"guardrailIdentifier":"g"}`)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEditText(t *testing.T) {
	body := `{ "system":[{"text":"1"}],"messages":[{"content":[{"text":"2"},{"guardContent":{"text":{"text":"3","qualifiers":["query"]}}},{"document":{"name":"n","context":"4","source":{"content":[{"text":"5"}]}}},` +
		`{"toolResult":{"toolUseId":"t","content":[{"text":"6"},{"json":{"k":["7",1]}}]}},{"searchResult":{"source":"s","title":"8","content":[{"text":"9"}]}}],"role":"user"},` +
		`{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"10","signature":"s"}}},{"toolUse":{"name":"f","input":{"a":"11","b":{"c":"12"}}}},{"citationsContent":{"content":[{"text":"13"}],"citations":[{"title":"14"}]}}]}],` +
		`"toolConfig":{"tools":[{"toolSpec":{"description":"d"}}]},"promptVariables":{"v":{"text":"15"}},"x":"y"}`
	r, err := d.ParseRequest(llm.BedrockConverse, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if _, err := r.EditText(func(role llm.Role, s string) (string, bool) {
		got = append(got, string(role)+" "+s)
		return s, false
	}); err != nil || string(r.Raw) != body {
		t.Fatalf("%v, %s", err, r.Raw)
	}
	want := []string{"system 1", "user 2", "user 3", "user 4", "user 5", "tool 6", "tool 7", "user 8", "user 9", "assistant 10", "assistant 11", "assistant 12", "assistant 13", "assistant 14", "user 15"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
