package cohere_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
)

func parse(t testing.TB, api llm.API, body string) *llm.Request {
	t.Helper()
	r, err := cohere.Dialect{}.ParseRequest(api, &llm.Head{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAccepts(t *testing.T) {
	for path, want := range map[string]llm.API{
		"/v2/chat": llm.CohereChat, "/v1/chat": llm.CohereChatV1, "/x/v2/chat": llm.CohereChat, "/v1/generate": llm.CohereGenerate,
		"/v1/embed": llm.CohereEmbedV1, "/v2/embed": llm.CohereEmbed, "/v1/rerank": llm.CohereRerank, "/v2/rerank": llm.CohereRerank,
		"/v2/generate": "", "/v1/chat/completions": "", "/v1/embeddings": "", "/api/chat": "", "/chat": "", "/v2": "", "": "",
		"/v1/tokenize": "", "/v1/embed-jobs": "", "/av2/chat": "", "/v1/models": "",
	} {
		got, ok := cohere.Dialect{}.Accepts(http.MethodPost, path)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v, want %q", path, got, ok, want)
		}
	}
	if _, ok := (cohere.Dialect{}).Accepts(http.MethodGet, "/v2/chat"); ok {
		t.Error("GET is accepted")
	}
}

func TestParseRequest(t *testing.T) {
	all := llm.Params{
		Temperature: llm.Some(0.5), TopP: llm.Some(0.75), TopK: llm.Some(40.0), FrequencyPenalty: llm.Some(0.1), PresencePenalty: llm.Some(0.2),
		MaxTokens: llm.Some[int64](9), Seed: llm.Some[int64](7), Stop: []string{"a", "b"},
	}
	params := `"temperature":0.5,"p":0.75,"k":40,"frequency_penalty":0.1,"presence_penalty":0.2,"max_tokens":9,"seed":7,"stop_sequences":["a","b"]`
	with := func(f func(p *llm.Params)) llm.Params {
		p := all
		f(&p)
		return p
	}
	for _, tt := range []struct {
		api    llm.API
		body   string
		op     llm.Op
		stream bool
		want   llm.Params
	}{
		{llm.CohereChat, `{` + params + `,"stream":true,"response_format":{"type":"json_object"}}`, llm.OpChat, true, with(func(p *llm.Params) { p.OutputType = "json" })},
		{llm.CohereChat, `{"temperature":null,"stream":false,"response_format":{"type":"text"},"seed":"x"}`, llm.OpChat, false, llm.Params{OutputType: "text"}},
		{llm.CohereChatV1, `{` + params + `,"stream":true,"conversation_id":"c-1"}`, llm.OpChat, true, with(func(p *llm.Params) { p.ConversationID = "c-1" })},
		{llm.CohereGenerate, `{` + params + `,"num_generations":3}`, llm.OpTextCompletion, false, with(func(p *llm.Params) { p.ChoiceCount = llm.Some[int64](3) })},
		{llm.CohereGenerate, `{"num_generations":1}`, llm.OpTextCompletion, false, llm.Params{}},
		{llm.CohereEmbed, `{"embedding_types":["float","int8"],"output_dimension":256,"max_tokens":9,"stream":true}`, llm.OpEmbeddings, false, llm.Params{
			EncodingFormats: []string{"float", "int8"}, Dimensions: llm.Some[int64](256),
		}},
		{llm.CohereRerank, `{"query":"q","documents":["a"],"top_n":1}`, llm.OpRerank, false, llm.Params{}},
	} {
		r := parse(t, tt.api, tt.body)
		if r.Op != tt.op || r.Stream != tt.stream || r.StreamUsage != tt.stream || r.API != tt.api || r.Dialect != llm.Cohere {
			t.Errorf("%s: op %s, stream %v, usage %v, API %s", tt.body, r.Op, r.Stream, r.StreamUsage, r.API)
		}
		if d := cmp.Diff(tt.want, r.Params); d != "" {
			t.Errorf("%s: %s", tt.body, d)
		}
	}
	r := parse(t, llm.CohereChat, `{"model": "command-a-03-2025"}`)
	if r.Model != "command-a-03-2025" || string(r.Raw[r.ModelAt[0]:r.ModelAt[1]]) != `"command-a-03-2025"` {
		t.Errorf("model %q at %v", r.Model, r.ModelAt)
	}
	for _, body := range []string{"", "[]", `{"a":`, "x"} {
		if _, err := (cohere.Dialect{}).ParseRequest(llm.CohereChat, &llm.Head{}, []byte(body)); err == nil {
			t.Errorf("%q is accepted", body)
		}
	}
}

func TestConversation(t *testing.T) {
	r := parse(t, llm.CohereChat, `{
		"model":"m","temperature":1,"documents":[],"priority":0,"safety_mode":"CONTEXTUAL","citation_options":{"mode":"OFF"},"logprobs":true,
		"messages":[
			{"role":"system","content":"Be brief."},
			{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},
				{"type":"image_url","image_url":{"url":"https://a.b/c.png"}}]},
			{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"I look."}],"tool_plan":"I will look.","citations":[],
				"tool_calls":[{"id":"f_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"g_2","type":"function","function":{"name":"g","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"f_1","content":[{"type":"document","document":{"data":{"t": 4}}},{"type":"text","text":"or 5"},{"type":"document","document":{"data":"six"}}]},
			{"role":"tool","tool_call_id":"g_2","content":"none"}
		],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},{"type":"other"}],
		"strict_tools":true,"tool_choice":"REQUIRED","thinking":{"type":"enabled","token_budget":64},
		"response_format":{"type":"json_object","json_schema":{"type":"object","required":["a"]}}
	}`)
	c, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Conversation{
		Messages: []llm.Message{
			{Role: llm.RoleSystem, Parts: []llm.Part{{Text: "Be brief."}}},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Text: "What is it?"}, {Kind: llm.PartBlob, MIME: "image/png", Data: "QUJD", Detail: "low"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://a.b/c.png"},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartReasoning, Text: "I will look."}, {Kind: llm.PartReasoning, Text: "Hm."}, {Text: "I look."},
				{Kind: llm.PartToolCall, ID: "f_1", Name: "f", Text: `{"a":1}`}, {Kind: llm.PartToolCall, Index: 1, ID: "g_2", Name: "g", Text: "{}"},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "f_1", Text: "{\"t\": 4}\nor 5\nsix"}}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "g_2", Text: "none"}}},
		},
		Tools: []llm.Tool{
			{Name: "f", Description: "d", Schema: []byte(`{"type":"object"}`), Strict: llm.Some(true)},
			{Raw: []byte(`{"type":"other"}`), Strict: llm.Some(true)},
		},
		ToolChoice: "required", Thinking: "on", ThinkingBudget: llm.Some[int64](64), OutputSchema: []byte(`{"type":"object","required":["a"]}`), Logprobs: true,
	}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestExtra(t *testing.T) {
	r := parse(t, llm.CohereChat, `{"documents":["a"],"citation_options":{"mode":"FAST"},"safety_mode":"STRICT","priority":3,"new":1,"old":null,
		"messages":[{"role":"assistant","content":"a","citations":[{"start":0,"text":"a"}],"mood":"good"},
			{"role":"tool","tool_call_id":"1","content":[{"type":"document","document":{"id":"d","data":"x"}}],"is_error":true}],
		"response_format":{"type":"xml"},"thinking":{"type":"enabled","depth":2}}`)
	c, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range c.Extra {
		got = append(got, x.Field+"="+string(x.Raw))
	}
	want := []string{`documents=["a"]`, `citation_options={"mode":"FAST"}`, `safety_mode="STRICT"`, `priority=3`, `new=1`,
		`messages.citations=[{"start":0,"text":"a"}]`, `messages.mood="good"`, `messages.content.document.id="d"`, `messages.is_error=true`,
		`response_format.type="xml"`, `thinking.depth=2`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestOtherConversations(t *testing.T) {
	user := func(texts ...string) llm.Message {
		m := llm.Message{Role: llm.RoleUser}
		for _, s := range texts {
			m.Parts = append(m.Parts, llm.Part{Text: s})
		}
		return m
	}
	for _, tt := range []struct {
		api  llm.API
		body string
		want *llm.Conversation
	}{
		{llm.CohereChatV1, `{"preamble":"p","chat_history":[{"role":"User","message":"a"},{"role":"CHATBOT","message":"b","tool_calls":[{"name":"f","parameters":{"x": 1}}]},
			{"role":"TOOL","tool_results":[{"call":{"name":"f","parameters":{}},"outputs":[{"r":1}]}]},{"role":"SYSTEM","message":"s"}],"message":"c",
			"tools":[{"name":"f","description":"d","parameter_definitions":{}}],"response_format":{"type":"json_object","schema":{"type":"object"}}}`, &llm.Conversation{
			System: []llm.Part{{Text: "p"}},
			Messages: []llm.Message{
				user("a"),
				{Role: llm.RoleAssistant, Parts: []llm.Part{{Text: "b"}, {Kind: llm.PartToolCall, Name: "f", Text: `{"x": 1}`}}},
				{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, Name: "f", Text: `[{"r":1}]`}}},
				{Role: llm.RoleSystem, Parts: []llm.Part{{Text: "s"}}},
				user("c"),
			},
			Tools:        []llm.Tool{{Name: "f", Description: "d", Raw: []byte(`{"name":"f","description":"d","parameter_definitions":{}}`)}},
			OutputSchema: []byte(`{"type":"object"}`),
		}},
		{llm.CohereChatV1, `{"message":"","tool_results":[{"call":{"name":"f"},"outputs":[]}]}`, &llm.Conversation{
			Messages: []llm.Message{{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, Name: "f", Text: "[]"}}}},
		}},
		{llm.CohereGenerate, `{"prompt":"a"}`, &llm.Conversation{Messages: []llm.Message{user("a")}}},
		{llm.CohereRerank, `{"query":"q","documents":["a",{"text":"b"}]}`, &llm.Conversation{Messages: []llm.Message{user("q"), user("a", `{"text":"b"}`)}}},
		{llm.CohereEmbed, `{"texts":["a","b"],"input_type":"search_query","truncate":"END","max_tokens":null}`, &llm.Conversation{
			Inputs: [][]llm.Part{{{Text: "a"}}, {{Text: "b"}}}, InputType: "search_query",
		}},
		{llm.CohereEmbedV1, `{"images":["data:image/png;base64,QQ=="],"input_type":"image","truncate":"START"}`, &llm.Conversation{
			Inputs: [][]llm.Part{{{Kind: llm.PartBlob, MIME: "image/png", Data: "QQ=="}}}, InputType: "image",
			Extra: []llm.Extra{{Field: "truncate", Raw: []byte(`"START"`)}},
		}},
		{llm.CohereEmbed, `{"inputs":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://a.b/c"}}]}],"max_tokens":5}`, &llm.Conversation{
			Inputs: [][]llm.Part{{{Text: "a"}, {Kind: llm.PartURI, MIME: "image/*", URI: "https://a.b/c"}}},
			Extra:  []llm.Extra{{Field: "max_tokens", Raw: []byte("5")}},
		}},
	} {
		c, err := parse(t, tt.api, tt.body).Conversation()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, c, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", tt.body, d)
		}
	}
}

// editCases are bodies whose texts are the upper-case letters, in the order of the alphabet.
var editCases = []struct {
	api  llm.API
	body string
}{
	{llm.CohereChat, `{"messages":[{"role":"system","content":"A"},{"role":"user","content":[{"type":"text","text":"B"},{"type":"image_url","image_url":{"url":"u"}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"C"},{"type":"text","text":"D"}],"tool_plan":"E","tool_calls":[{"id":"i","type":"function",
			"function":{"name":"f","arguments":"{\n \"x\": [\"F\", 1, {\"y\":\"G\"}]}"}}],"citations":[{"start":0,"text":"H","sources":[{"type":"tool","id":"i","tool_output":{"c":"I"}},
			{"type":"document","id":"d","document":{"t":"J"}}]}]},
		{"role":"tool","tool_call_id":"i","content":[{"type":"document","document":{"id":"d","data":{"a":"K","b":[2,"L"]}}},{"type":"document","document":{"data":"M"}}]},
		{"role":"tool","tool_call_id":"i","content":"N"}],"documents":["O",{"id":"d","data":{"t":"P"}}],"tools":[{"type":"function","function":{"name":"f","description":"d"}}]}`},
	{llm.CohereChatV1, `{"model":"m","preamble":"A","message":"B","chat_history":[{"role":"USER","message":"C"},{"role":"CHATBOT","message":"D","tool_calls":[{"name":"f","parameters":{"x":"E"}}]},
		{"role":"TOOL","tool_results":[{"call":{"name":"f","parameters":{"x":"F"}},"outputs":[{"r":"G"}]}]}],"documents":[{"id":"d","title":"H","text":"I","_excludes":["title"]}],
		"tool_results":[{"call":{"name":"f","parameters":{"x":"J"}},"outputs":[{"r":"K"},{"n":1}]}],"tools":[{"name":"f","description":"d"}]}`},
	{llm.CohereGenerate, `{"prompt":"A","model":"m"}`},
	{llm.CohereEmbed, `{"texts":["A","B"],"images":["data:x"],"inputs":[{"content":[{"type":"text","text":"C"},{"type":"image_url","image_url":{"url":"u"}}]}]}`},
	{llm.CohereRerank, `{"query":"A","documents":["B",{"id":"1","text":"C","title":"D"}]}`},
}

func TestEditText(t *testing.T) {
	for _, tt := range editCases {
		r := parse(t, tt.api, tt.body)
		var seen string
		changed, err := r.EditText(func(_ llm.Role, s string) (string, bool) {
			seen += s
			return s + `"` + s, true
		})
		if err != nil || !changed {
			t.Fatalf("%s: %v, %v", tt.api, changed, err)
		}
		if want := "ABCDEFGHIJKLMNOP"[:len(seen)]; seen != want {
			t.Errorf("%s: the texts are %s", tt.api, seen)
		}
		want := tt.body
		for _, s := range seen {
			quote := `\"`
			if strings.ContainsAny(want, "\n") && (s == 'F' || s == 'G') && tt.api == llm.CohereChat {
				quote = `\\\"`
			}
			q := `"`
			if quote != `\"` {
				q = `\"`
			}
			want = strings.Replace(want, q+string(s)+q, q+string(s)+quote+string(s)+q, 1)
		}
		if d := cmp.Diff(want, string(r.Raw)); d != "" {
			t.Errorf("%s: %s", tt.api, d)
		}
	}
}

func TestEditTextRoles(t *testing.T) {
	var got []llm.Role
	_, err := parse(t, llm.CohereChatV1, editCases[1].body).EditText(func(role llm.Role, s string) (string, bool) {
		got = append(got, role)
		return s, false
	})
	want := []llm.Role{llm.RoleSystem, llm.RoleUser, llm.RoleUser, llm.RoleAssistant, llm.RoleAssistant, llm.RoleAssistant, llm.RoleTool,
		llm.RoleUser, llm.RoleUser, llm.RoleAssistant, llm.RoleTool}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func TestField(t *testing.T) {
	for _, tt := range []struct {
		api  llm.API
		f    llm.Field
		want string
	}{
		{llm.CohereChat, llm.FieldTopP, "p"}, {llm.CohereChat, llm.FieldStop, "stop_sequences"}, {llm.CohereChatV1, llm.FieldTopK, "k"},
		{llm.CohereGenerate, llm.FieldChoices, "num_generations"}, {llm.CohereEmbed, llm.FieldDimensions, "output_dimension"},
		{llm.CohereEmbedV1, llm.FieldEncoding, "embedding_types"}, {llm.CohereRerank, llm.FieldSeed, "seed"},
	} {
		if got := parse(t, tt.api, "{}").Field(tt.f); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.f, tt.api, got, tt.want)
		}
	}
}

func TestStreamSSE(t *testing.T) {
	for _, tt := range []struct {
		api    llm.API
		header http.Header
		body   string
		want   bool
	}{
		{llm.CohereChat, nil, `{"stream":true}`, true},
		{llm.CohereChat, nil, `{}`, false},
		{llm.CohereChatV1, nil, `{"stream":true}`, false},
		{llm.CohereChatV1, http.Header{"Accepts": {"text/event-stream"}}, `{"stream":true}`, true},
		{llm.CohereChatV1, http.Header{"Accept": {"text/event-stream"}}, `{"stream":true}`, true},
	} {
		r, err := cohere.Dialect{}.ParseRequest(tt.api, &llm.Head{Header: tt.header}, []byte(tt.body))
		if err != nil || r.StreamSSE != tt.want {
			t.Errorf("%s %v %s: %v, %v", tt.api, tt.header, tt.body, r.StreamSSE, err)
		}
	}
}
