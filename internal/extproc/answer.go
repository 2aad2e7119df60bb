package extproc

import (
	"bytes"

	"google.golang.org/grpc/encoding"
	encodingproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// answer is a ProcessingResponse. It and what is in it stay the sender's: they are read before SendMsg returns, a lasting body excepted.
type answer struct {
	kind kind // what it answers

	set      []setting
	remove   []string
	route    bool   // clear_route_cache
	replace  bool   // the body takes the place of the one to come (CONTINUE_AND_REPLACE)
	metadata []byte // the fields of dynamic_metadata, a google.protobuf.Struct

	hasBody bool   // the body takes the place of the one that came, or is a part of what goes on
	body    []byte // streamed, when it answers a response's
	last    bool   // end_of_stream, when it is streamed
	lasting bool   // nobody changes the body any more, so that it can be sent from where it lies

	status  int // of an immediate reply
	details string
}

// setting sets a field of a head: in place of all that there is of its name, or beside it.
type setting struct {
	name, value string
	beside      bool
}

// newAnswer has room for n fields to set; there may be more.
func newAnswer(k kind, n int) *answer { return &answer{kind: k, set: make([]setting, 0, n)} }

// put gives a field one value.
func (a *answer) put(name, value string) {
	a.set = append(a.set, setting{name: name, value: value})
}

// putAll gives a field all values.
func (a *answer) putAll(name string, values []string) {
	for i, v := range values {
		a.set = append(a.set, setting{name, v, i > 0})
	}
}

func (a *answer) drop(name string) { a.remove = append(a.remove, name) }

// smallBody is up to when a body is copied behind what is around it, bytes.
const smallBody = 2 << 10

// marshal encodes the answer. A body is the last of all that it is in, so that only its length has to be known before.
func (a *answer) marshal() mem.BufferSlice {
	size := 128 + len(a.metadata) + len(a.details)
	for i := range a.set {
		size += len(a.set[i].name) + len(a.set[i].value) + 24
	}
	for _, name := range a.remove {
		size += len(name) + 6
	}
	if len(a.body) <= smallBody {
		return mem.BufferSlice{mem.SliceBuffer(append(a.append(make([]byte, 0, size+len(a.body))), a.body...))}
	}
	body := a.body
	if !a.lasting {
		body = bytes.Clone(body)
	}
	return mem.BufferSlice{mem.SliceBuffer(a.append(make([]byte, 0, size))), mem.SliceBuffer(body)}
}

// append appends all but the body itself.
func (a *answer) append(b []byte) []byte {
	if len(a.metadata) > 0 {
		b = protowire.AppendTag(b, 8, protowire.BytesType)
		b = protowire.AppendBytes(b, a.metadata)
	}
	if a.kind == immediateReply {
		return a.immediate(b)
	}
	b, whole := begin(b, protowire.Number(a.kind)-1) // HeadersResponse, BodyResponse
	b, common := begin(b, 1)                         // CommonResponse
	if a.replace {
		b = append(b, 1<<3, 1)
	}
	if len(a.set)+len(a.remove) > 0 {
		var at int
		b, at = begin(b, 2)
		b = end(a.mutation(b), at, 0)
	}
	if a.route {
		b = append(b, 5<<3, 1)
	}
	if a.hasBody {
		var mutation int
		b, mutation = begin(b, 3)
		if a.kind == responseBody {
			var streamed int
			b, streamed = begin(b, 3)
			if a.last {
				b = append(b, 2<<3, 1)
			}
			b = end(a.bodyTag(b), streamed, len(a.body))
		} else {
			b = a.bodyTag(b)
		}
		b = end(b, mutation, len(a.body))
	}
	return end(end(b, common, len(a.body)), whole, len(a.body))
}

func (a *answer) bodyTag(b []byte) []byte {
	return protowire.AppendVarint(append(b, 1<<3|byte(protowire.BytesType)), uint64(len(a.body)))
}

// mutation appends what is in a HeaderMutation. Envoy 1.40 takes the action that has replaced HeaderValueOption.append for its
// default, to overwrite, so that append is what says that a value goes beside others.
func (a *answer) mutation(b []byte) []byte {
	for i := range a.set {
		s := &a.set[i]
		var option, at int
		b, option = begin(b, 1)
		b, at = begin(b, 1)
		b = protowire.AppendString(append(b, 1<<3|byte(protowire.BytesType)), s.name)
		b = protowire.AppendString(append(b, 3<<3|byte(protowire.BytesType)), s.value) // raw_value
		b = end(b, at, 0)
		if s.beside {
			b = append(b, 2<<3|byte(protowire.BytesType), 2, 1<<3, 1) // append, a BoolValue
		} else {
			b = append(b, 3<<3, 2) // append_action, OVERWRITE_IF_EXISTS_OR_ADD
		}
		b = end(b, option, 0)
	}
	for _, name := range a.remove {
		b = protowire.AppendString(append(b, 2<<3|byte(protowire.BytesType)), name)
	}
	return b
}

// immediate appends an ImmediateResponse, its body's bytes excepted.
func (a *answer) immediate(b []byte) []byte {
	b, whole := begin(b, 7)
	b, at := begin(b, 1) // HttpStatus
	b = end(protowire.AppendVarint(append(b, 1<<3), uint64(a.status)), at, 0)
	b, at = begin(b, 2)
	b = end(a.mutation(b), at, 0)
	b = protowire.AppendString(append(b, 5<<3|byte(protowire.BytesType)), a.details)
	b = protowire.AppendVarint(append(b, 3<<3|byte(protowire.BytesType)), uint64(len(a.body)))
	return end(b, whole, len(a.body))
}

// begin appends the tag of a message in a message, whose length end sets.
func begin(b []byte, n protowire.Number) (with []byte, at int) {
	b = append(protowire.AppendTag(b, n, protowire.BytesType), 0)
	return b, len(b)
}

// end ends the message that began at at; more bytes follow that are not in b.
func end(b []byte, at, more int) []byte {
	n := uint64(len(b) - at + more)
	if wide := protowire.SizeVarint(n) - 1; wide > 0 { // it begins further on
		b = append(b, "123456789"[:wide]...)
		copy(b[at+wide:], b[at:])
	}
	protowire.AppendVarint(b[:at-1], n)
	return b
}

// appendTexts appends a field of a google.protobuf.Struct: a Struct of texts, given as names and values in turn.
func appendTexts(b []byte, name string, texts ...string) []byte {
	b, entry := begin(b, 1)
	b = protowire.AppendString(append(b, 1<<3|byte(protowire.BytesType)), name)
	b, value := begin(b, 2)
	b, inner := begin(b, 5) // struct_value
	for i := 0; i+1 < len(texts); i += 2 {
		var at, text int
		b, at = begin(b, 1)
		b = protowire.AppendString(append(b, 1<<3|byte(protowire.BytesType)), texts[i])
		b, text = begin(b, 2)
		b = protowire.AppendString(append(b, 3<<3|byte(protowire.BytesType)), texts[i+1]) // string_value
		b = end(end(b, text, 0), at, 0)
	}
	return end(end(end(b, inner, 0), value, 0), entry, 0)
}

// codec reads and writes the messages of streams R and U by hand, and leaves all others to gRPC's own.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(encodingproto.Name)} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if a, ok := v.(*answer); ok {
		return a.marshal(), nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*message); ok {
		return m.unmarshal(data)
	}
	return c.CodecV2.Unmarshal(data, v)
}
