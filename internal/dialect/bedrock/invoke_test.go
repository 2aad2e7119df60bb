package bedrock_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// invokeBodies are requests of the models' own formats (user guide, "Inference request parameters and response fields for
// foundation models"), with what is read of them and the texts in them in their order.
var invokeBodies = []struct {
	name, model, body string
	op                llm.Op
	params            llm.Params
	texts             []string // role:text
	messages          string   // of the conversation, where it is checked: role:kind:text
}{
	{name: "Claude", model: "us.anthropic.claude-sonnet-4-20250514-v1:0", op: llm.OpChat,
		body: `{"anthropic_version":"bedrock-2023-05-31","system":[{"type":"text","text":"s"}],"max_tokens":5,"temperature":0,"top_k":3,"output_config":{"effort":"low"},` +
			`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"eA=="}}]},` +
			`{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"tool_use","id":"1","name":"f","input":{"x":["b",7]}}]},` +
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"c"}]}]}]}`,
		params:   llm.Params{MaxTokens: llm.Some[int64](5), Temperature: llm.Some(0.0), TopK: llm.Some(3.0), ReasoningLevel: "low"},
		texts:    []string{"system:s", "user:a", "assistant:t", "assistant:b", "tool:c"},
		messages: `system:0:s user:0:a user:5: assistant:1:t assistant:3:{"x":["b",7]} tool:4:c`},
	{name: "Claude 2", model: "anthropic.claude-v2", op: llm.OpTextCompletion,
		body:   `{"prompt":"\n\nHuman: a\n\nAssistant:","max_tokens_to_sample":9,"stop_sequences":["x"],"top_p":0.5}`,
		params: llm.Params{MaxTokens: llm.Some[int64](9), Stop: []string{"x"}, TopP: llm.Some(0.5)},
		texts:  []string{"user:\n\nHuman: a\n\nAssistant:"}, messages: "user:0:\n\nHuman: a\n\nAssistant:"},
	{name: "nulls beside their values", model: "anthropic.claude-v2", op: llm.OpTextCompletion, texts: []string{"user:a"},
		body:   `{"prompt":"a","stop_sequences":["x"],"stop":null,"reasoning_effort":"low","output_config":{"effort":null},"max_tokens":9,"max_gen_len":null,"top_k":null,"service_tier":null}`,
		params: llm.Params{MaxTokens: llm.Some[int64](9), Stop: []string{"x"}, ReasoningLevel: "low"}},
	{name: "Nova", model: "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", op: llm.OpChat,
		body: `{"schemaVersion":"messages-v1","system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"a"},{"toolResult":{"toolUseId":"1","content":[{"json":{"k":"b"}}]}}]}],` +
			`"inferenceConfig":{"max_new_tokens":4,"topP":0.1,"topK":2,"stopSequences":["|"]},"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{}}}}]}}`,
		params: llm.Params{MaxTokens: llm.Some[int64](4), TopP: llm.Some(0.1), TopK: llm.Some(2.0), Stop: []string{"|"}},
		texts:  []string{"system:s", "user:a", "tool:b"}, messages: `system:0:s tool:4:{"k":"b"} user:0:a`},
	{name: "Titan text", model: "amazon.titan-text-lite-v1", op: llm.OpTextCompletion,
		body:   `{"inputText":"a","textGenerationConfig":{"maxTokenCount":7,"stopSequences":[],"temperature":1,"topP":1}}`,
		params: llm.Params{MaxTokens: llm.Some[int64](7), Temperature: llm.Some(1.0), TopP: llm.Some(1.0)}, texts: []string{"user:a"}},
	{name: "Titan embeddings", model: "amazon.titan-embed-text-v1", op: llm.OpEmbeddings, body: `{"inputText":"a"}`, texts: []string{"user:a"}},
	{name: "Titan embeddings by an ARN", model: "arn:aws:bedrock:us-east-1:1:provisioned-model/x", op: llm.OpEmbeddings,
		body:   `{"inputText":"a","dimensions":256,"normalize":true,"embeddingTypes":["float","binary"]}`,
		params: llm.Params{Dimensions: llm.Some[int64](256), EncodingFormats: []string{"float", "binary"}}, texts: []string{"user:a"}},
	{name: "Titan multimodal embeddings", model: "amazon.titan-embed-image-v1", op: llm.OpEmbeddings,
		body: `{"inputText":"a","inputImage":"eA==","embeddingConfig":{"outputEmbeddingLength":384}}`, params: llm.Params{Dimensions: llm.Some[int64](384)}, texts: []string{"user:a"}},
	{name: "Llama", model: "meta.llama3-8b-instruct-v1:0", op: llm.OpTextCompletion, body: `{"prompt":"a","max_gen_len":3,"images":["eA=="]}`,
		params: llm.Params{MaxTokens: llm.Some[int64](3)}, texts: []string{"user:a"}},
	{name: "Mistral text", model: "mistral.mistral-7b-instruct-v0:2", op: llm.OpTextCompletion, body: `{"prompt":"<s>[INST] a [/INST]","max_tokens":3,"stop":["b"],"top_k":50}`,
		params: llm.Params{MaxTokens: llm.Some[int64](3), Stop: []string{"b"}, TopK: llm.Some(50.0)}, texts: []string{"user:<s>[INST] a [/INST]"}},
	{name: "Mistral chat", model: "mistral.mistral-large-2407-v1:0", op: llm.OpChat,
		body: `{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,eA=="}}]},` +
			`{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":\"b\"}"}}]},{"role":"tool","tool_call_id":"1","content":"c"}],` +
			`"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"any","max_tokens":3}`,
		params: llm.Params{MaxTokens: llm.Some[int64](3)}, texts: []string{"system:s", "user:a", "assistant:", "assistant:b", "tool:c"},
		messages: `system:0:s user:0:a user:5: assistant:0: assistant:3:{"x":"b"} tool:4:c`},
	{name: "OpenAI", model: "openai.gpt-oss-20b-1:0", op: llm.OpChat,
		body:   `{"messages":[{"role":"developer","content":"s"}],"max_completion_tokens":8,"max_tokens":9,"reasoning_effort":"high","n":1,"response_format":{"type":"json_object"},"service_tier":"auto"}`,
		params: llm.Params{MaxTokens: llm.Some[int64](8), ReasoningLevel: "high", OutputType: "json"}, texts: []string{"system:s"}},
	{name: "Command", model: "cohere.command-text-v14", op: llm.OpTextCompletion, body: `{"prompt":"a","p":0.1,"k":4,"num_generations":2,"return_likelihoods":"NONE","stream":true}`,
		params: llm.Params{TopP: llm.Some(0.1), TopK: llm.Some(4.0), ChoiceCount: llm.Some[int64](2)}, texts: []string{"user:a"}},
	{name: "Command R", model: "cohere.command-r-v1:0", op: llm.OpChat,
		body: `{"message":"b","preamble":"s","chat_history":[{"role":"USER","message":"a"},{"role":"CHATBOT","message":"c"}],"documents":[{"title":"d","snippet":"e"}],` +
			`"tool_results":[{"call":{"name":"f","parameters":{}},"outputs":[{"x":"g"}]}],"seed":3,"frequency_penalty":0.5}`,
		params: llm.Params{Seed: llm.Some[int64](3), FrequencyPenalty: llm.Some(0.5)},
		texts:  []string{"user:b", "system:s", "user:a", "assistant:c", "user:d", "user:e", "tool:g"}, messages: "system:0:s user:0:a assistant:0:c user:0:b"},
	{name: "Cohere embeddings", model: "cohere.embed-english-v3", op: llm.OpEmbeddings, body: `{"texts":["a","b"],"input_type":"search_query","embedding_types":["int8"]}`,
		params: llm.Params{EncodingFormats: []string{"int8"}}, texts: []string{"user:a", "user:b"}},
	{name: "Cohere rerank", model: "cohere.rerank-v3-5:0", op: llm.OpRerank, body: `{"query":"a","documents":["b","c"],"api_version":2}`, texts: []string{"user:a", "user:b", "user:c"}},
	{name: "Jurassic", model: "ai21.j2-ultra-v1", op: llm.OpTextCompletion, body: `{"prompt":"a","maxTokens":4,"topP":0.5,"numResults":2,"presencePenalty":{"scale":0.1},"stopSequences":["##"]}`,
		params: llm.Params{MaxTokens: llm.Some[int64](4), TopP: llm.Some(0.5), ChoiceCount: llm.Some[int64](2), PresencePenalty: llm.Some(0.1), Stop: []string{"##"}}, texts: []string{"user:a"}},
	{name: "Jamba", model: "ai21.jamba-1-5-mini-v1:0", op: llm.OpChat, body: `{"messages":[{"role":"user","content":"a"}],"n":2,"stop":"x"}`,
		params: llm.Params{ChoiceCount: llm.Some[int64](2), Stop: []string{"x"}}, texts: []string{"user:a"}},
	{name: "Nova embeddings", model: "amazon.nova-2-multimodal-embeddings-v1:0", op: llm.OpEmbeddings,
		body:   `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","embeddingDimension":1024,"text":{"truncationMode":"END","value":"a"}}}`,
		params: llm.Params{Dimensions: llm.Some[int64](1024)}, texts: []string{"user:a"}},
	{name: "Titan image", model: "amazon.titan-image-generator-v2:0", op: llm.OpGenerateContent, body: `{"taskType":"TEXT_IMAGE","textToImageParams":{"text":"a"}}`, texts: []string{"user:a"}},
}

func TestInvokeRequests(t *testing.T) {
	for _, c := range invokeBodies {
		t.Run(c.name, func(t *testing.T) {
			path := "/model/" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(c.model) + "/invoke"
			r, err := d.ParseRequest(llm.BedrockInvoke, &llm.Head{Path: path}, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if r.Op != c.op || r.Model != c.model {
				t.Errorf("%s of %s, want %s of %s", r.Op, r.Model, c.op, c.model)
			}
			if d := cmp.Diff(c.params, r.Params, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			conv, err := r.Conversation()
			if err != nil {
				t.Fatal(err)
			}
			if c.messages != "" {
				if got := said(conv); got != c.messages {
					t.Errorf("conversation %s\nwant %s", got, c.messages)
				}
			}
			if c.op == llm.OpEmbeddings && c.texts[0] == "user:a" && strings.Contains(c.body, "inputText") && (len(conv.Inputs) != 1 || conv.Inputs[0][0].Text != "a") {
				t.Errorf("inputs %v", conv.Inputs)
			}
			var texts []string
			if _, err := r.EditText(func(role llm.Role, s string) (string, bool) {
				texts = append(texts, string(role)+":"+s)
				return s + "!", true
			}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.texts, texts); d != "" {
				t.Error(d)
			}
			if !json.Valid(r.Raw) {
				t.Errorf("no JSON any more: %s", r.Raw)
			}
		})
	}
}

func said(c *llm.Conversation) string {
	var out []string
	parts := func(role llm.Role, all []llm.Part) {
		for _, p := range all {
			out = append(out, string(role)+":"+string('0'+rune(p.Kind))+":"+p.Text)
		}
	}
	parts(llm.RoleSystem, c.System)
	for _, m := range c.Messages {
		parts(m.Role, m.Parts)
	}
	return strings.Join(out, " ")
}

// invokeAnswers are answers of models of which there are few recordings or none.
var invokeAnswers = []struct {
	name    string
	stream  bool
	bodies  []string
	id      string
	model   string
	finish  []string
	in, out int64
	cached  int64
	dims    int
	text    string
	calls   string // name(arguments)
}{
	{name: "Claude with tools", stream: true, bodies: []string{
		`{"type":"message_start","message":{"id":"m1","model":"claude","usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}`, `{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"now","input":{}}}`, `{"type":"content_block_stop","index":1}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t2","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}`, `{"type":"content_block_stop","index":2}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}`,
		`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":9,"cacheReadInputTokenCount":4}}`},
		id: "m1", model: "claude", finish: []string{"tool_use"}, in: 7, out: 9, cached: 4, calls: `now({}) f({"a":1})`},
	{name: "Claude 2", stream: true, bodies: []string{`{"type":"completion","completion":" a","stop_reason":null,"stop":null}`,
		`{"type":"completion","completion":"b","stop_reason":"stop_sequence","stop":"\n\nHuman:","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}`},
		finish: []string{"stop_sequence"}, in: 3, out: 2, text: " ab"},
	{name: "Claude 2 without types", stream: true, bodies: []string{`{"completion":" a","stop_reason":null,"stop":null}`,
		`{"completion":"b","stop_reason":"stop_sequence","stop":"\n\nHuman:","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}`},
		finish: []string{"stop_sequence"}, in: 3, out: 2, text: " ab"},
	{name: "Claude without a type", bodies: []string{`{"id":"m1","type":null,"model":"claude","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}`},
		id: "m1", model: "claude", finish: []string{"end_turn"}, in: 3, out: 2, text: "a"},
	{name: "Claude 2 whole and without a type", bodies: []string{`{"completion":" a","stop_reason":"max_tokens","stop":null}`}, finish: []string{"max_tokens"}, text: " a"},
	{name: "Llama", stream: true, bodies: []string{`{"generation":"a","prompt_token_count":5,"generation_token_count":1,"stop_reason":null}`,
		`{"generation":"b","prompt_token_count":null,"generation_token_count":2,"stop_reason":"length","amazon-bedrock-invocationMetrics":{"inputTokenCount":6,"outputTokenCount":3}}`},
		finish: []string{"length"}, in: 5, out: 2, text: "ab"},
	{name: "Llama cut", stream: true, bodies: []string{`{"generation":"a","generation_token_count":1,"stop_reason":null}`}, finish: []string{"error"}, out: 1, text: "a"},
	{name: "Mistral text", bodies: []string{`{"outputs":[{"text":"a","stop_reason":"stop"}]}`}, finish: []string{"stop"}, text: "a"},
	{name: "Mistral chat", bodies: []string{`{"choices":[{"index":0,"message":{"role":"assistant","content":"a","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}}]},"stop_reason":"tool_calls"}]}`},
		finish: []string{"tool_calls"}, text: "a", calls: `f({"a":1})`},
	{name: "Mistral chat, streamed", stream: true, bodies: []string{`{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"stop_reason":null}]}`,
		`{"choices":[{"index":0,"message":{"role":"assistant","content":"b"},"stop_reason":"stop"}],"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}`},
		finish: []string{"stop"}, in: 3, out: 2, text: "ab"},
	{name: "OpenAI", stream: true, bodies: []string{`{"id":"c1","model":"gpt-oss","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}`,
		`{"id":"c1","model":"gpt-oss","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}`},
		id: "c1", model: "gpt-oss", finish: []string{"stop"}, in: 8, out: 2, cached: 4, text: "a"},
	{name: "DeepSeek text", bodies: []string{`{"choices":[{"text":"a","stop_reason":"length"}]}`}, finish: []string{"length"}, text: "a"},
	{name: "Command", stream: true, bodies: []string{`{"is_finished":false,"event_type":"text-generation","text":"a"}`,
		`{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}`},
		finish: []string{"COMPLETE"}, in: 3, out: 2, text: "a"},
	{name: "Command R", bodies: []string{`{"response_id":"r1","generation_id":"g1","text":"a","finish_reason":"COMPLETE","tool_calls":[{"name":"f","parameters":{"a":1}}],` +
		`"chat_history":[{"role":"USER","message":"q"},{"role":"CHATBOT","message":"a"}],"meta":{"billed_units":{"input_tokens":3,"output_tokens":2}}}`},
		id: "r1", finish: []string{"COMPLETE"}, in: 3, out: 2, text: "a", calls: `f({"a":1})`},
	{name: "Command R, streamed", stream: true, bodies: []string{`{"is_finished":false,"event_type":"stream-start","generation_id":"g1"}`, `{"is_finished":false,"event_type":"text-generation","text":"a"}`,
		`{"is_finished":true,"event_type":"stream-end","finish_reason":"MAX_TOKENS","response":{"response_id":"r1","generation_id":"g1","text":"a","finish_reason":"MAX_TOKENS","meta":{"tokens":{"input_tokens":3,"output_tokens":2}}}}`},
		id: "r1", finish: []string{"MAX_TOKENS"}, in: 3, out: 2, text: "a"},
	{name: "Cohere embeddings", bodies: []string{`{"id":"e1","embeddings":[[1,2,3],[4,5,6]],"texts":["a","b"],"response_type":"embeddings_floats"}`}, id: "e1", dims: 3},
	{name: "Cohere embeddings by type", bodies: []string{`{"id":"e1","embeddings":{"int8":[[1,2]]},"response_type":"embeddings_by_type"}`}, id: "e1", dims: 2},
	{name: "Titan embeddings", bodies: []string{`{"embedding":[0.1,-0.2],"embeddingsByType":{"binary":[1,0],"float":[0.1,-0.2]},"inputTextTokenCount":4}`}, in: 4, dims: 2},
	{name: "Titan binary embeddings", bodies: []string{`{"embeddingsByType":{"binary":[1,0,1]},"inputTextTokenCount":4}`}, in: 4, dims: 3},
	{name: "Nova embeddings", bodies: []string{`{"embeddings":[{"embeddingType":"TEXT","embedding":[1,2,3,4]}]}`}, dims: 4},
	{name: "two results of Titan", bodies: []string{`{"inputTextTokenCount":1,"results":[{"tokenCount":2,"outputText":"a","completionReason":"FINISH"},{"tokenCount":3,"outputText":"b","completionReason":"LENGTH"}]}`},
		finish: []string{"FINISH", "LENGTH"}, in: 1, out: 5, text: "a|b"},
}

func TestInvokeAnswers(t *testing.T) {
	for _, c := range invokeAnswers {
		t.Run(c.name, func(t *testing.T) {
			body, ct := []byte(c.bodies[0]), jsonType
			if c.stream {
				body, ct = nil, eventStream
				for _, b := range c.bodies {
					body = append(body, modelChunk(b)...)
				}
			}
			for _, want := range []llm.Want{llm.WantMeta, llm.WantParts} {
				res := exchange.Read(t, d.NewReader(llm.BedrockInvoke, head(200, ct), want), [][]byte{body})
				if res.ID != c.id || res.Model != c.model || res.Dimensions != c.dims {
					t.Errorf("id %q, model %q, %d dimensions", res.ID, res.Model, res.Dimensions)
				}
				if u := res.Usage; u.Input.V != c.in || u.Output.V != c.out || u.CacheRead.V != c.cached || u.Input.Set != (c.in > 0) || u.Output.Set != (c.out > 0) {
					t.Errorf("usage %+v", u)
				}
				if d := cmp.Diff(c.finish, res.FinishReasons()); d != "" {
					t.Error(d)
				}
			}
			text, calls := heard(t, body, ct)
			if text != c.text || calls != c.calls {
				t.Errorf("said %q, called %q; want %q, %q", text, calls, c.text, c.calls)
			}
		})
	}
}

// heard is the text and the calls of a response, choices and calls apart.
func heard(t *testing.T, body []byte, ct string) (text, calls string) {
	t.Helper()
	var res llm.Result
	if err := d.NewReader(llm.BedrockInvoke, head(200, ct), llm.WantParts).Read(body, true, func(ev *llm.Event) error {
		res.Add(ev)
		res.Content(ev)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var texts, called []string
	for _, m := range res.Messages() {
		s := ""
		for _, p := range m.Parts {
			switch p.Kind {
			case llm.PartText:
				s += p.Text
			case llm.PartToolCall:
				called = append(called, p.Name+"("+p.Text+")")
			}
		}
		texts = append(texts, s)
	}
	return strings.Join(texts, "|"), strings.Join(called, " ")
}

// TestInvokeRewrite masks every text of every answer: nothing of it is left, not where a response repeats it either, and the rest
// is as it was.
func TestInvokeRewrite(t *testing.T) {
	for _, c := range invokeAnswers {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range c.bodies {
				raw, ct := []byte(b), jsonType
				if c.stream {
					raw, ct = modelChunk(b), eventStream
				}
				r := llm.NewRequest(llm.BedrockInvoke, llm.Bedrock, llm.OpChat, nil, nil)
				var out []byte
				if err := d.NewReader(llm.BedrockInvoke, head(200, ct), llm.WantParts).Read(raw, true, func(ev *llm.Event) (err error) {
					for i := range ev.Parts {
						switch p := &ev.Parts[i]; p.Kind {
						case llm.PartText:
							p.Text, ev.Edited = "MASKED", true
						case llm.PartToolCall:
							if strings.HasPrefix(p.Text, `{"a":1}`) {
								p.Text, ev.Edited = `{"a":"MASKED"}`, true
							}
						}
					}
					out, err = d.Rewrite(out, r, ev)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				if c.stream {
					_, payload, ok := frame.Message(out)
					var m struct {
						Bytes []byte
						P     string
					}
					if err := json.Unmarshal(payload, &m); !ok || err != nil || m.P != "abc" {
						t.Fatalf("%q: %v", out, err)
					}
					out = m.Bytes
				}
				if bytes.Contains(out, []byte(`"a"`)) && !bytes.Contains(out, []byte(`"a":"MASKED"`)) && c.text != "" {
					t.Errorf("a text is left in %s", out)
				}
				if !bytes.Contains(out, []byte("MASKED")) && !slices.Equal(out, []byte(b)) {
					t.Errorf("%s became %s", b, out)
				}
			}
		})
	}
}
