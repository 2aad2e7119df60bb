package openai

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// responsesWriter encodes one response as "The response object", or as the events that build one (API reference, "Responses",
// "Streaming events"). It keeps what it has written, for the events that close a part say it again: at most llm.MaxBody bytes.
type responsesWriter struct {
	r       *llm.Request
	loss    *llm.Loss
	created int64
	echo    []byte // the members that the request sets, as an answer has them

	id, model string
	began     bool
	seq       int64
	items     []*item
	kept      int
	finish    string
	counts    *llm.Usage
	err       *llm.Error
}

// item is an output item: a message, reasoning, or a call of a function.
type item struct {
	typ      string
	index    int // of the parts that it is made of
	at       int // in the output
	id       string
	call     string // the call's id
	name     string
	sealed   string // encrypted_content
	text     []byte // arguments, or the reasoning's summary
	contents []content
	summed   bool // the summary has begun
	done     bool
}

// content is a content part of a message.
type content struct {
	refusal bool
	index   int
	text    []byte
	probs   []byte // JSON, without the brackets
}

func newResponsesWriter(r *llm.Request, loss *llm.Loss) *responsesWriter {
	return &responsesWriter{r: r, loss: loss, created: time.Now().Unix(), model: r.Model, echo: echo(r)}
}

// ContentType implements llm.Writer.
func (w *responsesWriter) ContentType() string {
	if w.r.Stream {
		return "text/event-stream; charset=utf-8"
	}
	return "application/json"
}

// Write implements llm.Writer.
func (w *responsesWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.head(ev)
	if ev.ID != "" || len(ev.Parts) > 0 || len(ev.Choices) > 0 {
		dst = w.begin(dst)
	}
	for i := range ev.Parts {
		p := &ev.Parts[i]
		if p.Repeat {
			continue
		}
		if p.Choice != 0 { // the API has one, and no way to ask for more
			w.loss.Lost("choices")
			continue
		}
		if w.kept += len(p.Text) + len(p.Signature) + len(p.Data); w.kept > llm.MaxBody {
			return dst, llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large to be translated.")
		}
		dst = w.part(dst, p)
	}
	for _, c := range ev.Choices {
		if c.Index == 0 && w.finish == "" {
			w.finish = c.Finish
		}
		if c.Stop != "" {
			w.loss.Lost("stop_sequence")
		}
	}
	return dst, nil
}

func (w *responsesWriter) head(ev *llm.Event) {
	if w.id == "" {
		w.id = ev.ID
	}
	if ev.Model != "" {
		w.model = ev.Model
	}
	if ev.Usage != nil {
		u := *ev.Usage
		w.counts = &u
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
}

// begin opens the response, once.
func (w *responsesWriter) begin(dst []byte) []byte {
	if w.began {
		return dst
	}
	w.began = true
	if w.id == "" {
		w.id = fmt.Sprintf("resp_%016x", rand.Uint64()) //nolint:gosec // told apart, not kept secret
	}
	for _, name := range []string{"response.created", "response.in_progress"} {
		if w.r.Stream {
			dst = append(w.event(dst, name), `,"response":`...)
			dst = w.end(w.object(dst, statusInProgress, nil))
		}
	}
	return dst
}

func (w *responsesWriter) part(dst []byte, p *llm.Part) []byte {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		return w.say(dst, p)
	case llm.PartReasoning:
		return w.reason(dst, p)
	case llm.PartToolCall:
		return w.call(dst, p)
	case llm.PartServerTool:
		w.loss.Lost("server_tools")
	default:
		w.loss.Lost("content")
	}
	return dst
}

// open begins an item, after which no message and no reasoning goes on. Calls do: several of them come side by side.
func (w *responsesWriter) open(dst []byte, typ, prefix string, index int) ([]byte, *item) {
	for _, x := range w.items {
		if x.typ != typeCall {
			dst = w.close(dst, x, statusCompleted)
		}
	}
	x := &item{typ: typ, index: index, at: len(w.items)}
	x.id = prefix + w.id + "_" + strconv.Itoa(x.at)
	w.items = append(w.items, x)
	return dst, x
}

// added tells that x has begun.
func (w *responsesWriter) added(dst []byte, x *item) []byte {
	if !w.r.Stream {
		return dst
	}
	dst = append(w.itemEvent(dst, "response.output_item.added", x, false), `,"item":`...)
	return w.end(x.append(dst, statusInProgress))
}

// last is the latest item when it is of typ and goes on.
func (w *responsesWriter) last(typ string) *item {
	if n := len(w.items); n > 0 && w.items[n-1].typ == typ && !w.items[n-1].done {
		return w.items[n-1]
	}
	return nil
}

// say adds to a message. Text of another index is another content part of it.
func (w *responsesWriter) say(dst []byte, p *llm.Part) []byte {
	if p.Text == "" && len(p.Logprobs) == 0 {
		return dst
	}
	x := w.last(typeMessage)
	if x == nil {
		dst, x = w.open(dst, typeMessage, "msg_", p.Index)
		dst = w.added(dst, x)
	}
	refusal, n := p.Kind == llm.PartRefusal, len(x.contents)
	if n == 0 || x.contents[n-1].refusal != refusal || x.contents[n-1].index != p.Index {
		if n > 0 {
			dst = w.closeContent(dst, x)
		}
		x.contents = append(x.contents, content{refusal: refusal, index: p.Index})
		if w.r.Stream {
			dst = append(w.contentEvent(dst, "response.content_part.added", x), `,"part":`...)
			dst = w.end(x.contents[n].append(dst))
		}
		n++
	}
	c := &x.contents[n-1]
	c.text = append(c.text, p.Text...)
	from := len(c.probs)
	c.probs = appendLogprobs(c.probs, p.Logprobs)
	if !w.r.Stream {
		return dst
	}
	name := "response.output_text.delta"
	if refusal {
		name = "response.refusal.delta"
	}
	dst = append(w.contentEvent(dst, name, x), `,"delta":`...)
	dst = jsonscan.AppendString(dst, p.Text)
	if !refusal {
		dst = append(dst, `,"logprobs":[`...)
		probs := c.probs[from:]
		if from > 0 && len(probs) > 0 {
			probs = probs[1:] // the comma
		}
		dst = append(append(dst, probs...), ']')
	}
	return w.end(dst)
}

// reason adds to an item of reasoning: one for each block. Its text is a summary as far as this API goes, whose models show
// nothing else of it; what a provider signs or encrypts is in encrypted_content.
func (w *responsesWriter) reason(dst []byte, p *llm.Part) []byte {
	if p.Text == "" && p.Signature == "" && p.Data == "" {
		return dst
	}
	x := w.last(typeReasoning)
	if x == nil || x.index != p.Index || x.sealed != "" {
		dst, x = w.open(dst, typeReasoning, "rs_", p.Index)
		dst = w.added(dst, x)
	}
	if s := seal(p); s != "" {
		x.sealed = s
	}
	if p.Text == "" {
		return dst
	}
	begins := !x.summed
	x.summed, x.text = true, append(x.text, p.Text...)
	if !w.r.Stream {
		return dst
	}
	if begins {
		dst = append(w.summaryEvent(dst, "response.reasoning_summary_part.added", x), `,"part":{"type":"summary_text","text":""}`...)
		dst = w.end(dst)
	}
	dst = append(w.summaryEvent(dst, "response.reasoning_summary_text.delta", x), `,"delta":`...)
	return w.end(jsonscan.AppendString(dst, p.Text))
}

// call adds to a call of a function.
func (w *responsesWriter) call(dst []byte, p *llm.Part) []byte {
	var x *item
	for _, y := range w.items {
		if y.typ == typeCall && y.index == p.Index {
			x = y
		}
	}
	if x == nil {
		dst, x = w.open(dst, typeCall, "fc_", p.Index)
		if x.name, x.call = p.Name, p.ID; x.call == "" {
			x.call = "call_" + w.id + "_" + strconv.Itoa(x.at)
		}
		dst = w.added(dst, x)
	}
	x.text = append(x.text, p.Text...)
	return w.arguments(dst, x, p.Text)
}

func (w *responsesWriter) arguments(dst []byte, x *item, args string) []byte {
	if !w.r.Stream || args == "" {
		return dst
	}
	dst = append(w.itemEvent(dst, "response.function_call_arguments.delta", x, true), `,"delta":`...)
	return w.end(jsonscan.AppendString(dst, args))
}

// close ends x: the events that close it say all of it once more.
func (w *responsesWriter) close(dst []byte, x *item, status string) []byte {
	if x.done {
		return dst
	}
	x.done = true
	if x.typ == typeCall && len(x.text) == 0 { // an empty text is not the JSON that clients parse
		x.text = append(x.text, "{}"...)
		dst = w.arguments(dst, x, "{}")
	}
	if !w.r.Stream {
		return dst
	}
	switch {
	case x.typ == typeCall:
		dst = append(w.itemEvent(dst, "response.function_call_arguments.done", x, true), `,"arguments":`...)
		dst = w.end(jsonscan.AppendString(dst, string(x.text)))
	case x.typ == typeReasoning && x.summed:
		dst = append(w.summaryEvent(dst, "response.reasoning_summary_text.done", x), `,"text":`...)
		dst = w.end(jsonscan.AppendString(dst, string(x.text)))
		dst = append(w.summaryEvent(dst, "response.reasoning_summary_part.done", x), `,"part":`...)
		dst = w.end(x.summary(dst))
	case x.typ == typeMessage:
		dst = w.closeContent(dst, x)
	}
	dst = append(w.itemEvent(dst, "response.output_item.done", x, false), `,"item":`...)
	return w.end(x.append(dst, status))
}

// closeContent ends the last content part of the message x.
func (w *responsesWriter) closeContent(dst []byte, x *item) []byte {
	if !w.r.Stream || len(x.contents) == 0 {
		return dst
	}
	c := &x.contents[len(x.contents)-1]
	if c.refusal {
		dst = append(w.contentEvent(dst, "response.refusal.done", x), `,"refusal":`...)
		dst = jsonscan.AppendString(dst, string(c.text))
	} else {
		dst = append(w.contentEvent(dst, "response.output_text.done", x), `,"text":`...)
		dst = append(jsonscan.AppendString(dst, string(c.text)), `,"logprobs":[`...)
		dst = append(append(dst, c.probs...), ']')
	}
	dst = w.end(dst)
	dst = append(w.contentEvent(dst, "response.content_part.done", x), `,"part":`...)
	return w.end(c.append(dst))
}

// Close implements llm.Writer.
func (w *responsesWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil && !w.r.Stream {
		return append(dst, Dialect{}.Error(e)...), nil
	}
	dst = w.begin(dst)
	status, name := statusCompleted, "response.completed"
	if reason := incomplete(w.finish); reason != "" {
		status, name = statusIncomplete, "response.incomplete"
	}
	if e != nil {
		status, name = statusFailed, "response.failed"
	} else {
		for i, x := range w.items {
			if i == len(w.items)-1 {
				dst = w.close(dst, x, status)
			} else {
				dst = w.close(dst, x, statusCompleted)
			}
		}
	}
	if !w.r.Stream {
		return w.object(dst, status, nil), nil
	}
	dst = append(w.event(dst, name), `,"response":`...)
	return w.end(w.object(dst, status, e)), nil
}

// incomplete is why a response that ended for another provider's word is incomplete, "" when it is not.
func incomplete(word string) string {
	switch llm.FinishOf(word) {
	case llm.FinishLength:
		return "max_output_tokens"
	case llm.FinishFilter:
		return "content_filter"
	}
	return ""
}
