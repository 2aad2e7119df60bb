package bedrock

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// maxBlocks bounds the content blocks of one translated response.
const maxBlocks = 1024

func newConverseWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	a := answer{loss: loss, since: time.Now()}
	paths := jsonscan.Strings(jsonscan.Get(r.Raw, "additionalModelResponseFieldPaths"))
	a.tellStop = slices.Contains(paths, "/stop_sequence")
	if r.Stream {
		return &streamWriter{answer: a}, nil
	}
	return &wholeWriter{answer: a}, nil
}

// answer is what events of another dialect said about the response so far.
type answer struct {
	loss         *llm.Loss
	since        time.Time // when the provider was about to be asked
	tellStop     bool      // the client asks which stop sequence it was
	finish, stop string
	usage        llm.Usage
	tools        bool // the model called one
	err          *llm.Error
}

func (a *answer) note(ev *llm.Event) {
	if ev.Usage != nil {
		a.usage = *ev.Usage
		if ev.Usage.Reasoning.V > 0 {
			a.loss.Lost("usage.reasoning")
		}
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
		if c.Stop != "" && !a.tellStop {
			a.loss.Lost("stop_sequence")
		}
	}
}

// takes reports whether p has a place in a content block, and notes what of it has none.
func (a *answer) takes(p *llm.Part) bool {
	if p.Repeat {
		return false
	}
	lost := ""
	switch {
	case p.Choice != 0:
		lost = "choices"
	case p.Kind == llm.PartServerTool:
		lost = "server_tools"
	case p.Kind == llm.PartBlob:
		if f, ok := formatOf(p.MIME); !ok || f.kind != kindImage {
			lost = "media"
		}
	case p.Kind == llm.PartURI || p.Kind == llm.PartFile:
		lost = "media"
	case p.Kind == llm.PartOther:
		lost = "content"
	}
	if lost != "" {
		a.loss.Lost(lost)
		return false
	}
	if len(p.Logprobs) > 0 {
		a.loss.Lost("logprobs")
	}
	if p.Kind == llm.PartRefusal { // its text is told, but no longer that it is one
		a.loss.Lost("refusal")
	}
	a.tools = a.tools || p.Kind == llm.PartToolCall
	return true
}

// stopReason is one of the API's words (API reference, StopReason), or the provider's where none of them fits. Providers that
// finish a call of a tool with a stop are corrected.
func (a *answer) stopReason() string {
	switch llm.FinishOf(a.finish) {
	case llm.FinishLength:
		if a.finish == "model_context_window_exceeded" {
			return a.finish
		}
		return "max_tokens"
	case llm.FinishTools:
		return "tool_use"
	case llm.FinishFilter:
		if a.finish == "guardrail_intervened" {
			return a.finish
		}
		return "content_filtered"
	case llm.FinishOther:
		if a.finish != "" {
			return strings.ToLower(a.finish)
		}
	}
	switch {
	case a.tools:
		return "tool_use"
	case a.stop != "" || a.finish == "stop_sequence":
		return "stop_sequence"
	}
	return "end_turn"
}

// appendStop appends the members that tell why the answer ended.
func (a *answer) appendStop(dst []byte) []byte {
	dst = append(dst, `"stopReason":`...)
	dst = jsonscan.AppendString(dst, a.stopReason())
	if a.tellStop && a.stop != "" {
		dst = append(dst, `,"additionalModelResponseFields":{"stop_sequence":`...)
		dst = jsonscan.AppendString(dst, a.stop)
		dst = append(dst, '}')
	}
	return dst
}

// appendUsage appends the usage in Bedrock's terms, in which cached input is counted apart. The totals are there even when
// nothing was reported: the API demands them.
func (a *answer) appendUsage(dst []byte) []byte {
	u := &a.usage
	number := func(name string, n int64) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(strconv.AppendInt(dst, n, 10), ',')
	}
	dst = append(dst, `"usage":{`...)
	if u.CacheRead.Set {
		number("cacheReadInputTokens", u.CacheRead.V)
	}
	if u.CacheWrite.Set {
		number("cacheWriteInputTokens", u.CacheWrite.V)
	}
	number("inputTokens", max(0, u.Input.V-u.CacheRead.V-u.CacheWrite.V))
	number("outputTokens", u.Output.V)
	number("totalTokens", u.Input.V+u.Output.V)
	dst[len(dst)-1] = '}'
	return dst
}

// appendMetrics appends how long the answer took, which the API demands too (API reference, ConverseMetrics).
func (a *answer) appendMetrics(dst []byte) []byte {
	dst = append(dst, `,"metrics":{"latencyMs":`...)
	return append(strconv.AppendInt(dst, time.Since(a.since).Milliseconds(), 10), '}')
}

// blockKey says which block the parts of a response go to.
type blockKey struct {
	kind     llm.PartKind
	index    int
	redacted bool
}

func keyOf(p *llm.Part) blockKey {
	k := blockKey{kind: p.Kind, index: p.Index}
	if k.kind == llm.PartRefusal {
		k.kind = llm.PartText
	}
	return k
}

// newID is the id of a call that its provider gave none.
func newID(id string) string {
	if id != "" {
		return id
	}
	return "tooluse_" + rand.Text()
}

func tooMany() error {
	return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response has more than %d parts.", maxBlocks)
}

// wholeWriter writes an unstreamed response (API reference, Converse, Response Syntax).
type wholeWriter struct {
	answer
	keys  []blockKey
	parts []llm.Part
	texts [][]byte // by part
}

// ContentType implements llm.Writer.
func (w *wholeWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer.
func (w *wholeWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.note(ev)
	for i := range ev.Parts {
		p := &ev.Parts[i]
		if !w.takes(p) {
			continue
		}
		key := keyOf(p)
		if key.redacted = p.Data != "" && p.Kind == llm.PartReasoning; key.redacted && (p.Text != "" || p.Signature != "") {
			key.redacted = false
		}
		at := slices.Index(w.keys, key)
		if at < 0 {
			if at = len(w.keys); at >= maxBlocks {
				return dst, tooMany()
			}
			w.keys, w.parts, w.texts = append(w.keys, key), append(w.parts, llm.Part{Kind: key.kind, MIME: p.MIME}), append(w.texts, nil)
		}
		q := &w.parts[at]
		q.ID, q.Name = cmp.Or(q.ID, p.ID), cmp.Or(q.Name, p.Name)
		q.Signature, q.Data = q.Signature+p.Signature, q.Data+p.Data
		w.texts[at] = append(w.texts[at], p.Text...)
	}
	return dst, nil
}

// Close implements llm.Writer. The input of a tool that is not a JSON object, as when the answer was cut short, becomes an
// empty one.
func (w *wholeWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e = cmp.Or(e, w.err); e != nil {
		return appendError(dst, e, errorType(e)), nil
	}
	content := make([]block, 0, len(w.parts))
	for i := range w.parts {
		p := &w.parts[i]
		p.Text = string(w.texts[i])
		switch {
		case p.Kind == llm.PartToolCall:
			input, err := dialect.Arguments(p, http.StatusBadGateway)
			if err != nil {
				w.loss.Lost("toolUse.input")
				input = []byte(emptyInput)
			}
			content = append(content, block{ToolUse: &toolUse{ID: newID(p.ID), Name: p.Name, Input: input}})
		case p.Kind == llm.PartReasoning:
			if p.Text != "" || p.Signature != "" {
				content = append(content, block{Reasoning: &reasoning{Text: &reasoningText{Text: p.Text, Signature: p.Signature}}})
			}
			if p.Data != "" {
				content = append(content, block{Reasoning: &reasoning{Redacted: p.Data}})
			}
		case p.Kind == llm.PartBlob:
			f, _ := formatOf(p.MIME)
			content = append(content, block{Image: &media{Format: f.name, Source: source{Bytes: p.Data}}})
		case p.Text != "":
			content = append(content, block{Text: &p.Text})
		}
	}
	message, err := encode(message{Role: "assistant", Content: content})
	if err != nil {
		return dst, err
	}
	dst = append(dst, `{"output":{"message":`...)
	dst = append(append(dst, message...), `},`...)
	dst = append(w.appendStop(dst), ',')
	return append(w.appendMetrics(w.appendUsage(dst)), '}'), nil
}

// streamWriter writes a response as the messages of a stream (API reference, ConverseStream, Response Syntax). Its blocks come
// one after the other, as Bedrock's do: a call that begins while another goes on waits for that to end.
type streamWriter struct {
	answer
	started, ended bool
	open           bool // the block key goes on
	key            blockKey
	input          []byte // of the call that goes on
	waiting        dialect.Calls
	waits          bool
	next           int // index of the next block
	headers        []byte
	payload        []byte
}

// ContentType implements llm.Writer.
func (w *streamWriter) ContentType() string { return "application/vnd.amazon.eventstream" }

// Write implements llm.Writer.
func (w *streamWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	if w.ended {
		return dst, nil
	}
	w.note(ev)
	if w.err != nil {
		w.ended = true
		return appendException(dst, w.err), nil //nolint:nilerr // the client is told
	}
	for i := range ev.Parts {
		if p := &ev.Parts[i]; w.takes(p) {
			var err error
			if dst, err = w.part(dst, p); err != nil {
				return dst, err
			}
		}
	}
	if ev.Last {
		dst = w.end(dst)
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
		return appendException(dst, e), nil
	}
	return w.end(dst), nil
}

func (w *streamWriter) part(dst []byte, p *llm.Part) ([]byte, error) {
	key := keyOf(p)
	if w.next >= maxBlocks && (!w.open || w.key != key) {
		return dst, tooMany()
	}
	switch p.Kind {
	case llm.PartToolCall:
		if w.open && w.key.kind == llm.PartToolCall && w.key != key && (w.waits || jsonscan.Validate(w.input) != nil) {
			w.waits = true
			return dst, w.waiting.Add(p)
		}
		return w.call(dst, key, p), nil
	case llm.PartReasoning:
		if p.Text != "" {
			dst = w.delta(w.begin(dst, key, nil), `"reasoningContent":{"text":`, p.Text, "}")
		}
		if p.Signature != "" {
			dst = w.delta(w.begin(dst, key, nil), `"reasoningContent":{"signature":`, p.Signature, "}")
		}
		if p.Data != "" {
			key.redacted = true
			dst = w.delta(w.begin(dst, key, nil), `"reasoningContent":{"redactedContent":`, p.Data, "}")
		}
	case llm.PartBlob:
		f, _ := formatOf(p.MIME)
		dst = w.begin(dst, key, func(b []byte) []byte { return append(append(append(b, `"image":{"format":"`...), f.name...), `"}`...) })
		dst = w.delta(dst, `"image":{"source":{"bytes":`, p.Data, "}}")
	default:
		if p.Text != "" {
			dst = w.delta(w.begin(dst, key, nil), `"text":`, p.Text, "")
		}
	}
	return dst, nil
}

// call writes a call, or a fragment of one.
func (w *streamWriter) call(dst []byte, key blockKey, p *llm.Part) []byte {
	if !w.open || w.key != key {
		w.input = w.input[:0]
	}
	dst = w.begin(dst, key, func(b []byte) []byte {
		b = jsonscan.AppendString(append(b, `"toolUse":{"toolUseId":`...), newID(p.ID))
		b = jsonscan.AppendString(append(b, `,"name":`...), p.Name)
		return append(b, '}')
	})
	if p.Text == "" {
		return dst
	}
	w.input = append(w.input, p.Text...)
	return w.delta(dst, `"toolUse":{"input":`, p.Text, "}")
}

// begin makes key the block that goes on. start appends what a block of its kind begins with; those of text begin with nothing.
func (w *streamWriter) begin(dst []byte, key blockKey, start func([]byte) []byte) []byte {
	if w.open && w.key == key {
		return dst
	}
	dst = w.stop(w.start(dst))
	w.open, w.key = true, key
	w.next++
	if start == nil {
		return dst
	}
	w.payload = append(start(append(w.index(), `,"start":{`...)), `}}`...)
	return w.event(dst, blockStart)
}

// start begins the message, once.
func (w *streamWriter) start(dst []byte) []byte {
	if w.started {
		return dst
	}
	w.started = true
	w.payload = append(w.payload[:0], `{"role":"assistant"}`...)
	return w.event(dst, messageStart)
}

// index begins a payload with the index of the block that goes on; the object is left open.
func (w *streamWriter) index() []byte {
	b := append(w.payload[:0], `{"contentBlockIndex":`...)
	return strconv.AppendInt(b, int64(w.next-1), 10)
}

// delta writes a fragment of the block that goes on: before, the text, after.
func (w *streamWriter) delta(dst []byte, before, text, after string) []byte {
	b := append(append(w.index(), `,"delta":{`...), before...)
	b = jsonscan.AppendString(b, text)
	w.payload = append(append(b, after...), `}}`...)
	return w.event(dst, blockDelta)
}

func (w *streamWriter) stop(dst []byte) []byte {
	if !w.open {
		return dst
	}
	w.open = false
	w.payload = append(w.index(), '}')
	return w.event(dst, blockStop)
}

func (w *streamWriter) end(dst []byte) []byte {
	w.ended = true
	dst = w.stop(w.start(dst))
	for _, p := range w.waiting.Take(0) {
		dst = w.stop(w.call(dst, keyOf(&p), &p))
	}
	w.payload = append(w.appendStop(append(w.payload[:0], '{')), '}')
	dst = w.event(dst, messageStop)
	w.payload = append(w.appendMetrics(w.appendUsage(append(w.payload[:0], '{'))), '}')
	return w.event(dst, metadata)
}

// event appends a message with the payload.
func (w *streamWriter) event(dst []byte, name string) []byte {
	h := frame.AppendHeader(w.headers[:0], ":event-type", name)
	h = frame.AppendHeader(h, ":content-type", "application/json")
	w.headers = frame.AppendHeader(h, ":message-type", "event")
	return frame.AppendMessage(dst, w.headers, w.payload)
}
