package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// texts collects the parts of one frame, each with the JSON value that holds its text. Reading and
// rewriting walk a frame by the same methods, so that the nth part is always the nth value. The zero value is ready to use.
type texts struct {
	parts    []llm.Part
	vals     [][]byte // the value of each part's text; nil when it has none
	told     []told   // the parts of the stream whose text came in an earlier frame
	begun    []begun  // the tool calls of the stream
	more     int      // tool calls under an index that another had
	thoughts []thoughts
	sealed   []int // the items whose encrypted reasoning was told
	frame    int
}

// begun is the latest tool call of a stream under an index, and the index of its part.
type begun struct {
	choice, index, part int
	id                  string
}

// told is a part of a stream and the frame that first told some of its text.
type told struct {
	kind         llm.PartKind
	index, frame int
}

// maxTold bounds how many parts, and how many tool calls, of a stream are told apart; text of later parts counts as repeated
// when it ends.
const maxTold = 512

// firstMore is an index past those that hosts give to tool calls.
const firstMore = 1 << 20

// transcript is the index of what a model says aloud, in writing: past those of contents.
const transcript = firstMore

// begin makes t ready for a frame; it appends to parts.
func (t *texts) begin(parts []llm.Part) {
	t.parts, t.vals = parts, t.vals[:0]
	t.frame++
}

// add adds p, whose text is v: a JSON string, or another value that stands for itself.
func (t *texts) add(p llm.Part, v []byte) {
	p.Text = text(v)
	t.parts, t.vals = append(t.parts, p), append(t.vals, v)
}

// aside adds p, whose text is the string v, which stands beside the answer.
func (t *texts) aside(p llm.Part, v []byte) { t.parts, t.vals = append(t.parts, p), append(t.vals, v) }

// text is the string v, or the JSON of v when it is an object or an array.
func text(v []byte) string {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		return jsonscan.String(v)
	case jsonscan.Dict, jsonscan.List:
		return string(v)
	}
	return ""
}

func isText(v []byte) bool { return jsonscan.KindOf(v) == jsonscan.Text && len(v) > 2 }

// completion walks the choices of a chat completion or a completion, whole or a chunk.
func (t *texts) completion(choices []byte, api llm.API) {
	if jsonscan.KindOf(choices) != jsonscan.List {
		return
	}
	all := jsonscan.Array(choices)
	for n := 0; all.Next(); n++ {
		i := index(jsonscan.Get(all.Value(), "index"), n)
		if api == llm.OpenAICompletions {
			t.prompted(jsonscan.Get(all.Value(), "text"), i)
			continue
		}
		// Writer sends both in a chunk.
		v := jsonscan.Get(all.Value(), "delta")
		streamed := !jsonscan.IsNull(v)
		if !streamed {
			v = jsonscan.Get(all.Value(), "message")
		}
		from := len(t.parts)
		t.message(v, i, streamed)
		if probs := jsonscan.Get(all.Value(), "logprobs"); jsonscan.KindOf(probs) == jsonscan.Dict {
			t.logprobs(probs, i, from)
		}
	}
}

// prompted adds the text of a choice of a completion.
func (t *texts) prompted(v []byte, choice int) {
	if isText(v) {
		t.add(llm.Part{Choice: choice}, v)
	}
}

// message walks a message or a delta of one: the reasoning first, which came before the rest. The reasoning of other hosts than
// OpenAI: reasoning_content (DeepSeek, xAI, vLLM), reasoning (Groq, OpenRouter), reasoning_details (OpenRouter, beside
// reasoning), thinking parts (Mistral).
func (t *texts) message(m []byte, choice int, streamed bool) {
	t.reasoning(m, choice)
	for it := jsonscan.Object(m); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "content":
			t.content(v, choice)
		case "refusal":
			if isText(v) {
				t.add(llm.Part{Kind: llm.PartRefusal, Choice: choice}, v)
			}
		case "tool_calls":
			t.calls(v, choice, streamed)
		case "function_call":
			t.call(v, llm.Part{Choice: choice})
		case "audio":
			if s := jsonscan.Get(v, "transcript"); jsonscan.KindOf(v) == jsonscan.Dict && isText(s) {
				t.add(llm.Part{Choice: choice, Index: transcript}, s)
			}
		case "annotations", "graph_data", "llm_data", "web_search_data", "translation_data": // all but the first are Writer's
			dialect.Asides(v, t.aside)
		}
	}
}

// content walks a message's content: a string, or parts.
func (t *texts) content(v []byte, choice int) {
	if isText(v) {
		t.add(llm.Part{Choice: choice}, v)
		return
	}
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		typ := jsonscan.String(jsonscan.Get(it.Value(), "type"))
		if typ == "thinking" {
			t.thinking(jsonscan.Get(it.Value(), "thinking"), choice)
			continue
		}
		kind, key := llm.PartText, "text"
		if typ == "refusal" {
			kind, key = llm.PartRefusal, typ
		}
		if s := jsonscan.Get(it.Value(), key); isText(s) {
			t.add(llm.Part{Kind: kind, Choice: choice}, s)
		}
	}
}

func (t *texts) thinking(v []byte, choice int) {
	if isText(v) {
		t.add(llm.Part{Kind: llm.PartReasoning, Choice: choice}, v)
	}
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		if s := jsonscan.Get(it.Value(), "text"); isText(s) {
			t.add(llm.Part{Kind: llm.PartReasoning, Choice: choice}, s)
		}
	}
}

// calls walks tool calls. The index joins the pieces of a stream; whole messages need none.
func (t *texts) calls(v []byte, choice int, streamed bool) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	all := jsonscan.Array(v)
	for n := 0; all.Next(); n++ {
		p := llm.Part{Choice: choice, Index: n}
		var function []byte
		for it := jsonscan.Object(all.Value()); it.Next(); {
			switch string(it.Key()) {
			case "index":
				if streamed {
					p.Index = index(it.Value(), n)
				}
			case "id":
				p.ID = jsonscan.String(it.Value())
			case "function", "custom":
				function = it.Value()
			}
		}
		if streamed {
			t.join(&p, isText(jsonscan.Get(function, "name")))
		}
		t.call(function, p)
	}
}

// join sets the index of p to that of the part which it continues. Gemini gives each of several calls the index 0: a call
// that is named and has an id of its own is another one.
func (t *texts) join(p *llm.Part, named bool) {
	for i := range t.begun {
		b := &t.begun[i]
		if b.choice != p.Choice || b.index != p.Index {
			continue
		}
		if named && p.ID != "" && p.ID != b.id {
			t.more++
			b.id, b.part = p.ID, firstMore+t.more
		}
		p.Index = b.part
		return
	}
	if p.ID != "" && len(t.begun) < maxTold {
		t.begun = append(t.begun, begun{p.Choice, p.Index, p.Index, p.ID})
	}
}

// call adds a call of a function ("arguments") or of a custom tool ("input"), unless it says nothing.
func (t *texts) call(v []byte, p llm.Part) {
	p.Kind = llm.PartToolCall
	var args []byte
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "name":
			p.Name = jsonscan.String(it.Value())
		case "arguments", "input":
			args = it.Value()
		}
	}
	if p.ID != "" || p.Name != "" || text(args) != "" {
		t.add(p, args)
	}
}
