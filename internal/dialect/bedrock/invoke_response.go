package bedrock

import (
	"bytes"
	"encoding/base64"
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// newInvokeReader reads the response of InvokeModel or InvokeModelWithResponseStream.
func newInvokeReader(h *llm.Head, want llm.Want) llm.Reader {
	d := &invokeDecoder{fault: faultOf(h), want: want}
	d.headerCounts(h.Header)
	return dialect.NewReader(llm.Bedrock, dialect.FramingOf(h, dialect.Whole), d)
}

// invokeDecoder decodes one response. The chunks of a stream are {"bytes": base64} around the model's own JSON.
type invokeDecoder struct {
	fault  fault
	want   llm.Want
	own    counts // the model's
	other  counts // of the response's head, or of the last chunk's metrics
	usage  llm.Usage
	buf    []byte
	reply  reply
	pieces pieces
	runs   runs
	model  dialect.Label
	id     dialect.Label
	finish dialect.Label
}

// Decode implements dialect.Decoder.
func (d *invokeDecoder) Decode(f *frame.Frame, ev *llm.Event) {
	if d.fault.decode(f, ev) || len(f.Data) == 0 {
		return
	}
	data := f.Data
	if f.Event != "" {
		var ok bool
		if data, ok = chunk(d.buf[:0], f.Data); !ok {
			return
		}
		d.buf = data
	}
	m := &d.reply
	if !m.scan(data) {
		return
	}
	d.meta(m, ev)
	if d.want == llm.WantParts {
		d.pieces = pieces{parts: ev.Parts, values: d.pieces.values[:0]}
		d.pieces.invoke(m)
		d.runs.join(m, &d.pieces)
		ev.Parts = d.pieces.parts
		ev.Vectors = vectors(ev.Vectors, m)
	}
}

// chunk appends the JSON in the payload of a message to dst.
func chunk(dst, payload []byte) ([]byte, bool) {
	v := member(payload, "bytes")
	if jsonscan.KindOf(v) != jsonscan.Text {
		return dst, false
	}
	b64 := v[1 : len(v)-1]
	for _, c := range b64 {
		if c == '\\' {
			b64 = jsonscan.AppendUnquoted(nil, b64)
			break
		}
	}
	out, err := base64.StdEncoding.AppendDecode(dst, b64)
	return out, err == nil
}

// rewriteInvoke is Rewrite for InvokeModel, as dialect.Rewrite does it. A message of a stream is encoded anew, with the headers
// and members that it had.
func rewriteInvoke(dst []byte, ev *llm.Event) ([]byte, error) {
	if ev.Whole {
		return rewriteAnswer(dst, ev.Raw, ev.Parts)
	}
	headers, payload, ok := frame.Message(ev.Raw)
	if !ok {
		return append(dst, ev.Raw...), nil
	}
	data, ok := chunk(nil, payload)
	if !ok {
		return append(dst, ev.Raw...), nil
	}
	edited, err := rewriteAnswer(nil, data, ev.Parts)
	if err != nil {
		return dst, err
	}
	if bytes.Equal(edited, data) {
		return append(dst, ev.Raw...), nil
	}
	with := base64.StdEncoding.AppendEncode([]byte{'"'}, edited)
	at := jsonscan.At(payload, member(payload, "bytes"))
	return frame.AppendMessage(dst, headers, jsonscan.Apply(nil, payload, []jsonscan.Edit{{At: at, With: append(with, '"')}})), nil
}

func rewriteAnswer(dst, data []byte, parts []llm.Part) ([]byte, error) {
	rw := dialect.Rewrite{Data: data, Parts: parts}
	var m reply
	var p pieces
	if m.scan(data) {
		p.invoke(&m)
	}
	for i := range p.parts {
		rw.Part(&p.parts[i], p.values[i])
	}
	if len(p.parts) == 0 && len(parts) == 1 && m.stops() {
		rw.Part(&llm.Part{Text: emptyInput}, nil) // what runs.join made up
	}
	for _, v := range m.echoes() {
		rw.Void(v)
	}
	return rw.Append(dst)
}

// counts are token counts as one source reports them.
type counts struct {
	input, output, cacheRead, cacheWrite, reasoning llm.Opt[int64]
	apart                                           bool // input leaves out what is in the cache
}

// headerCounts reads the counts in the head of a response (user guide, "Submit a single prompt with InvokeModel").
func (d *invokeDecoder) headerCounts(h http.Header) {
	d.other.apart = true
	for _, c := range [...]struct {
		name string
		dst  *llm.Opt[int64]
	}{
		{"X-Amzn-Bedrock-Input-Token-Count", &d.other.input},
		{"X-Amzn-Bedrock-Output-Token-Count", &d.other.output},
		{"X-Amzn-Bedrock-Cache-Read-Input-Token-Count", &d.other.cacheRead},
		{"X-Amzn-Bedrock-Cache-Write-Input-Token-Count", &d.other.cacheWrite},
	} {
		if v := h.Get(c.name); v != "" {
			dialect.SetInt(c.dst, []byte(v))
		}
	}
}

// metrics reads what Bedrock measured of a stream, in its last chunk.
func (d *invokeDecoder) metrics(v []byte) {
	d.other.apart = true
	dialect.SetInt(&d.other.input, member(v, "inputTokenCount"))
	dialect.SetInt(&d.other.output, member(v, "outputTokenCount"))
	dialect.SetInt(&d.other.cacheRead, member(v, "cacheReadInputTokenCount"))
	dialect.SetInt(&d.other.cacheWrite, member(v, "cacheWriteInputTokenCount"))
}

// read reads a usage object of Anthropic's, Nova's or OpenAI's bodies.
func (c *counts) read(v []byte) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "input_tokens", "inputTokens":
			dialect.SetInt(&c.input, v)
			c.apart = true
		case "prompt_tokens":
			dialect.SetInt(&c.input, v)
		case "output_tokens", "outputTokens", "completion_tokens":
			dialect.SetInt(&c.output, v)
		case "cache_read_input_tokens", "cacheReadInputTokenCount", "cacheReadInputTokens":
			dialect.SetInt(&c.cacheRead, v)
		case "cache_creation_input_tokens", "cacheWriteInputTokenCount", "cacheWriteInputTokens":
			dialect.SetInt(&c.cacheWrite, v)
		case "prompt_tokens_details":
			dialect.SetInt(&c.cacheRead, member(v, "cached_tokens"))
		case "completion_tokens_details":
			dialect.SetInt(&c.reasoning, member(v, "reasoning_tokens"))
		case "output_tokens_details":
			dialect.SetInt(&c.reasoning, member(v, "thinking_tokens"))
		}
	}
}

func (c *counts) total() llm.Opt[int64] {
	in := c.input
	if in.Set && c.apart {
		in.V += c.cacheRead.V + c.cacheWrite.V
	}
	return in
}

// report sets the usage so far: the model's own counts, and in the place of those that it does not report Bedrock's.
func (d *invokeDecoder) report(ev *llm.Event) {
	or := func(a, b llm.Opt[int64]) llm.Opt[int64] {
		if a.Set {
			return a
		}
		return b
	}
	d.usage = llm.Usage{Input: or(d.own.total(), d.other.total()), Output: or(d.own.output, d.other.output),
		CacheRead: or(d.own.cacheRead, d.other.cacheRead), CacheWrite: or(d.own.cacheWrite, d.other.cacheWrite), Reasoning: d.own.reasoning}
	if !d.usage.IsZero() {
		ev.Usage = &d.usage
	}
}
