package gemini

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound for generateContent. Tool calls are written whole, when their choice has finished.
func (Dialect) NewWriter(r *llm.Request, _ *llm.Loss) (llm.Writer, error) {
	if r.API != llm.GeminiGenerate {
		return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be answered by a provider of another dialect.", r.API)
	}
	return &writer{request: r}, nil
}

type writer struct {
	request   *llm.Request
	id, model string
	usage     *llm.Usage // not written yet
	kept      llm.Usage
	choices   []choice
	calls     dialect.Calls
	err       *llm.Error // the provider's, in the middle of its response
	size      int        // bytes of text held
	opened    bool       // the array's bracket is written
}

// choice is what of one choice is not written yet.
type choice struct {
	index  int
	parts  []part
	finish string
}

// ContentType implements llm.Writer.
func (w *writer) ContentType() string {
	if w.request.Stream && !w.request.StreamArray {
		return "text/event-stream"
	}
	return "application/json; charset=UTF-8"
}

// Write implements llm.Writer.
func (w *writer) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	if w.id == "" {
		w.id = ev.ID
	}
	if w.model == "" {
		w.model = ev.Model
	}
	if ev.Usage != nil {
		w.kept = *ev.Usage
		w.usage = &w.kept
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	for i := range ev.Parts {
		if err := w.part(&ev.Parts[i]); err != nil {
			return dst, err
		}
	}
	for _, c := range ev.Choices {
		if q := w.choice(c.Index); c.Finish != "" {
			q.finish = finishOf(c.Finish)
		}
	}
	if !w.request.Stream {
		return dst, nil
	}
	return w.flush(dst, false)
}

// Close implements llm.Writer.
func (w *writer) Close(dst []byte, e *llm.Error) ([]byte, error) {
	d := Dialect{}
	if e == nil {
		e = w.err
	}
	if !w.request.Stream && e != nil {
		return append(dst, d.Error(e)...), nil
	}
	dst, err := w.flush(dst, true)
	if err != nil || !w.request.Stream {
		return dst, err
	}
	array := w.request.StreamArray
	switch {
	case e != nil && array && !w.opened:
		return append(append(append(dst, '['), d.Error(e)...), ']'), nil
	case e != nil:
		return append(dst, d.StreamError(w.request, e)...), nil
	case array && !w.opened:
		return append(dst, "[]"...), nil
	case array:
		return append(dst, "\r\n]"...), nil
	}
	return dst, nil
}

func (w *writer) choice(index int) *choice {
	for i := range w.choices {
		if w.choices[i].index == index {
			return &w.choices[i]
		}
	}
	w.choices = append(w.choices, choice{index: index})
	return &w.choices[len(w.choices)-1]
}

// part keeps p, joined to the text that it continues.
func (w *writer) part(p *llm.Part) error {
	c := w.choice(p.Choice)
	if w.size += len(p.Text) + len(p.Data); w.size > llm.MaxBody && !w.request.Stream {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large.")
	}
	switch p.Kind {
	case llm.PartText, llm.PartRefusal, llm.PartReasoning:
		thought := p.Kind == llm.PartReasoning
		if n := len(c.parts); n > 0 && c.parts[n-1].Text != nil && c.parts[n-1].Thought == thought {
			*c.parts[n-1].Text += p.Text
			return nil
		}
		text := p.Text
		c.parts = append(c.parts, part{Text: &text, Thought: thought})
	case llm.PartToolCall:
		return w.calls.Add(p)
	case llm.PartBlob:
		c.parts = append(c.parts, part{InlineData: &media{MIMEType: p.MIME, Data: p.Data}})
	case llm.PartURI:
		c.parts = append(c.parts, part{FileData: &media{MIMEType: p.MIME, FileURI: p.URI}})
	}
	return nil
}

// flush writes what is kept, if that is anything; last says that nothing more comes.
func (w *writer) flush(dst []byte, last bool) ([]byte, error) {
	m := generateContentResponse{ModelVersion: w.model, ResponseID: w.id, UsageMetadata: usageOf(w.usage)}
	for i := range w.choices {
		c := &w.choices[i]
		if c.finish != "" || last {
			for _, p := range w.calls.Take(c.index) {
				args, err := dialect.Arguments(&p, http.StatusBadGateway)
				if err != nil {
					return dst, err
				}
				c.parts = append(c.parts, part{FunctionCall: &functionCall{ID: p.ID, Name: p.Name, Args: args}})
			}
		}
		if len(c.parts) == 0 && c.finish == "" {
			continue
		}
		out := candidate{Index: c.index, FinishReason: c.finish}
		if len(c.parts) > 0 {
			out.Content = &content{Role: "model", Parts: c.parts}
		}
		m.Candidates = append(m.Candidates, out)
		c.parts, c.finish = nil, ""
	}
	w.usage = nil
	if m.Candidates == nil && m.UsageMetadata == nil && w.request.Stream {
		return dst, nil
	}
	b, err := json.Marshal(&m)
	if err != nil {
		return dst, fmt.Errorf("write a response: %w", err)
	}
	return w.frame(dst, b), nil
}

// frame appends one message as the client takes it.
func (w *writer) frame(dst, message []byte) []byte {
	switch {
	case !w.request.Stream:
		return append(dst, message...)
	case !w.request.StreamArray:
		return append(append(append(dst, "data: "...), message...), "\r\n\r\n"...)
	case w.opened:
		return append(append(dst, ",\r\n"...), message...)
	}
	w.opened = true
	return append(append(dst, '['), message...)
}

func usageOf(u *llm.Usage) *usageMetadata {
	if u == nil {
		return nil
	}
	m := &usageMetadata{
		PromptTokenCount:        dialect.Pointer(u.Input),
		CachedContentTokenCount: dialect.Pointer(u.CacheRead),
		ThoughtsTokenCount:      dialect.Pointer(u.Reasoning),
	}
	if u.Output.Set {
		m.CandidatesTokenCount = dialect.Pointer(llm.Some(u.Output.V - u.Reasoning.V))
	}
	if u.Input.Set || u.Output.Set {
		m.TotalTokenCount = dialect.Pointer(llm.Some(u.Input.V + u.Output.V))
	}
	return m
}

// finishOf maps the finish reasons of other providers; one in capitals is Google's own.
func finishOf(s string) string {
	switch s {
	case "stop", "end_turn", "stop_sequence", "tool_calls", "function_call", "tool_use", "pause_turn":
		return "STOP"
	case "length", "max_tokens", "model_context_window_exceeded":
		return "MAX_TOKENS"
	case "content_filter", "refusal":
		return "SAFETY"
	}
	if s == strings.ToUpper(s) {
		return s
	}
	return "OTHER"
}
