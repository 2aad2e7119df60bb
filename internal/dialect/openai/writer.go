package openai

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound for chat completions, Responses and embeddings.
func (d Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	switch r.API {
	case llm.OpenAIChat:
		return &writer{
			stream:  r.Stream,
			usage:   r.Stream && r.StreamUsage,
			model:   r.Model,
			created: time.Now().Unix(),
			loss:    loss,
		}, nil
	case llm.OpenAIResponses:
		return newResponsesWriter(r, loss), nil
	case llm.OpenAIEmbeddings:
		return newEmbeddingsWriter(r), nil
	}
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
		"The provider behind this route speaks another API, to which completions and images cannot be translated.")
}

// writer encodes one response as a chat completion: "The chat completion object", or its chunks, each a server-sent event.
type writer struct {
	stream, usage bool
	id, model     string
	created       int64
	loss          *llm.Loss
	choices       []*written
	counts        *llm.Usage
	err           *llm.Error
}

// written is what was written of one choice, or is to be written when the response is not streamed.
type written struct {
	index                 int
	began                 bool
	finish                string // the provider's word
	content, rejection    []byte // unstreamed only
	probs, rejectionProbs []byte // of these, JSON without the brackets; unstreamed only
	blocks                []block
	calls                 []call
}

// block is one block of reasoning. What of it was written as a detail is not in it any more.
type block struct {
	part            int // the index of its parts
	text            []byte
	signature, data string
	closed          bool // what follows is another block
	long            bool // more than is kept of a stream
}

// call is one tool call: part is the index of its fragments.
type call struct {
	part     int
	id, name string
	args     []byte // unstreamed only
	empty    bool   // no arguments yet
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
	w.head(ev)
	for i := range ev.Parts {
		if p := &ev.Parts[i]; !p.Repeat {
			dst = w.part(dst, p)
		}
	}
	for _, c := range ev.Choices {
		if c.Stop != "" {
			w.loss.Lost("stop_sequence")
		}
		if c.Finish == "" || ev.Err != nil { // the error says how it ended
			continue
		}
		if x := w.choice(c.Index); x.finish == "" {
			x.finish = c.Finish
			if w.stream {
				dst = w.finish(dst, x)
			}
		}
	}
	return dst, nil
}

// head keeps what ev says about the response.
func (w *writer) head(ev *llm.Event) {
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

// identify names the response when the provider did not.
func (w *writer) identify() {
	if w.id == "" {
		w.id = fmt.Sprintf("chatcmpl-%016x", rand.Uint64()) //nolint:gosec // told apart, not kept secret
	}
}

func (w *writer) choice(i int) *written {
	for _, x := range w.choices {
		if x.index == i {
			return x
		}
	}
	x := &written{index: i}
	w.choices = append(w.choices, x)
	return x
}

// part writes or keeps one part.
func (w *writer) part(dst []byte, p *llm.Part) []byte {
	x := w.choice(p.Choice)
	switch p.Kind {
	case llm.PartText:
		x.content = w.keep(x.content, p.Text)
		return w.text(dst, x, p, "content", &x.probs)
	case llm.PartRefusal:
		x.rejection = w.keep(x.rejection, p.Text)
		return w.text(dst, x, p, "refusal", &x.rejectionProbs)
	case llm.PartReasoning:
		return w.reason(dst, x, p)
	case llm.PartToolCall:
		return w.call(dst, x, p)
	case llm.PartServerTool:
		w.loss.Lost("server_tools")
	default:
		w.loss.Lost("content")
	}
	return dst
}

// text writes a text and the log probabilities of its tokens, or keeps these.
func (w *writer) text(dst []byte, x *written, p *llm.Part, field string, probs *[]byte) []byte {
	if !w.stream {
		*probs = appendLogprobs(*probs, p.Logprobs)
		return dst
	}
	if p.Text == "" && len(p.Logprobs) == 0 {
		return dst
	}
	dst = appendMember(w.delta(dst, x), field)
	dst = append(jsonscan.AppendString(dst, p.Text), '}')
	list := appendLogprobs(nil, p.Logprobs)
	if field == "refusal" {
		return w.endChoice(dst, nil, list)
	}
	return w.endChoice(dst, list, nil)
}

func (w *writer) keep(b []byte, s string) []byte {
	if w.stream {
		return b
	}
	return append(b, s...)
}

// call writes or keeps a piece of a tool call; the first names it.
func (w *writer) call(dst []byte, x *written, p *llm.Part) []byte {
	n := slices.IndexFunc(x.calls, func(c call) bool { return c.part == p.Index })
	begins := n < 0
	if begins {
		n = len(x.calls)
		w.identify()
		c := call{part: p.Index, id: p.ID, name: p.Name, empty: true}
		if c.id == "" {
			c.id = "call_" + w.id + "_" + strconv.Itoa(n)
		}
		x.calls = append(x.calls, c)
	}
	c := &x.calls[n]
	c.empty = c.empty && p.Text == ""
	c.args = w.keep(c.args, p.Text)
	if !w.stream || !begins && p.Text == "" {
		return dst
	}
	return w.callDelta(dst, x, n, begins, p.Text)
}

func (w *writer) callDelta(dst []byte, x *written, n int, begins bool, args string) []byte {
	c := &x.calls[n]
	dst = w.delta(dst, x)
	dst = appendMember(dst, "tool_calls")
	dst = append(dst, `[{"index":`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	if begins {
		dst = append(dst, `,"id":`...)
		dst = jsonscan.AppendString(dst, c.id)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = jsonscan.AppendString(dst, c.name)
		dst = append(dst, ',')
	} else {
		dst = append(dst, `,"function":{`...)
	}
	dst = append(dst, `"arguments":`...)
	dst = jsonscan.AppendString(dst, args)
	dst = append(dst, "}}]"...)
	return w.endDelta(dst)
}

// finish writes the chunk that ends a choice, and before it the arguments of calls that have none: an empty text is not the
// JSON that clients parse.
func (w *writer) finish(dst []byte, x *written) []byte {
	for n := range x.calls {
		if x.calls[n].empty {
			x.calls[n].empty = false
			dst = w.callDelta(dst, x, n, false, "{}")
		}
	}
	if !x.began {
		dst = w.endDelta(w.delta(dst, x))
	}
	dst = w.chunk(dst)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(x.index), 10)
	dst = append(dst, `,"delta":{},"logprobs":null,"finish_reason":`...)
	dst = jsonscan.AppendString(dst, finishReason(x.finish, len(x.calls) > 0))
	return w.endChunk(append(dst, '}'), "null")
}

// delta begins a chunk with a delta of x; the first of a choice says who speaks.
func (w *writer) delta(dst []byte, x *written) []byte {
	dst = w.chunk(dst)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(x.index), 10)
	dst = append(dst, `,"delta":{`...)
	if !x.began {
		x.began = true
		dst = append(dst, `"role":"assistant"`...)
	}
	return dst
}

func (w *writer) endDelta(dst []byte) []byte { return w.endChoice(append(dst, '}'), nil, nil) }

// endChoice ends the choice of a chunk that goes on, with the log probabilities of its content and its refusal.
func (w *writer) endChoice(dst, content, refusal []byte) []byte {
	dst = appendChoiceLogprobs(dst, content, refusal)
	return w.endChunk(append(dst, `,"finish_reason":null}`...), "null")
}

func appendChoiceLogprobs(dst, content, refusal []byte) []byte {
	dst = append(dst, `,"logprobs":`...)
	if len(content)+len(refusal) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"content":`...)
	dst = append(appendList(dst, content), `,"refusal":`...)
	return append(appendList(dst, refusal), '}')
}

// appendList appends the elements as an array, null when there are none.
func appendList(dst, elements []byte) []byte {
	if len(elements) == 0 {
		return append(dst, "null"...)
	}
	return append(append(append(dst, '['), elements...), ']')
}

// appendMember appends a member's name, with the comma that it needs after another.
func appendMember(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = jsonscan.AppendString(dst, name)
	return append(dst, ':')
}

func (w *writer) chunk(dst []byte) []byte {
	dst = append(dst, "data: "...)
	return append(w.envelope(dst, "chat.completion.chunk"), `,"choices":[`...)
}

// endChunk ends a chunk. With usage asked for every chunk has the member, null in all but the last.
func (w *writer) endChunk(dst []byte, usage string) []byte {
	dst = append(dst, ']')
	if w.usage {
		dst = append(dst, `,"usage":`...)
		dst = append(dst, usage...)
	}
	return append(dst, "}\n\n"...)
}

func (w *writer) envelope(dst []byte, object string) []byte {
	w.identify()
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, w.id)
	dst = append(dst, `,"object":`...)
	dst = jsonscan.AppendString(dst, object)
	dst = append(dst, `,"created":`...)
	dst = strconv.AppendInt(dst, w.created, 10)
	dst = append(dst, `,"model":`...)
	return jsonscan.AppendString(dst, w.model)
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
	case w.stream:
		if w.usage && w.counts != nil {
			dst = w.endChunk(w.chunk(dst), string(appendUsage(nil, w.counts)))
		}
		return append(dst, "data: [DONE]\n\n"...), nil
	}
	return w.whole(dst), nil
}

// whole appends the unstreamed response.
func (w *writer) whole(dst []byte) []byte {
	dst = append(w.envelope(dst, "chat.completion"), `,"choices":[`...)
	slices.SortFunc(w.choices, func(a, b *written) int { return a.index - b.index })
	for i, x := range w.choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = x.append(dst)
	}
	dst = append(dst, ']')
	if w.counts != nil {
		dst = append(dst, `,"usage":`...)
		dst = appendUsage(dst, w.counts)
	}
	return append(dst, '}')
}

func (x *written) append(dst []byte) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(x.index), 10)
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	dst = appendOrNull(dst, string(x.content))
	dst = x.appendReasoning(dst)
	dst = append(dst, `,"refusal":`...)
	dst = appendOrNull(dst, string(x.rejection))
	for n, c := range x.calls {
		args := string(c.args)
		if args == "" {
			args = "{}"
		}
		if n == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendCall(dst, c.id, c.name, args)
	}
	if len(x.calls) > 0 {
		dst = append(dst, ']')
	}
	dst = appendChoiceLogprobs(append(dst, '}'), x.probs, x.rejectionProbs)
	dst = append(dst, `,"finish_reason":`...)
	dst = jsonscan.AppendString(dst, finishReason(x.finish, len(x.calls) > 0))
	return append(dst, '}')
}

// appendCall appends a whole tool call.
func appendCall(dst []byte, id, name, args string) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, id)
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = jsonscan.AppendString(dst, name)
	dst = append(dst, `,"arguments":`...)
	dst = jsonscan.AppendString(dst, args)
	return append(dst, "}}"...)
}

func appendUsage(dst []byte, u *llm.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input.V, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output.V, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input.V+u.Output.V, 10)
	if u.CacheRead.Set || u.CacheWrite.Set {
		dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
		dst = strconv.AppendInt(dst, u.CacheRead.V, 10)
		if u.CacheWrite.Set {
			dst = append(dst, `,"cache_write_tokens":`...)
			dst = strconv.AppendInt(dst, u.CacheWrite.V, 10)
		}
		dst = append(dst, '}')
	}
	if u.Reasoning.Set {
		dst = append(dst, `,"completion_tokens_details":{"reasoning_tokens":`...)
		dst = append(strconv.AppendInt(dst, u.Reasoning.V, 10), '}')
	}
	return append(dst, '}')
}

// finishReason is OpenAI's word for another provider's. A provider that has no word for tool calls stops.
func finishReason(word string, called bool) string {
	switch llm.FinishOf(word) {
	case llm.FinishLength:
		return "length"
	case llm.FinishTools:
		return "tool_calls"
	case llm.FinishFilter:
		return "content_filter"
	}
	if called {
		return "tool_calls"
	}
	return "stop"
}
