package talks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
)

// backend is a provider.
type backend struct {
	name, route string
	api         llm.API
	in          llm.Inbound // reads what it receives
	system      string      // gen_ai.provider.name
	model       string
	reported    string    // the model, in answers; "" = they name none
	ids         [2]string // of its answers; "" = they have none
	calls       [2]string // ids of its calls; "" = they have none
	finishes    [2]string
	// clients are those that it is for; nil = all.
	clients []llm.API
	// typed adds to its calls a type, which Mistral's API knows but leaves out. OpenAI's library does not take a call without, and
	// gets Mistral's answers as they are, as it does where no gateway is.
	typed bool
}

var (
	openAICalls     = [2]string{"call_weather1", "call_time2"}
	openAIEnds      = [2]string{"tool_calls", "stop"}
	onlyOfResponses = []llm.API{llm.OpenAIResponses}
)

// backends are the providers, each with one API. OpenAI has two, so that the clients of both are native.
var backends = []backend{
	{name: "OpenAI", route: "openai", api: llm.OpenAIChat, in: openai.Dialect{}, system: "openai", model: "gpt-4.1", reported: "gpt-4.1-2025-04-14",
		ids: [2]string{"chatcmpl-one", "chatcmpl-two"}, calls: openAICalls, finishes: openAIEnds,
		clients: []llm.API{llm.OpenAIChat, llm.AnthropicMessages, llm.GeminiGenerate, llm.CohereChat, llm.OllamaChat, llm.BedrockConverse}},
	{name: "OpenAI, its Responses", route: "openai", api: llm.OpenAIResponses, in: openai.Dialect{}, system: "openai", model: "gpt-4.1", reported: "gpt-4.1-2025-04-14",
		ids: [2]string{"resp_one", "resp_two"}, calls: openAICalls, finishes: [2]string{"completed", "completed"}, clients: onlyOfResponses},
	{name: "OpenAI's API without Responses", route: "compatible", api: llm.OpenAIChat, in: openai.Dialect{}, system: "gcp.gemini", model: "gemini-2.5-flash",
		reported: "gpt-4.1-2025-04-14", ids: [2]string{"chatcmpl-one", "chatcmpl-two"}, calls: openAICalls, finishes: openAIEnds, clients: onlyOfResponses},
	{name: "Anthropic", route: "anthropic", api: llm.AnthropicMessages, in: anthropic.Dialect{}, system: "anthropic", model: "claude-sonnet-4-5",
		reported: "claude-sonnet-4-5-20250929", ids: [2]string{"msg_one", "msg_two"}, calls: [2]string{"toolu_weather1", "toolu_time2"},
		finishes: [2]string{"tool_use", "end_turn"}},
	{name: "Gemini", route: "gemini", api: llm.GeminiGenerate, in: gemini.Dialect{}, system: "gcp.gemini", model: "gemini-2.5-flash", reported: "gemini-2.5-flash",
		ids: [2]string{"resp-one", "resp-two"}, finishes: [2]string{"STOP", "STOP"}},
	{name: "Vertex AI", route: "vertex", api: llm.GeminiGenerate, in: gemini.Dialect{}, system: "gcp.vertex_ai", model: "gemini-2.5-flash", reported: "gemini-2.5-flash",
		ids: [2]string{"resp-one", "resp-two"}, finishes: [2]string{"STOP", "STOP"}},
	{name: "Bedrock", route: "bedrock", api: llm.BedrockConverse, in: bedrock.Dialect{}, system: "aws.bedrock", model: "us.amazon.nova-lite-v1:0",
		calls: [2]string{"tooluse_weather1", "tooluse_time2"}, finishes: [2]string{"tool_use", "end_turn"}},
	{name: "Cohere", route: "cohere", api: llm.CohereChat, in: cohere.Dialect{}, system: "cohere", model: "command-a-vision-07-2025",
		ids: [2]string{"c14c80c3-one", "c14c80c3-two"}, calls: [2]string{"get_weather_1", "get_time_2"}, finishes: [2]string{"TOOL_CALL", "COMPLETE"}},
	{name: "Mistral", route: "mistral", api: llm.MistralChat, in: mistral.Dialect{}, system: "mistral_ai", model: "mistral-small-latest",
		reported: "mistral-small-latest", ids: [2]string{"cmpl-one", "cmpl-two"}, calls: [2]string{"weather01", "thetime02"}, finishes: openAIEnds,
		clients: []llm.API{llm.OpenAIResponses, llm.AnthropicMessages, llm.GeminiGenerate, llm.CohereChat, llm.OllamaChat, llm.BedrockConverse}},
	{name: "Mistral, as it is", route: "mistral", api: llm.MistralChat, in: mistral.Dialect{}, system: "mistral_ai", model: "mistral-small-latest",
		reported: "mistral-small-latest", ids: [2]string{"cmpl-one", "cmpl-two"}, calls: [2]string{"weather01", "thetime02"}, finishes: openAIEnds,
		clients: []llm.API{llm.OpenAIChat}, typed: true},
	{name: "Ollama", route: "ollama", api: llm.OllamaChat, in: ollama.Dialect{}, system: "ollama", model: "qwen3", reported: "qwen3",
		calls: openAICalls, finishes: [2]string{"stop", "stop"}},
}

const config = `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  openai: {provider: openai, url: "UPSTREAM", key: k}
  compatible: {provider: gemini, dialect: openai, url: "UPSTREAM", key: k}
  anthropic: {provider: anthropic, url: "UPSTREAM", key: k}
  gemini: {provider: gemini, dialect: gemini, url: "UPSTREAM", key: k}
  vertex: {provider: vertexai, url: "UPSTREAM", key: k, project: proj, location: europe-west4}
  bedrock: {provider: bedrock, region: eu-west-1, url: "UPSTREAM", aws: {accessKeyId: AKIDGATEWAY, secretAccessKey: gateway-secret}}
  cohere: {provider: cohere, url: "UPSTREAM", key: k}
  mistral: {provider: mistral, url: "UPSTREAM", key: k}
  ollama: {provider: ollama, dialect: ollama, url: "UPSTREAM", key: k}
routes:
  - {name: openai, match: {path: /openai}, to: openai}
  - {name: compatible, match: {path: /compatible}, to: compatible}
  - {name: anthropic, match: {path: /anthropic}, to: anthropic}
  - {name: gemini, match: {path: /gemini}, to: gemini}
  - {name: vertex, match: {path: /vertex}, to: vertex}
  - {name: bedrock, match: {path: /bedrock}, to: bedrock}
  - {name: cohere, match: {path: /cohere}, to: cohere}
  - {name: mistral, match: {path: /mistral}, to: mistral}
  - {name: ollama, match: {path: /ollama}, to: ollama}
`

// upstream plays the backends: it answers what it understands of a request.
type upstream struct {
	answers map[string][]byte // by API, and what is said

	mu  sync.Mutex
	as  *backend // that it plays
	got []received
}

// received is a request that a provider received.
type received struct {
	request *llm.Request
	answer  []byte
	err     error
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", "answers.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{answers: map[string][]byte{}}
	for _, f := range a.Files {
		u.answers[f.Name] = bytes.TrimSpace(f.Data)
	}
	return u
}

// play makes u the backend b, and forgets what it received.
func (u *upstream) play(b *backend) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.as, u.got = b, nil
}

func (u *upstream) received() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got
}

// ServeHTTP implements http.Handler.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	req, err := u.parse(r)
	u.got = append(u.got, received{request: req, err: err})
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	got := &u.got[len(u.got)-1]
	write := func(b []byte) {
		if u.as.typed {
			b = bytes.ReplaceAll(b, []byte(`"function":{`), []byte(`"type":"function","function":{`))
		}
		got.answer = append(got.answer, b...)
		_, _ = w.Write(b) // the client may have gone
		_ = http.NewResponseController(w).Flush()
	}
	name := string(req.API) + " calls"
	if c, err := req.Conversation(); err == nil && c.Messages[len(c.Messages)-1].Role == llm.RoleTool {
		name = string(req.API) + " final"
	}
	if !req.Stream {
		w.Header().Set("Content-Type", "application/json")
		write(u.answers[name])
		return
	}
	w.Header().Set("Content-Type", streamType(req.API))
	for line := range bytes.Lines(u.answers[name+" stream"]) {
		write(framed(req.API, bytes.TrimSpace(line)))
	}
	switch req.API {
	case llm.OpenAIChat, llm.MistralChat, llm.CohereChat:
		write([]byte("data: [DONE]\n\n"))
	}
}

func (u *upstream) parse(r *http.Request) (*llm.Request, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	api, ok := u.as.in.Accepts(r.Method, r.URL.EscapedPath())
	if !ok {
		return nil, fmt.Errorf("there is nothing at %s", r.URL.EscapedPath())
	}
	return u.as.in.ParseRequest(api, &llm.Head{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header}, body)
}

func streamType(api llm.API) string {
	switch api {
	case llm.OllamaChat:
		return "application/x-ndjson"
	case llm.BedrockConverse:
		return "application/vnd.amazon.eventstream"
	}
	return "text/event-stream"
}

// framed is an event as api's providers send it.
func framed(api llm.API, event []byte) []byte {
	switch api {
	case llm.OllamaChat:
		return append(event[:len(event):len(event)], '\n')
	case llm.BedrockConverse:
		var ev map[string]json.RawMessage
		_ = json.Unmarshal(event, &ev) // testdata: what is wrong in it, the client tells
		for name, payload := range ev {
			h := frame.AppendHeader(nil, ":event-type", name)
			h = frame.AppendHeader(h, ":content-type", "application/json")
			return frame.AppendMessage(nil, frame.AppendHeader(h, ":message-type", "event"), payload)
		}
	case llm.AnthropicMessages, llm.CohereChat, llm.OpenAIResponses:
		var ev struct{ Type string }
		_ = json.Unmarshal(event, &ev)
		return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", ev.Type, event)
	}
	return fmt.Appendf(nil, "data: %s\n\n", event)
}

// events are those of a stream that a client of api received.
func events(api llm.API, body []byte) (out [][]byte, err error) {
	var s frame.Splitter
	switch api {
	case llm.BedrockConverse:
		s = frame.NewEventStream(len(body) + 1)
	case llm.OllamaChat:
		for line := range bytes.Lines(body) {
			out = append(out, line)
		}
		return out, nil
	default:
		s = frame.NewSSE(len(body) + 1)
	}
	err = s.Split(body, true, func(f frame.Frame) error {
		switch data := bytes.Clone(f.Data); {
		case f.Malformed:
			return fmt.Errorf("malformed: %q", f.Raw)
		case api == llm.BedrockConverse:
			out = append(out, fmt.Appendf(nil, `{%q:%s}`, f.Event, data))
		case len(data) > 0 && !strings.HasPrefix(string(data), "[DONE]"):
			out = append(out, data)
		}
		return nil
	})
	return out, err
}
