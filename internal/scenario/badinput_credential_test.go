package scenario

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
)

// Credentials. They look like what they stand for, so that a leak is found by its text.
const (
	ownKey    = "sk-own-0123456789"
	callerKey = "sk-caller-9876543210"
	jwt       = "eyJhbGciOi.callerpayload.sig"
	googleTok = "ya29.caller-token"
)

// safeBuffer collects a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// credentialCase is what the client brings, and what the provider gets.
type credentialCase struct {
	name     string
	backend  string // settings of the backend beside its URL
	path     string // "" = OpenAI's chat completions; query included
	send     http.Header
	want     http.Header // credentials only
	query    string      // of the request to the provider
	upstream string      // path of the request to the provider; "" = not checked
}

// credentialHeaders are what the test compares.
func credentialHeaders() []string {
	return append([]string{"Custom-Header", "Proxy-Authorization", "Cookie"}, provider.CredentialHeaders()...)
}

func one(k, v string) http.Header { return http.Header{k: {v}} }

func bearer(key string) http.Header { return one("Authorization", "Bearer "+key) }

// keyedCases are every row of the table of providers with a key of ours: the client's own credential stays here.
func keyedCases() (out []credentialCase) {
	for _, name := range provider.Names() {
		p, _ := provider.Lookup(name)
		if p.Plain {
			continue // no LLM provider: what its clients put into the query is theirs, and Envoy may carry their calls alone
		}
		x := credentialCase{name: name + " with our key", backend: "provider: " + name + ", key: " + ownKey + ", project: p, location: l",
			send: http.Header{"Authorization": {"Bearer " + callerKey}, "X-Api-Key": {callerKey}, "Api-Key": {callerKey}, "X-Goog-Api-Key": {callerKey},
				"Proxy-Authorization": {"Basic " + callerKey}}}
		x.path = openAIChat + "?key=" + callerKey + "&x=1"
		spoken := llm.OpenAI
		if p.Speaks(llm.Mistral, "", openAIChat) { // the dialects share the path
			spoken = llm.Mistral
		}
		e, native := p.Choose(provider.Query{Dialect: spoken, Path: openAIChat, Model: "m-1"})
		if native {
			x.query = "x=1"
			if name == "foundry" {
				x.query += "&api-version=2024-05-01-preview" // needed
			}
		}
		x.want = one(e.Header, e.Prefix+ownKey)
		out = append(out, x)
		if e.SigV4 != "" {
			continue // without a key its requests are signed
		}
		x.name, x.backend, x.want = name+" without a key", strings.Replace(x.backend, "key: "+ownKey+", ", "", 1), http.Header{}
		out = append(out, x)
	}
	return out
}

func passedCases() []credentialCase {
	const (
		messages = "/v1/messages"
		generate = "/v1beta/models/m-1:generateContent"
		pass     = ", key: passthrough"
	)
	return []credentialCase{
		{name: "A5 openai", backend: "provider: openai" + pass, send: bearer(callerKey), want: bearer(callerKey)},
		{name: "A5 azure, api-key", backend: "provider: azure" + pass, send: one("Api-Key", callerKey), want: one("Api-Key", callerKey)},
		{name: "A5 azure, bearer", backend: "provider: azure" + pass, send: bearer(callerKey), want: one("Api-Key", callerKey)},
		{name: "A5 azure, Entra ID", backend: "provider: azure" + pass, send: bearer(jwt), want: bearer(jwt)},
		{name: "A5 vertexai", backend: "provider: vertexai, project: p, location: l" + pass, path: generate, send: bearer(googleTok), want: bearer(googleTok)},
		{name: "A5 gemini, header", backend: "provider: gemini" + pass, path: generate, send: one("X-Goog-Api-Key", callerKey), want: one("X-Goog-Api-Key", callerKey)},
		{name: "A5 gemini, query", backend: "provider: gemini" + pass, path: generate + "?key=" + callerKey, want: http.Header{}, query: "key=" + callerKey},
		{name: "A5 gemini, bearer", backend: "provider: gemini" + pass, path: generate, send: bearer(callerKey), want: one("X-Goog-Api-Key", callerKey)},
		{name: "A5 gemini, OAuth", backend: "provider: gemini" + pass, path: generate, send: bearer(googleTok), want: bearer(googleTok)},
		{name: "A5 gemini by OpenAI's client", backend: "provider: gemini" + pass, send: bearer(callerKey), want: bearer(callerKey)},
		{name: "A5 gemini by OpenAI's client, query", backend: "provider: gemini" + pass, path: openAIChat + "?key=" + callerKey, want: bearer(callerKey)},
		{name: "A5 anthropic", backend: "provider: anthropic" + pass, path: messages, send: one("X-Api-Key", callerKey), want: one("X-Api-Key", callerKey)},
		{name: "A5 anthropic, bearer", backend: "provider: anthropic" + pass, path: messages, send: bearer(callerKey), want: bearer(callerKey)},
		{name: "A5 anthropic by OpenAI's client", backend: "provider: anthropic" + pass, send: bearer(callerKey), want: one("X-Api-Key", callerKey)},
		{name: "A5 openai by Anthropic's client", backend: "provider: openai" + pass, path: messages, send: one("X-Api-Key", callerKey), want: bearer(callerKey)},
		{name: "A5 ollama by Gemini's client", backend: "provider: ollama" + pass, send: one("X-Goog-Api-Key", callerKey), want: bearer(callerKey)},
		{name: "A5 another scheme stays where it is", backend: "provider: openai" + pass, send: one("Authorization", "Basic "+callerKey), want: one("Authorization", "Basic "+callerKey)},
		{name: "A6 own path, the client's header untouched", backend: "provider: openai, path: /api/v1/chat/completions" + pass,
			send: http.Header{"Authorization": {"Bearer " + callerKey}, "Custom-Header": {"custom-prefix"}}, upstream: "/api/v1/chat/completions",
			want: http.Header{"Authorization": {"Bearer " + callerKey}, "Custom-Header": {"custom-prefix"}}},
		{name: "A6 own header", backend: `provider: openai, auth: {header: custom-header, prefix: "Key ", key: passthrough}`, send: bearer(callerKey), want: one("Custom-Header", "Key "+callerKey)},
		{name: "A6b own header and our key", backend: `provider: openai, path: /api/v1/chat/completions, auth: {header: custom-header, prefix: custom-prefix, key: ` + ownKey + "}",
			send: bearer(callerKey), upstream: "/api/v1/chat/completions", want: one("Custom-Header", "custom-prefix"+ownKey)},
		{name: "A7 nothing to pass on", backend: "provider: openai" + pass, want: http.Header{}},
		{name: "A7 no key, the client's stays here", backend: "provider: openai", send: bearer(callerKey), want: http.Header{}},
	}
}

// TestCredentials is the table of what the provider gets of the credentials, ours and the client's. Nothing of either is in a
// span, in the log, in what Envoy was told, or in what the client is told, whether the provider refuses the credential or is not
// there.
func TestCredentials(t *testing.T) { onPlanes(t, credentials) }

func credentials(t *testing.T, plane Plane) {
	refusal := `{"error":{"message":"no such key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`
	for _, x := range append(keyedCases(), passedCases()...) {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			u := StartUpstream(t, Respond(401, jsonMedia, refusal))
			var logs safeBuffer
			conf := config(fmt.Sprintf("a: {url: %q, %s}\nnone: {url: \"http://%s\", %s}", u.URL, x.backend, Unused(t), x.backend), "to: a")
			gw := startLogging(t, plane, conf+"  - {name: none, match: {path: /none}, to: none}\n", &logs)
			if x.path == "" {
				x.path = openAIChat
			}
			body := `{"model":"m-1","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
			if strings.Contains(x.path, "enerateContent") {
				body = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
			}
			clients := map[string]*http.Client{"/r": newClient(t), "/none": h2cClient(t)}
			for _, route := range []string{"/r", "/none"} {
				got := send(t.Context(), clients[route], "POST", gw.ClientURL()+route+x.path, body, x.send)
				spans := gw.Trace(t)
				checkTree(t, spans)
				if route == "/r" && got.status != 401 {
					t.Fatalf("status %d: %s", got.status, got.body)
				}
				noSecret(t, "what the client got", fmt.Sprint(got.body, got.header))
				noSecret(t, "the spans", fmt.Sprintf("%+v", spans))
			}
			noSecret(t, "the log", logs.String())
			noSecret(t, "what Envoy was told", told(t, gw))
			r := u.Await(t, 1)
			for _, k := range credentialHeaders() {
				if got, want := strings.Join(r.Header[k], "|"), strings.Join(x.want[k], "|"); got != want {
					t.Errorf("%s: the provider got %q, want %q", k, got, want)
				}
			}
			path, query, _ := strings.Cut(r.Target, "?")
			equal(t, "query", query, x.query)
			if x.upstream != "" {
				equal(t, "path", path, x.upstream)
			}
		})
	}
}

// startLogging starts a gateway on p, with a place for all that its processes log, debugging included.
func startLogging(t testing.TB, p Plane, conf string, logs io.Writer) Running {
	t.Helper()
	if p.Name() == "native" {
		return StartLogging(t, conf, gateway.Env{}, logs)
	}
	return Envoy{Log: logs}.start(t, conf)
}

// told is all that Envoy was told, and what it tells of itself; "" in the native data plane.
func told(t testing.TB, gw Running) string {
	t.Helper()
	w, ok := gw.(*Behind)
	if !ok {
		return ""
	}
	var all strings.Builder
	for _, path := range []string{"/config_dump?include_eds", "/clusters", "/stats", "/listeners", "/certs", "/server_info"} {
		text, err := w.ask(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	if !strings.Contains(all.String(), "spanway.none") {
		t.Error("what Envoy was told is not there")
	}
	return all.String()
}

// noSecret looks for what the credentials have in common with nothing else.
func noSecret(t testing.TB, where, text string) {
	t.Helper()
	for _, secret := range []string{"0123456789", "9876543210", "callerpayload", "caller-token"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s holds a credential: %s", where, text[max(0, i-600):min(len(text), i+100)])
		}
	}
}
