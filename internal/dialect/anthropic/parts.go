package anthropic

import (
	"slices"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// emptyInput is the input of a tool that takes none. Streams do not spell it out.
const emptyInput = "{}"

// maxOpen bounds the content blocks of a stream that are open at a time; the API opens them one after the other.
const maxOpen = 64

// pieces are the parts of one frame and, for each, the raw value that its text is read from: a JSON string, a JSON object
// (the input of a tool), or nil when the frame has no place for it.
type pieces struct {
	parts  []llm.Part
	values [][]byte
}

func (p *pieces) add(part llm.Part, value []byte) {
	p.parts, p.values = append(p.parts, part), append(p.values, value)
}

// frame adds the parts that the object m holds, in the order in which they stand there.
func (p *pieces) frame(m *fields) {
	switch string(m.kind()) {
	case "content_block_delta":
		p.delta(m.delta, blockIndex(m))
	case "content_block_start":
		if b, ok := scan(m.block); ok {
			p.start(&b, m.block, blockIndex(m))
		}
	case "message":
		i := 0
		for it := jsonscan.Array(m.content); it.Next(); i++ {
			if b, ok := scan(it.Value()); ok {
				p.block(&b, it.Value(), i)
			}
		}
	case "completion":
		p.text(llm.PartText, m.completion, 0)
	}
}

func blockIndex(m *fields) int {
	n, _ := jsonscan.Int(m.index)
	return int(n)
}

// text adds the text of a JSON string; an empty one is no part.
func (p *pieces) text(kind llm.PartKind, v []byte, index int) {
	if s := jsonscan.String(v); s != "" {
		p.add(llm.Part{Kind: kind, Index: index, Text: s}, v)
	}
}

func (p *pieces) delta(delta []byte, index int) {
	d, ok := scan(delta)
	if !ok {
		return
	}
	switch string(word(d.typ)) {
	case "text_delta":
		p.text(llm.PartText, d.text, index)
	case "thinking_delta":
		p.text(llm.PartReasoning, d.thinking, index)
	case "input_json_delta":
		p.text(llm.PartToolCall, d.partial, index)
	case "citations_delta":
		dialect.Asides(d.citation, p.add)
	case "signature_delta":
		p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Signature: jsonscan.String(d.signature)}, nil)
	}
}

// start adds what a block begins with: texts are mostly empty there, and the input of a tool is.
func (p *pieces) start(b *fields, raw []byte, index int) {
	switch string(word(b.typ)) {
	case "text":
		p.text(llm.PartText, b.text, index)
		dialect.Asides(b.citations, p.add)
	case "thinking":
		if part := (llm.Part{Kind: llm.PartReasoning, Index: index, Text: jsonscan.String(b.thinking), Signature: jsonscan.String(b.signature)}); part.Text != "" || part.Signature != "" {
			p.add(part, b.thinking)
		}
	default:
		n := len(p.parts)
		p.block(b, raw, index)
		if part := &p.parts[n]; part.Text == emptyInput {
			part.Text, p.values[n] = "", nil
		}
	}
}

// block adds a whole content block, whose JSON is raw.
func (p *pieces) block(b *fields, raw []byte, index int) {
	part := llm.Part{Index: index}
	switch typ := string(word(b.typ)); typ {
	case "text":
		part.Kind, part.Text = llm.PartText, jsonscan.String(b.text)
		p.add(part, b.text)
		dialect.Asides(b.citations, p.add)
	case "thinking":
		part.Kind, part.Text, part.Signature = llm.PartReasoning, jsonscan.String(b.thinking), jsonscan.String(b.signature)
		p.add(part, b.thinking)
	case "redacted_thinking":
		part.Kind, part.Data = llm.PartReasoning, jsonscan.String(b.data)
		p.add(part, nil)
	case "tool_use", "server_tool_use", "mcp_tool_use":
		part.Kind = llm.PartToolCall
		if typ != "tool_use" {
			part.Kind = llm.PartServerTool
		}
		part.ID, part.Name, part.Text = jsonscan.String(b.id), jsonscan.String(b.name), string(b.input)
		p.add(part, b.input)
	default:
		part.Kind, part.Name, part.ID, part.Raw = llm.PartOther, typ, jsonscan.String(b.toolUseID), raw
		p.add(part, nil)
		dialect.Asides(raw, p.add)
	}
}

// partDecoder decodes the parts of one response. It remembers the open blocks of tools, for deltas do not say whose input
// they are part of.
type partDecoder struct {
	pieces pieces
	open   []toolBlock
}

type toolBlock struct {
	index int
	kind  llm.PartKind
	empty bool // no input was seen
}

// decode appends the parts of the frame m to dst.
func (d *partDecoder) decode(dst []llm.Part, m *fields) []llm.Part {
	d.pieces.parts, d.pieces.values = dst, d.pieces.values[:0]
	d.pieces.frame(m)
	parts := d.pieces.parts
	switch string(m.kind()) {
	case "content_block_start":
		for i := range parts {
			d.start(&parts[i])
		}
	case "content_block_delta":
		for i := range parts {
			d.continues(&parts[i])
		}
	case "content_block_stop":
		parts = d.stop(parts, blockIndex(m))
	}
	return parts
}

func (d *partDecoder) start(p *llm.Part) {
	if (p.Kind == llm.PartToolCall || p.Kind == llm.PartServerTool) && len(d.open) < maxOpen {
		d.open = append(d.open, toolBlock{index: p.Index, kind: p.Kind, empty: p.Text == ""})
	}
}

func (d *partDecoder) continues(p *llm.Part) {
	if p.Kind != llm.PartToolCall {
		return
	}
	for i := range d.open {
		if t := &d.open[i]; t.index == p.Index {
			p.Kind, t.empty = t.kind, false
		}
	}
}

// stop closes a block and adds the input that its tool was called with when the stream left it out.
func (d *partDecoder) stop(parts []llm.Part, index int) []llm.Part {
	for i, t := range d.open {
		if t.index != index {
			continue
		}
		d.open = slices.Delete(d.open, i, i+1)
		if t.empty {
			parts = append(parts, llm.Part{Kind: t.kind, Index: index, Text: emptyInput})
		}
		break
	}
	return parts
}

// Rewrite implements llm.Inbound, as dialect.Rewrite does.
func (Dialect) Rewrite(dst []byte, _ *llm.Request, ev *llm.Event) ([]byte, error) {
	rw := dialect.Rewrite{Raw: ev.Raw, Data: dialect.Payload(ev), Parts: ev.Parts}
	if m, ok := scan(rw.Data); ok {
		var p pieces
		p.frame(&m)
		for i := range p.parts {
			rw.Part(&p.parts[i], p.values[i])
		}
		if len(ev.Parts) == 1 && string(m.kind()) == "content_block_stop" {
			rw.Part(&llm.Part{Text: emptyInput}, nil) // what partDecoder.stop made up
		}
	}
	return rw.Append(dst)
}
