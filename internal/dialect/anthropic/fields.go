package anthropic

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
)

// fields are the raw values of the members that this package knows, of any object of the API: events, messages, deltas,
// content blocks. An absent member is nil.
type fields struct {
	typ, id, model, name, role, index                  []byte
	text, thinking, signature, partial, completion     []byte
	input, toolUseID, isError                          []byte
	content, source, message, delta, block, usage, err []byte
	stopReason, stopSequence, data, cache, title       []byte
	citations, citation                                []byte
}

// scan reads the fields of the object v, in one pass; ok is false when v is not an object.
func scan(v []byte) (f fields, ok bool) {
	it := jsonscan.Object(v)
	for it.Next() {
		if p := f.member(string(it.Key())); p != nil {
			*p = it.Value()
		}
	}
	if it.Err() != nil {
		return fields{}, false
	}
	return f, true
}

// kind is the type of a response's object, or what it must be when it does not say: old versions of the completions API have
// no types, nor have the errors of some hosts.
func (f *fields) kind() []byte {
	switch {
	case f.typ != nil:
		return word(f.typ)
	case f.err != nil:
		return []byte("error")
	case f.completion != nil:
		return []byte("completion")
	}
	return nil
}

func (f *fields) member(name string) *[]byte {
	switch name {
	case "type":
		return &f.typ
	case "citations":
		return &f.citations
	case "citation":
		return &f.citation
	case "id":
		return &f.id
	case "model":
		return &f.model
	case "name":
		return &f.name
	case "role":
		return &f.role
	case "index":
		return &f.index
	case "text":
		return &f.text
	case "thinking":
		return &f.thinking
	case "signature":
		return &f.signature
	case "partial_json":
		return &f.partial
	case "completion":
		return &f.completion
	case "input":
		return &f.input
	case "tool_use_id":
		return &f.toolUseID
	case "is_error":
		return &f.isError
	}
	return f.structure(name)
}

func (f *fields) structure(name string) *[]byte {
	switch name {
	case "content":
		return &f.content
	case "source":
		return &f.source
	case "message":
		return &f.message
	case "delta":
		return &f.delta
	case "content_block":
		return &f.block
	case "usage":
		return &f.usage
	case "error":
		return &f.err
	case "stop_reason":
		return &f.stopReason
	case "stop_sequence":
		return &f.stopSequence
	case "data":
		return &f.data
	case "cache_control":
		return &f.cache
	case "title":
		return &f.title
	}
	return nil
}

// word is the text of the JSON string v, one of the API's own words, which need no escapes and so no memory; nil when v is
// something else.
func word(v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.Text {
		return nil
	}
	v = v[1 : len(v)-1]
	if bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	return jsonscan.AppendUnquoted(nil, v)
}
