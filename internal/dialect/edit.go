package dialect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Texts offers the strings of one JSON body to an edit and splices what comes back into a copy, so that every other byte
// stays. Set Body and Edit, walk Body, then take Result.
type Texts struct {
	Body  []byte
	Edit  llm.TextEdit
	edits []jsonscan.Edit
}

// Offer offers v, a value that a walk of Body returned; a value that is not a string is passed over.
func (t *Texts) Offer(role llm.Role, v []byte) {
	if jsonscan.KindOf(v) != jsonscan.Text {
		return
	}
	if s, changed := t.Edit(role, jsonscan.String(v)); changed {
		t.edits = append(t.edits, jsonscan.Edit{At: jsonscan.At(t.Body, v), With: jsonscan.AppendString(nil, s)})
	}
}

// Replace puts with, which is JSON, in the place of v, a value that a walk of Body returned.
func (t *Texts) Replace(v, with []byte) {
	t.edits = append(t.edits, jsonscan.Edit{At: jsonscan.At(t.Body, v), With: with})
}

// Values offers every string in v but the names of members.
func (t *Texts) Values(role llm.Role, v []byte) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		t.Offer(role, v)
	case jsonscan.Dict:
		for it := jsonscan.Object(v); it.Next(); {
			t.Values(role, it.Value())
		}
	case jsonscan.List:
		for it := jsonscan.Array(v); it.Next(); {
			t.Values(role, it.Value())
		}
	}
}

// Found offers the strings in v, which stand beside a text: what tools on the provider's side did and found, what is quoted of
// documents. Labels are no text (see Label).
func (t *Texts) Found(role llm.Role, v []byte) {
	Found(v, func(v []byte) { t.Offer(role, v) })
}

// Found calls text for the strings in v, a value beside a text, that are no labels.
func Found(v []byte, text func(v []byte)) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		text(v)
	case jsonscan.Dict:
		encoded := jsonscan.String(jsonscan.Get(v, "type")) == "base64"
		for it := jsonscan.Object(v); it.Next(); {
			key, kind := string(it.Key()), jsonscan.KindOf(it.Value())
			if kind == jsonscan.Text && (IsLabel(key) || encoded && key == "data") ||
				kind == jsonscan.List && (strings.HasSuffix(key, "_ids") || strings.HasSuffix(key, "Ids")) {
				continue
			}
			Found(it.Value(), text)
		}
	case jsonscan.List:
		for it := jsonscan.Array(v); it.Next(); {
			Found(it.Value(), text)
		}
	}
}

// Asides calls add for the strings in v, a value beside the answer that a response gives: with a part for each, and the string.
func Asides(v []byte, add func(p llm.Part, v []byte)) {
	Found(v, func(s []byte) {
		if len(s) > len(`""`) {
			add(llm.Part{Choice: llm.Aside, Text: jsonscan.String(s), Repeat: true}, s)
		}
	})
}

// IsLabel reports whether a string that is a member called key, in a value beside a text, is none that a person or a model wrote,
// by the names that the providers' documents have: ids, places, words of the API, and what is encoded.
func IsLabel(key string) bool {
	switch key {
	case "type", "id", "status", "model", "url", "uri", "source", "domain", "filename", "name", "tool_name", "server_label", "media_type", "mimeType", "error_code",
		"cache_control", "caller", "license", "language", "outcome", "path", "result", "sdkBlob", "retrievedUrl", "page_age", "bytes":
		return true
	}
	return strings.HasPrefix(key, "encrypted_") || strings.HasSuffix(key, "_id") || strings.HasSuffix(key, "Id") || strings.HasSuffix(key, "Uri")
}

// Arguments offers the strings in v, the arguments of a tool call: a JSON value, or a text. In a text that holds a JSON object
// or array the strings of that are offered, and it is written anew when one changes; any other text is offered as it is.
func (t *Texts) Arguments(role llm.Role, v []byte) {
	if jsonscan.KindOf(v) != jsonscan.Text {
		t.Values(role, v)
		return
	}
	inner := bytes.TrimSpace([]byte(jsonscan.String(v)))
	if kind := jsonscan.KindOf(inner); kind != jsonscan.Dict && kind != jsonscan.List || jsonscan.Validate(inner) != nil {
		t.Offer(role, v)
		return
	}
	within := Texts{Body: inner, Edit: t.Edit}
	within.Values(role, inner)
	if len(within.edits) > 0 {
		t.edits = append(t.edits, jsonscan.Edit{At: jsonscan.At(t.Body, v), With: jsonscan.AppendString(nil, string(within.Result()))})
	}
}

// Result is the edited body, or Body itself when nothing changed.
func (t *Texts) Result() []byte {
	if len(t.edits) == 0 {
		return t.Body
	}
	return apply(make([]byte, 0, len(t.Body)), t.Body, t.edits)
}

func apply(dst, src []byte, edits []jsonscan.Edit) []byte {
	slices.SortFunc(edits, func(a, b jsonscan.Edit) int { return a.At[0] - b.At[0] })
	return jsonscan.Apply(dst, src, edits)
}

// Payload is the JSON of ev's frame, each byte where it stands in Raw: of a whole response Raw itself, of a server-sent event
// a copy in which all but the data is blank.
func Payload(ev *llm.Event) []byte {
	raw := ev.Raw
	if ev.Whole {
		return raw
	}
	out := bytes.Repeat([]byte{' '}, len(raw))
	for i := 0; i < len(raw); {
		end := len(raw)
		if n := bytes.IndexAny(raw[i:], "\r\n"); n >= 0 {
			end = i + n
		}
		line := bytes.TrimPrefix(raw[i:end], []byte("\ufeff"))
		if v, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			copy(out[end-len(v):end], v)
		}
		i = end + 1
	}
	return out
}

// Rewrite puts the texts of an edited event's parts into the frame that the event came from. Set Data and Parts, call Part
// for each part of Data in the order in which the reader made them, then take Append.
type Rewrite struct {
	Raw   []byte     // the frame that Data is the Payload of; nil when Data itself is to be rewritten
	Data  []byte     // the frame, or the JSON in it
	Parts []llm.Part // as they are to be: those of the frame, one for one
	n     int
	edits []jsonscan.Edit
	err   error
}

// Part takes the next part as Data has it. text is the value that its Text came from: a string, or another JSON value, which
// Text holds verbatim; nil when there is none.
func (r *Rewrite) Part(was *llm.Part, text []byte) {
	i := r.n
	if r.n++; r.err != nil || i >= len(r.Parts) || r.Parts[i].Text == was.Text {
		return
	}
	with := []byte(r.Parts[i].Text)
	if jsonscan.KindOf(text) == jsonscan.Text {
		with = jsonscan.AppendString(nil, r.Parts[i].Text)
	} else if err := jsonscan.Validate(with); err != nil {
		r.err = fmt.Errorf("rewrite the arguments of %q: %w", was.Name, err)
		return
	}
	if text == nil {
		r.err = fmt.Errorf("rewrite a frame: its part %d has no text", i)
		return
	}
	r.edits = append(r.edits, jsonscan.Edit{At: jsonscan.At(r.Data, text), With: with})
}

// Void makes v, a value in Data that tells of the texts, null if any of them has changed; a list becomes an empty one.
func (r *Rewrite) Void(v []byte) {
	if len(r.edits) == 0 || jsonscan.IsNull(v) {
		return
	}
	with := "null"
	if jsonscan.KindOf(v) == jsonscan.List {
		with = "[]"
	}
	r.edits = append(r.edits, jsonscan.Edit{At: jsonscan.At(r.Data, v), With: []byte(with)})
}

// Append appends Data with the texts replaced. It fails when Parts are more or fewer than those of Data, and when the
// arguments of a tool call are no longer JSON: what a policy took out must not reach the client.
func (r *Rewrite) Append(dst []byte) ([]byte, error) {
	if r.err == nil && r.n != len(r.Parts) {
		r.err = fmt.Errorf("rewrite a frame: it has %d parts, the event %d", r.n, len(r.Parts))
	}
	if r.err != nil {
		return dst, r.err
	}
	src := r.Data
	if r.Raw != nil {
		src = r.Raw
	}
	return apply(dst, src, r.edits), nil
}
