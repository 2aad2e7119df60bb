package talks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/spanway/spanway/internal/llm"
)

// What every client says.
const (
	system   = "Answer in one sentence, “cheerfully”."
	question = "What is the weather, and what time is it, where this was taken?"
	limit    = 300
	sunny    = `{"sky":"sunny","celsius":25}`
	five     = `{"time":"14:05"}`
)

// png is a picture of one pixel.
var png = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00" +
	"\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

// offered are the tools that every client has, with the JSON Schemas of their arguments.
var offered = []struct {
	name, description string
	properties        map[string]any
	required          []string
	result            string
}{
	{"get_weather", "Forecasts the weather.", map[string]any{
		"location": map[string]any{"type": "string", "description": "A city."}, "days": map[string]any{"type": "integer"}}, []string{"location"}, sunny},
	{"get_time", "Tells the time.", map[string]any{"zone": map[string]any{"type": "string"}}, []string{"zone"}, five},
}

// schema is the JSON Schema of the arguments of offered[i].
func schema(i int) map[string]any {
	return map[string]any{"type": "object", "properties": offered[i].properties, "required": offered[i].required}
}

// resultOf is what the tool called name returns.
func resultOf(name string) string {
	for _, t := range offered {
		if t.name == name {
			return t.result
		}
	}
	return `{"error":"there is no such tool"}`
}

// turn is what a client library makes of one answer.
type turn struct {
	ID, Model     string
	Calls         []call
	Text, Finish  string
	Input, Output int64
}

// call is one of a tool. Args is JSON.
type call struct{ ID, Name, Args string }

// session is one conversation of a client.
type session struct {
	base, model string
	stream      bool
	http        *http.Client
}

// client is an official library.
type client struct {
	name string
	api  llm.API
	// talk asks, runs the tools that the model calls, and tells it their results.
	talk     func(ctx context.Context, s *session) ([2]turn, error)
	finishes [2]string // the API's words for a turn that calls tools, and for one that is done
	ids      bool      // answers have an id
	models   bool      // answers name the model
	demands  bool      // it demands both, where it has them
	op       string    // gen_ai.operation.name
}

// clients are those of each API that clients speak.
var clients = []client{
	{"OpenAI chat completions", llm.OpenAIChat, openAIChat, [2]string{"tool_calls", "stop"}, true, true, true, "chat"},
	{"OpenAI Responses", llm.OpenAIResponses, openAIResponses, [2]string{"completed", "completed"}, true, true, true, "chat"},
	{"Anthropic Messages", llm.AnthropicMessages, anthropicMessages, [2]string{"tool_use", "end_turn"}, true, true, true, "chat"},
	{"Gemini generateContent", llm.GeminiGenerate, geminiGenerate, [2]string{"STOP", "STOP"}, true, true, false, "generate_content"},
	{"Cohere chat", llm.CohereChat, cohereChat, [2]string{"TOOL_CALL", "COMPLETE"}, true, false, true, "chat"},
	{"Ollama chat", llm.OllamaChat, ollamaChat, [2]string{"stop", "stop"}, false, true, true, "chat"},
	{"Bedrock Converse", llm.BedrockConverse, bedrockConverse, [2]string{"tool_use", "end_turn"}, false, false, true, "chat"},
}

// wire keeps what a client sends and receives.
type wire struct {
	mu        sync.Mutex
	exchanges []*exchange
}

// exchange is a call on the wire.
type exchange struct {
	request     []byte
	status      int
	contentType string
	response    bytes.Buffer // what the library read
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	x := new(exchange)
	if r.Body != nil {
		var err error
		if x.request, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(x.request))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.status, x.contentType = resp.StatusCode, resp.Header.Get("Content-Type")
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, &x.response), resp.Body}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exchanges = append(w.exchanges, x)
	return resp, nil
}

// into turns v into the type of dst by way of JSON.
func into(v, dst any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, dst)
}
