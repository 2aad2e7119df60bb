package anthropic

import (
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewReader implements llm.Outbound. Both APIs are read alike: their objects name their types.
func (Dialect) NewReader(_ llm.API, h *llm.Head, want llm.Want) llm.Reader {
	d := &decoder{want: want}
	if h.Status >= http.StatusBadRequest {
		d.status = h.Status
	}
	return dialect.NewReader(llm.Anthropic, dialect.FramingOf(h, dialect.Whole), d)
}

// decoder decodes one response (API reference: Messages, Streaming messages, Text Completions).
type decoder struct {
	want   llm.Want
	status int // of an error response, else 0
	counts counts
	usage  llm.Usage
	parts  partDecoder
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	if len(f.Data) == 0 || d.want == llm.WantMeta && contentOnly(f) {
		return
	}
	m, ok := scan(f.Data)
	if !ok {
		return
	}
	switch string(m.kind()) {
	case "message_start":
		if inner, ok := scan(m.message); ok {
			d.head(&inner, ev)
		}
	case "message_delta":
		if inner, ok := scan(m.delta); ok {
			ev.Choices = append(ev.Choices, choice(&inner))
		}
		d.count(m.usage, ev)
	case "message_stop":
		ev.Last = true
	case "message":
		d.head(&m, ev)
		ev.Last = true
	case "completion":
		d.head(&m, ev)
		ev.Last = ev.Choices[0].Finish != ""
	case "error":
		d.fail(m.err, ev)
	}
	if d.want == llm.WantParts {
		ev.Parts = d.parts.decode(ev.Parts, &m)
	}
}

// contentOnly tells the frames that hold nothing but content, by their event name or, without one, by their first member.
func contentOnly(f *frame.Frame) bool {
	if f.Event != "" {
		return isContent(f.Event)
	}
	it := jsonscan.Object(f.Data)
	return it.Next() && string(it.Key()) == "type" && isContent(string(word(it.Value())))
}

func isContent(event string) bool {
	switch event {
	case "content_block_delta", "content_block_start", "content_block_stop", "ping":
		return true
	}
	return false
}

// head reads what a message or a completion says about itself.
func (d *decoder) head(m *fields, ev *llm.Event) {
	ev.ID, ev.Model = jsonscan.String(m.id), jsonscan.String(m.model)
	ev.Choices = append(ev.Choices, choice(m))
	d.count(m.usage, ev)
}

func choice(m *fields) llm.Choice {
	return llm.Choice{Finish: jsonscan.String(m.stopReason), Stop: jsonscan.String(m.stopSequence)}
}

// fail reads an error object. An error response is whole with it; an error event cuts a stream short.
func (d *decoder) fail(v []byte, ev *llm.Event) {
	e := &llm.Error{Status: d.status, Message: jsonscan.String(v)}
	if jsonscan.KindOf(v) == jsonscan.Dict {
		e.Type = jsonscan.String(jsonscan.Get(v, "type"))
		e.Message = jsonscan.String(jsonscan.Get(v, "message"))
	}
	ev.Err, ev.Last = e, d.status != 0
}

// counts are the reported token counts, the last report of each.
type counts struct {
	input, output, cacheRead, cacheWrite, thinking llm.Opt[int64]
}

// count merges a usage object into what was reported before and sets the total: the API counts cached input apart.
func (d *decoder) count(usage []byte, ev *llm.Event) {
	c := &d.counts
	for it := jsonscan.Object(usage); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "input_tokens":
			dialect.SetInt(&c.input, v)
		case "output_tokens":
			dialect.SetInt(&c.output, v)
		case "cache_read_input_tokens":
			dialect.SetInt(&c.cacheRead, v)
		case "cache_creation_input_tokens":
			dialect.SetInt(&c.cacheWrite, v)
		case "output_tokens_details":
			dialect.SetInt(&c.thinking, jsonscan.Get(v, "thinking_tokens"))
		}
	}
	d.usage = llm.Usage{Input: c.input, Output: c.output, CacheRead: c.cacheRead, CacheWrite: c.cacheWrite, Reasoning: c.thinking}
	if c.input.Set {
		d.usage.Input.V += c.cacheRead.V + c.cacheWrite.V
	}
	if !d.usage.IsZero() {
		ev.Usage = &d.usage
	}
}
