package anthropic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// maxBlocks bounds the content blocks of one translated response.
const maxBlocks = 1024

// NewWriter implements llm.Inbound for the Messages API.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	a := answer{loss: loss, asked: r.Model}
	switch {
	case r.API != llm.AnthropicMessages:
		return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "the text completions API is answered by Anthropic providers only")
	case r.Stream:
		return &streamWriter{answer: a}, nil
	}
	return &wholeWriter{answer: a}, nil
}

// answer is what events of another dialect said about the response so far.
type answer struct {
	loss           *llm.Loss
	asked          string // the model that the client asked for
	id, model      string
	finish, stop   string
	usage          llm.Usage
	tools, refused bool // the model called a tool, refused
	calls          int  // that were given ids
	err            *llm.Error
}

func (a *answer) note(ev *llm.Event) {
	a.id, a.model = cmp.Or(a.id, ev.ID), cmp.Or(a.model, ev.Model)
	if ev.Usage != nil {
		a.usage = *ev.Usage
	}
	if a.err == nil {
		a.err = ev.Err
	}
	for _, c := range ev.Choices {
		if c.Index != 0 {
			a.loss.Lost("choices")
			continue
		}
		a.finish, a.stop = cmp.Or(c.Finish, a.finish), cmp.Or(c.Stop, a.stop)
	}
}

// block is the type of the block that p belongs to, "" for a part that has none, whose loss it notes.
func (a *answer) block(p *llm.Part) string {
	if p.Repeat {
		return ""
	}
	if p.Choice != 0 {
		a.loss.Lost("choices")
		return ""
	}
	if len(p.Logprobs) > 0 {
		a.loss.Lost("logprobs")
	}
	switch p.Kind {
	case llm.PartText:
		return "text"
	case llm.PartRefusal:
		a.refused = a.refused || p.Text != ""
		return "text"
	case llm.PartReasoning:
		if p.Data != "" {
			return "redacted_thinking"
		}
		return "thinking"
	case llm.PartToolCall:
		a.tools = true
		return "tool_use"
	case llm.PartServerTool:
		a.loss.Lost("server_tools")
	case llm.PartBlob, llm.PartURI, llm.PartFile:
		a.loss.Lost("media")
	default:
		a.loss.Lost("content")
	}
	return ""
}

// callID is the id of the tool call p, made up when the provider gave none.
func (a *answer) callID(p *llm.Part) string {
	a.calls++
	if p.ID != "" {
		return p.ID
	}
	a.identify()
	return "toolu_" + cleanID(strings.TrimPrefix(a.id, "msg_")) + "_" + strconv.Itoa(a.calls)
}

// identify names the response when the provider did not.
func (a *answer) identify() {
	if a.id == "" {
		a.id = fmt.Sprintf("msg_%016x", rand.Uint64()) //nolint:gosec // told apart, not kept secret
	}
}

// stopReason is Anthropic's word for why the answer ended (API reference, Messages, stop_reason), nil when nobody said. Words
// that are Anthropic's own stay. A call of a tool and a refusal say more than a stop does.
func (a *answer) stopReason() *string {
	reason := a.finish
	switch reason {
	case "":
		return nil
	case "max_tokens", "pause_turn", "refusal", "model_context_window_exceeded":
		return &reason
	}
	switch llm.FinishOf(reason) {
	case llm.FinishLength:
		reason = "max_tokens"
	case llm.FinishTools:
		reason = "tool_use"
	case llm.FinishFilter:
		reason = "refusal"
	case llm.FinishOther:
		a.loss.Lost("finish_reason")
		fallthrough
	default:
		switch {
		case a.tools:
			reason = "tool_use"
		case a.refused:
			reason = "refusal"
		case a.stop != "" || reason == "stop_sequence":
			reason = "stop_sequence"
		default:
			reason = "end_turn"
		}
	}
	return &reason
}

// stopSequence is the sequence that ended the answer, nil when none did.
func (a *answer) stopSequence(reason *string) *string {
	if reason == nil || *reason != "stop_sequence" || a.stop == "" {
		return nil
	}
	return &a.stop
}

// wire is the usage in Anthropic's terms. Both totals are there even when nothing was reported: clients count on them.
func (a *answer) wire() wireUsage {
	u := &a.usage
	w := wireUsage{
		Input:      max(0, u.Input.V-u.CacheRead.V-u.CacheWrite.V),
		CacheWrite: dialect.Pointer(u.CacheWrite),
		CacheRead:  dialect.Pointer(u.CacheRead),
		Output:     u.Output.V,
	}
	if u.Reasoning.Set {
		w.Details = &outputDetails{Thinking: u.Reasoning.V}
	}
	return w
}

// message is the message object; content is what is known of it when it begins.
func (a *answer) message(content []block, stopReason, stopSequence *string) ([]byte, error) {
	a.identify()
	return encode(wireMessage{
		ID: a.id, Type: "message", Role: "assistant", Model: cmp.Or(a.model, a.asked),
		Content: content, StopReason: stopReason, StopSequence: stopSequence, Usage: a.wire(),
	})
}

// wholeWriter writes an unstreamed response.
type wholeWriter struct {
	answer
	keys   []blockKey
	blocks []block
	texts  []written // by block
}

// written is what a block holds: text, or the input of a tool.
type written struct {
	text      []byte
	signature string
}

// blockKey says which block the parts of a response go to.
type blockKey struct {
	typ   string
	index int
}

// ContentType implements llm.Writer.
func (w *wholeWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer.
func (w *wholeWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.note(ev)
	for i := range ev.Parts {
		p := &ev.Parts[i]
		typ := w.block(p)
		if typ == "" {
			continue
		}
		key := blockKey{typ, p.Index}
		at := slices.Index(w.keys, key)
		if at < 0 || typ == "redacted_thinking" {
			if at = len(w.keys); at >= maxBlocks {
				return dst, fmt.Errorf("translate response: more than %d parts", maxBlocks)
			}
			w.keys, w.texts = append(w.keys, key), append(w.texts, written{})
			b := block{Type: typ, Data: p.Data}
			if typ == "tool_use" {
				b.ID, b.Name = w.callID(p), p.Name
			}
			w.blocks = append(w.blocks, b)
		}
		w.texts[at].text = append(w.texts[at].text, p.Text...)
		w.texts[at].signature += p.Signature
	}
	return dst, nil
}

// Close implements llm.Writer. The input of a tool that is not a JSON object, as when the answer was cut short, becomes an
// empty one, which is what Anthropic's own clients make of it.
func (w *wholeWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil {
		return appendError(dst, e), nil
	}
	content := make([]block, 0, len(w.blocks))
	for i, b := range w.blocks {
		text, signature := string(w.texts[i].text), w.texts[i].signature
		switch b.Type {
		case "tool_use":
			input, err := dialect.Arguments(&llm.Part{Name: b.Name, Text: text}, http.StatusBadGateway)
			if err != nil {
				w.loss.Lost("tool_use.input")
				input = json.RawMessage(emptyInput)
			}
			b.Input = input
		case "thinking":
			if text == "" && signature == "" {
				continue
			}
			b.Thinking, b.Signature = &text, &signature
		case "text":
			if b.Text = text; text == "" {
				continue
			}
		}
		content = append(content, b)
	}
	reason := w.stopReason()
	body, err := w.message(content, reason, w.stopSequence(reason))
	return append(dst, body...), err
}

// streamWriter writes a response as the events of a stream (API reference, Streaming messages). A block of text is open
// until another block begins; those of tools are open until the end, for their inputs may come interleaved.
type streamWriter struct {
	answer
	started, ended bool
	open           []openBlock
	next           int // index of the next block
}

type openBlock struct {
	key   blockKey
	index int
}

// ContentType implements llm.Writer.
func (w *streamWriter) ContentType() string { return "text/event-stream; charset=utf-8" }

// Write implements llm.Writer.
func (w *streamWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	if w.ended {
		return dst, nil
	}
	w.note(ev)
	if w.err != nil {
		w.ended = true
		return appendErrorEvent(dst, w.err), nil //nolint:nilerr // the client is told
	}
	for i := range ev.Parts {
		var err error
		if dst, err = w.part(dst, &ev.Parts[i]); err != nil {
			return dst, err
		}
	}
	if ev.Last {
		return w.finish(dst)
	}
	return dst, nil
}

// Close implements llm.Writer.
func (w *streamWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	switch {
	case w.ended:
		return dst, nil
	case e != nil:
		w.ended = true
		return appendErrorEvent(dst, e), nil
	}
	return w.finish(dst)
}

func (w *streamWriter) part(dst []byte, p *llm.Part) ([]byte, error) {
	typ := w.block(p)
	if typ == "" || (typ == "text" || typ == "thinking") && p.Text == "" && p.Signature == "" {
		return dst, nil
	}
	dst, err := w.start(dst)
	if err != nil {
		return dst, err
	}
	key := blockKey{typ, p.Index}
	at := slices.IndexFunc(w.open, func(b openBlock) bool { return b.key == key })
	if at < 0 {
		if w.next >= maxBlocks {
			return dst, fmt.Errorf("translate response: more than %d parts", maxBlocks)
		}
		dst = w.stop(dst, func(b openBlock) bool { return b.key.typ != "tool_use" })
		at = len(w.open)
		w.open = append(w.open, openBlock{key: key, index: w.next})
		w.next++
		dst = w.begin(dst, typ, p)
	}
	index := w.open[at].index
	switch typ {
	case "tool_use":
		return appendDelta(dst, index, "input_json_delta", "partial_json", p.Text), nil
	case "thinking":
		dst = appendDelta(dst, index, "thinking_delta", "thinking", p.Text)
		return appendDelta(dst, index, "signature_delta", "signature", p.Signature), nil
	case "redacted_thinking": // comes whole
		return w.stop(dst, func(b openBlock) bool { return b.key == key }), nil
	}
	return appendDelta(dst, index, "text_delta", "text", p.Text), nil
}

// start begins the message, once.
func (w *streamWriter) start(dst []byte) ([]byte, error) {
	if w.started {
		return dst, nil
	}
	w.started = true
	m, err := w.message([]block{}, nil, nil)
	if err != nil {
		return dst, err
	}
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = append(dst, m...)
	return append(dst, "}\n\n"...), nil
}

// begin starts the block that was opened last, whose first part is p.
func (w *streamWriter) begin(dst []byte, typ string, p *llm.Part) []byte {
	dst = appendBlockEvent(dst, "content_block_start", w.open[len(w.open)-1].index)
	switch typ {
	case "text":
		dst = append(dst, `,"content_block":{"type":"text","text":""}`...)
	case "thinking":
		dst = append(dst, `,"content_block":{"type":"thinking","thinking":"","signature":""}`...)
	case "redacted_thinking":
		dst = append(dst, `,"content_block":{"type":"redacted_thinking","data":`...)
		dst = append(jsonscan.AppendString(dst, p.Data), '}')
	default:
		dst = append(dst, `,"content_block":{"type":"tool_use","id":`...)
		dst = jsonscan.AppendString(dst, w.callID(p))
		dst = append(dst, `,"name":`...)
		dst = jsonscan.AppendString(dst, p.Name)
		dst = append(dst, `,"input":{}}`...)
	}
	return append(dst, "}\n\n"...)
}

// stop ends the open blocks that which takes.
func (w *streamWriter) stop(dst []byte, which func(openBlock) bool) []byte {
	kept := w.open[:0]
	for _, b := range w.open {
		if !which(b) {
			kept = append(kept, b)
			continue
		}
		dst = appendBlockEvent(dst, "content_block_stop", b.index)
		dst = append(dst, "}\n\n"...)
	}
	w.open = kept
	return dst
}

func (w *streamWriter) finish(dst []byte) ([]byte, error) {
	w.ended = true
	dst, err := w.start(dst)
	if err != nil {
		return dst, err
	}
	dst = w.stop(dst, func(openBlock) bool { return true })
	var delta struct {
		Type  string `json:"type"`
		Delta struct {
			StopReason   *string `json:"stop_reason"`
			StopSequence *string `json:"stop_sequence"`
		} `json:"delta"`
		Usage wireUsage `json:"usage"`
	}
	delta.Type, delta.Usage, delta.Delta.StopReason = "message_delta", w.wire(), w.stopReason()
	delta.Delta.StopSequence = w.stopSequence(delta.Delta.StopReason)
	data, err := encode(delta)
	if err != nil {
		return dst, err
	}
	dst = append(dst, "event: message_delta\ndata: "...)
	dst = append(dst, data...)
	return append(dst, "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...), nil
}

// appendBlockEvent appends an event of a block up to and with its index; the object is left open.
func appendBlockEvent(dst []byte, name string, index int) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	dst = append(dst, "\",\"index\":"...)
	return strconv.AppendInt(dst, int64(index), 10)
}

// appendDelta appends a content_block_delta, nothing when text is empty.
func appendDelta(dst []byte, index int, typ, member, text string) []byte {
	if text == "" {
		return dst
	}
	dst = appendBlockEvent(dst, "content_block_delta", index)
	dst = append(dst, `,"delta":{"type":"`...)
	dst = append(dst, typ...)
	dst = append(dst, `","`...)
	dst = append(dst, member...)
	dst = append(dst, `":`...)
	dst = jsonscan.AppendString(dst, text)
	return append(dst, "}}\n\n"...)
}
