package demo

import (
	"encoding/json"
	"net/http"
)

// The types below are OpenAI's: API reference, "Chat Completions", "Completions (legacy)" and "Models".

type openAIUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

func (a *answer) openAIUsage() *openAIUsage {
	return &openAIUsage{Prompt: a.in, Completion: a.out(), Total: a.in + a.out()}
}

type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

func openAIFail(f failure) any {
	typ := "invalid_request_error"
	switch {
	case f.status == http.StatusTooManyRequests:
		typ = "requests"
	case f.status >= http.StatusInternalServerError:
		typ = "server_error"
	}
	return map[string]openAIError{"error": {Message: f.message, Type: typ, Code: f.code}}
}

var openAIFinish = [...]string{finishStop: "stop", finishLength: "length", finishTool: "tool_calls"}

type toolFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type toolCall struct {
	Index    *int         `json:"index,omitempty"` // of deltas only
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function toolFunction `json:"function"`
}

type chatMessage struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type chatChoice struct {
	Index    int          `json:"index"`
	Message  *chatMessage `json:"message,omitempty"`
	Delta    *chatMessage `json:"delta,omitempty"`
	Text     *string      `json:"text,omitempty"` // legacy completions
	Logprobs *struct{}    `json:"logprobs"`
	Finish   *string      `json:"finish_reason"`
}

type chatResponse struct {
	ID          string       `json:"id"`
	Object      string       `json:"object"`
	Created     int64        `json:"created"`
	Model       string       `json:"model"`
	Fingerprint string       `json:"system_fingerprint"`
	Choices     []chatChoice `json:"choices"`
	Usage       *openAIUsage `json:"usage,omitempty"`
}

type openAIRequest struct {
	Model         string
	Stream        bool
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Messages            []message
	Prompt              json.RawMessage
	Tools               []offered
	MaxTokens           int `json:"max_tokens"`
	MaxCompletionTokens int `json:"max_completion_tokens"`
}

func (q *openAIRequest) prompt() *prompt {
	p := &prompt{model: q.Model, stream: q.Stream, usage: q.StreamOptions.IncludeUsage,
		limit: max(q.MaxTokens, q.MaxCompletionTokens)}
	p.offer(q.Tools)
	return p
}

func openAIChat() endpoint {
	return endpoint{parse: parseChat, whole: chatWhole, stream: chatStream, fail: openAIFail}
}

func parseChat(_ *http.Request, body []byte) (*prompt, error) {
	var q openAIRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if q.Model == "" {
		return nil, missing("model")
	}
	if len(q.Messages) == 0 {
		return nil, missing("messages")
	}
	p := q.prompt()
	p.converse(q.Messages)
	return p, nil
}

func (a *answer) chat(p *prompt, object string) *chatResponse {
	return &chatResponse{ID: "chatcmpl-" + a.id, Object: object, Created: created, Model: p.model, Fingerprint: "fp_demo"}
}

func (a *answer) callID() string { return "call_" + a.id }

func chatWhole(p *prompt, a *answer) any {
	text := a.text()
	m := &chatMessage{Role: "assistant", Content: &text}
	if a.tool != "" {
		m.Content = nil
		m.ToolCalls = []toolCall{{ID: a.callID(), Type: "function", Function: toolFunction{a.tool, text}}}
	}
	finish := openAIFinish[a.finish]
	r := a.chat(p, "chat.completion")
	r.Choices = []chatChoice{{Message: m, Finish: &finish}}
	r.Usage = a.openAIUsage()
	return r
}

func chatStream(p *prompt, a *answer, w *stream) {
	w.start("text/event-stream")
	r := a.chat(p, "chat.completion.chunk")
	send := func(delta chatMessage, finish *string) {
		r.Choices = []chatChoice{{Delta: &delta, Finish: finish}}
		w.sse("", r)
	}
	empty, zero := "", 0
	first := chatMessage{Role: "assistant", Content: &empty}
	if a.tool != "" {
		first = chatMessage{Role: "assistant",
			ToolCalls: []toolCall{{Index: &zero, ID: a.callID(), Type: "function", Function: toolFunction{Name: a.tool}}}}
	}
	send(first, nil)
	for piece := range w.pieces(a) {
		if a.tool != "" {
			send(chatMessage{ToolCalls: []toolCall{{Index: &zero, Function: toolFunction{Arguments: piece}}}}, nil)
			continue
		}
		send(chatMessage{Content: &piece}, nil)
	}
	finish := openAIFinish[a.finish]
	send(chatMessage{}, &finish)
	r.end(p, a, w)
}

// end sends what ends a stream: usage, when it was asked for, in a last chunk without choices, and the terminator.
func (r *chatResponse) end(p *prompt, a *answer, w *stream) {
	if p.usage {
		r.Choices, r.Usage = []chatChoice{}, a.openAIUsage()
		w.sse("", r)
	}
	w.bytes([]byte("data: [DONE]\n\n"))
}

func openAICompletions() endpoint {
	return endpoint{parse: parseCompletion, whole: completionWhole, stream: completionStream, fail: openAIFail}
}

func parseCompletion(_ *http.Request, body []byte) (*prompt, error) {
	var q openAIRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if q.Model == "" {
		return nil, missing("model")
	}
	p := q.prompt()
	p.last = textOf(q.Prompt)
	p.add(p.last)
	return p, nil
}

func (a *answer) completion(p *prompt, text string, finish *string) *chatResponse {
	r := a.chat(p, "text_completion")
	r.ID = "cmpl-" + a.id
	r.Choices = []chatChoice{{Text: &text, Finish: finish}}
	return r
}

func completionWhole(p *prompt, a *answer) any {
	r := a.completion(p, a.text(), a.completionFinish())
	r.Usage = a.openAIUsage()
	return r
}

// completionFinish is the finish reason of the legacy API, which has no tools.
func (a *answer) completionFinish() *string {
	finish := openAIFinish[finishStop]
	if a.finish == finishLength {
		finish = openAIFinish[finishLength]
	}
	return &finish
}

func completionStream(p *prompt, a *answer, w *stream) {
	w.start("text/event-stream")
	for piece := range w.pieces(a) {
		w.sse("", a.completion(p, piece, nil))
	}
	r := a.completion(p, "", a.completionFinish())
	w.sse("", r)
	r.end(p, a, w)
}

type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func listModels(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Object string        `json:"object"`
		Data   []openAIModel `json:"data"`
	}{Object: "list"}
	for _, m := range table {
		list.Data = append(list.Data, openAIModel{m.name, "model", created, "spanway"})
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(list)) // a client that has gone needs no answer
}
