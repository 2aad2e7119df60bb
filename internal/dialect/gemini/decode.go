package gemini

import (
	"slices"
	"strconv"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// maxTracked is how many candidates the decoder follows: the index that joins their parts, and whether they finished. The
// API's own limit for candidateCount is 8.
const maxTracked = 64

// decoder reads GenerateContentResponse, EmbedContentResponse, BatchEmbedContentsResponse and google.rpc.Status.
type decoder struct {
	parts     bool // decode content
	json      bool // the framing is dialect.JSON
	status    int  // of the response
	id, model dialect.Label
	finish    dialect.Label
	usage     llm.Usage
	err       llm.Error
	seen      uint64 // candidates, by index
	done      uint64
	runs      []run // by candidate
}

// response is the raw values of one response message.
type response struct {
	candidates, usage, feedback, model, id, embedding, err []byte
	vertex                                                 bool // fields that only Vertex AI has
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	if f.Data == nil {
		ev.Last = d.json && closes(f.Raw)
		return
	}
	var m response
	it := jsonscan.Object(f.Data)
	for it.Next() {
		m.field(it.Key(), it.Value())
	}
	if it.Err() != nil {
		return
	}
	ev.ID, ev.Model = d.id.Of(m.id), d.model.Of(m.model)
	ev.Usage = d.readUsage(&m)
	ev.Dimensions = dimensions(m.embedding)
	if d.parts {
		elements(m.embedding, func(v []byte) {
			if values := member(v, "values"); jsonscan.KindOf(values) == jsonscan.List {
				ev.Vectors = append(ev.Vectors, values)
			}
		})
	}
	if jsonscan.KindOf(m.candidates) == jsonscan.List {
		d.candidates(&m, ev)
	}
	if !jsonscan.IsNull(m.err) {
		d.err = llm.Error{Status: d.status}
		readError(m.err, &d.err)
		ev.Err = &d.err
	}
	ev.Whole = d.json && len(f.Data) == len(f.Raw) // an element of an array has a bracket or a comma before it
	finished := d.seen != 0 && d.seen&^d.done == 0
	ev.Last = ev.Whole || finished || ev.Err != nil || member(m.feedback, "blockReason") != nil
}

// closes reports whether a frame without an element is an array's closing bracket.
func closes(raw []byte) bool {
	for _, c := range raw {
		if c == ']' {
			return true
		}
	}
	return false
}

func (m *response) field(key, v []byte) {
	switch string(key) {
	case "candidates":
		m.candidates = v
	case "usageMetadata":
		m.usage = v
	case "promptFeedback":
		m.feedback = v
	case "modelVersion":
		m.model = v
	case "responseId":
		m.id = v
	case "embedding", "embeddings":
		m.embedding = v
	case "createTime":
		m.vertex = true
	case "error":
		m.err = v
	}
}

// readUsage reads UsageMetadata. Each report is a total; one without a count says nothing.
func (d *decoder) readUsage(m *response) *llm.Usage {
	if jsonscan.KindOf(m.usage) != jsonscan.Dict {
		return nil
	}
	var u llm.Usage
	var candidates llm.Opt[int64]
	for it := jsonscan.Object(m.usage); it.Next(); {
		switch string(it.Key()) {
		case "promptTokenCount":
			dialect.SetInt(&u.Input, it.Value())
		case "candidatesTokenCount":
			dialect.SetInt(&candidates, it.Value())
		case "thoughtsTokenCount":
			dialect.SetInt(&u.Reasoning, it.Value())
		case "cachedContentTokenCount":
			dialect.SetInt(&u.CacheRead, it.Value())
		case "trafficType":
			m.vertex = true
		}
	}
	if candidates.Set || u.Reasoning.Set {
		u.Output = llm.Some(candidates.V + u.Reasoning.V)
	}
	if u.IsZero() {
		return nil
	}
	d.usage = u
	return &d.usage
}

// dimensions counts the first of the vectors of an embedding or a list of them.
func dimensions(v []byte) int {
	if jsonscan.KindOf(v) == jsonscan.List {
		first := jsonscan.Array(v)
		if !first.Next() {
			return 0
		}
		v = first.Value()
	}
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return 0
	}
	n := 0
	for it := jsonscan.Array(jsonscan.Get(v, "values")); it.Next(); {
		n++
	}
	return n
}

// candidates reads the candidates of m. A candidate without an index is the first, as proto3 leaves out zeros; a second
// one without has its position.
func (d *decoder) candidates(m *response, ev *llm.Event) {
	zero, n := false, 0
	for it := jsonscan.Array(m.candidates); it.Next(); n++ {
		index, finish, placed := 0, "", false
		var content, logprobs []byte
		for c := jsonscan.Object(it.Value()); c.Next(); {
			switch v := c.Value(); string(c.Key()) {
			case "index":
				if i, ok := jsonscan.Int(v); ok {
					index, placed = int(i), true
				}
			case "finishReason":
				finish = d.finishReason(v, m.vertex)
			case "content":
				content = v
			case "logprobsResult":
				logprobs = v
			}
		}
		if !placed && zero {
			index = n
		}
		zero = zero || index == 0
		d.track(index, finish != "")
		ev.Choices = append(ev.Choices, llm.Choice{Index: index, Finish: finish})
		if d.parts && jsonscan.KindOf(content) == jsonscan.Dict {
			n := len(ev.Parts)
			d.content(content, index, ev)
			setLogprobs(ev.Parts[n:], logprobs)
		}
		if d.parts {
			beside(it.Value(), func(p llm.Part, _ []byte) { ev.Parts = append(ev.Parts, p) })
		}
	}
}

func (d *decoder) track(index int, finished bool) {
	if index < 0 || index >= maxTracked {
		return
	}
	d.seen |= 1 << index
	if finished {
		d.done |= 1 << index
	}
}

// content appends the parts of a candidate's content.
func (d *decoder) content(v []byte, choice int, ev *llm.Event) {
	elements(jsonscan.Get(v, "parts"), func(v []byte) {
		framePart(v, func(p llm.Part, _ []byte) {
			p.Choice, p.Raw = choice, nil
			d.place(&p)
			ev.Parts = append(ev.Parts, p)
		})
	})
}

// setLogprobs gives LogprobsResult, which is one for all of a candidate's content, to the first of its texts.
func setLogprobs(parts []llm.Part, v []byte) {
	i := slices.IndexFunc(parts, func(p llm.Part) bool { return p.Kind == llm.PartText })
	if i < 0 || jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	var list []llm.Logprob
	elements(jsonscan.Get(v, "chosenCandidates"), func(v []byte) { list = append(list, readLogprob(v)) })
	n := 0
	elements(jsonscan.Get(v, "topCandidates"), func(v []byte) {
		if n < len(list) {
			elements(jsonscan.Get(v, "candidates"), func(v []byte) { list[n].Top = append(list[n].Top, readLogprob(v)) })
		}
		n++
	})
	parts[i].Logprobs = list
}

func readLogprob(v []byte) (p llm.Logprob) {
	p.Token = jsonscan.String(jsonscan.Get(v, "token"))
	p.Logprob, _ = jsonscan.Float(jsonscan.Get(v, "logProbability"))
	return p
}

// run is the last part of a candidate.
type run struct {
	kind  llm.PartKind
	index int
	begun bool
	alone bool // nothing goes on with it
}

// place numbers p. Frames do not say which part they go on with: text goes on with text and thought with thought, and so
// does a function call without a name (Vertex AI's streamed arguments) with the call before it. The signature of the part that
// follows it stands alone.
func (d *decoder) place(p *llm.Part) {
	if p.Choice < 0 || p.Choice >= maxTracked {
		return
	}
	for len(d.runs) <= p.Choice {
		d.runs = append(d.runs, run{})
	}
	r := &d.runs[p.Choice]
	alone := p.Kind == llm.PartReasoning && p.Text == ""
	switch {
	case !r.begun:
	case p.Kind != r.kind, r.alone, alone:
		r.index++
	case p.Kind == llm.PartText || p.Kind == llm.PartReasoning:
	case p.Kind == llm.PartToolCall && p.Name == "":
	default:
		r.index++
	}
	r.kind, r.begun, r.alone = p.Kind, true, alone
	p.Index = r.index
}

// readError reads google.rpc.Status, or the bare message that some proxies send.
func readError(v []byte, e *llm.Error) {
	if jsonscan.KindOf(v) == jsonscan.Text {
		e.Message = jsonscan.String(v)
		return
	}
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	var code int64
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "code":
			code, _ = jsonscan.Int(it.Value())
		case "message":
			e.Message = jsonscan.String(it.Value())
		case "status":
			e.Type = jsonscan.String(it.Value())
		}
	}
	if e.Type == "" && code != 0 {
		e.Type = strconv.FormatInt(code, 10)
	}
	if e.Status < 400 {
		e.Status = 0
	}
}
