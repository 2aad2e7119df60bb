package dialect

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Around puts turns around the conversation of one JSON body, so that every other byte stays. A member that a body has several
// times is edited each time: which one a provider reads is not known.
type Around struct {
	body  []byte
	all   []member
	edits []jsonscan.Edit
	add   []byte // members that the body lacks, each after a comma
}

// NewAround walks the object in body. It fails when body is none.
func NewAround(body []byte) (*Around, error) {
	a := &Around{body: body}
	it := jsonscan.Object(body)
	for it.Next() {
		a.all = append(a.all, member{val: it.At(), name: string(it.Key())})
	}
	return a, it.Err()
}

// Has reports whether the body has a member called name.
func (a *Around) Has(name string) bool {
	for i := range a.all {
		if a.all[i].name == name {
			return true
		}
	}
	return false
}

// Each calls do for the values of the members called name, and returns how many there are.
func (a *Around) Each(name string, do func(v []byte)) (n int) {
	for i := range a.all {
		if x := &a.all[i]; x.name == name {
			do(a.body[x.val[0]:x.val[1]])
			n++
		}
	}
	return n
}

// Add adds a member that the body has not.
func (a *Around) Add(name string, v []byte) {
	a.add = append(append(jsonscan.AppendString(append(a.add, ','), name), ':'), v...)
}

// Member puts a member before those of v, an object of the body.
func (a *Around) Member(v []byte, name string, value []byte) {
	with := append(append(jsonscan.AppendString(nil, name), ':'), value...)
	if it := jsonscan.Object(v); it.Next() {
		with = append(with, ',')
	}
	a.insert(jsonscan.At(a.body, v)[0]+1, with)
}

// Replace puts with, which is JSON, in the place of v, a value of the body.
func (a *Around) Replace(v, with []byte) {
	a.edits = append(a.edits, jsonscan.Edit{At: jsonscan.At(a.body, v), With: with})
}

// Wrap makes v, an object, a list with items in front of it and behind it.
func (a *Around) Wrap(v []byte, before, after [][]byte) {
	if jsonscan.KindOf(v) != jsonscan.Dict || len(before)+len(after) == 0 {
		return
	}
	a.Replace(v, List(append(append(before[:len(before):len(before)], v), after...)))
}

// Items puts items at the beginning and at the end of v. It reports whether v is a list.
func (a *Around) Items(v []byte, before, after [][]byte) bool {
	at := jsonscan.At(a.body, v)
	if jsonscan.KindOf(v) != jsonscan.List {
		return false
	}
	if it := jsonscan.Array(v); !it.Next() {
		a.insert(at[0]+1, join(nil, append(before[:len(before):len(before)], after...)))
		return true
	}
	if len(before) > 0 {
		a.insert(at[0]+1, append(join(nil, before), ','))
	}
	if len(after) > 0 {
		a.insert(at[1]-1, join([]byte{','}, after))
	}
	return true
}

// Text puts texts in front of the string v and behind it, with an empty line between. It reports whether v is a string.
func (a *Around) Text(v []byte, before, after string) bool {
	if jsonscan.KindOf(v) != jsonscan.Text {
		return false
	}
	at := jsonscan.At(a.body, v)
	if len(v) == len(`""`) {
		a.Replace(v, jsonscan.AppendString(nil, Paragraphs(before, after)))
		return true
	}
	bare := func(s string) []byte {
		quoted := jsonscan.AppendString(nil, s)
		return quoted[1 : len(quoted)-1]
	}
	if before != "" {
		a.insert(at[0]+1, bare(before+gap))
	}
	if after != "" {
		a.insert(at[1]-1, bare(gap+after))
	}
	return true
}

// insert puts with at an offset of the body.
func (a *Around) insert(at int, with []byte) {
	if len(with) > 0 {
		a.edits = append(a.edits, jsonscan.Edit{At: [2]int{at, at}, With: with})
	}
}

// Result is the body with the edits made; the body itself when there is nothing to do.
func (a *Around) Result() []byte {
	if len(a.add) > 0 {
		at, add := bytes.IndexByte(a.body, '{')+1, a.add[1:]
		if len(a.all) > 0 {
			at, add = a.all[len(a.all)-1].val[1], a.add
		}
		a.insert(at, add)
	}
	if len(a.edits) == 0 {
		return a.body
	}
	return apply(make([]byte, 0, len(a.body)+1024), a.body, a.edits)
}

// gap stands between texts that were several.
const gap = "\n\n"

// Paragraphs are texts with an empty line between; empty ones are left out.
func Paragraphs(texts ...string) string {
	var out []byte
	for _, s := range texts {
		if s == "" {
			continue
		}
		if len(out) > 0 {
			out = append(out, gap...)
		}
		out = append(out, s...)
	}
	return string(out)
}

func join(dst []byte, items [][]byte) []byte {
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, item...)
	}
	return dst
}

// Instructions parts turns into what the roles system and developer say, and what others do.
func Instructions(turns []llm.Turn) (instructions, said []llm.Turn) {
	for _, t := range turns {
		if t.Role == string(llm.RoleSystem) || t.Role == "developer" {
			instructions = append(instructions, t)
		} else {
			said = append(said, t)
		}
	}
	return instructions, said
}

// TextOf is what turns say, with an empty line between.
func TextOf(turns []llm.Turn) string {
	texts := make([]string, len(turns))
	for i := range turns {
		texts[i] = turns[i].Text
	}
	return Paragraphs(texts...)
}

// Form writes one turn as JSON.
type Form func(t llm.Turn) []byte

// Each writes every one of turns.
func (f Form) Each(turns []llm.Turn) [][]byte {
	out := make([][]byte, len(turns))
	for i := range turns {
		out[i] = f(turns[i])
	}
	return out
}

// Message is {"role","content"} with the content a text, which most APIs of conversations have for a message.
func Message(t llm.Turn) []byte {
	out := jsonscan.AppendString([]byte(`{"role":`), t.Role)
	out = jsonscan.AppendString(append(out, `,"content":`...), t.Text)
	return append(out, '}')
}

// SystemMessage is Message for APIs that do not know the role developer.
func SystemMessage(t llm.Turn) []byte {
	return Message(NoDeveloper([]llm.Turn{t})[0])
}

// NoDeveloper is turns for APIs that do not know the role developer.
func NoDeveloper(turns []llm.Turn) []llm.Turn {
	out := make([]llm.Turn, len(turns))
	for i, t := range turns {
		if t.Role == "developer" {
			t.Role = string(llm.RoleSystem)
		}
		out[i] = t
	}
	return out
}

// List is the list of items.
func List(items [][]byte) []byte { return append(join([]byte{'['}, items), ']') }

// Block is {"text"}, a part of a content.
func Block(t llm.Turn) []byte { return append(jsonscan.AppendString([]byte(`{"text":`), t.Text), '}') }

// TypedBlock is {"type":"text","text"}, a part of a content.
func TypedBlock(t llm.Turn) []byte {
	return append(jsonscan.AppendString([]byte(`{"type":"text","text":`), t.Text), '}')
}
