package extproc

import (
	"bytes"
	"errors"
	"math"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// kind is what a message is about, by the number that its field has in ProcessingRequest. The answer to it is the field before it in
// ProcessingResponse (envoy/service/ext_proc/v3/external_processor.proto).
type kind protowire.Number

const (
	requestHead      kind = 2
	responseHead     kind = 3
	requestBody      kind = 4
	responseBody     kind = 5
	requestTrailers  kind = 6
	responseTrailers kind = 7

	immediateReply kind = 8 // answers any
)

// message is a ProcessingRequest, as far as it is of use: the generated types take more time to fill than all else takes to
// answer. One serves a whole stream, so only strings and the body of a request are good beyond the next message.
type message struct {
	kind       kind
	fields     []field // of a head; names in lower case
	body       []byte
	last       bool // end_of_stream
	attributes attributes

	piece []byte // holds bodies of responses
}

// field is one of a head.
type field struct{ name, value string }

var errWire = errors.New("not a ProcessingRequest")

// maxPiece bounds the buffer that a stream keeps for the pieces of a response, bytes.
const maxPiece = 64 << 10

// unmarshal takes what came for one message.
func (m *message) unmarshal(data mem.BufferSlice) error {
	if len(data) == 1 {
		return m.decode(data[0].ReadOnlyData(), false)
	}
	b := make([]byte, data.Len())
	data.CopyTo(b)
	return m.decode(b, true)
}

// decode takes a message; with owned its body may be kept as it lies there.
func (m *message) decode(b []byte, owned bool) error {
	clear(m.fields)
	*m = message{fields: m.fields[:0], attributes: m.attributes[:0], piece: m.piece}
	ok := eachField(b, func(t tag, v []byte, _ uint64, _ int) bool {
		if t&typeBits != tag(protowire.BytesType) {
			return true
		}
		switch k := kind(t >> 3); k {
		case requestHead, responseHead:
			m.kind = k
			return m.head(v)
		case requestBody, responseBody:
			m.kind = k
			return m.part(v, owned)
		case requestTrailers, responseTrailers:
			m.kind = k
		case fieldAttributes:
			return m.attributes.add(v)
		}
		return true
	})
	if !ok {
		return errWire
	}
	return nil
}

// fieldAttributes is the field attributes of ProcessingRequest: map<string, google.protobuf.Struct>.
const fieldAttributes kind = 9

// tag is a field's number and wire type as they stand before it (protobuf encoding, Message Structure). A field of a known number and
// another type is an unknown one.
type tag uint64

const typeBits tag = 7

// The tags of fields by number: of bytes and messages, of integers, and of doubles.
const (
	bytes1 tag = 1<<3 | tag(protowire.BytesType)
	bytes2 tag = 2<<3 | tag(protowire.BytesType)
	bytes3 tag = 3<<3 | tag(protowire.BytesType)
	int2   tag = 2<<3 | tag(protowire.VarintType)
	int3   tag = 3<<3 | tag(protowire.VarintType)
	fixed2 tag = 2<<3 | tag(protowire.Fixed64Type)
)

// eachField calls f for each field of b with its tag, its bytes or its number as a value, and where in b it ends: bytes are its last
// ones. It reports whether b is well formed and f took all.
func eachField(b []byte, f func(t tag, v []byte, x uint64, end int) bool) bool {
	for at := 0; at < len(b); {
		num, typ, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return false
		}
		at += n
		var v []byte
		var x uint64
		switch typ {
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b[at:])
		case protowire.VarintType:
			x, n = protowire.ConsumeVarint(b[at:])
		case protowire.Fixed64Type:
			x, n = protowire.ConsumeFixed64(b[at:])
		default:
			n = protowire.ConsumeFieldValue(num, typ, b[at:])
		}
		if n < 0 {
			return false
		}
		if at += n; !f(tag(protowire.EncodeTag(num, typ)), v, x, at) {
			return false
		}
	}
	return true
}

// head takes an HttpHeaders.
func (m *message) head(b []byte) bool {
	return eachField(b, func(t tag, v []byte, x uint64, _ int) bool {
		switch t {
		case bytes1:
			return m.headerMap(v)
		case int3:
			m.last = x != 0
		}
		return true
	})
}

// usualFields is how many fields a head has room for before it grows.
const usualFields = 24

// headerMap takes a HeaderMap. All of its text is one piece of memory.
func (m *message) headerMap(b []byte) bool {
	text := string(b)
	if m.fields == nil {
		m.fields = make([]field, 0, usualFields)
	}
	return eachField(b, func(t tag, v []byte, _ uint64, end int) bool {
		return t != bytes1 || m.header(v, text[end-len(v):end])
	})
}

// header takes a HeaderValue, which is text in b. Its raw_value goes before its value.
func (m *message) header(b []byte, text string) bool {
	var f field
	raw := ""
	ok := eachField(b, func(t tag, v []byte, _ uint64, end int) bool {
		switch s := text[end-len(v) : end]; t {
		case bytes1:
			f.name = s
		case bytes2:
			f.value = s
		case bytes3:
			raw = s
		}
		return true
	})
	if raw != "" {
		f.value = raw
	}
	m.fields = append(m.fields, f)
	return ok
}

// part takes an HttpBody.
func (m *message) part(b []byte, owned bool) bool {
	return eachField(b, func(t tag, v []byte, x uint64, _ int) bool {
		switch {
		case t == bytes1 && owned:
			m.body = v
		case t == bytes1 && m.kind == requestBody:
			m.body = bytes.Clone(v)
		case t == bytes1:
			m.body = append(m.piece[:0], v...)
			if cap(m.body) <= maxPiece {
				m.piece = m.body
			}
		case t == int2:
			m.last = x != 0
		}
		return true
	})
}

// attributes are what Envoy tells of a message beside it.
type attributes []attribute

type attribute struct {
	name, text string
	number     float64
}

// add takes what one filter tells, an entry of the map: a google.protobuf.Struct by the filter's name.
func (a *attributes) add(b []byte) bool {
	text := string(b)
	return eachField(b, func(t tag, v []byte, _ uint64, end int) bool {
		if t != bytes2 {
			return true
		}
		at := text[end-len(v) : end]
		return eachField(v, func(t tag, v []byte, _ uint64, end int) bool {
			return t != bytes1 || a.entry(v, at[end-len(v):end])
		})
	})
}

// entry takes one of a Struct's fields, which is text in b: its name, and a google.protobuf.Value.
func (a *attributes) entry(b []byte, text string) bool {
	var one attribute
	ok := eachField(b, func(t tag, v []byte, _ uint64, end int) bool {
		s := text[end-len(v) : end]
		if t == bytes1 {
			one.name = s
		}
		return t != bytes2 || eachField(v, func(t tag, v []byte, x uint64, end int) bool {
			switch t {
			case fixed2:
				one.number = math.Float64frombits(x)
			case bytes3:
				one.text = s[end-len(v) : end]
			}
			return true
		})
	})
	*a = append(*a, one)
	return ok
}

func (a attributes) of(name string) attribute {
	for i := range a {
		if a[i].name == name {
			return a[i]
		}
	}
	return attribute{}
}

func (a attributes) text(name string) string { return a.of(name).text }

func (a attributes) number(name string) float64 { return a.of(name).number }

// time is a time; now, when Envoy does not tell one.
func (a attributes) time(name string) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, a.text(name)); err == nil {
		return t
	}
	return time.Now()
}
