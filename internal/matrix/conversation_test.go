package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario"
)

// said is what a client's library made of an answer.
type said struct {
	Text  string
	Calls []string // name and arguments
	ids   []string
	// message is the model's message as the library sends it back: a JSON value, or the elements of a list.
	message []any
}

// library calls its provider's API at base, with body as the request, and returns what it decoded.
type library func(ctx context.Context, base string, body []byte, stream bool) (said, error)

// backendConfig are the backends, by dialect.
const backendConfig = `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  openai.chat: {provider: openai, url: "UPSTREAM", key: k}
  anthropic.messages: {provider: anthropic, url: "UPSTREAM", key: k}
  gemini.generate_content: {provider: gemini, dialect: gemini, url: "UPSTREAM", key: k}
  cohere.chat: {provider: cohere, url: "UPSTREAM", key: k}
  bedrock.converse: {provider: bedrock, url: "UPSTREAM", key: k}
  mistral.chat: {provider: mistral, url: "UPSTREAM", key: k}
  ollama.chat: {provider: ollama, dialect: ollama, url: "UPSTREAM", key: k}
routes:
`

// providers are what gen_ai.provider.name says of each.
var providers = map[llm.API]string{
	llm.OpenAIChat: "openai", llm.AnthropicMessages: "anthropic", llm.GeminiGenerate: "gcp.gemini", llm.CohereChat: "cohere",
	llm.BedrockConverse: "aws.bedrock", llm.MistralChat: "mistral_ai", llm.OllamaChat: "ollama",
}

// upstream plays a provider: it gives the answer that it is told, and keeps the request.
type upstream struct {
	mu          sync.Mutex
	answer      answer
	contentType string
	got         []byte
}

// ServeHTTP implements http.Handler.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.got = body
	w.Header().Set("Content-Type", u.contentType)
	pieces := slices.Collect(slices.Chunk(u.answer.body, 64))
	if u.contentType == "text/event-stream" { // Cohere's library does not read an event that comes in pieces
		pieces = bytes.SplitAfter(u.answer.body, []byte("\n\n"))
	}
	for _, piece := range pieces {
		_, _ = w.Write(piece) // a client may have gone
		if u.answer.stream {
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func (u *upstream) tell(b *dialect, a *answer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer, u.contentType, u.got = *a, b.contentType(a), nil
}

func (u *upstream) asked() []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got
}

// TestConversations has each client's own library talk to each provider: system text, an image, two tools; two calls at once;
// their results; an answer.
func TestConversations(t *testing.T) {
	up := &upstream{}
	server := httptest.NewServer(up)
	t.Cleanup(server.Close)
	conf := strings.ReplaceAll(backendConfig, "UPSTREAM", server.URL)
	for _, b := range backends() {
		conf += fmt.Sprintf("  - {name: %[1]s, match: {path: /%[1]s}, to: %[1]s, retry: {attempts: 1}}\n", b.api)
	}
	gw := scenario.Start(t, conf)
	features := section(t, "answers")
	for i := range dialects {
		c := &dialects[i]
		lib := libraries[c.api]
		for _, b := range backends() {
			// OpenAI's and Mistral's chats share a path: on a route to Mistral its own is meant.
			shared := c.api == llm.OpenAIChat && b.api == llm.MistralChat
			if lib == nil || shared || c.api != b.api && native(c, b) {
				continue
			}
			for _, stream := range []bool{false, true} {
				k := conversation{client: c, backend: b, lib: lib, up: up, gw: gw, stream: stream}
				t.Run(fmt.Sprintf("%s/%s/%v", c.api, b.provider, stream), func(t *testing.T) { k.run(t, features) })
			}
		}
	}
}

type conversation struct {
	client, backend *dialect
	lib             library
	up              *upstream
	gw              *scenario.Gateway
	stream          bool
}

func (k *conversation) run(t *testing.T, features []feature) {
	first, results := script(t, k.client.api)
	calls := k.turn(t, first, k.answer(t, features, "Parallel tool calls"))
	if len(calls.ids) != 2 {
		t.Fatalf("%d calls", len(calls.ids))
	}
	second := k.turn(t, appended(t, first, results, &calls), k.answer(t, features, "Text"))
	if len(second.Calls) > 0 {
		t.Errorf("the answer calls %q", second.Calls)
	}
}

// script is the conversation of a client's API: its first request, and what is appended for the second.
func script(t *testing.T, api llm.API) (first []byte, results [2][]byte) {
	t.Helper()
	for _, f := range archive(t, filepath.Join("testdata", "conversation.txtar")).Files {
		if f.Name == string(api) {
			first = f.Data
		} else if list, ok := strings.CutPrefix(f.Name, string(api)+" then "); ok {
			results = [2][]byte{[]byte(list), f.Data}
		}
	}
	return first, results
}

// appended is body with the model's message and the results in its list of messages.
func appended(t *testing.T, body []byte, results [2][]byte, s *said) []byte {
	t.Helper()
	text := string(results[1])
	for i, id := range s.ids {
		if member := fmt.Sprintf(`"tool_call_id":"ID%d",`, i); id == "" { // an API without ids joins by name
			text = strings.ReplaceAll(strings.ReplaceAll(text, member, ""), fmt.Sprintf(`"id":"ID%d",`, i), "")
		}
		text = strings.ReplaceAll(text, fmt.Sprint("ID", i), id)
	}
	whole := decode(t, body).(map[string]any)
	list := whole[string(results[0])].([]any)
	for _, v := range decode(t, []byte(text)).([]any) {
		if v == "ASSISTANT" {
			list = append(list, s.message...)
		} else {
			list = append(list, v)
		}
	}
	whole[string(results[0])] = list
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (k *conversation) answer(t *testing.T, features []feature, title string) *answer {
	t.Helper()
	for i := range features {
		if features[i].title != title {
			continue
		}
		for _, a := range answers(t, k.backend, &features[i]) {
			if a.stream == k.stream {
				return &a
			}
		}
	}
	t.Fatalf("no answer %q of %s", title, k.backend.api)
	return nil
}

// turn makes one call, and holds what the provider was asked, what the client was told and the span to what was said.
func (k *conversation) turn(t *testing.T, body []byte, a *answer) said {
	t.Helper()
	k.up.tell(k.backend, a)
	got, err := k.lib(t.Context(), k.gw.URL+"/"+string(k.backend.api), body, k.stream)
	spans := k.gw.Trace(t)
	if err != nil {
		t.Fatalf("%v\nthe provider was sent %s", err, k.up.asked())
	}
	told := k.backend.tells(t, a, k.backend.contentType(a), nil)
	want := said{}
	want.Text, _ = told.facets["text 0"].(string)
	calls, _ := told.facets["calls 0"].([]any)
	for _, c := range calls {
		want.Calls = append(want.Calls, c.(string))
	}
	if d := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "ids" || p.String() == "message" }, cmp.Ignore())); d != "" {
		t.Errorf("the library made of it (-told +got):\n%s", d)
	}
	sent := k.up.asked()
	k.backend.takes(t, sent)
	asked := mustRead(t, k.client, body)
	for _, p := range asked.lacks(mustRead(t, k.backend, sent), nil, k.backend.adds) {
		t.Errorf("%s\nof %s\nin %s", p, body, sent)
	}
	k.span(t, a, scenario.Find(spans, "gen_ai.operation.name"))
	return got
}

// span holds the logical span to what the provider's answer says.
func (k *conversation) span(t *testing.T, a *answer, s *scenario.Span) {
	t.Helper()
	if s == nil {
		t.Fatal("no logical span")
	}
	var r llm.Result
	k.backend.read(t, a, k.backend.contentType(a), nil, func(ev *llm.Event) error { r.Add(ev); return nil })
	want := map[string]any{"gen_ai.provider.name": providers[k.backend.api], "gen_ai.request.model": model, "gen_ai.response.finish_reasons": r.FinishReasons()}
	for key, s := range map[string]string{"gen_ai.response.model": r.Model, "gen_ai.response.id": r.ID} {
		if s != "" {
			want[key] = s
		}
	}
	for key, n := range map[string]llm.Opt[int64]{"gen_ai.usage.input_tokens": r.Usage.Input, "gen_ai.usage.output_tokens": r.Usage.Output} {
		if n.Set {
			want[key] = n.V
		}
	}
	got := map[string]any{}
	for key := range want {
		got[key] = s.Attrs[key]
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("span %s (-want +got):\n%s", s.Name, d)
	}
	if op := s.Attrs["gen_ai.operation.name"]; s.Failed || op != "chat" && op != "generate_content" {
		t.Errorf("span %s: operation %v, failed %v", s.Name, op, s.Failed)
	}
	if dropped := s.Attrs["spanway.translation.dropped"]; dropped != nil {
		t.Errorf("dropped: %v", dropped)
	}
}

// compact is the arguments of a call in one form.
func compact(name string, args []byte) string {
	if len(bytes.TrimSpace(args)) == 0 {
		args = []byte("{}")
	}
	return name + " " + canonical(string(args))
}
