package mistral

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound for chat completions and embeddings.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	switch r.API {
	case llm.MistralChat:
		return &writer{head: newHead(r), stream: r.Stream, loss: loss}, nil
	case llm.MistralEmbed:
		return &embedWriter{head: newHead(r), base64: slices.Contains(r.Params.EncodingFormats, "base64")}, nil
	}
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
		"The provider behind this route speaks another API, to which %s cannot be translated.", r.API)
}

// head is what a response says about itself.
type head struct {
	id, model string
	created   int64
	usage     llm.Usage
	err       *llm.Error
}

func newHead(r *llm.Request) head { return head{model: r.Model, created: time.Now().Unix()} }

// read keeps what ev says about the response.
func (h *head) read(ev *llm.Event) {
	if h.id == "" {
		h.id = ev.ID
	}
	if ev.Model != "" {
		h.model = ev.Model
	}
	if ev.Usage != nil {
		h.usage = *ev.Usage
	}
	if ev.Err != nil {
		h.err = ev.Err
	}
}

// append appends the members at the beginning of a response, without the brace that closes it.
func (h *head) append(dst []byte, object string) []byte {
	if h.id == "" {
		h.id = fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) //nolint:gosec // told apart, not kept secret
	}
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, h.id)
	dst = append(dst, `,"object":`...)
	dst = jsonscan.AppendString(dst, object)
	dst = append(dst, `,"created":`...)
	dst = strconv.AppendInt(dst, h.created, 10)
	dst = append(dst, `,"model":`...)
	return jsonscan.AppendString(dst, h.model)
}

// appendUsage appends the usage object (API reference, UsageInfo), empty when nothing was reported.
func (h *head) appendUsage(dst []byte) []byte {
	u := &h.usage
	if !u.Input.Set && !u.Output.Set {
		return append(dst, "{}"...)
	}
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input.V, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input.V+u.Output.V, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output.V, 10)
	if u.CacheRead.Set {
		dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
		dst = append(strconv.AppendInt(dst, u.CacheRead.V, 10), '}')
	}
	return append(dst, '}')
}

// writer encodes one response as a chat completion: whole, or in chunks, each a server-sent event. The chunk that ends a choice
// waits for the end, for the last one tells the usage.
type writer struct {
	head
	stream  bool
	loss    *llm.Loss
	calls   dialect.Calls
	choices []*choice
	size    int
}

// choice is what was written of one choice, or is to be written when the response is not streamed.
type choice struct {
	index  int
	began  bool
	finish string // the provider's word
	pieces []piece
}

// piece is text or reasoning of an unstreamed response.
type piece struct {
	thinks bool
	text   []byte
}

// ContentType implements llm.Writer.
func (w *writer) ContentType() string {
	if w.stream {
		return "text/event-stream; charset=utf-8"
	}
	return "application/json"
}

// Write implements llm.Writer.
func (w *writer) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.read(ev)
	for i := range ev.Parts {
		p := &ev.Parts[i]
		if p.Repeat {
			continue
		}
		if len(p.Logprobs) > 0 {
			w.loss.Lost("logprobs")
		}
		var err error
		if dst, err = w.part(dst, p); err != nil {
			return dst, err
		}
	}
	for _, c := range ev.Choices {
		if c.Finish != "" {
			w.choice(c.Index).finish = c.Finish
			if llm.FinishOf(c.Finish) == llm.FinishFilter {
				w.loss.Lost("finish_reason")
			}
		}
		if c.Stop != "" {
			w.loss.Lost("stop_sequence")
		}
	}
	return dst, nil
}

func (w *writer) choice(i int) *choice {
	for _, x := range w.choices {
		if x.index == i {
			return x
		}
	}
	x := &choice{index: i}
	w.choices = append(w.choices, x)
	return x
}

// part writes or keeps one part.
func (w *writer) part(dst []byte, p *llm.Part) ([]byte, error) {
	x := w.choice(p.Choice)
	switch p.Kind {
	case llm.PartText:
		return w.text(dst, x, p.Text, false)
	case llm.PartRefusal: // the content says it, but no longer that it is one
		w.loss.Lost("refusal")
		return w.text(dst, x, p.Text, false)
	case llm.PartReasoning:
		if p.Signature != "" {
			w.loss.Lost("reasoning.signature")
		}
		if p.Data != "" {
			w.loss.Lost("reasoning.encrypted")
		}
		return w.text(dst, x, p.Text, true)
	case llm.PartToolCall:
		return dst, w.calls.Add(p)
	case llm.PartServerTool:
		w.loss.Lost("server_tool")
	case llm.PartToolResult, llm.PartBlob, llm.PartURI, llm.PartFile, llm.PartOther:
		w.loss.Lost("content")
	}
	return dst, nil
}

func (w *writer) text(dst []byte, x *choice, s string, thinks bool) ([]byte, error) {
	if s == "" {
		return dst, nil
	}
	if w.stream {
		dst = w.delta(dst, x)
		if thinks {
			dst = append(dst, `"content":[`...)
			dst = appendThinking(dst, s)
			dst = append(dst, ']')
		} else {
			dst = append(dst, `"content":`...)
			dst = jsonscan.AppendString(dst, s)
		}
		return append(dst, "},\"finish_reason\":null}]}\n\n"...), nil
	}
	if w.size += len(s); w.size > llm.MaxBody {
		return dst, llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large.")
	}
	if n := len(x.pieces); n == 0 || x.pieces[n-1].thinks != thinks {
		x.pieces = append(x.pieces, piece{thinks: thinks})
	}
	last := &x.pieces[len(x.pieces)-1]
	last.text = append(last.text, s...)
	return dst, nil
}

// delta begins a chunk with a delta of x, up to where its next member goes; the first of a choice says who speaks.
func (w *writer) delta(dst []byte, x *choice) []byte {
	dst = w.append(append(dst, "data: "...), "chat.completion.chunk")
	dst = append(dst, `,"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(x.index), 10)
	dst = append(dst, `,"delta":{`...)
	if !x.began {
		x.began = true
		dst = append(dst, `"role":"assistant",`...)
	}
	return dst
}

func appendThinking(dst []byte, s string) []byte {
	dst = append(dst, `{"type":"thinking","thinking":[`...)
	dst = appendText(dst, s)
	return append(dst, "]}"...)
}

func appendText(dst []byte, s string) []byte {
	dst = append(dst, `{"type":"text","text":`...)
	return append(jsonscan.AppendString(dst, s), '}')
}

// Close implements llm.Writer.
func (w *writer) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	switch {
	case e != nil && w.stream:
		return append(dst, Dialect{}.StreamError(nil, e)...), nil
	case e != nil:
		return append(dst, Dialect{}.Error(e)...), nil
	}
	w.lost()
	slices.SortFunc(w.choices, func(a, b *choice) int { return a.index - b.index })
	if w.stream {
		return w.end(dst), nil
	}
	return w.whole(dst), nil
}

// lost notes the counts that Mistral's usage has no place for.
func (w *writer) lost() {
	if w.usage.Reasoning.V > 0 {
		w.loss.Lost("usage.reasoning")
	}
	if w.usage.CacheWrite.V > 0 {
		w.loss.Lost("usage.cache_write")
	}
}

// end writes the last chunk of each choice, with the calls that it makes, as Mistral sends them whole, and ends the stream.
func (w *writer) end(dst []byte) []byte {
	if len(w.choices) == 0 {
		w.choice(0)
	}
	for i, x := range w.choices {
		calls := w.calls.Take(x.index)
		dst = append(w.delta(dst, x), `"content":""`...)
		if len(calls) > 0 {
			dst = append(dst, `,"tool_calls":`...)
			dst = w.appendCalls(dst, calls)
		}
		dst = append(dst, `},"finish_reason":`...)
		dst = jsonscan.AppendString(dst, finishReason(x.finish, len(calls) > 0))
		dst = append(dst, "}]"...)
		if i == len(w.choices)-1 && !w.usage.IsZero() {
			dst = w.appendUsage(append(dst, `,"usage":`...))
		}
		dst = append(dst, "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// whole appends the unstreamed response.
func (w *writer) whole(dst []byte) []byte {
	dst = append(w.append(dst, "chat.completion"), `,"choices":[`...)
	for i, x := range w.choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		calls := w.calls.Take(x.index)
		dst = append(dst, `{"index":`...)
		dst = strconv.AppendInt(dst, int64(x.index), 10)
		dst = append(dst, `,"message":{"role":"assistant","content":`...)
		dst = appendPieces(dst, x.pieces)
		dst = append(dst, `,"tool_calls":`...)
		if len(calls) > 0 {
			dst = w.appendCalls(dst, calls)
		} else {
			dst = append(dst, "null"...)
		}
		dst = append(dst, `},"finish_reason":`...)
		dst = jsonscan.AppendString(dst, finishReason(x.finish, len(calls) > 0))
		dst = append(dst, '}')
	}
	dst = append(dst, `],"usage":`...)
	return append(w.appendUsage(dst), '}')
}

// appendPieces appends a message's content: a text, or chunks where there is reasoning in it.
func appendPieces(dst []byte, pieces []piece) []byte {
	switch {
	case len(pieces) == 0:
		return append(dst, `""`...)
	case len(pieces) == 1 && !pieces[0].thinks:
		return jsonscan.AppendString(dst, string(pieces[0].text))
	}
	dst = append(dst, '[')
	for i, p := range pieces {
		if i > 0 {
			dst = append(dst, ',')
		}
		if p.thinks {
			dst = appendThinking(dst, string(p.text))
		} else {
			dst = appendText(dst, string(p.text))
		}
	}
	return append(dst, ']')
}

func (w *writer) appendCalls(dst []byte, calls []llm.Part) []byte {
	dst = append(dst, '[')
	for i := range calls {
		c := &calls[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		id, args := c.ID, c.Text
		if id == "" { // a provider that joins calls and results by name
			id = idOf(w.id+":"+strconv.Itoa(c.Choice)+":"+strconv.Itoa(i), 0, 0)
		}
		if args == "" {
			args = "{}"
		}
		dst = append(dst, `{"id":`...)
		dst = jsonscan.AppendString(dst, id)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = jsonscan.AppendString(dst, c.Name)
		dst = append(dst, `,"arguments":`...)
		dst = jsonscan.AppendString(dst, args)
		dst = append(dst, `},"index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// finishReason is Mistral's word for another provider's (API reference, FinishReasonEnum). It has none for an answer that a
// filter stopped: error is the one that no client takes for a good end.
func finishReason(word string, called bool) string {
	switch llm.FinishOf(word) {
	case llm.FinishLength:
		return "length"
	case llm.FinishTools:
		return "tool_calls"
	case llm.FinishFilter:
		return "error"
	case llm.FinishStop, llm.FinishOther:
	}
	if called {
		return "tool_calls"
	}
	return "stop"
}
