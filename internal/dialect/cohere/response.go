package cohere

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// maxGenerations is how many generations of generate are told apart as told already; the API gives up to five.
const maxGenerations = 8

// decoder reads the responses of one API, and errors.
type decoder struct {
	api    llm.API
	parts  bool // decode content
	status int  // of the response
	pieces pieces
	told   [maxGenerations]told // of streams of version 1
	usage  llm.Usage
	err    llm.Error
}

// told is what frames of a stream have said of a choice, which closing frames repeat.
type told struct{ text, plan, calls bool }

func newDecoder(api llm.API, status int, want llm.Want) *decoder {
	return &decoder{api: api, parts: want == llm.WantParts, status: status}
}

// fields are the raw values of one response object: a whole response, an event of a stream, or the response that the last
// event of a stream of version 1 holds.
type fields struct {
	typ, eventType, id, responseID, generationID, index              []byte
	delta, message, text, generations, response                      []byte
	toolCalls, toolCallDelta, citations, documents, queries, results []byte
	history, finish, finished, usage, logprobs, embeddings, fail     []byte
}

// scan finds the values of a response object.
func scan(data []byte) (m fields, ok bool) {
	it := jsonscan.Object(data)
	for it.Next() {
		if p := m.at(it.Key()); p != nil {
			*p = it.Value()
		}
	}
	return m, it.Err() == nil
}

// at is where the value of a member belongs, nil when nothing is read from it.
func (m *fields) at(key []byte) *[]byte {
	switch string(key) {
	case "type":
		return &m.typ
	case "index":
		return &m.index
	case "delta":
		return &m.delta
	case "event_type":
		return &m.eventType
	case "text":
		return &m.text
	case "is_finished":
		return &m.finished
	case "id":
		return &m.id
	case "response_id":
		return &m.responseID
	case "generation_id":
		return &m.generationID
	case "message":
		return &m.message
	case "response":
		return &m.response
	case "generations":
		return &m.generations
	case "tool_calls":
		return &m.toolCalls
	case "tool_call_delta":
		return &m.toolCallDelta
	case "citations":
		return &m.citations
	case "documents":
		return &m.documents
	case "search_results":
		return &m.results
	case "search_queries":
		return &m.queries
	case "chat_history":
		return &m.history
	case "finish_reason":
		return &m.finish
	case "usage", "meta":
		return &m.usage
	case "logprobs":
		return &m.logprobs
	case "embeddings":
		return &m.embeddings
	case "err", "error":
		return &m.fail
	}
	return nil
}

// word is the text of a JSON string that holds no escapes, as a type does.
func word(v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.Text || len(v) < 2 {
		return nil
	}
	return v[1 : len(v)-1]
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	m, ok := scan(f.Data)
	if !ok {
		return // [DONE] among others
	}
	if jsonscan.KindOf(m.message) == jsonscan.Text || d.status >= 400 {
		d.fail(ev, m.message, d.status)
		return
	}
	switch d.api {
	case llm.CohereChat:
		d.chat(&m, ev)
	case llm.CohereChatV1, llm.CohereGenerate:
		d.chatV1(&m, ev)
	case llm.CohereEmbed, llm.CohereEmbedV1:
		d.embed(&m, ev)
	case llm.CohereRerank:
		ev.ID, ev.Last = jsonscan.String(m.id), true
		ev.Usage = d.count(m.usage)
	}
}

// fail is an error, of an error response or in the middle of a stream. The API names no type; what stands before the API may
// say "detail" or the like in place of a message.
func (d *decoder) fail(ev *llm.Event, message []byte, status int) {
	d.err = llm.Error{Message: jsonscan.String(message)}
	if status >= 400 {
		d.err.Status = status
	}
	ev.Err, ev.Last = &d.err, true
}

// chat reads version 2: an event by its type, or a whole response, which has none.
func (d *decoder) chat(m *fields, ev *llm.Event) {
	switch string(word(m.typ)) {
	case "":
		ev.ID = jsonscan.String(m.id)
		if m.message != nil || m.finish != nil {
			ev.Choices = append(ev.Choices, llm.Choice{Finish: jsonscan.String(m.finish)})
		}
		ev.Usage = d.count(m.usage)
		ev.Last = true
	case "message-start":
		ev.ID = jsonscan.String(m.id)
		ev.Choices = append(ev.Choices, llm.Choice{})
	case "message-end":
		end, _ := scan(m.delta)
		ev.ID = jsonscan.String(m.id)
		ev.Choices = append(ev.Choices, llm.Choice{Finish: jsonscan.String(end.finish)})
		ev.Usage = d.count(end.usage)
		if !jsonscan.IsNull(end.fail) {
			d.fail(ev, end.fail, 0)
		}
		ev.Last = true
		return
	}
	if d.parts {
		d.pieces.begin(ev.Parts)
		d.pieces.chat(m)
		ev.Parts = d.pieces.parts
	}
}

// chatV1 reads version 1 of chat, and generate: an event, or a whole response.
func (d *decoder) chatV1(m *fields, ev *llm.Event) {
	switch event := string(word(m.eventType)); {
	case jsonscan.KindOf(m.response) == jsonscan.Dict:
		inner, _ := scan(m.response)
		if jsonscan.IsNull(inner.finish) {
			inner.finish = m.finish
		}
		if inner.usage == nil {
			inner.usage = m.usage
		}
		d.whole(&inner, ev)
	case event == "" && m.finished == nil:
		d.whole(m, ev)
	default:
		n, _ := jsonscan.Int(m.index)
		ev.Choices = append(ev.Choices, llm.Choice{Index: int(n), Finish: jsonscan.String(m.finish)})
		ev.Last = jsonscan.Bool(m.finished)
	}
	if !jsonscan.IsNull(m.fail) {
		d.fail(ev, m.fail, 0)
	}
	if d.parts {
		d.pieces.begin(ev.Parts)
		d.pieces.chatV1(m)
		ev.Parts = d.pieces.parts
		d.repeats(m, ev.Parts)
	}
}

// whole reads a response of version 1: what the API answers without a stream, and what ends one.
func (d *decoder) whole(m *fields, ev *llm.Event) {
	for _, id := range [][]byte{m.responseID, m.generationID, m.id} {
		if ev.ID == "" {
			ev.ID = jsonscan.String(id)
		}
	}
	ev.Usage = d.count(m.usage)
	ev.Last = true
	if jsonscan.KindOf(m.generations) != jsonscan.List {
		ev.Choices = append(ev.Choices, llm.Choice{Finish: jsonscan.String(m.finish)})
		return
	}
	i := 0
	elements(m.generations, func(v []byte) {
		finish := jsonscan.Get(v, "finish_reason")
		if finish == nil {
			finish = m.finish
		}
		ev.Choices = append(ev.Choices, llm.Choice{Index: i, Finish: jsonscan.String(finish)})
		i++
	})
}

// repeats marks the parts of a closing frame that earlier frames have told, and notes what other frames tell. The plan before
// calls of tools is the text of the response that ends the stream.
func (d *decoder) repeats(m *fields, parts []llm.Part) {
	closing := m.response != nil || string(word(m.eventType)) == "tool-calls-generation"
	for i := range parts {
		p := &parts[i]
		if p.Repeat || p.Choice < 0 || p.Choice >= maxGenerations {
			continue
		}
		t := &d.told[p.Choice]
		switch p.Kind {
		case llm.PartText:
			p.Repeat = closing && (t.text || t.plan)
		case llm.PartReasoning:
			p.Repeat = closing && t.plan
		case llm.PartToolCall:
			p.Repeat = closing && t.calls
		}
	}
	for i := range parts {
		p := &parts[i]
		if p.Repeat || p.Choice < 0 || p.Choice >= maxGenerations {
			continue
		}
		t := &d.told[p.Choice]
		t.text = t.text || p.Kind == llm.PartText
		t.plan = t.plan || p.Kind == llm.PartReasoning && p.Index == planIndex
		t.calls = t.calls || p.Kind == llm.PartToolCall
	}
}

// count reads the counts of usage or meta: the tokens, else what of them is billed.
func (d *decoder) count(v []byte) *llm.Usage {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	var u, billed llm.Usage
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "tokens":
			counts(&u, v)
		case "billed_units":
			counts(&billed, v)
		case "cached_tokens":
			dialect.SetInt(&u.CacheRead, v)
		}
	}
	if !u.Input.Set && !u.Output.Set {
		u.Input, u.Output = billed.Input, billed.Output
	}
	if u.IsZero() {
		return nil
	}
	d.usage = u
	return &d.usage
}

func counts(u *llm.Usage, v []byte) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "input_tokens":
			dialect.SetInt(&u.Input, it.Value())
		case "output_tokens":
			dialect.SetInt(&u.Output, it.Value())
		}
	}
}
