package openai

import (
	"bytes"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewReader implements llm.Outbound.
func (Dialect) NewReader(api llm.API, h *llm.Head, want llm.Want) llm.Reader {
	return NewReaderAs(llm.OpenAI, api, h, want)
}

// NewReaderAs is NewReader for a dialect whose answers have the form of api's.
func NewReaderAs(d llm.Dialect, api llm.API, h *llm.Head, want llm.Want) llm.Reader {
	f := dialect.FramingOf(h, dialect.Whole)
	return dialect.NewReader(d, f, &decoder{api: api, whole: f == dialect.Whole, status: h.Status, want: want})
}

// decoder decodes the frames of one response.
type decoder struct {
	api    llm.API
	whole  bool
	status int
	want   llm.Want

	id, model, tier, fingerprint, finish, event dialect.Label
	usage                                       llm.Usage // what Event.Usage points to
	last                                        pattern
	texts                                       texts
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	if len(f.Data) == 0 {
		return
	}
	if f.Data[0] == '[' && string(bytes.TrimSpace(f.Data)) == "[DONE]" {
		ev.Last = true
		return
	}
	if !d.decode(f, ev) {
		raw, dl, whole := ev.Raw, ev.Dialect, ev.Whole
		ev.Reset()
		ev.Raw, ev.Dialect, ev.Whole = raw, dl, whole
		return
	}
	ev.Last = ev.Last || d.whole
}

// decode reports whether f holds a JSON object.
func (d *decoder) decode(f *frame.Frame, ev *llm.Event) bool {
	if d.status >= 400 {
		return d.failure(f.Data, ev)
	}
	var ok bool
	switch d.api {
	case llm.OpenAIResponses:
		ok = d.response(f.Data, ev)
	case llm.OpenAIEmbeddings, llm.OpenAIImages:
		ok = d.list(f.Data, ev)
	default:
		ok = d.completion(f.Data, ev)
	}
	if ok && ev.Err == nil && f.Event == "error" {
		return d.failure(f.Data, ev)
	}
	return ok
}

// completion decodes a chat completion or a completion, whole ("The chat completion object") or a chunk of one.
func (d *decoder) completion(data []byte, ev *llm.Event) bool {
	if value, ok := d.last.match(data); ok {
		d.repeat(value, ev)
		return true
	}
	var choices, groq, failed, filler []byte
	it := jsonscan.Object(data)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "id":
			ev.ID = d.id.Of(v)
		case "model":
			ev.Model = d.model.Of(v)
		case "service_tier":
			ev.ServiceTier = d.tier.Of(v)
		case "system_fingerprint":
			ev.Fingerprint = d.fingerprint.Of(v)
		case "choices":
			choices = v
		case "usage":
			d.setUsage(v, ev)
		case "x_groq":
			groq = v
		case "error":
			failed = v
		case "obfuscation", "p": // the latter is Mistral's
			filler = v
		}
	}
	if it.Err() != nil {
		return false
	}
	if ev.Usage == nil && groq != nil { // Groq's streams, before they had usage of their own
		d.setUsage(jsonscan.Get(groq, "usage"), ev)
	}
	ev.Err = newError(failed, d.status)
	delta := d.choices(choices, ev)
	if d.want == llm.WantParts {
		d.texts.begin(ev.Parts)
		d.texts.completion(choices, d.api)
		ev.Parts = d.texts.parts
	}
	if len(ev.Choices) == 1 && ev.Choices[0].Finish == "" && ev.Usage == nil && ev.Err == nil {
		d.last.learn(data, delta, filler, ev)
	}
	return true
}

// repeat fills in ev for a chunk that is the last one but for its content, value.
func (d *decoder) repeat(value []byte, ev *llm.Event) {
	p := &d.last
	ev.ID, ev.Model, ev.ServiceTier, ev.Fingerprint = p.id, p.model, p.tier, p.fingerprint
	ev.Choices = append(ev.Choices, llm.Choice{Index: p.choice})
	if d.want != llm.WantParts {
		return
	}
	d.texts.begin(ev.Parts)
	if d.api == llm.OpenAICompletions {
		d.texts.prompted(value, p.choice)
	} else {
		d.texts.message(value, p.choice, true)
	}
	ev.Parts = d.texts.parts
}

// choices reads index and finish reason of each choice, and returns what the last one has of content in a chunk. Some hosts
// leave the index out.
func (d *decoder) choices(list []byte, ev *llm.Event) (delta []byte) {
	if jsonscan.KindOf(list) != jsonscan.List {
		return nil
	}
	probs := false
	all := jsonscan.Array(list)
	for n := 0; all.Next(); n++ {
		c := llm.Choice{Index: n}
		for it := jsonscan.Object(all.Value()); it.Next(); {
			switch string(it.Key()) {
			case "index":
				c.Index = index(it.Value(), n)
			case "finish_reason":
				c.Finish = d.finish.Of(it.Value())
			case "stop_reason", "matched_stop": // vLLM's and SGLang's, a text or the number of a token
				c.Stop = jsonscan.String(it.Value())
			case "logprobs":
				probs = probs || !jsonscan.IsNull(it.Value())
			case "delta":
				if d.api == llm.OpenAIChat {
					delta = it.Value()
				}
			case "text":
				if d.api == llm.OpenAICompletions {
					delta = it.Value()
				}
			}
		}
		ev.Choices = append(ev.Choices, c)
	}
	if probs && d.want == llm.WantParts { // they are of this content alone
		return nil
	}
	return delta
}

// index is the whole number v, or n when it is none.
func index(v []byte, n int) int {
	if i, ok := jsonscan.Int(v); ok && i == int64(int32(i)) {
		return int(i)
	}
	return n
}

// list decodes the answers of embeddings and image generation, and the events of a streamed image generation.
func (d *decoder) list(data []byte, ev *llm.Event) bool {
	var failed []byte
	it := jsonscan.Object(data)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "id":
			ev.ID = d.id.Of(v)
		case "model":
			ev.Model = d.model.Of(v)
		case "usage":
			d.setUsage(v, ev)
		case "data":
			if d.api == llm.OpenAIEmbeddings {
				ev.Dimensions = dimensions(v)
				if d.want == llm.WantParts {
					ev.Vectors = vectors(ev.Vectors, v)
				}
			}
		case "type":
			ev.Last = jsonscan.String(v) == "image_generation.completed"
		case "error":
			failed = v
		}
	}
	if it.Err() != nil {
		return false
	}
	ev.Err = newError(failed, d.status)
	return true
}

// dimensions is the length of the first vector of a list of embeddings. A vector is an array, or base64 of 32-bit floats.
func dimensions(list []byte) int {
	if jsonscan.KindOf(list) != jsonscan.List {
		return 0
	}
	it := jsonscan.Array(list)
	if !it.Next() {
		return 0
	}
	v := jsonscan.Get(it.Value(), "embedding")
	switch jsonscan.KindOf(v) {
	case jsonscan.List:
		n := 0
		for e := jsonscan.Array(v); e.Next(); {
			n++
		}
		return n
	case jsonscan.Text:
		v = bytes.TrimRight(v[1:len(v)-1], "=")
		return (len(v) - bytes.Count(v, []byte{'\\'})) * 3 / 4 / 4 // a slash may be written \/
	}
	return 0
}
