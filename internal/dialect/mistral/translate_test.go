package mistral_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

func parse(t testing.TB, api llm.API, body string) *llm.Request {
	t.Helper()
	r, err := d.ParseRequest(api, &llm.Head{Method: "POST"}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRoundTrip reads chats of Mistral's own and builds them anew: what was read is what is written.
func TestRoundTrip(t *testing.T) {
	for name, body := range map[string]string{
		"parameters": `{"model":"m","messages":[{"role":"user","content":"a"}],"temperature":1.5,"top_p":0.5,"max_tokens":3,"stream":true,"stop":["x"],"random_seed":7,"presence_penalty":1,"frequency_penalty":-1,"n":2,"reasoning_effort":"high"}`,
		"tools": `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"},"index":0}]},{"role":"tool","content":"y","tool_call_id":"abcDEF123","name":"f"}],` +
			`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],"tool_choice":"any","parallel_tool_calls":false}`,
		"chunks": `{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://e.com/a.png","detail":"low"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,aWE="}},` +
			`{"type":"document_url","document_url":"https://e.com/a.pdf","document_name":"n"},{"type":"input_audio","input_audio":"SUQzBAAAAAAA"}]},{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`,
		"schema": `{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
		"prefix": `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","prefix":true}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			api, got, err := d.BuildRequest(parse(t, llm.MistralChat, body), "m", &llm.Loss{Allow: true})
			if err != nil || api != llm.MistralChat {
				t.Fatal(api, err)
			}
			var want, have any
			if err := errors.Join(json.Unmarshal([]byte(body), &want), json.Unmarshal(got, &have)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusals names what Mistral has no place for in the words of OpenAI's clients.
func TestRefusals(t *testing.T) {
	for param, member := range map[string]string{
		"temperature": `"temperature":1.9`, "seed": `"seed":-1`, "reasoning_effort": `"reasoning_effort":"low"`, "user": `"user":"u"`,
		"logit_bias": `"logit_bias":{"1":2}`, "logprobs": `"logprobs":true`, "service_tier": `"service_tier":"flex"`,
	} {
		body := `{"model":"m","messages":[{"role":"user","content":"a"}],` + member + `}`
		r, err := openai.Dialect{}.ParseRequest(llm.OpenAIChat, &llm.Head{}, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var e *llm.Error
		if _, _, err = d.BuildRequest(r, "m", &llm.Loss{}); !errors.As(err, &e) || e.Status != 400 || e.Param != param {
			t.Errorf("%s: %v", member, err)
		}
		loss := &llm.Loss{Allow: true}
		_, got, err := d.BuildRequest(r, "m", loss)
		if want := `{"model":"m","messages":[{"role":"user","content":"a"}]}`; err != nil || string(got) != want || len(loss.Dropped) != 1 {
			t.Errorf("%s: %s, %v, dropped %v", member, got, err, loss.Dropped)
		}
	}
}

func TestEmbeddings(t *testing.T) {
	r, err := openai.Dialect{}.ParseRequest(llm.OpenAIEmbeddings, &llm.Head{}, []byte(`{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64"}`))
	if err != nil {
		t.Fatal(err)
	}
	api, got, err := d.BuildRequest(r, "e", &llm.Loss{})
	if want := `{"model":"e","input":["a","b"],"output_dimension":2}`; err != nil || api != llm.MistralEmbed || string(got) != want {
		t.Errorf("%s %s, %v", api, got, err)
	}
	for format, want := range map[string]string{"float": "[1,-0.5]", "base64": `"AACAPwAAAL8="`} {
		w, err := d.NewWriter(parse(t, llm.MistralEmbed, `{"model":"m","input":"a","encoding_format":"`+format+`"}`), &llm.Loss{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.Write(nil, &llm.Event{ID: "i", Vectors: [][]byte{[]byte("[1,-0.5]")}}); err != nil {
			t.Fatal(err)
		}
		out, err := w.Close(nil, nil)
		if err != nil || !strings.Contains(string(out), `"embedding":`+want+`,"index":0}`) {
			t.Errorf("%s: %s, %v", format, out, err)
		}
	}
}

// TestAdapt edits what OpenAI's clients send and Mistral refuses, and no other byte.
func TestAdapt(t *testing.T) {
	for _, tt := range []struct {
		api      llm.API
		in, want string
	}{
		{llm.MistralChat, `{ "model":"m", "random_seed":1,"messages":[] }`, ""},
		{llm.MistralChat, `{"seed":1, "max_tokens":2,"max_completion_tokens":3,"stream_options":null}`, `{"random_seed":1,"max_tokens":3}`},
		{llm.MistralChat, `{"seed":1,"random_seed":2}`, `{"random_seed":2}`},
		{llm.MistralChat, `{"messages":[{"role":"developer","content":[{"type":"input_audio","input_audio":{"data":"\u0041","format":"mp3"}}]}]}`,
			`{"messages":[{"role":"system","content":[{"type":"input_audio","input_audio":"\u0041"}]}]}`},
		{llm.MistralChat, `{"messages":[{"role":"user","content":"\"developer\" \"input_audio\""}]}`, ""},
		{llm.MistralFIM, `{"prompt":"p","seed":4}`, `{"prompt":"p","random_seed":4}`},
		{llm.MistralEmbed, `{"dimensions":4,"input":"seed"}`, `{"output_dimension":4,"input":"seed"}`},
	} {
		want := tt.want
		if want == "" {
			want = tt.in
		}
		if got, err := mistral.Adapt(parse(t, tt.api, tt.in), []byte(tt.in), "m"); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", tt.in, got, err)
		}
	}
}

// TestErrors reads the forms in which Mistral tells errors.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		status                 int
		media, body, typ, text string
	}{
		{422, "application/json", `{"object":"error","message":{"detail":[{"type":"missing","loc":["body","messages",0],"msg":"Field required"}]},"type":"invalid_request_error","param":null,"code":null}`, "invalid_request_error", "body.messages.0: Field required"},
		{429, "application/json", `{"object":"error","message":"Slow down","type":"rate_limited","param":null,"code":"1300"}`, "rate_limited", "Slow down"},
		{200, "text/event-stream", "data: {\"object\":\"error\",\"message\":\"Broken\",\"type\":\"internal_error\",\"param\":null,\"code\":1500}\n\n", "internal_error", "Broken"},
	} {
		var got *llm.Error
		r := d.NewReader(llm.MistralChat, &llm.Head{Status: tt.status, Header: map[string][]string{"Content-Type": {tt.media}}}, llm.WantMeta)
		if err := r.Read([]byte(tt.body), true, func(ev *llm.Event) error { got = ev.Err; return nil }); err != nil {
			t.Fatal(err)
		}
		if got == nil || got.Type != tt.typ || got.Message != tt.text {
			t.Errorf("%s: %+v", tt.body, got)
		}
	}
	if got := string(d.Error(&llm.Error{Status: 400, Type: "t", Message: "m", Param: "p"})); got != `{"object":"error","message":"m","type":"t","param":"p","code":null}` {
		t.Error(got)
	}
}

// FuzzRequest: what is taken is a conversation, edits of nothing change nothing, and a request that is built is one that is taken.
func FuzzRequest(f *testing.F) {
	f.Add(`{"model":"m","messages":[{"role":"user","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"input_audio","input_audio":"UklGRg=="}]}],"tools":[{"function":{"name":"f"}}]}`)
	f.Add(`{"messages":[{"role":"tool","content":[{"type":"reference","reference_ids":[1]}],"tool_call_id":"x"}],"seed":1,"max_completion_tokens":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := d.ParseRequest(llm.MistralChat, &llm.Head{}, []byte(body))
		if err != nil {
			return
		}
		if changed, err := r.EditText(func(llm.Role, string) (string, bool) { return "", false }); err != nil || changed {
			t.Fatal(changed, err)
		}
		adapted, err := mistral.Adapt(r, r.Raw, "m")
		if err != nil {
			t.Fatal(err)
		}
		parse(t, llm.MistralChat, string(adapted))
		if _, out, err := d.BuildRequest(r, "m", &llm.Loss{Allow: true}); err == nil {
			parse(t, llm.MistralChat, string(out))
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	body := fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":"%s"}],"random_seed":1,"stream":true}`, strings.Repeat("lorem ipsum ", 5000))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ParseRequest(llm.MistralChat, &llm.Head{}, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadStream(b *testing.B) {
	body := []byte(strings.Repeat(`data: {"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"p":"abcdef"}`+"\n\n", 50))
	h := &llm.Head{Status: 200, Header: map[string][]string{"Content-Type": {"text/event-stream"}}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.NewReader(llm.MistralChat, h, llm.WantMeta).Read(body, true, func(*llm.Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
