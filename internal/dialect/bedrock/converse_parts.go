package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// emptyInput is the input of a tool that takes none. Streams do not spell it out.
const emptyInput = "{}"

// traceIndex is the index of the first of the texts that a guardrail's trace repeats: no content block has one like it.
const traceIndex = 1 << 20

// pieces are the parts of one frame and, for each, the raw value that its text is read from: a JSON string, a JSON object
// (the input of a tool), or nil when the frame has no place for it.
type pieces struct {
	parts  []llm.Part
	values [][]byte
	traced int
}

func (p *pieces) add(part llm.Part, value []byte) {
	p.parts, p.values = append(p.parts, part), append(p.values, value)
}

// frame adds the parts of an event's data, or of a whole response when event is "", and returns the index of its block.
func (p *pieces) frame(event string, data []byte) (index int) {
	p.traced = 0
	it := jsonscan.Object(data)
	var delta []byte
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "contentBlockIndex":
			n, _ := jsonscan.Int(v)
			index = int(n)
		case "delta", "start":
			delta = v
		case "output":
			if event == "" {
				p.content(member(member(v, "message"), "content"))
			}
		case "trace":
			p.trace(member(v, "guardrail"), "")
		}
	}
	if it.Err() != nil {
		p.parts, p.values = p.parts[:0], p.values[:0]
		return index
	}
	switch event {
	case blockDelta:
		p.delta(delta, index)
	case blockStart:
		p.start(delta, index)
	}
	return index
}

// content adds the blocks of a whole response.
func (p *pieces) content(v []byte) {
	i := 0
	for it := jsonscan.Array(v); it.Next(); i++ {
		for b := jsonscan.Object(it.Value()); b.Next(); {
			p.block(string(b.Key()), b.Value(), i)
		}
	}
}

// text adds the text of a JSON string; an empty one is no part.
func (p *pieces) text(kind llm.PartKind, v []byte, index int) {
	if s := jsonscan.String(v); s != "" {
		p.add(llm.Part{Kind: kind, Index: index, Text: s}, v)
	}
}

// block adds a content block of one kind (API reference, ContentBlock).
func (p *pieces) block(kind string, v []byte, index int) {
	switch kind {
	case "text":
		p.add(llm.Part{Index: index, Text: jsonscan.String(v)}, v)
	case "toolUse":
		p.toolUse(v, index, member(v, "input"))
	case "reasoningContent":
		if thought := member(v, "reasoningText"); thought != nil {
			text := member(thought, "text")
			p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Text: jsonscan.String(text),
				Signature: jsonscan.String(member(thought, "signature"))}, text)
			return
		}
		p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Data: jsonscan.String(member(v, "redactedContent"))}, nil)
	case "citationsContent":
		if content := member(v, "content"); jsonscan.KindOf(content) == jsonscan.List {
			for it := jsonscan.Array(content); it.Next(); {
				p.text(llm.PartText, member(it.Value(), "text"), index)
			}
		}
		p.add(llm.Part{Kind: llm.PartOther, Index: index, Name: "citations", Raw: member(v, "citations")}, nil)
		dialect.Asides(member(v, "citations"), p.add)
	case kindImage, kindAudio, kindVideo:
		part := mediaPart(kind, v)
		part.Index = index
		p.add(part, nil)
	default:
		p.add(llm.Part{Kind: llm.PartOther, Index: index, Name: kind, Raw: v}, nil)
		dialect.Asides(v, p.add)
	}
}

// toolUse adds a ToolUseBlock, or the start of one, which has no input.
func (p *pieces) toolUse(v []byte, index int, input []byte) {
	part := llm.Part{Kind: llm.PartToolCall, Index: index, Text: string(input),
		ID: jsonscan.String(member(v, "toolUseId")), Name: jsonscan.String(member(v, "name"))}
	if jsonscan.String(member(v, "type")) == "server_tool_use" {
		part.Kind = llm.PartServerTool
	}
	p.add(part, input)
}

// start adds what a block begins with (API reference, ContentBlockStart).
func (p *pieces) start(v []byte, index int) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch kind := string(it.Key()); kind {
		case "toolUse":
			p.toolUse(it.Value(), index, nil)
		default:
			p.add(llm.Part{Kind: llm.PartOther, Index: index, Name: kind, Raw: it.Value()}, nil)
		}
	}
}

// delta adds a fragment of a block (API reference, ContentBlockDelta).
func (p *pieces) delta(v []byte, index int) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "text":
			p.text(llm.PartText, v, index)
		case "toolUse":
			p.text(llm.PartToolCall, member(v, "input"), index)
		case "reasoningContent":
			p.thought(v, index)
		default:
			p.add(llm.Part{Kind: llm.PartOther, Index: index, Name: string(it.Key()), Raw: v}, nil)
			dialect.Asides(v, p.add)
		}
	}
}

// thought adds a fragment of reasoning (API reference, ReasoningContentBlockDelta).
func (p *pieces) thought(v []byte, index int) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "text":
			p.text(llm.PartReasoning, it.Value(), index)
		case "signature":
			p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Signature: jsonscan.String(it.Value())}, nil)
		case "redactedContent":
			p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Data: jsonscan.String(it.Value())}, nil)
		}
	}
}

// trace adds the texts of the answer that the trace of Bedrock's own guardrail repeats (API reference,
// GuardrailTraceAssessment): the model's output before the guardrail changed it, and what the guardrail found in it.
func (p *pieces) trace(v []byte, key string) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		if s := jsonscan.String(v); s != "" && (key == "match" || key == "text" || key == "modelOutput") {
			p.add(llm.Part{Index: traceIndex + p.traced, Text: s, Repeat: true}, v)
			p.traced++
		}
	case jsonscan.List:
		for it := jsonscan.Array(v); it.Next(); {
			p.trace(it.Value(), key)
		}
	case jsonscan.Dict:
		for it := jsonscan.Object(v); it.Next(); {
			p.trace(it.Value(), string(it.Key()))
		}
	}
}

// mediaPart is an ImageBlock, a DocumentBlock, a VideoBlock or an AudioBlock whose source is data or a place in S3.
func mediaPart(kind string, v []byte) llm.Part {
	source := member(v, "source")
	p := llm.Part{Kind: llm.PartBlob, MIME: mimeOf(kind, jsonscan.String(member(v, "format"))), Data: jsonscan.String(member(source, "bytes"))}
	if place := member(source, "s3Location"); place != nil {
		p.Kind, p.URI = llm.PartURI, jsonscan.String(member(place, "uri"))
	}
	return p
}
