package policy_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

var around = &ir.Enrich{
	Prepend: []ir.Message{{Role: "system", Content: "first \"law\""}, {Role: "developer", Content: "second\nlaw"}, {Role: "user", Content: "said before"}, {Role: "assistant", Content: "answered before"}},
	Append:  []ir.Message{{Role: "system", Content: "third law"}, {Role: "user", Content: "said after"}},
}

// step runs a policy on a request.
func step(t testing.TB, p policy.Policy, r *llm.Request) error {
	t.Helper()
	w, err := p.Check(t.Context(), &llm.Call{Request: r}, &policy.Report{}, &policy.Report{})
	if w != nil {
		t.Fatal("a step of the request watches the response")
	}
	return err
}

func enrich(t testing.TB) policy.Policy {
	t.Helper()
	p, err := policy.NewEnrich(around)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// texts are the texts of a request in the order of its body.
func texts(t testing.TB, r *llm.Request) (out []string) {
	t.Helper()
	_, err := r.EditText(func(_ llm.Role, s string) (string, bool) {
		out = append(out, s)
		return s, false
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// parse reads a request as the dialect of an API does.
func parse(api llm.API, head *llm.Head, body []byte) (*llm.Request, error) {
	for _, in := range provider.Inbounds() {
		if strings.HasPrefix(string(api), string(in.Dialect())+".") {
			return in.ParseRequest(api, head, body)
		}
	}
	panic("no dialect of " + api)
}

// accepted is the API of which path is, in the dialect of a recorded exchange's.
func accepted(of llm.API, path string) llm.API {
	for _, in := range provider.Inbounds() {
		if api, ok := in.Accepts("POST", path); ok && strings.HasPrefix(string(of), string(in.Dialect())+".") {
			return api
		}
	}
	return ""
}

// TestEnrichExchanges puts messages around the conversations of recorded requests: what they said they say still, byte for byte, and
// what was put around them besides.
func TestEnrichExchanges(t *testing.T) {
	seen := map[llm.API]bool{}
	for _, x := range exchange.Load(t) {
		api := accepted(x.API, x.Request.Head().Path)
		if api == "" {
			continue
		}
		r, err := parse(api, x.Request.Head(), x.Request.Body)
		if err != nil || !r.Chats() && r.Op != llm.OpTextCompletion {
			continue
		}
		t.Run(string(x.API)+"/"+x.ID, func(t *testing.T) {
			was := texts(t, r)
			if err := step(t, enrich(t), r); err != nil {
				return // a prompt that is tokens
			}
			if err := jsonscan.Validate(r.Raw); err != nil {
				t.Fatalf("%v: %s", err, r.Raw)
			}
			seen[api] = true
			now := strings.Join(texts(t, r), "\n\n")
			for _, s := range append(slices.Clone(was[:len(was):len(was)]), "first \"law\"", "second\nlaw", "said before", "answered before", "third law", "said after") {
				if !strings.Contains(now, strings.TrimSuffix(s, "\n\nAssistant:")) { // of a prompt whose end is to stay its end
					t.Errorf("%q is not in %s", s, r.Raw)
				}
			}
			if !subsequence(x.Request.Body, r.Raw) {
				t.Errorf("bytes of the client's are gone:\n%s\n%s", x.Request.Body, r.Raw)
			}
		})
	}
	for _, api := range []llm.API{llm.OpenAIChat, llm.OpenAIResponses, llm.AnthropicMessages, llm.GeminiGenerate, llm.BedrockConverse, llm.OllamaChat} {
		if !seen[api] {
			t.Errorf("no request of %s", api)
		}
	}
}

// subsequence reports whether all bytes of a are in b, in their order.
func subsequence(a, b []byte) bool {
	for _, c := range a {
		i := bytes.IndexByte(b, c)
		if i < 0 {
			return false
		}
		b = b[i+1:]
	}
	return true
}

var enriched = []struct {
	api        llm.API
	path, body string
}{
	{llm.OpenAIChat, "", `{"messages":[{"role":"user","content":"a"}],"messages":[]}`},
	{llm.OpenAIChat, "", `{"messages":{}}`},
	{llm.OpenAIResponses, "", `{"input":"a","instructions":null}`},
	{llm.OpenAIResponses, "", `{"input":[],"instructions":[{"role":"system","content":"x"}]}`},
	{llm.OpenAICompletions, "", `{"prompt":["a",[1]]}`},
	{llm.AnthropicMessages, "", `{"system":[],"messages":[{"role":"user","content":"a"}]}`},
	{llm.AnthropicComplete, "", `{"prompt":"a"}`},
	{llm.GeminiGenerate, "/models/m:generateContent", `{"contents":{},"systemInstruction":{"role":"x"},"system_instruction":"y"}`},
	{llm.OllamaChat, "", ` { "messages" : [ ] } `},
	{llm.OllamaGenerate, "", `{"prompt":"","system":""}`},
	{llm.CohereChatV1, "", `{"message":"a"}`},
	{llm.CohereChat, "", `{}`},
	{llm.MistralFIM, "", `{"prompt":"a","suffix":"b"}`},
	{llm.WriterChat, "", `{"messages":[]}`},
	{llm.BedrockConverse, "/model/m/converse", `{"messages":[{"role":"assistant","content":[]},{"role":"user","content":"x"}]}`},
	{llm.BedrockInvoke, "/model/m/invoke", `{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"a"}]}]}`},
	{llm.BedrockInvoke, "/model/m/invoke", `{"prompt":"a","max_tokens_to_sample":5}`},
	{llm.BedrockInvoke, "/model/m/invoke", `{"message":"a","chat_history":[]}`},
	{llm.BedrockInvoke, "/model/m/invoke", `{"inputText":"a"}`},
	{llm.BedrockInvoke, "/model/m/invoke", `{"messages":[{"role":"user","content":"a"}]}`},
}

// FuzzEdits checks that a step which edits a request leaves JSON behind, and loses nothing of what was there.
func FuzzEdits(f *testing.F) {
	for i, c := range enriched {
		f.Add(i, c.body)
	}
	fields, err := policy.NewDefaults([]ir.FieldDefault{{Field: "system", Value: `{"a":[1]}`}, {Field: "temperature", Value: "0.5", Override: true}, {Field: "max_tokens", Value: "1"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, i int, body string) {
		if i < 0 || i >= len(enriched) {
			return
		}
		c := &enriched[i]
		for _, p := range []policy.Policy{enrich(t), fields} {
			r, err := parse(c.api, &llm.Head{Path: c.path}, []byte(body))
			if err != nil || !json.Valid([]byte(body)) {
				return
			}
			was := texts(t, r)
			if step(t, p, r) != nil {
				continue
			}
			if err := jsonscan.Validate(r.Raw); err != nil {
				t.Fatalf("%s: %v in %s", p.Name(), err, r.Raw)
			}
			if _, err := parse(c.api, &llm.Head{Path: c.path}, r.Raw); err != nil {
				t.Fatalf("%s: %v of %s", p.Name(), err, r.Raw)
			}
			now := strings.Join(texts(t, r), "\n")
			for _, s := range was {
				if p.Name() == "enrich" && !strings.Contains(now, s) && c.api != llm.AnthropicComplete && !strings.Contains(body, "max_tokens_to_sample") {
					t.Fatalf("%q is not in %s", s, r.Raw)
				}
			}
		}
	})
}

// TestEnrich puts messages around bodies that are odd.
func TestEnrich(t *testing.T) {
	want := []string{
		`{"messages":[«1»,«2»,{"role":"user","content":"a"},«3»,«4»],"messages":[«1»,«2»,«3»,«4»]}`,
		`{"messages":{}}`,
		`{"input":[«2»,{"role":"user","content":"a"},«4»],"instructions":"first \"law\"\n\nsecond\nlaw\n\nthird law"}`,
		`{"input":[«2»,«4»],"instructions":[«1»,{"role":"system","content":"x"},«3»]}`,
		``,
		`{"system":[{"type":"text","text":"first \"law\""},{"type":"text","text":"second\nlaw"},{"type":"text","text":"third law"}],"messages":[«2»,{"role":"user","content":"a"},«4»]}`,
		`{"prompt":"first \"law\"\n\nsecond\nlaw\n\nHuman: said before\n\nAssistant: answered beforea\n\nthird law\n\nHuman: said after"}`,
		`{"contents":[{"role":"user","parts":[{"text":"said before"}]},{"role":"model","parts":[{"text":"answered before"}]},{},{"role":"user","parts":[{"text":"said after"}]}],"systemInstruction":{"parts":[{"text":"first \"law\""},{"text":"second\nlaw"},{"text":"third law"}],"role":"x"},"system_instruction":"y"}`,
		` { "messages" : [«1s»,«2»,«3»,«4» ] } `,
		`{"prompt":"said before\n\nanswered before\n\nsaid after","system":"first \"law\"\n\nsecond\nlaw\n\nthird law"}`,
		`{"message":"a\n\nsaid after","preamble":"first \"law\"\n\nsecond\nlaw\n\nthird law","chat_history":[{"role":"USER","message":"said before"},{"role":"CHATBOT","message":"answered before"}]}`,
		`{}`,
	}
	short := strings.NewReplacer("«1»", `{"role":"system","content":"first \"law\""},{"role":"developer","content":"second\nlaw"}`,
		"«1s»", `{"role":"system","content":"first \"law\""},{"role":"system","content":"second\nlaw"}`,
		"«2»", `{"role":"user","content":"said before"},{"role":"assistant","content":"answered before"}`,
		"«3»", `{"role":"system","content":"third law"}`, "«4»", `{"role":"user","content":"said after"}`)
	for i, w := range want {
		c := &enriched[i]
		r, err := parse(c.api, &llm.Head{Path: c.path}, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if err := step(t, enrich(t), r); (err != nil) != (w == "") {
			t.Errorf("%s: %v", c.body, err)
		} else if d := cmp.Diff(short.Replace(w), string(r.Raw)); d != "" && err == nil {
			t.Errorf("%s: %s", c.body, d)
		}
	}
}

// TestDefaults compiles fields of one name to one, and refuses what is no JSON.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		fields   []ir.FieldDefault
		in, want string
	}{
		{[]ir.FieldDefault{{Field: "a", Value: "1"}, {Field: "a", Value: "2"}}, `{}`, `{"a":1}`},
		{[]ir.FieldDefault{{Field: "a", Value: "1"}, {Field: "a", Value: "2", Override: true}}, `{"a":0}`, `{"a":2}`},
		{[]ir.FieldDefault{{Field: "a", Value: "1", Override: true}, {Field: "a", Value: "2"}}, `{"a":0}`, `{"a":1}`},
		{[]ir.FieldDefault{{Field: "a\"", Value: ` {"b": [1.0]} `}}, ` { "c":1 } `, ` { "c":1,"a\"": {"b": [1.0]}  } `},
		{[]ir.FieldDefault{{Field: "a", Value: "1", Override: true}}, `{"a":0,"\u0061":{}}`, `{"a":1,"\u0061":1}`},
	} {
		p, err := policy.NewDefaults(tt.fields)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(llm.OpenAIChat, &llm.Head{}, []byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		if err := step(t, p, r); err != nil || string(r.Raw) != tt.want {
			t.Errorf("%v on %s: %s, %v; want %s", tt.fields, tt.in, r.Raw, err, tt.want)
		}
	}
	for _, f := range []ir.FieldDefault{{Field: "a", Value: "[1"}, {Field: "a", Value: "x}"}, {Field: "a"}, {Value: "1"}} {
		if _, err := policy.NewDefaults([]ir.FieldDefault{f}); err == nil {
			t.Errorf("%v is taken", f)
		}
	}
	if _, err := policy.NewEnrich(&ir.Enrich{Append: []ir.Message{{Role: "SYSTEM", Content: "x"}}}); err == nil {
		t.Error("a role in capitals is taken")
	}
}
