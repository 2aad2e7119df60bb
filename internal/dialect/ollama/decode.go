package ollama

import (
	"slices"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// decoder reads the responses of all endpoints and errors: their members have different names. A response is one choice.
type decoder struct {
	parts  bool // decode content
	status int  // of the response
	model  dialect.Label
	usage  llm.Usage
	err    llm.Error
	calls  int // tool calls so far
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	if f.Data == nil {
		return
	}
	m, err := scan(f.Data)
	if err != nil {
		return
	}
	ev.Model = d.model.Of(m.model)
	ev.Dimensions = dimensions(m.embedding)
	ev.Last = jsonscan.Bool(m.done) || m.embedding != nil
	ev.Usage = d.readUsage(&m)
	if m.message != nil || m.text != nil || m.done != nil {
		ev.Choices = append(ev.Choices, llm.Choice{Finish: jsonscan.String(m.finish)})
	}
	if !jsonscan.IsNull(m.err) {
		d.err = readError(m.err, d.status)
		ev.Err, ev.Last = &d.err, true
	}
	if d.parts {
		eachPart(&m, func(p llm.Part, _ []byte) {
			p.Index = d.index(p.Kind)
			ev.Parts = append(ev.Parts, p)
		})
		setLogprobs(ev.Parts, m.logprobs)
		appendVectors(ev, m.embedding)
	}
}

// setLogprobs gives those of a response object to its text.
func setLogprobs(parts []llm.Part, v []byte) {
	i := slices.IndexFunc(parts, func(p llm.Part) bool { return p.Kind == llm.PartText })
	if i < 0 || jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		parts[i].Logprobs = append(parts[i].Logprobs, readLogprob(it.Value(), true))
	}
}

func readLogprob(v []byte, top bool) (p llm.Logprob) {
	each(v, func(key string, v []byte) {
		switch key {
		case "token":
			p.Token = jsonscan.String(v)
		case "logprob":
			p.Logprob, _ = jsonscan.Float(v)
		case "bytes":
			if jsonscan.KindOf(v) == jsonscan.List {
				for it := jsonscan.Array(v); it.Next(); {
					n, _ := jsonscan.Int(it.Value())
					p.Bytes = append(p.Bytes, byte(n))
				}
			}
		case "top_logprobs":
			if top && jsonscan.KindOf(v) == jsonscan.List {
				for it := jsonscan.Array(v); it.Next(); {
					p.Top = append(p.Top, readLogprob(it.Value(), false))
				}
			}
		}
	})
	return p
}

// appendVectors appends a vector, or a list of them.
func appendVectors(ev *llm.Event, v []byte) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	it := jsonscan.Array(v)
	if !it.Next() {
		return
	}
	if jsonscan.KindOf(it.Value()) != jsonscan.List {
		ev.Vectors = append(ev.Vectors, v)
		return
	}
	for more := true; more; more = it.Next() {
		ev.Vectors = append(ev.Vectors, it.Value())
	}
}

// index numbers parts over all frames: thinking is one part, text one, and each tool call its own, since Ollama sends calls
// whole.
func (d *decoder) index(kind llm.PartKind) int {
	switch kind {
	case llm.PartReasoning:
		return 0
	case llm.PartToolCall:
		d.calls++
		return 1 + d.calls
	}
	return 1
}

// response is the raw values of one response object.
type response struct {
	model, message, text, thinking, done, finish, prompt, eval, embedding, logprobs, calls, err []byte
}

// scan finds the values of a response object.
func scan(data []byte) (response, error) {
	var m response
	it := jsonscan.Object(data)
	for it.Next() {
		m.field(it.Key(), it.Value())
	}
	return m, it.Err()
}

func (m *response) field(key, v []byte) {
	switch string(key) {
	case "model":
		m.model = v
	case "message":
		m.message = v
	case "response":
		m.text = v
	case "thinking":
		m.thinking = v
	case "done":
		m.done = v
	case "done_reason":
		m.finish = v
	case "prompt_eval_count":
		m.prompt = v
	case "eval_count":
		m.eval = v
	case "embedding", "embeddings":
		m.embedding = v
	case "logprobs":
		m.logprobs = v
	case "tool_calls": // of generate
		m.calls = v
	case "error":
		m.err = v
	}
}

// readUsage reads the counts of the last object. The prompt's is missing when the prompt was cached.
func (d *decoder) readUsage(m *response) *llm.Usage {
	var u llm.Usage
	dialect.SetInt(&u.Input, m.prompt)
	dialect.SetInt(&u.Output, m.eval)
	if u.IsZero() {
		return nil
	}
	d.usage = u
	return &d.usage
}

// dimensions counts a vector, or the first of a list of them.
func dimensions(v []byte) int {
	n := 0
	for range 2 {
		if jsonscan.KindOf(v) != jsonscan.List {
			return n
		}
		n = 0
		var first []byte
		for it := jsonscan.Array(v); it.Next(); n++ {
			if n == 0 {
				if first = it.Value(); jsonscan.KindOf(first) == jsonscan.List {
					break
				}
			}
		}
		v = first
	}
	return n
}

// readError reads the message, or the object that a server in front of Ollama may send instead.
func readError(v []byte, status int) llm.Error {
	e := llm.Error{Message: jsonscan.String(v)}
	if status >= 400 {
		e.Status = status
	}
	if jsonscan.KindOf(v) == jsonscan.Dict {
		e.Message = jsonscan.String(jsonscan.Get(v, "message"))
		e.Type = jsonscan.String(jsonscan.Get(v, "type"))
	}
	return e
}

// eachPart calls f for the parts of a response, in the order of the documented members, with the value that the part's
// Text came from. An empty text says nothing and is left out.
func eachPart(m *response, f func(p llm.Part, text []byte)) {
	text := func(kind llm.PartKind, v []byte) {
		if len(v) > len(`""`) && jsonscan.KindOf(v) == jsonscan.Text {
			f(llm.Part{Kind: kind, Text: jsonscan.String(v)}, v)
		}
	}
	text(llm.PartReasoning, m.thinking)
	text(llm.PartText, m.text)
	toolCalls(m.calls, f)
	if jsonscan.KindOf(m.message) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(m.message); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "content":
			text(llm.PartText, v)
		case "thinking":
			text(llm.PartReasoning, v)
		case "tool_calls":
			toolCalls(v, f)
		}
	}
}

func toolCalls(v []byte, f func(p llm.Part, text []byte)) {
	if jsonscan.KindOf(v) == jsonscan.List {
		for c := jsonscan.Array(v); c.Next(); {
			f(readCall(c.Value()))
		}
	}
}

// readCall reads one of tool_calls: its arguments are an object, not text.
func readCall(v []byte) (p llm.Part, args []byte) {
	p.Kind = llm.PartToolCall
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return p, nil
	}
	p.ID = jsonscan.String(jsonscan.Get(v, "id"))
	fn := jsonscan.Get(v, "function")
	if jsonscan.KindOf(fn) != jsonscan.Dict {
		return p, nil
	}
	p.Name = jsonscan.String(jsonscan.Get(fn, "name"))
	if args = jsonscan.Get(fn, "arguments"); jsonscan.IsNull(args) {
		return p, nil
	}
	p.Text = string(args)
	return p, args
}
