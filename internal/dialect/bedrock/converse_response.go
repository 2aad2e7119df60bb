package bedrock

import (
	"slices"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// The events of a stream (API reference, ConverseStreamOutput).
const (
	messageStart = "messageStart"
	blockStart   = "contentBlockStart"
	blockDelta   = "contentBlockDelta"
	blockStop    = "contentBlockStop"
	messageStop  = "messageStop"
	metadata     = "metadata"
)

func newConverseReader(h *llm.Head, want llm.Want) llm.Reader {
	return dialect.NewReader(llm.Bedrock, dialect.FramingOf(h, dialect.Whole), &decoder{fault: faultOf(h), want: want})
}

// decoder decodes one response of Converse or ConverseStream.
type decoder struct {
	fault  fault
	want   llm.Want
	usage  llm.Usage
	finish dialect.Label
	pieces pieces
	open   []toolBlock
}

// toolBlock is a block of a tool call that a stream is in the midst of.
type toolBlock struct {
	index  int
	kind   llm.PartKind
	silent bool // no input was seen
}

// maxOpen bounds the blocks that are open at a time; the API opens them one after the other.
const maxOpen = 64

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	if d.fault.decode(f, ev) || len(f.Data) == 0 {
		return
	}
	switch f.Event {
	case messageStart:
		ev.Choices = append(ev.Choices, llm.Choice{})
	case messageStop, metadata, "":
		d.scan(f, ev)
	}
	if d.want == llm.WantParts {
		d.parts(f, ev)
	}
}

// scan reads what a whole response, or the end of a stream, says beside its content.
func (d *decoder) scan(f *frame.Frame, ev *llm.Event) {
	var choice llm.Choice
	answer := false
	it := jsonscan.Object(f.Data)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "stopReason":
			choice.Finish = d.finish.Of(v)
			answer = answer || choice.Finish != ""
		case "additionalModelResponseFields":
			choice.Stop = jsonscan.String(member(v, "stop_sequence"))
		case "output":
			answer = true
		case "usage":
			d.count(v)
			ev.Usage = &d.usage
		}
	}
	if it.Err() != nil {
		ev.Usage = nil
		return
	}
	if f.Event == messageStop || f.Event == "" && answer {
		ev.Choices = append(ev.Choices, choice)
	}
	ev.Last = f.Event == metadata || f.Event == ""
}

// count reads a TokenUsage, which counts what is in the cache apart (API reference, TokenUsage). Models of Amazon's report that
// under the names of their own bodies, too.
func (d *decoder) count(v []byte) {
	var u llm.Usage
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "inputTokens":
			dialect.SetInt(&u.Input, v)
		case "outputTokens":
			dialect.SetInt(&u.Output, v)
		case "cacheReadInputTokens", "cacheReadInputTokenCount":
			dialect.SetInt(&u.CacheRead, v)
		case "cacheWriteInputTokens", "cacheWriteInputTokenCount":
			dialect.SetInt(&u.CacheWrite, v)
		}
	}
	if u.Input.Set {
		u.Input.V += u.CacheRead.V + u.CacheWrite.V
	}
	d.usage = u
}

// parts adds the content of a frame. A tool that takes no input has none in a stream: it is added when its block ends.
func (d *decoder) parts(f *frame.Frame, ev *llm.Event) {
	d.pieces.parts, d.pieces.values = ev.Parts, d.pieces.values[:0]
	index := d.pieces.frame(f.Event, f.Data)
	ev.Parts = d.pieces.parts
	switch f.Event {
	case blockStart:
		for i := range ev.Parts {
			if p := &ev.Parts[i]; isCall(p.Kind) && len(d.open) < maxOpen {
				d.open = append(d.open, toolBlock{index: p.Index, kind: p.Kind, silent: true})
			}
		}
	case blockDelta:
		for i := range ev.Parts {
			d.continues(&ev.Parts[i])
		}
	case blockStop:
		at := slices.IndexFunc(d.open, func(t toolBlock) bool { return t.index == index })
		if at < 0 {
			return
		}
		if t := d.open[at]; t.silent {
			ev.Parts = append(ev.Parts, llm.Part{Kind: t.kind, Index: index, Text: emptyInput})
		}
		d.open = slices.Delete(d.open, at, at+1)
	}
}

func (d *decoder) continues(p *llm.Part) {
	if p.Kind != llm.PartToolCall {
		return
	}
	for i := range d.open {
		if t := &d.open[i]; t.index == p.Index {
			p.Kind, t.silent = t.kind, false
		}
	}
}

func isCall(k llm.PartKind) bool { return k == llm.PartToolCall || k == llm.PartServerTool }

// rewriteConverse is Rewrite for Converse and ConverseStream, as dialect.Rewrite does it. A message of a stream is encoded
// anew, with the headers that it had.
func rewriteConverse(dst []byte, ev *llm.Event) ([]byte, error) {
	headers, payload, event := []byte(nil), ev.Raw, ""
	if !ev.Whole {
		var ok bool
		if headers, payload, ok = frame.Message(ev.Raw); !ok {
			return append(dst, ev.Raw...), nil
		}
		event = string(frame.Header(headers, ":event-type"))
	}
	rw := dialect.Rewrite{Data: payload, Parts: ev.Parts}
	var p pieces
	p.frame(event, payload)
	for i := range p.parts {
		rw.Part(&p.parts[i], p.values[i])
	}
	if event == blockStop && len(ev.Parts) == 1 {
		rw.Part(&llm.Part{Text: emptyInput}, nil) // what decoder.parts made up
	}
	if ev.Whole {
		return rw.Append(dst)
	}
	edited, err := rw.Append(nil)
	if err != nil {
		return dst, err
	}
	return frame.AppendMessage(dst, headers, edited), nil
}
