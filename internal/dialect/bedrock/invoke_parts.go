package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// historyIndex is the index of the first of the turns that Command R repeats, as traceIndex is of what a trace does.
const historyIndex = traceIndex << 1

// invoke adds the parts of m in the order of its members' families; a frame has those of one.
func (p *pieces) invoke(m *reply) {
	p.claude(m)
	p.nova(m)
	each(m.results, func(i int, r []byte) { p.choice(i, member(r, "outputText")) })
	p.choice(number(m.index, 0), m.outputText)
	p.choice(0, m.generation)
	each(m.outputs, func(i int, o []byte) { p.choice(i, member(o, "text")) })
	each(m.choices, func(i int, c []byte) { p.completion(number(member(c, "index"), i), c) })
	each(m.generations, func(i int, g []byte) { p.choice(number(member(g, "index"), i), member(g, "text")) })
	each(m.completions, func(i int, c []byte) { p.choice(i, member(member(c, "data"), "text")) })
	p.command(m)
	p.trace(member(m.trace, "guardrail"), "")
}

// choice adds a text of a choice.
func (p *pieces) choice(choice int, v []byte) {
	if s := jsonscan.String(v); s != "" {
		p.add(llm.Part{Choice: choice, Text: s}, v)
	}
}

// claude adds what Anthropic's models say (Anthropic API reference, Messages, Streaming messages, Text Completions).
func (p *pieces) claude(m *reply) {
	index := number(m.index, 0)
	switch m.kind() {
	case "message":
		each(m.content, func(i int, b []byte) { p.claudeBlock(b, i, member(b, "input")) })
	case "completion":
		p.text(llm.PartText, m.completion, 0)
	case "content_block_start":
		p.claudeBlock(m.block, index, nil)
	case "content_block_delta":
		switch word(member(m.delta, "type")) {
		case "text_delta":
			p.text(llm.PartText, member(m.delta, "text"), index)
		case "thinking_delta":
			p.text(llm.PartReasoning, member(m.delta, "thinking"), index)
		case "input_json_delta":
			p.text(llm.PartToolCall, member(m.delta, "partial_json"), index)
		case "citations_delta":
			dialect.Asides(member(m.delta, "citation"), p.add)
		case "signature_delta":
			p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Signature: jsonscan.String(member(m.delta, "signature"))}, nil)
		}
	}
}

// claudeBlock adds a content block, or the start of one, whose input comes in fragments.
func (p *pieces) claudeBlock(b []byte, index int, input []byte) {
	switch kind := word(member(b, "type")); kind {
	case "text":
		p.text(llm.PartText, member(b, "text"), index)
		dialect.Asides(member(b, "citations"), p.add)
	case "thinking":
		text, signature := member(b, "thinking"), jsonscan.String(member(b, "signature"))
		if s := jsonscan.String(text); s != "" || signature != "" {
			p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Text: s, Signature: signature}, text)
		}
	case "redacted_thinking":
		p.add(llm.Part{Kind: llm.PartReasoning, Index: index, Data: jsonscan.String(member(b, "data"))}, nil)
	case "tool_use", "server_tool_use":
		part := llm.Part{Kind: llm.PartToolCall, Index: index, ID: jsonscan.String(member(b, "id")), Name: jsonscan.String(member(b, "name")), Text: string(input)}
		if kind != "tool_use" {
			part.Kind = llm.PartServerTool
		}
		p.add(part, input)
	case "":
	default:
		p.add(llm.Part{Kind: llm.PartOther, Index: index, Name: kind, Raw: b}, nil)
		dialect.Asides(b, p.add)
	}
}

// nova adds what Nova says, in Converse's blocks.
func (p *pieces) nova(m *reply) {
	switch {
	case m.output != nil:
		each(member(member(m.output, "message"), "content"), func(i int, b []byte) {
			if jsonscan.KindOf(b) == jsonscan.Dict {
				for it := jsonscan.Object(b); it.Next(); {
					p.block(string(it.Key()), it.Value(), i)
				}
			}
		})
	case m.blockStart != nil:
		p.start(member(m.blockStart, "start"), number(member(m.blockStart, "contentBlockIndex"), 0))
	case m.blockDelta != nil:
		p.delta(member(m.blockDelta, "delta"), number(member(m.blockDelta, "contentBlockIndex"), 0))
	}
}

// completion adds one choice of a completion of OpenAI's kind: a message, a delta of one, or a text.
func (p *pieces) completion(choice int, c []byte) {
	from := len(p.parts)
	p.text(llm.PartText, member(c, "text"), 0)
	msg := member(c, "message")
	if jsonscan.IsNull(msg) {
		msg = member(c, "delta")
	}
	if jsonscan.KindOf(msg) == jsonscan.Dict {
		for it := jsonscan.Object(msg); it.Next(); {
			v := it.Value()
			switch string(it.Key()) {
			case "content":
				p.text(llm.PartText, v, 0)
				each(v, func(_ int, b []byte) { p.text(llm.PartText, member(b, "text"), 0) })
			case "reasoning_content", "reasoning":
				p.text(llm.PartReasoning, v, 0)
			case "refusal":
				p.text(llm.PartRefusal, v, 0)
			case "tool_calls":
				each(v, func(i int, t []byte) {
					f := member(t, "function")
					args := member(f, "arguments")
					text := jsonscan.String(args)
					if jsonscan.KindOf(args) != jsonscan.Text {
						text = string(args)
					}
					p.add(llm.Part{Kind: llm.PartToolCall, Index: number(member(t, "index"), i), ID: jsonscan.String(member(t, "id")),
						Name: jsonscan.String(member(f, "name")), Text: text}, args)
				})
			}
		}
	}
	for i := range p.parts[from:] {
		p.parts[from+i].Choice = choice
	}
}

// command adds what Cohere's models say in a response of Command R or in chunks, the last of which repeats what the others said
// (Cohere API reference, Chat V1).
func (p *pieces) command(m *reply) {
	p.choice(number(m.index, 0), m.text)
	p.cohereCalls(m.toolCalls)
	p.history(m.history)
	said := len(p.parts)
	p.choice(0, member(m.response, "text"))
	p.cohereCalls(member(m.response, "tool_calls"))
	each(member(m.response, "generations"), func(i int, g []byte) { p.choice(number(member(g, "index"), i), member(g, "text")) })
	for i := said; i < len(p.parts); i++ {
		p.parts[i].Repeat = true
	}
	p.history(member(m.response, "chat_history"))
	for _, key := range [...]string{"citations", "documents", "search_queries", "search_results"} {
		dialect.Asides(member(m.response, key), p.add)
	}
	for _, v := range m.beside {
		dialect.Asides(v, p.add)
	}
}

func (p *pieces) cohereCalls(v []byte) {
	each(v, func(i int, t []byte) {
		args := member(t, "parameters")
		p.add(llm.Part{Kind: llm.PartToolCall, Index: i, Name: jsonscan.String(member(t, "name")), Text: string(args)}, args)
	})
}

// history adds the turns of the model in a conversation that a response repeats.
func (p *pieces) history(v []byte) {
	each(v, func(i int, turn []byte) {
		if word(member(turn, "role")) != "CHATBOT" {
			return
		}
		if text := member(turn, "message"); jsonscan.String(text) != "" {
			p.add(llm.Part{Index: historyIndex + i, Text: jsonscan.String(text), Repeat: true}, text)
		}
	})
}

// runs makes the parts of a stream what they are in a whole response: Nova gives every fragment of a text a block of its own,
// and neither Nova nor Claude spells out the input of a tool that takes none.
type runs struct {
	kind  llm.PartKind
	index int
	runs  bool // a text or reasoning goes on
	tool  bool // a tool's block is open at index
	input bool // some of its input was seen
}

func (r *runs) join(m *reply, p *pieces) {
	nova := m.blockStart != nil || m.blockDelta != nil
	for i := range p.parts {
		part := &p.parts[i]
		switch {
		case part.Repeat:
		case isCall(part.Kind):
			if part.ID != "" {
				r.tool, r.input, r.index = true, part.Text != "", part.Index
			} else if r.tool && part.Text != "" {
				r.input = true
			}
			r.runs = false
		case !nova:
		case r.runs && r.kind == part.Kind:
			part.Index = r.index
		default:
			r.runs, r.kind, r.index = true, part.Kind, part.Index
		}
	}
	if m.stops() && r.tool {
		if r.tool = false; !r.input {
			p.add(llm.Part{Kind: llm.PartToolCall, Index: r.index, Text: emptyInput}, nil)
		}
	}
}
