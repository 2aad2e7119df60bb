package cohere

import (
	"bytes"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// planIndex is the index of the plan that comes before calls of tools, and queryIndex that of the first search query: past
// the indices of contents.
const (
	planIndex  = 1 << 20
	queryIndex = planIndex + 1
)

// pieces are the parts of one frame and, for each, the raw value that its text is read from: a JSON string, a JSON object (the
// arguments of a tool, version 1), or nil when the frame has no place for it. Reading and rewriting walk a frame by the same
// methods, so that the nth part is always the nth value.
type pieces struct {
	parts  []llm.Part
	values [][]byte
}

// begin makes p ready for a frame; it appends to parts.
func (p *pieces) begin(parts []llm.Part) { p.parts, p.values = parts, p.values[:0] }

func (p *pieces) add(part llm.Part, value []byte) {
	p.parts, p.values = append(p.parts, part), append(p.values, value)
}

// text adds part with the text of a JSON string; an empty one is no part.
func (p *pieces) text(part llm.Part, v []byte) {
	if len(v) > len(`""`) && jsonscan.KindOf(v) == jsonscan.Text {
		part.Text = jsonscan.String(v)
		p.add(part, v)
	}
}

// aside adds the texts in v, which stand beside the answer: what was cited, and what it came from.
func (p *pieces) aside(v []byte) { dialect.Asides(v, p.add) }

// chat adds the parts of version 2.
func (p *pieces) chat(m *fields) {
	if m.typ == nil {
		p.message(m.message, 0)
		p.logprobs(m.logprobs)
		return
	}
	if jsonscan.KindOf(m.delta) != jsonscan.Dict {
		return
	}
	n, _ := jsonscan.Int(m.index)
	p.message(jsonscan.Get(m.delta, "message"), int(n))
	p.logprobs(m.logprobs)
}

// message adds the parts of a message: a whole one, whose contents and calls are lists, or what an event adds to the content
// or the call at index.
func (p *pieces) message(v []byte, index int) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "content":
			if jsonscan.KindOf(v) == jsonscan.Text {
				p.text(llm.Part{Index: index}, v)
				continue
			}
			each(v, index, p.content)
		case "tool_plan":
			p.text(llm.Part{Kind: llm.PartReasoning, Index: planIndex}, v)
		case "tool_calls":
			each(v, index, p.call)
		case "citations":
			each(v, 0, p.citation)
		}
	}
}

// each calls f for the object v, which has the index given, or for those of the list v.
func each(v []byte, index int, f func(v []byte, index int)) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Dict:
		f(v, index)
	case jsonscan.List:
		i := 0
		for it := jsonscan.Array(v); it.Next(); i++ {
			if jsonscan.KindOf(it.Value()) == jsonscan.Dict {
				f(it.Value(), i)
			}
		}
	}
}

func (p *pieces) content(v []byte, index int) {
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "text":
			p.text(llm.Part{Index: index}, it.Value())
		case "thinking":
			p.text(llm.Part{Kind: llm.PartReasoning, Index: index}, it.Value())
		}
	}
}

// call adds a tool call of version 2, or a fragment of one.
func (p *pieces) call(v []byte, index int) {
	part := llm.Part{Kind: llm.PartToolCall, Index: index}
	var args []byte
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "id":
			part.ID = jsonscan.String(v)
		case "function":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				part.Name = jsonscan.String(jsonscan.Get(v, "name"))
				if args = jsonscan.Get(v, "arguments"); jsonscan.KindOf(args) != jsonscan.Text {
					args = nil
				}
			}
		}
	}
	if part.Text = jsonscan.String(args); part.Text != "" || part.ID != "" || part.Name != "" {
		p.add(part, args)
	}
}

// citation adds what a citation of either version quotes.
func (p *pieces) citation(v []byte, _ int) {
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "text":
			p.aside(v)
		case "sources":
			each(v, 0, p.source)
		}
	}
}

func (p *pieces) source(v []byte, _ int) {
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "document", "tool_output":
			p.aside(it.Value())
		}
	}
}

// logprobs adds the log probabilities in v, one object or a list, to the first text of the frame. Each is of a piece of text; of
// one that takes several tokens they multiply.
func (p *pieces) logprobs(v []byte) {
	if jsonscan.IsNull(v) {
		return
	}
	for i := range p.parts {
		if q := &p.parts[i]; q.Kind == llm.PartText && !q.Repeat {
			each(v, 0, func(v []byte, _ int) {
				l := llm.Logprob{Token: jsonscan.String(jsonscan.Get(v, "text"))}
				elements(jsonscan.Get(v, "logprobs"), func(v []byte) {
					f, _ := jsonscan.Float(v)
					l.Logprob += f
				})
				q.Logprobs = append(q.Logprobs, l)
			})
			return
		}
	}
}

// chatV1 adds the parts of version 1.
func (p *pieces) chatV1(m *fields) {
	n, _ := jsonscan.Int(m.index)
	switch string(word(m.eventType)) {
	case "tool-calls-chunk":
		p.text(llm.Part{Kind: llm.PartReasoning, Index: planIndex}, m.text)
		p.callDelta(m.toolCallDelta)
	case "tool-calls-generation":
		p.text(llm.Part{Kind: llm.PartReasoning, Index: planIndex}, m.text)
		each(m.toolCalls, 0, p.callV1)
	default:
		p.text(llm.Part{Choice: int(n)}, m.text)
		each(m.toolCalls, 0, p.callV1)
	}
	each(m.citations, 0, p.citation)
	p.aside(m.documents)
	p.aside(m.results)
	each(m.queries, 0, p.query)
	each(m.generations, 0, func(v []byte, i int) { p.text(llm.Part{Choice: i}, jsonscan.Get(v, "text")) })
	p.lastOf(m.history)
	if jsonscan.KindOf(m.response) == jsonscan.Dict {
		inner, _ := scan(m.response)
		inner.eventType, inner.response = nil, nil
		p.chatV1(&inner)
	}
}

// callV1 adds a tool call of version 1: it has no id, and its arguments are an object.
func (p *pieces) callV1(v []byte, index int) {
	part := llm.Part{Kind: llm.PartToolCall, Index: index}
	var args []byte
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "name":
			part.Name = jsonscan.String(v)
		case "parameters":
			if !jsonscan.IsNull(v) {
				args, part.Text = v, valueText(v)
			}
		}
	}
	p.add(part, args)
}

// callDelta adds a fragment of a tool call of version 1, whose arguments are text.
func (p *pieces) callDelta(v []byte) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	n, _ := jsonscan.Int(jsonscan.Get(v, "index"))
	part := llm.Part{Kind: llm.PartToolCall, Index: int(n), Name: jsonscan.String(jsonscan.Get(v, "name"))}
	args := jsonscan.Get(v, "parameters")
	if jsonscan.KindOf(args) != jsonscan.Text {
		args = nil
	}
	if part.Text = jsonscan.String(args); part.Text != "" || part.Name != "" {
		p.add(part, args)
	}
	p.text(llm.Part{Kind: llm.PartReasoning, Index: planIndex}, jsonscan.Get(v, "text"))
}

// query adds what the model would search for.
func (p *pieces) query(v []byte, index int) {
	p.text(llm.Part{Kind: llm.PartReasoning, Index: queryIndex + index}, jsonscan.Get(v, "text"))
}

// lastOf adds the answer as the last message of chat_history repeats it. What stands before it is the client's own.
func (p *pieces) lastOf(history []byte) {
	var last []byte
	elements(history, func(v []byte) { last = v })
	if jsonscan.KindOf(last) != jsonscan.Dict || roleV1(jsonscan.Get(last, "role")) != llm.RoleAssistant {
		return
	}
	from := len(p.parts)
	p.text(llm.Part{}, jsonscan.Get(last, "message"))
	each(jsonscan.Get(last, "tool_calls"), 0, p.callV1)
	for i := from; i < len(p.parts); i++ {
		p.parts[i].Repeat = true
	}
}

// Rewrite implements llm.Inbound, as dialect.Rewrite does. Log probabilities tell the text that was changed: they become null.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	rw := dialect.Rewrite{Data: ev.Raw, Parts: ev.Parts}
	// Version 1 streams in two framings. JSON has no line of data outside of its texts, which hold no raw line ends.
	if data := dialect.Payload(ev); !ev.Whole && len(bytes.TrimSpace(data)) > 0 {
		rw.Raw, rw.Data = ev.Raw, data
	}
	if m, ok := scan(rw.Data); ok {
		var p pieces
		if r.API == llm.CohereChat {
			p.chat(&m)
		} else {
			p.chatV1(&m)
		}
		for i := range p.parts {
			rw.Part(&p.parts[i], p.values[i])
		}
		rw.Void(m.logprobs)
		elements(m.generations, func(v []byte) { rw.Void(jsonscan.Get(v, "token_likelihoods")) })
	}
	return rw.Append(dst)
}
