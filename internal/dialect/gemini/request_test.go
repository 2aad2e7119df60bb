package gemini_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/llm"
)

var requestUnexported = cmpopts.IgnoreUnexported(llm.Request{})

func TestAccepts(t *testing.T) {
	for _, tt := range []struct {
		method, path, model string
		api                 llm.API
	}{
		{"POST", "/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", llm.GeminiGenerate},
		{"POST", "/models/gemini-2.5-flash:streamGenerateContent", "gemini-2.5-flash", llm.GeminiGenerate},
		{"POST", "models/m:embedContent", "m", llm.GeminiEmbed},
		{"POST", "/v1/models/m:batchEmbedContents", "m", llm.GeminiEmbed},
		{"POST", "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent", "m", llm.GeminiGenerate},
		{"POST", "/v1/projects/p/locations/l/endpoints/123:generateContent", "123", llm.GeminiGenerate},
		{"POST", "/v1beta/tunedModels/mine:generateContent", "mine", llm.GeminiGenerate},
		{"POST", "/v1beta/models/m%3AgenerateContent", "m", llm.GeminiGenerate},
		{"POST", "/v1beta/models/a%2Fb%20c:generateContent", "a/b c", llm.GeminiGenerate},
		{"POST", "/v1beta/models/m:1:generateContent", "m:1", llm.GeminiGenerate},
		{"GET", "/v1beta/models/m:generateContent", "", ""},
		{"POST", "/v1beta/models/m:countTokens", "", ""},
		{"POST", "/v1/projects/p/locations/l/publishers/google/models/m:predict", "", ""},
		{"POST", "/v1beta/models/m", "", ""},
		{"POST", "/v1beta/models/:generateContent", "", ""},
		{"POST", "/v1beta/files/m:generateContent", "", ""},
		{"POST", "/v1beta/models/m%zz:generateContent", "", ""},
		{"POST", "", "", ""},
	} {
		api, ok := gemini.Dialect{}.Accepts(tt.method, tt.path)
		if api != tt.api || ok != (tt.api != "") {
			t.Errorf("Accepts(%s, %s) = %q, %v, want %q", tt.method, tt.path, api, ok, tt.api)
			continue
		}
		if !ok {
			continue
		}
		r, err := gemini.Dialect{}.ParseRequest(api, &llm.Head{Path: tt.path}, []byte("{}"))
		if err != nil || r.Model != tt.model {
			t.Errorf("%s: model %q, %v, want %q", tt.path, r.Model, err, tt.model)
		}
	}
}

func TestParseRequest(t *testing.T) {
	all := llm.Params{
		Temperature: llm.Some(0.0), TopP: llm.Some(0.95), TopK: llm.Some(40.0), MaxTokens: llm.Some[int64](5),
		ChoiceCount: llm.Some[int64](2), Stop: []string{"a", "b"}, Seed: llm.Some[int64](7),
		PresencePenalty: llm.Some(-1.5), FrequencyPenalty: llm.Some(1.0), OutputType: "json", ReasoningLevel: "HIGH",
	}
	for _, tt := range []struct {
		name, method, query, body string
		want                      llm.Request
	}{
		{"camel case", "generateContent", "", `{"contents":[],"generationConfig":{"temperature":0,"topP":0.95,"topK":40,
			"maxOutputTokens":5,"candidateCount":2,"stopSequences":["a","b"],"seed":7,"presencePenalty":-1.5,
			"frequencyPenalty":1,"responseMimeType":"application/json","thinkingConfig":{"thinkingLevel":"HIGH"}}}`,
			llm.Request{Params: all}},
		{"snake case", "generateContent", "", `{"generation_config":{"temperature":0.0,"top_p":0.95,"top_k":40.0,
			"max_output_tokens":5.0,"candidate_count":2,"stop_sequences":["a","b"],"seed":7,"presence_penalty":-1.5,
			"frequency_penalty":1,"response_mime_type":"application/json","thinking_config":{"thinking_level":"HIGH"}}}`,
			llm.Request{Params: all}},
		{"nothing is made up", "generateContent", "", `{"generationConfig":{"temperature":null,"candidateCount":1,
			"topP":"x","thinkingConfig":{"thinkingBudget":1024},"responseModalities":["TEXT"]}}`, llm.Request{}},
		{"null config", "generateContent", "", `{"generationConfig":null}`, llm.Request{}},
		{"events", "streamGenerateContent", "alt=sse", `{}`, llm.Request{Stream: true, StreamUsage: true}},
		{"events by the system parameter", "streamGenerateContent", "key=1&$alt=sse", `{}`, llm.Request{Stream: true, StreamUsage: true}},
		{"array", "streamGenerateContent", "", `{}`, llm.Request{Stream: true, StreamUsage: true, StreamArray: true}},
		{"array of integers", "streamGenerateContent", "$alt=json%3Benum-encoding%3Dint", `{}`,
			llm.Request{Stream: true, StreamUsage: true, StreamArray: true}},
		{"image", "generateContent", "", `{"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}`,
			llm.Request{Params: llm.Params{OutputType: "image"}}},
		{"speech by number", "generateContent", "", `{"generationConfig":{"responseModalities":[3]}}`,
			llm.Request{Params: llm.Params{OutputType: "speech"}}},
		{"plain text", "generateContent", "", `{"generationConfig":{"responseMimeType":"text/plain"}}`,
			llm.Request{Params: llm.Params{OutputType: "text"}}},
		{"embedding", "embedContent", "", `{"content":{},"outputDimensionality":256}`,
			llm.Request{Params: llm.Params{Dimensions: llm.Some[int64](256)}}},
		{"embedding on Vertex AI", "embedContent", "", `{"embedContentConfig":{"outputDimensionality":256}}`,
			llm.Request{Params: llm.Params{Dimensions: llm.Some[int64](256)}}},
		{"embeddings", "batchEmbedContents", "", `{"requests":[{"output_dimensionality":64},{}]}`,
			llm.Request{Params: llm.Params{Dimensions: llm.Some[int64](64)}}},
		{"no embeddings", "batchEmbedContents", "", `{"requests":[]}`, llm.Request{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := gemini.Dialect{}
			path := "/v1beta/models/m:" + tt.method
			api, _ := d.Accepts(http.MethodPost, path)
			got, err := d.ParseRequest(api, &llm.Head{Path: path, Query: tt.query}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.API, want.Dialect, want.Model, want.Raw = api, llm.Gemini, "m", []byte(tt.body)
			want.Op = llm.OpGenerateContent
			if api == llm.GeminiEmbed {
				want.Op = llm.OpEmbeddings
			}
			if d := cmp.Diff(&want, got, requestUnexported); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRequestMalformed(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"", "at byte 0"},
		{"[]", "at byte 0"},
		{`{"contents":[}`, "at byte 13"},
		{`{"contents":[]`, "at byte 14"},
		{`{} {}`, "at byte 3"},
		{strings.Repeat(`{"a":`, 2000), "nested"},
	} {
		_, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, []byte(tt.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Type != "INVALID_ARGUMENT" || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%.20q: %v, want a 400 that says %q", tt.body, err, tt.want)
		}
	}
}

func TestConversation(t *testing.T) {
	body := `{
		"system_instruction": {"parts": {"text": "be brief"}},
		"contents": [
			{"parts": [{"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
				{"file_data": {"mime_type": "audio/wav", "file_uri": "gs://b/a.wav"}, "videoMetadata": {"fps": 1}}], "role": "user"},
			{"role": "model", "parts": [{"text": "hm", "thought": true}, {"thoughtSignature": "c2ln",
				"functionCall": {"id": "1", "name": "f", "args": {"x": 1}}}, {"executableCode": {"code": "1+1"}}]},
			{"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"result": "two"}}}]},
			{"role": "user", "parts": {"widget": {}}}
		],
		"tools": [{"functionDeclarations": [
			{"name": "f", "description": "does f", "parameters": {"type": "OBJECT", "properties": {"type": {"type": 1}, "n": {"type": "INTEGER", "enum": ["STRING"]}}}},
			{"name": "g", "parametersJsonSchema": {"type": "object"}}, {"name": "h"}]},
			{"googleSearch": {}}],
		"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
		"generationConfig": {"responseSchema": {"type": "STRING"}}
	}`
	r, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{
		System: []llm.Part{{Text: "be brief"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Text: "look"},
				{Kind: llm.PartBlob, Index: 1, MIME: "image/png", Data: "QUJD"},
				{Kind: llm.PartURI, Index: 2, MIME: "audio/wav", URI: "gs://b/a.wav"},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartReasoning, Text: "hm"},
				{Kind: llm.PartReasoning, Index: 1, Signature: "c2ln"},
				{Kind: llm.PartToolCall, Index: 2, ID: "1", Name: "f", Text: `{"x": 1}`},
				{Kind: llm.PartServerTool, Index: 3, Name: "executableCode", Text: `{"code": "1+1"}`},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "1", Name: "f", Text: `{"result": "two"}`}}},
			{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartOther, Name: "widget", Raw: []byte(`{"widget": {}}`)}}},
		},
		Tools: []llm.Tool{
			{Name: "f", Description: "does f", Schema: []byte(`{"type":"object","properties":{"type":{"type":"string"},"n":{"type":"integer","enum":["STRING"]}}}`)},
			{Name: "g", Schema: []byte(`{"type": "object"}`)},
			{Name: "h"},
			{Name: "googleSearch", Raw: []byte(`{"googleSearch":{}}`)},
		},
		ToolChoice: "tool", ToolChoiceName: "f",
		OutputSchema: []byte(`{"type":"string"}`),
		Extra:        []llm.Extra{{Field: "contents.parts.videoMetadata", Raw: []byte(`{"fps": 1}`)}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestConversationOfEmbeddings(t *testing.T) {
	for _, body := range []string{
		`{"content":{"parts":[{"text":"a"}]}}`,
		`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}`,
	} {
		r, err := gemini.Dialect{}.ParseRequest(llm.GeminiEmbed, &llm.Head{}, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		want := []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: "a"}}}}
		if d := cmp.Diff(want, c.Messages); d != "" {
			t.Error(d)
		}
	}
}

func TestEditText(t *testing.T) {
	for _, tt := range []struct{ name, body, want, seen string }{
		{"messages",
			`{"contents":[{"parts":[{"text":"a <b>"},{"inlineData":{"data":"a"}}],"role":"model"},{"parts":{"text":"é\n"}}], "x":1.0}`,
			`{"contents":[{"parts":[{"text":"A <B>"},{"inlineData":{"data":"a"}}],"role":"model"},{"parts":{"text":"É\n"}}], "x":1.0}`,
			"assistant:a <b>|user:é\n"},
		{"system text", `{"systemInstruction":{"role":"user","parts":[{"text":"a"}]}}`, `{"systemInstruction":{"role":"user","parts":[{"text":"A"}]}}`, "system:a"},
		{"tool calls and results",
			`{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"k":"a"}}},{"functionResponse":{"name":"f","response":{"k":["a",{"l":"b"},1]}}}]}]}`,
			`{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"k":"A"}}},{"functionResponse":{"name":"f","response":{"k":["A",{"l":"B"},1]}}}]}]}`,
			"user:a|tool:a|tool:b"},
		{"thoughts and code", `{"contents":[{"role":"model","parts":[{"text":"a","thought":true,"thoughtSignature":"a"},{"executableCode":{"language":"a","code":"b"}},{"codeExecutionResult":{"output":"c"}}]}]}`,
			`{"contents":[{"role":"model","parts":[{"text":"A","thought":true,"thoughtSignature":"a"},{"executableCode":{"language":"a","code":"B"}},{"codeExecutionResult":{"output":"C"}}]}]}`,
			"assistant:a|assistant:b|tool:c"},
		{"tool definitions stay", `{"tools":[{"functionDeclarations":[{"description":"a"}]}]}`, `{"tools":[{"functionDeclarations":[{"description":"a"}]}]}`, ""},
		{"embeddings", `{"requests":[{"content":{"parts":[{"text":"a"}]}}],"content":{"parts":[{"text":"b"}]}}`,
			`{"requests":[{"content":{"parts":[{"text":"A"}]}}],"content":{"parts":[{"text":"B"}]}}`, "user:a|user:b"},
		{"names written with escapes", `{"\u0063ontents":[{"parts":[{"te\u0078t":"a"}]}]}`, `{"\u0063ontents":[{"parts":[{"te\u0078t":"A"}]}]}`, "user:a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := gemini.Dialect{}.ParseRequest(llm.GeminiGenerate, &llm.Head{}, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var seen []string
			if _, err := r.EditText(func(role llm.Role, text string) (string, bool) {
				seen = append(seen, string(role)+":"+text)
				return strings.ToUpper(text), strings.ToUpper(text) != text
			}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(r.Raw)); d != "" {
				t.Error(d)
			}
			if got := strings.Join(seen, "|"); got != tt.seen {
				t.Errorf("offered %q, want %q", got, tt.seen)
			}
		})
	}
}
