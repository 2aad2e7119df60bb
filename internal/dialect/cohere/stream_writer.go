package cohere

import (
	"bytes"
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// streamWriter writes a response as the events of a stream (API reference, chat with streaming). One content or one tool call
// is open at a time, as with Cohere: of calls whose fragments come interleaved the later ones wait.
type streamWriter struct {
	answer
	started, ended bool
	open           bool // a content is open: of kind, which has the provider's index
	kind           llm.PartKind
	index          int
	contents       int // that were begun
	calls          []streamedCall
	current        int // of calls: the first that has not ended
}

// streamedCall is a tool call as far as it is known.
type streamedCall struct {
	part  llm.Part
	args  []byte
	sent  int // of args
	begun bool
}

// ContentType implements llm.Writer.
func (*streamWriter) ContentType() string { return "text/event-stream; charset=utf-8" }

// Write implements llm.Writer.
func (w *streamWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	if w.ended {
		return dst, nil
	}
	w.note(ev)
	if w.err != nil {
		return w.fail(dst, w.err), nil //nolint:nilerr // the client is told
	}
	for i := range ev.Parts {
		p := &ev.Parts[i]
		if !w.takes(p) {
			continue
		}
		dst = w.start(dst)
		if p.Kind != llm.PartToolCall {
			dst = w.content(dst, p)
			continue
		}
		dst = w.endContent(dst)
		if err := w.call(p); err != nil {
			return dst, err
		}
		dst = w.sendCalls(dst, false)
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
		return w.fail(dst, e), nil
	}
	return w.finish(dst)
}

func (w *streamWriter) fail(dst []byte, e *llm.Error) []byte {
	w.ended = true
	return append(dst, Dialect{}.StreamError(&llm.Request{API: llm.CohereChat}, e)...)
}

// start begins the message, once.
func (w *streamWriter) start(dst []byte) []byte {
	if w.started {
		return dst
	}
	w.started = true
	dst = append(dst, "event: message-start\ndata: {\"id\":"...)
	dst = jsonscan.AppendString(dst, w.name())
	return append(dst, `,"type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`+"\n\n"...)
}

// content writes a text or what was reasoned.
func (w *streamWriter) content(dst []byte, p *llm.Part) []byte {
	kind, member := llm.PartText, "text"
	if p.Kind == llm.PartReasoning {
		kind, member = llm.PartReasoning, "thinking"
	}
	if w.open && (w.kind != kind || w.index != p.Index) {
		dst = w.endContent(dst)
	}
	if !w.open {
		dst = w.sendCalls(dst, false)
		w.open, w.kind, w.index = true, kind, p.Index
		w.contents++
		dst = appendEvent(dst, "content-start", w.contents-1)
		dst = append(dst, `,"delta":{"message":{"content":{"type":"`+member+`","`+member+`":""}}}}`+"\n\n"...)
	}
	dst = appendEvent(dst, "content-delta", w.contents-1)
	dst = append(dst, `,"delta":{"message":{"content":{"`+member+`":`...)
	dst = jsonscan.AppendString(dst, p.Text)
	dst = append(dst, "}}}"...)
	if len(p.Logprobs) > 0 {
		dst = appendLogprobs(dst, p)
	}
	return append(dst, "}\n\n"...)
}

func (w *streamWriter) endContent(dst []byte) []byte {
	if !w.open {
		return dst
	}
	w.open = false
	return append(appendEvent(dst, "content-end", w.contents-1), "}\n\n"...)
}

// maxCalls bounds the tool calls of one answer.
const maxCalls = 1024

// call joins p to the call that it continues.
func (w *streamWriter) call(p *llm.Part) error {
	if err := w.keep(len(p.Text)); err != nil {
		return err
	}
	for i := len(w.calls) - 1; i >= 0; i-- {
		if c := &w.calls[i]; c.part.Index == p.Index {
			if c.part.ID == "" {
				c.part.ID = p.ID
			}
			if c.part.Name == "" {
				c.part.Name = p.Name
			}
			c.args = append(c.args, p.Text...)
			return nil
		}
	}
	if len(w.calls) >= maxCalls {
		return w.keep(llm.MaxBody)
	}
	w.calls = append(w.calls, streamedCall{part: llm.Part{Index: p.Index, ID: p.ID, Name: p.Name}, args: []byte(p.Text)})
	return nil
}

// sendCalls writes what can be written of the calls: the current one as far as it is known, and the next when its arguments are
// complete. With all, nothing more comes.
func (w *streamWriter) sendCalls(dst []byte, all bool) []byte {
	for ; w.current < len(w.calls); w.current++ {
		c := &w.calls[w.current]
		if !c.begun && c.part.Name == "" && !all {
			return dst
		}
		if !c.begun {
			c.begun = true
			dst = appendEvent(dst, "tool-call-start", w.current)
			dst = append(dst, `,"delta":{"message":{"tool_calls":{"id":`...)
			dst = jsonscan.AppendString(dst, w.callID(&c.part, w.current))
			dst = append(dst, `,"type":"function","function":{"name":`...)
			dst = jsonscan.AppendString(dst, c.part.Name)
			dst = append(dst, `,"arguments":""}}}}}`+"\n\n"...)
		}
		if all && len(c.args) == 0 {
			c.args = []byte("{}")
		}
		if c.sent < len(c.args) {
			dst = appendEvent(dst, "tool-call-delta", w.current)
			dst = append(dst, `,"delta":{"message":{"tool_calls":{"function":{"arguments":`...)
			dst = jsonscan.AppendString(dst, string(c.args[c.sent:]))
			dst = append(dst, "}}}}}\n\n"...)
			c.sent = len(c.args)
		}
		if !all && (w.current == len(w.calls)-1 || !complete(c.args)) {
			return dst
		}
		dst = append(appendEvent(dst, "tool-call-end", w.current), "}\n\n"...)
	}
	return dst
}

// complete reports whether the arguments of a call are all there.
func complete(args []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(args, " \t\r\n"), []byte("}")) && jsonscan.Validate(args) == nil
}

func (w *streamWriter) finish(dst []byte) ([]byte, error) {
	w.ended = true
	dst = w.endContent(w.start(dst))
	dst = w.sendCalls(dst, true)
	var delta struct {
		FinishReason string `json:"finish_reason"`
		Usage        *usage `json:"usage,omitempty"`
	}
	delta.FinishReason, delta.Usage = w.reason(), w.usage()
	data, err := encode(&delta)
	if err != nil {
		return dst, err
	}
	dst = append(dst, "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":"...)
	dst = append(append(dst, data...), "}\n\n"...)
	return append(dst, done...), nil
}

// appendEvent appends an event up to and with its index; the object is left open.
func appendEvent(dst []byte, name string, index int) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	dst = append(dst, "\",\"index\":"...)
	return strconv.AppendInt(dst, int64(index), 10)
}

// appendLogprobs appends the log probabilities of the tokens of p as one piece of text; other providers tell no ids of tokens.
func appendLogprobs(dst []byte, p *llm.Part) []byte {
	dst = append(dst, `,"logprobs":{"text":`...)
	dst = jsonscan.AppendString(dst, p.Text)
	dst = append(dst, `,"token_ids":[],"logprobs":[`...)
	for i := range p.Logprobs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, p.Logprobs[i].Logprob, 'g', -1, 64)
	}
	return append(dst, "]}"...)
}
