package gemini

import (
	"cmp"
	"encoding/base64"
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound. Tool calls are written whole: when something else follows, or when their choice has
// finished.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	if r.API == llm.GeminiEmbed {
		return &embedWriter{batch: jsonscan.Get(r.Raw, "requests") != nil}, nil
	}
	return &writer{request: r, loss: loss}, nil
}

type writer struct {
	request   *llm.Request
	loss      *llm.Loss
	id, model string
	usage     llm.Usage
	reported  bool // usage is not written yet
	choices   []choice
	calls     dialect.Calls
	err       *llm.Error // the provider's, in the middle of its response
	size      int        // bytes held
	opened    bool       // the array's bracket is written
}

// choice is what of one choice is not written yet.
type choice struct {
	index     int
	parts     []held
	finish    string
	signature string // of the part that comes next
	thought   int    // the event index of the last thought
	thinking  bool   // there was one
	calling   bool   // calls are held
	logprobs  []llm.Logprob
}

// held is one part. Its text is kept as bytes, whose memory is used again.
type held struct {
	kind      llm.PartKind
	text      []byte
	id, name  string
	mime, uri string
	data      string
	signature string
}

// add appends a part of kind k, in memory that an earlier one had.
func (c *choice) add(k llm.PartKind) *held {
	if n := len(c.parts); n < cap(c.parts) {
		c.parts = c.parts[:n+1]
		c.parts[n] = held{kind: k, text: c.parts[n].text[:0]}
	} else {
		c.parts = append(c.parts, held{kind: k})
	}
	return &c.parts[len(c.parts)-1]
}

func (c *choice) last() *held {
	if len(c.parts) == 0 {
		return nil
	}
	return &c.parts[len(c.parts)-1]
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
	w.id, w.model = cmp.Or(w.id, ev.ID), cmp.Or(w.model, ev.Model)
	if ev.Usage != nil {
		w.usage, w.reported = *ev.Usage, true
		if w.usage.CacheWrite.V > 0 {
			w.loss.Lost("usage.cache_write")
		}
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	for i := range ev.Parts {
		if p := &ev.Parts[i]; !p.Repeat {
			if err := w.part(w.choice(p.Choice), p); err != nil {
				return dst, err
			}
		}
	}
	for i := range ev.Choices {
		c := &ev.Choices[i]
		if q := w.choice(c.Index); c.Finish != "" {
			q.finish = finishOf(c.Finish)
		}
		if c.Stop != "" {
			w.loss.Lost("stop_sequence")
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

// part keeps p, joined to the part that it continues.
func (w *writer) part(c *choice, p *llm.Part) error {
	if w.size += len(p.Text) + len(p.Data); w.size > llm.MaxBody {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large.")
	}
	if p.Kind == llm.PartToolCall {
		q := *p
		q.Signature, c.signature = c.signature, ""
		c.calling = true
		return w.calls.Add(&q)
	}
	if c.calling && (p.Text != "" || p.Data != "" || p.URI != "" || p.Signature != "") {
		if err := w.takeCalls(c); err != nil {
			return err
		}
	}
	switch p.Kind {
	case llm.PartRefusal:
		w.loss.Lost("refusal") // it is told as text
		w.text(c, p)
	case llm.PartText:
		w.text(c, p)
	case llm.PartReasoning:
		w.reasoning(c, p)
	case llm.PartBlob, llm.PartURI:
		h := c.add(p.Kind)
		h.mime, h.data, h.uri = p.MIME, p.Data, p.URI
		h.signature, c.signature = c.signature, ""
	case llm.PartServerTool:
		w.loss.Lost("server_tool")
	default:
		w.loss.Lost(cmp.Or(p.Name, "content"))
	}
	return nil
}

func (w *writer) text(c *choice, p *llm.Part) {
	c.logprobs = append(c.logprobs, p.Logprobs...)
	if w.size += 32 * len(p.Logprobs); p.Text == "" {
		return
	}
	h := c.last()
	if h == nil || h.kind != llm.PartText || h.signature != "" || c.signature != "" {
		h = c.add(llm.PartText)
		h.signature, c.signature = c.signature, ""
	}
	h.text = append(h.text, p.Text...)
}

// reasoning keeps a thought. A signature on its own, of another index than the thought before it, is that of the next part.
func (w *writer) reasoning(c *choice, p *llm.Part) {
	if p.Data != "" {
		w.loss.Lost("reasoning.encrypted")
	}
	signature := p.Signature
	if _, err := base64.StdEncoding.DecodeString(signature); err != nil { // bytes in Google's JSON
		w.loss.Lost("reasoning.signature")
		signature = ""
	}
	same := c.thinking && c.thought == p.Index
	if p.Text == "" && !same {
		if signature != "" {
			c.sign()
			c.signature = signature
		}
		return
	}
	h := c.last()
	if h == nil || h.kind != llm.PartReasoning || !same || h.signature != "" {
		if p.Text == "" && signature == "" {
			return
		}
		h = c.add(llm.PartReasoning)
	}
	c.thinking, c.thought = true, p.Index
	h.text = append(h.text, p.Text...)
	h.signature = signature
}

// sign lets out a signature that no part came for, as Gemini does: with a text that is empty.
func (c *choice) sign() {
	if c.signature != "" {
		c.add(llm.PartText).signature = c.signature
		c.signature = ""
	}
}

// takeCalls puts the calls of c, which are complete, among its parts.
func (w *writer) takeCalls(c *choice) error {
	c.calling = false
	for _, p := range w.calls.Take(c.index) {
		args, err := dialect.Arguments(&p, http.StatusBadGateway)
		if err != nil {
			return err
		}
		h := c.add(llm.PartToolCall)
		h.id, h.name, h.signature = p.ID, p.Name, p.Signature
		h.text = append(h.text, args...)
	}
	return nil
}

// flush writes what is kept, if that is anything; last says that nothing more comes.
func (w *writer) flush(dst []byte, last bool) ([]byte, error) {
	waiting := w.reported || !w.request.Stream
	for i := range w.choices {
		c := &w.choices[i]
		if c.finish != "" || last {
			if err := w.takeCalls(c); err != nil {
				return dst, err
			}
			c.sign()
		}
		waiting = waiting || c.waits()
	}
	if !waiting {
		return dst, nil
	}
	switch {
	case !w.request.Stream:
		return w.message(dst), nil
	case !w.request.StreamArray:
		return append(w.message(append(dst, "data: "...)), "\r\n\r\n"...), nil
	case w.opened:
		return w.message(append(dst, ",\r\n"...)), nil
	}
	w.opened = true
	return w.message(append(dst, '[')), nil
}

// waits reports whether something of c is to be written.
func (c *choice) waits() bool { return len(c.parts) > 0 || c.finish != "" || len(c.logprobs) > 0 }

// finishOf is the FinishReason for another provider's word.
func finishOf(word string) string {
	switch llm.FinishOf(word) {
	case llm.FinishStop, llm.FinishTools:
		return "STOP"
	case llm.FinishLength:
		return "MAX_TOKENS"
	case llm.FinishFilter:
		return "SAFETY"
	}
	return "OTHER"
}
