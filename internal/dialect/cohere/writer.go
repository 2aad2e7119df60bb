package cohere

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound for chat of version 2, and for embed.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	switch r.API {
	case llm.CohereChat:
		if r.Stream {
			return &streamWriter{answer: answer{loss: loss}}, nil
		}
		return &wholeWriter{answer: answer{loss: loss}}, nil
	case llm.CohereEmbed, llm.CohereEmbedV1:
		return newEmbedWriter(r, loss)
	}
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be answered by another provider.", r.API)
}

// answer is what events tell of a response beside its content. There is one choice.
type answer struct {
	loss   *llm.Loss
	id     string
	finish string // the provider's word
	stop   string // the stop sequence that it names
	tools  bool   // tools are called
	counts llm.Usage
	err    *llm.Error // the provider's, in the middle of its response
	size   int        // bytes of text that are kept
}

// note keeps what ev says beside its content.
func (a *answer) note(ev *llm.Event) {
	if a.id == "" {
		a.id = ev.ID
	}
	if ev.Usage != nil {
		a.counts = *ev.Usage
	}
	if ev.Err != nil && a.err == nil {
		a.err = ev.Err
	}
	for _, c := range ev.Choices {
		if c.Index != 0 {
			a.loss.Lost("choices")
			continue
		}
		if c.Finish != "" {
			a.finish = c.Finish
		}
		if c.Stop != "" {
			a.stop = c.Stop
			a.loss.Lost("stop_sequence") // which it was
		}
	}
}

// takes reports whether p has a place in an answer, and tells what of it has none.
func (a *answer) takes(p *llm.Part) bool {
	switch {
	case p.Repeat:
		return false
	case p.Choice != 0:
		a.loss.Lost("choices")
		return false
	}
	switch p.Kind {
	case llm.PartText:
		if len(p.Logprobs) > 0 {
			a.loss.Lost("logprobs.token_ids")
		}
		if slices.ContainsFunc(p.Logprobs, func(l llm.Logprob) bool { return len(l.Top) > 0 }) {
			a.loss.Lost("top_logprobs")
		}
		return p.Text != ""
	case llm.PartRefusal:
		a.loss.Lost("refusal") // it is a text like any other
		return p.Text != ""
	case llm.PartReasoning:
		if p.Signature != "" {
			a.loss.Lost("reasoning.signature")
		}
		if p.Data != "" {
			a.loss.Lost("reasoning.encrypted")
		}
		return p.Text != ""
	case llm.PartToolCall:
		a.tools = true
		return true
	case llm.PartServerTool:
		a.loss.Lost("server_tool")
	default:
		a.loss.Lost("content")
	}
	return false
}

// keep counts n more bytes that are kept.
func (a *answer) keep(n int) error {
	if a.size += n; a.size > llm.MaxBody {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large.")
	}
	return nil
}

// name is the answer's id, made up where the provider has none.
func (a *answer) name() string {
	if a.id == "" {
		a.id = fmt.Sprintf("%016x", rand.Uint64()) //nolint:gosec // told apart, not kept secret
	}
	return a.id
}

// callID is the id of the nth tool call, made up where the provider has none.
func (a *answer) callID(p *llm.Part, n int) string {
	if p.ID != "" {
		return p.ID
	}
	return p.Name + "_" + a.name() + "_" + strconv.Itoa(n)
}

// reason is the finish reason in Cohere's words (API reference, chat). It has none for filters: the generation failed.
func (a *answer) reason() string {
	switch f := llm.FinishOf(a.finish); {
	case a.finish == "" && a.tools, f == llm.FinishTools, f == llm.FinishStop && a.tools:
		return "TOOL_CALL"
	case a.stop != "" || strings.EqualFold(a.finish, stopSequence):
		return stopSequence
	case a.finish == "", f == llm.FinishStop:
		return "COMPLETE"
	case f == llm.FinishLength:
		return "MAX_TOKENS"
	}
	a.loss.Lost("finish_reason")
	return "ERROR"
}

const stopSequence = "STOP_SEQUENCE"

// usage is the counts in Cohere's sense: all that was counted is billed, as far as we know. nil when nothing was reported.
func (a *answer) usage() *usage {
	c := &a.counts
	if c.Reasoning.V > 0 {
		a.loss.Lost("usage.reasoning")
	}
	if c.CacheWrite.V > 0 {
		a.loss.Lost("usage.cache_write")
	}
	if !c.Input.Set && !c.Output.Set {
		return nil
	}
	u := units{InputTokens: dialect.Pointer(c.Input), OutputTokens: dialect.Pointer(c.Output)}
	return &usage{BilledUnits: &u, Tokens: &u, CachedTokens: dialect.Pointer(c.CacheRead)}
}

// wholeWriter writes a response as one object, when it is complete.
type wholeWriter struct {
	answer
	blocks   []block
	logprobs []logprob
	calls    dialect.Calls
}

// block is a content: a text or what was reasoned.
type block struct {
	reasoning bool
	index     int
	text      []byte
}

// ContentType implements llm.Writer.
func (*wholeWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer.
func (w *wholeWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.note(ev)
	for i := range ev.Parts {
		p := &ev.Parts[i]
		if !w.takes(p) {
			continue
		}
		if err := w.part(p); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (w *wholeWriter) part(p *llm.Part) error {
	if p.Kind == llm.PartToolCall {
		return w.calls.Add(p)
	}
	for i := range p.Logprobs {
		l := &p.Logprobs[i]
		w.logprobs = append(w.logprobs, logprob{Text: l.Token, TokenIDs: []int64{}, Logprobs: []float64{l.Logprob}})
	}
	reasoning := p.Kind == llm.PartReasoning
	if n := len(w.blocks); n == 0 || w.blocks[n-1].reasoning != reasoning || w.blocks[n-1].index != p.Index {
		w.blocks = append(w.blocks, block{reasoning: reasoning, index: p.Index})
	}
	b := &w.blocks[len(w.blocks)-1]
	b.text = append(b.text, p.Text...)
	return w.keep(len(p.Text))
}

// Close implements llm.Writer.
func (w *wholeWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil {
		return append(dst, Dialect{}.Error(e)...), nil
	}
	out := chatResponse{ID: w.name(), Message: responseMessage{Role: string(llm.RoleAssistant)}, Logprobs: w.logprobs}
	for i := range w.blocks {
		b := &w.blocks[i]
		text := string(b.text)
		if b.reasoning {
			out.Message.Content = append(out.Message.Content, content{Type: "thinking", Thinking: &text})
		} else {
			out.Message.Content = append(out.Message.Content, content{Type: "text", Text: &text})
		}
	}
	for i, p := range w.calls.Take(0) {
		if p.Text == "" {
			p.Text = "{}"
		}
		call := toolCall{ID: w.callID(&p, i), Type: "function", Function: callBody{Name: p.Name, Arguments: p.Text}}
		out.Message.ToolCalls = append(out.Message.ToolCalls, call)
	}
	out.FinishReason, out.Usage = w.reason(), w.usage()
	body, err := encode(&out)
	return append(dst, body...), err
}
