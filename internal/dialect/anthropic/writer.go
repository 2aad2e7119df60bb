package anthropic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// maxBlocks bounds the content blocks of one translated response.
const maxBlocks = 1024

// NewWriter implements llm.Inbound for the Messages API.
func (Dialect) NewWriter(r *llm.Request, _ *llm.Loss) (llm.Writer, error) {
	switch {
	case r.API != llm.AnthropicMessages:
		return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "the text completions API is answered by Anthropic providers only")
	case r.Stream:
		return new(streamWriter), nil
	}
	return new(wholeWriter), nil
}

// answer is what events of another dialect said about the response so far.
type answer struct {
	id, model, finish string
	usage             llm.Usage
	tools             bool // the model called one
	err               *llm.Error
}

func (a *answer) note(ev *llm.Event) {
	if a.id == "" {
		a.id = ev.ID
	}
	if a.model == "" {
		a.model = ev.Model
	}
	if ev.Usage != nil {
		a.usage = *ev.Usage
	}
	if a.err == nil {
		a.err = ev.Err
	}
	for _, c := range ev.Choices {
		if c.Index == 0 && c.Finish != "" {
			a.finish = c.Finish
		}
	}
}

// stopReason translates the finish reasons of OpenAI's and Ollama's APIs and of Gemini's, whose words are in capitals; nil
// when none came. Other words stay as they are. Providers that finish a call of a tool with "stop" are corrected.
func (a *answer) stopReason() *string {
	reason := a.finish
	switch reason {
	case "":
		return nil
	case "stop", "STOP":
		reason = "end_turn"
	case "length", "MAX_TOKENS":
		reason = "max_tokens"
	case "tool_calls", "function_call":
		reason = "tool_use"
	case "content_filter", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII":
		reason = "refusal"
	}
	if reason == "end_turn" && a.tools {
		reason = "tool_use"
	}
	return &reason
}

// wire is the usage in Anthropic's terms. Both totals are there even when nothing was reported: clients count on them.
func (a *answer) wire() wireUsage {
	u := &a.usage
	return wireUsage{
		Input:      max(0, u.Input.V-u.CacheRead.V-u.CacheWrite.V),
		CacheWrite: pointer(u.CacheWrite),
		CacheRead:  pointer(u.CacheRead),
		Output:     u.Output.V,
	}
}

// blockType is the type of the block that holds parts of a kind, "" for parts that Anthropic's clients do not know.
func blockType(k llm.PartKind) string {
	switch k {
	case llm.PartText, llm.PartRefusal:
		return "text"
	case llm.PartReasoning:
		return "thinking"
	case llm.PartToolCall:
		return "tool_use"
	}
	return ""
}

func (a *answer) message(content []block, stopReason *string) ([]byte, error) {
	return encode(wireMessage{
		ID: a.id, Type: "message", Role: "assistant", Model: a.model,
		Content: content, StopReason: stopReason, Usage: a.wire(),
	})
}

// wholeWriter writes an unstreamed response.
type wholeWriter struct {
	answer
	keys   []blockKey
	blocks []block
	inputs [][]byte // of the tools, by block
}

// blockKey says which block the parts of a response go to.
type blockKey struct {
	kind  llm.PartKind
	index int
}

// ContentType implements llm.Writer.
func (w *wholeWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer.
func (w *wholeWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.note(ev)
	for i := range ev.Parts {
		p := &ev.Parts[i]
		typ := blockType(p.Kind)
		if typ == "" || p.Choice != 0 || p.Repeat {
			continue
		}
		key := blockKey{p.Kind, p.Index}
		at := slices.Index(w.keys, key)
		if at < 0 {
			if at = len(w.keys); at >= maxBlocks {
				return dst, fmt.Errorf("translate response: more than %d parts", maxBlocks)
			}
			w.keys, w.inputs = append(w.keys, key), append(w.inputs, nil)
			w.blocks = append(w.blocks, block{Type: typ, ID: p.ID, Name: p.Name})
		}
		w.add(at, p)
	}
	return dst, nil
}

func (w *wholeWriter) add(at int, p *llm.Part) {
	b := &w.blocks[at]
	switch p.Kind {
	case llm.PartToolCall:
		w.tools = true
		w.inputs[at] = append(w.inputs[at], p.Text...)
	case llm.PartReasoning:
		b.Thinking += p.Text
		b.Signature += p.Signature
	default:
		b.Text += p.Text
	}
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
		switch {
		case b.Type == "tool_use":
			input, err := dialect.Arguments(&llm.Part{Name: b.Name, Text: string(w.inputs[i])}, http.StatusBadGateway)
			if err != nil {
				input = json.RawMessage(emptyInput)
			}
			b.Input = input
		case b.Text == "" && b.Thinking == "":
			continue
		}
		content = append(content, b)
	}
	body, err := w.message(content, w.stopReason())
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
	typ := blockType(p.Kind)
	if typ == "" || p.Choice != 0 || p.Repeat || p.Kind != llm.PartToolCall && p.Text == "" && p.Signature == "" {
		return dst, nil
	}
	dst, err := w.start(dst)
	if err != nil {
		return dst, err
	}
	key := blockKey{p.Kind, p.Index}
	at := slices.IndexFunc(w.open, func(b openBlock) bool { return b.key == key })
	if at < 0 {
		if w.next >= maxBlocks {
			return dst, fmt.Errorf("translate response: more than %d parts", maxBlocks)
		}
		dst = w.stop(dst, func(b openBlock) bool { return b.key.kind != llm.PartToolCall })
		at = len(w.open)
		w.open = append(w.open, openBlock{key: key, index: w.next})
		w.next++
		dst = w.begin(dst, typ, p)
	}
	index := w.open[at].index
	switch p.Kind {
	case llm.PartToolCall:
		w.tools = true
		return appendDelta(dst, index, "input_json_delta", "partial_json", p.Text), nil
	case llm.PartReasoning:
		dst = appendDelta(dst, index, "thinking_delta", "thinking", p.Text)
		return appendDelta(dst, index, "signature_delta", "signature", p.Signature), nil
	}
	return appendDelta(dst, index, "text_delta", "text", p.Text), nil
}

// start begins the message, once.
func (w *streamWriter) start(dst []byte) ([]byte, error) {
	if w.started {
		return dst, nil
	}
	w.started = true
	m, err := w.message([]block{}, nil)
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
	default:
		dst = append(dst, `,"content_block":{"type":"tool_use","id":`...)
		dst = jsonscan.AppendString(dst, p.ID)
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
