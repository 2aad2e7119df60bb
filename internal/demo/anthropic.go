package demo

import (
	"encoding/json"
	"net/http"
)

// The types below are those of Anthropic's API reference, "Messages", "Streaming Messages" and "Errors".

type anthropicUsage struct {
	Input      int `json:"input_tokens"`
	CacheWrite int `json:"cache_creation_input_tokens"`
	CacheRead  int `json:"cache_read_input_tokens"`
	Output     int `json:"output_tokens"`
}

type anthropicBlock struct {
	Type  string          `json:"type"`
	Text  *string         `json:"text,omitempty"`
	ID    string          `json:"id,omitempty"`
	Name  string          `json:"name,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`
}

type anthropicMessage struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []anthropicBlock `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        anthropicUsage   `json:"usage"`
}

type anthropicDelta struct {
	Type         string  `json:"type,omitempty"`
	Text         string  `json:"text,omitempty"`
	JSON         string  `json:"partial_json,omitempty"`
	StopReason   string  `json:"stop_reason,omitempty"`
	StopSequence *string `json:"stop_sequence,omitempty"`
}

// anthropicEvent is any of the streaming events: Type says which of the other fields it has.
type anthropicEvent struct {
	Type    string            `json:"type"`
	Message *anthropicMessage `json:"message,omitempty"`
	Index   *int              `json:"index,omitempty"`
	Block   *anthropicBlock   `json:"content_block,omitempty"`
	Delta   *anthropicDelta   `json:"delta,omitempty"`
	Usage   *anthropicUsage   `json:"usage,omitempty"`
}

var anthropicStop = [...]string{finishStop: "end_turn", finishLength: "max_tokens", finishTool: "tool_use"}

func anthropicMessages() endpoint {
	return endpoint{parse: parseMessages, whole: messagesWhole, stream: messagesStream, fail: anthropicFail}
}

// anthropicCount answers /v1/messages/count_tokens.
func anthropicCount() endpoint {
	return endpoint{
		parse: func(r *http.Request, body []byte) (*prompt, error) {
			p, err := parseMessages(r, body)
			if p != nil {
				p.stream = false
			}
			return p, err
		},
		whole: func(_ *prompt, a *answer) any { return map[string]int{"input_tokens": a.in} },
		fail:  anthropicFail,
	}
}

func parseMessages(_ *http.Request, body []byte) (*prompt, error) {
	var q struct {
		Model     string
		Stream    bool
		System    json.RawMessage
		Messages  []message
		Tools     []offered
		MaxTokens int `json:"max_tokens"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if q.Model == "" {
		return nil, missing("model")
	}
	if len(q.Messages) == 0 {
		return nil, missing("messages")
	}
	p := &prompt{model: q.Model, stream: q.Stream, limit: q.MaxTokens}
	p.offer(q.Tools)
	if system := textOf(q.System); system != "" {
		p.texts = append(p.texts, system)
	}
	p.converse(q.Messages)
	return p, nil
}

func (a *answer) message(p *prompt) *anthropicMessage {
	return &anthropicMessage{ID: "msg_" + a.id, Type: "message", Role: "assistant", Model: p.model,
		Content: []anthropicBlock{}, Usage: anthropicUsage{Input: a.in}}
}

// block is the content block of the answer: with text, or with the tool's input, as far as it is known.
func (a *answer) block(text string) anthropicBlock {
	if a.tool == "" {
		return anthropicBlock{Type: "text", Text: &text}
	}
	input := json.RawMessage(text)
	if text == "" {
		input = json.RawMessage("{}")
	}
	return anthropicBlock{Type: "tool_use", ID: "toolu_" + a.id, Name: a.tool, Input: input}
}

func messagesWhole(p *prompt, a *answer) any {
	m := a.message(p)
	stop := anthropicStop[a.finish]
	m.Content, m.StopReason = append(m.Content, a.block(a.text())), &stop
	m.Usage.Output = a.out()
	return m
}

func messagesStream(p *prompt, a *answer, w *stream) {
	w.start("text/event-stream")
	send := func(e anthropicEvent) { w.sse(e.Type, e) }
	m, zero, block := a.message(p), 0, a.block("")
	m.Usage.Output = 1
	send(anthropicEvent{Type: "message_start", Message: m})
	send(anthropicEvent{Type: "content_block_start", Index: &zero, Block: &block})
	send(anthropicEvent{Type: "ping"})
	for piece := range w.pieces(a) {
		delta := &anthropicDelta{Type: "text_delta", Text: piece}
		if a.tool != "" {
			delta = &anthropicDelta{Type: "input_json_delta", JSON: piece}
		}
		send(anthropicEvent{Type: "content_block_delta", Index: &zero, Delta: delta})
	}
	send(anthropicEvent{Type: "content_block_stop", Index: &zero})
	usage := m.Usage
	usage.Output = a.out()
	send(anthropicEvent{Type: "message_delta", Delta: &anthropicDelta{StopReason: anthropicStop[a.finish]}, Usage: &usage})
	send(anthropicEvent{Type: "message_stop"})
}

func anthropicFail(f failure) any {
	typ := "invalid_request_error"
	switch {
	case f.status == http.StatusNotFound:
		typ = "not_found_error"
	case f.status == http.StatusRequestEntityTooLarge:
		typ = "request_too_large"
	case f.status == http.StatusTooManyRequests:
		typ = "rate_limit_error"
	case f.status == http.StatusServiceUnavailable:
		typ = "overloaded_error"
	case f.status >= http.StatusInternalServerError:
		typ = "api_error"
	}
	type detail struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	return struct {
		Type  string `json:"type"`
		Error detail `json:"error"`
	}{"error", detail{typ, f.message}}
}
