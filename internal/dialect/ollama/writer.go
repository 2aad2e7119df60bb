package ollama

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound for /api/chat. It writes the first choice; tool calls are written whole, and the last
// object, with its counts, by Close, since other providers report usage after the end of the text.
func (Dialect) NewWriter(r *llm.Request, _ *llm.Loss) (llm.Writer, error) {
	if r.API != llm.OllamaChat {
		return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be answered by another provider.", r.API)
	}
	return &writer{request: r, model: r.Model}, nil
}

type writer struct {
	request *llm.Request
	model   string
	message message // what is not written yet
	calls   dialect.Calls
	finish  string
	usage   llm.Usage
	err     *llm.Error // the provider's, in the middle of its response
	size    int        // bytes of text in message
}

// ContentType implements llm.Writer.
func (w *writer) ContentType() string {
	if w.request.Stream {
		return "application/x-ndjson"
	}
	return "application/json; charset=utf-8"
}

// Write implements llm.Writer.
func (w *writer) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	if ev.Model != "" {
		w.model = ev.Model
	}
	if ev.Usage != nil {
		w.usage = *ev.Usage
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	for _, c := range ev.Choices {
		if c.Index == 0 && c.Finish != "" {
			w.finish = finishOf(c.Finish)
		}
	}
	for i := range ev.Parts {
		if p := &ev.Parts[i]; p.Choice == 0 {
			if err := w.part(p); err != nil {
				return dst, err
			}
		}
	}
	if !w.request.Stream || w.size == 0 {
		return dst, nil
	}
	return w.object(dst, chatResponse{})
}

func (w *writer) part(p *llm.Part) error {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		w.message.Content += p.Text
	case llm.PartReasoning:
		w.message.Thinking += p.Text
	case llm.PartToolCall:
		return w.calls.Add(p)
	default:
		return nil
	}
	if w.size += len(p.Text); w.size > llm.MaxBody {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large.")
	}
	return nil
}

// Close implements llm.Writer.
func (w *writer) Close(dst []byte, e *llm.Error) ([]byte, error) {
	d := Dialect{}
	if e == nil {
		e = w.err
	}
	switch {
	case e != nil && w.request.Stream:
		return append(dst, d.StreamError(w.request, e)...), nil
	case e != nil:
		return append(dst, d.Error(e)...), nil
	}
	for _, p := range w.calls.Take(0) {
		args, err := dialect.Arguments(&p, http.StatusBadGateway)
		if err != nil {
			return dst, err
		}
		w.message.ToolCalls = append(w.message.ToolCalls, toolCall{ID: p.ID, Function: functionCall{Name: p.Name, Arguments: args}})
	}
	if w.request.Stream && len(w.message.ToolCalls) > 0 {
		var err error
		if dst, err = w.object(dst, chatResponse{}); err != nil {
			return dst, err
		}
	}
	return w.object(dst, chatResponse{
		Done: true, DoneReason: w.finish, PromptEvalCount: dialect.Pointer(w.usage.Input), EvalCount: dialect.Pointer(w.usage.Output),
	})
}

// object appends m with the message that is kept.
func (w *writer) object(dst []byte, m chatResponse) ([]byte, error) {
	m.Model, m.CreatedAt, m.Message = w.model, time.Now().UTC().Format(time.RFC3339Nano), w.message
	m.Message.Role = string(llm.RoleAssistant)
	w.message, w.size = message{}, 0
	b, err := json.Marshal(&m)
	if err != nil {
		return dst, fmt.Errorf("write a response: %w", err)
	}
	if dst = append(dst, b...); w.request.Stream {
		dst = append(dst, '\n')
	}
	return dst, nil
}

// finishOf maps the finish reasons of other providers to Ollama's two.
func finishOf(s string) string {
	switch s {
	case "length", "max_tokens", "model_context_window_exceeded", "MAX_TOKENS":
		return "length"
	}
	return "stop"
}
