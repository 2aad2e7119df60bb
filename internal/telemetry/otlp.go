package telemetry

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// Tags of the fields that are written: number<<3 | wire type (opentelemetry-proto, trace/v1/trace.proto,
// common/v1/common.proto and resource/v1/resource.proto).
const (
	requestResourceSpans = 1<<3 | wireBytes

	resourceSpansResource  = 1<<3 | wireBytes
	resourceSpansScope     = 2<<3 | wireBytes
	resourceSpansSchemaURL = 3<<3 | wireBytes

	scopeSpansScope = 1<<3 | wireBytes
	scopeSpansSpan  = 2<<3 | wireBytes

	scopeName    = 1<<3 | wireBytes
	scopeVersion = 2<<3 | wireBytes

	resourceAttribute = 1<<3 | wireBytes

	spanTraceID       = 1<<3 | wireBytes
	spanSpanID        = 2<<3 | wireBytes
	spanTraceState    = 3<<3 | wireBytes
	spanParentSpanID  = 4<<3 | wireBytes
	spanName          = 5<<3 | wireBytes
	spanKind          = 6<<3 | wireVarint
	spanStart         = 7<<3 | wireFixed64
	spanEnd           = 8<<3 | wireFixed64
	spanAttribute     = 9<<3 | wireBytes
	spanEvent         = 11<<3 | wireBytes
	spanDroppedEvents = 12<<3 | wireVarint
	spanStatus        = 15<<3 | wireBytes
	spanFlags         = 16<<3 | wireFixed32

	eventTime      = 1<<3 | wireFixed64
	eventName      = 2<<3 | wireBytes
	eventAttribute = 3<<3 | wireBytes

	statusCode  = 3<<3 | wireVarint
	statusError = 2

	keyValueKey   = 1<<3 | wireBytes
	keyValueValue = 2<<3 | wireBytes

	anyString   = 1<<3 | wireBytes
	anyBool     = 2<<3 | wireVarint
	anyInt      = 3<<3 | wireVarint
	anyDouble   = 4<<3 | wireFixed64
	anyArray    = 5<<3 | wireBytes
	arrayValues = 1<<3 | wireBytes

	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// Bits of Span.flags above the trace flags (trace.proto, SpanFlags).
const (
	flagHasIsRemote = 1 << 8
	flagIsRemote    = 1 << 9
)

// appendTrace appends every span of t's that is ours as a field of ScopeSpans. Text becomes valid UTF-8 on the way: protobuf allows no
// other, and a collector refuses a whole request for one bad string.
func appendTrace(dst []byte, t *Trace) []byte {
	state := t.State.String()
	spans := t.ours()
	for i := range spans {
		dst = appendSpan(dst, t, &spans[i], state)
	}
	return dst
}

func appendSpan(dst []byte, t *Trace, s *Span, state string) []byte {
	dst, mark := beginMessage(dst, scopeSpansSpan)
	dst = append(dst, spanTraceID, 16)
	dst = append(dst, t.ID[:]...)
	dst = append(dst, spanSpanID, 8)
	dst = append(dst, s.ID[:]...)
	if state != "" {
		dst = appendText(dst, spanTraceState, state)
	}
	if s.Parent.IsValid() {
		dst = append(dst, spanParentSpanID, 8)
		dst = append(dst, s.Parent[:]...)
	}
	dst = appendText(dst, spanName, s.Name)
	dst = append(dst, spanKind, byte(s.Kind))
	start := t.nanos(s.Start)
	dst = appendFixed64(dst, spanStart, start)
	dst = appendFixed64(dst, spanEnd, max(start, t.nanos(s.End)))
	for i := range s.Attrs {
		dst = appendAttr(dst, spanAttribute, &s.Attrs[i])
	}
	for i := range s.Named {
		dst = appendTextAttr(dst, spanAttribute, s.Named[i].Name, s.Named[i].Value)
	}
	for i := range s.Events {
		dst = appendEvent(dst, t, &s.Events[i])
	}
	if s.lostEvents > 0 {
		dst = append(dst, spanDroppedEvents)
		dst = binary.AppendUvarint(dst, uint64(s.lostEvents))
	}
	if s.Failed {
		dst = append(dst, spanStatus, 2, statusCode, statusError)
	}
	flags := uint32(t.flags()) | flagHasIsRemote
	if s.remoteParent {
		flags |= flagIsRemote
	}
	dst = binary.AppendUvarint(dst, spanFlags)
	dst = binary.LittleEndian.AppendUint32(dst, flags)
	return endMessage(dst, mark)
}

func appendEvent(dst []byte, t *Trace, e *Event) []byte {
	dst, mark := beginMessage(dst, spanEvent)
	dst = appendFixed64(dst, eventTime, t.nanos(e.Time))
	dst = appendText(dst, eventName, e.Name)
	for i := range e.Attrs {
		dst = appendAttr(dst, eventAttribute, &e.Attrs[i])
	}
	return endMessage(dst, mark)
}

// nanos is x as nanoseconds since 1970, by the wall clock of the trace's beginning and the monotonic time since: spans keep
// their order and length whatever happens to the wall clock.
func (t *Trace) nanos(x time.Time) uint64 {
	return uint64(t.base.UnixNano() + int64(x.Sub(t.base)))
}

// appendAttr appends a as a KeyValue field.
func appendAttr(dst []byte, tag byte, a *Attr) []byte {
	key := names[a.Key]
	switch a.Type {
	case TypeString:
		return appendTextAttr(dst, tag, key, a.Str)
	case TypeInt:
		dst = appendKey(dst, tag, key, 1+varintSize(a.num))
		return binary.AppendUvarint(append(dst, anyInt), a.num)
	case TypeFloat:
		dst = appendKey(dst, tag, key, 9)
		return appendFixed64(dst, anyDouble, a.num)
	case TypeBool:
		dst = appendKey(dst, tag, key, 2)
		return append(dst, anyBool, byte(a.num))
	}
	dst, mark := beginMessage(dst, tag)
	dst = appendValidText(dst, keyValueKey, key)
	dst = appendStrings(dst, a.Strs)
	return endMessage(dst, mark)
}

// appendTextAttr appends a KeyValue field with a text.
func appendTextAttr(dst []byte, tag byte, key, value string) []byte {
	value = validText(value)
	dst = appendKey(dst, tag, key, textSize(len(value)))
	return appendValidText(dst, anyString, value)
}

// appendKey appends the beginning of a KeyValue up to its AnyValue, whose content of size bytes follows.
func appendKey(dst []byte, tag byte, key string, size int) []byte {
	total := textSize(len(key)) + 1 + varintSize(uint64(size)) + size
	dst = binary.AppendUvarint(append(dst, tag), uint64(total))
	dst = appendValidText(dst, keyValueKey, key)
	return binary.AppendUvarint(append(dst, keyValueValue), uint64(size))
}

// appendStrings appends the value of a KeyValue as an array of strings.
func appendStrings(dst []byte, v []string) []byte {
	dst, value := beginMessage(dst, keyValueValue)
	dst, array := beginMessage(dst, anyArray)
	for _, s := range v {
		s = validText(s)
		dst = binary.AppendUvarint(append(dst, arrayValues), uint64(textSize(len(s))))
		dst = appendValidText(dst, anyString, s)
	}
	return endMessage(endMessage(dst, array), value)
}

// beginMessage appends a tag and room for a length; endMessage fills it in. Most messages here are between 128 bytes and
// 16 KiB: their length has two bytes.
func beginMessage(dst []byte, tag byte) (_ []byte, mark int) {
	dst = append(dst, tag, 0, 0)
	return dst, len(dst)
}

func endMessage(dst []byte, mark int) []byte {
	n := len(dst) - mark
	if size := varintSize(uint64(n)); size != 2 {
		dst = append(dst, 0, 0, 0)[:len(dst)+max(size-2, 0)]
		copy(dst[mark-2+size:], dst[mark:mark+n])
		dst = dst[:mark-2+size+n]
	}
	binary.PutUvarint(dst[mark-2:], uint64(n))
	return dst
}

func appendText(dst []byte, tag byte, s string) []byte {
	return appendValidText(dst, tag, validText(s))
}

func appendValidText(dst []byte, tag byte, s string) []byte {
	dst = binary.AppendUvarint(append(dst, tag), uint64(len(s)))
	return append(dst, s...)
}

func appendFixed64(dst []byte, tag byte, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, tag), v)
}

func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// textSize is the size of a field that holds n bytes.
func textSize(n int) int { return 1 + varintSize(uint64(n)) + n }

func varintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// envelope is what stands around the spans of every request: the resource and the instrumentation scope, encoded once.
type envelope struct {
	resource []byte // of ResourceSpans, up to the scope
	scope    []byte // of ScopeSpans, up to the spans
}

func newEnvelope(resource []attribute.KeyValue, schemaURL, version string) *envelope {
	e := &envelope{}
	b, mark := beginMessage(nil, resourceSpansResource)
	for _, kv := range resource {
		v := validText(kv.Value.String())
		if kv.Value.Type() == attribute.INT64 {
			n := uint64(kv.Value.AsInt64())
			b = appendKey(b, resourceAttribute, string(kv.Key), 1+varintSize(n))
			b = binary.AppendUvarint(append(b, anyInt), n)
			continue
		}
		b = appendKey(b, resourceAttribute, string(kv.Key), textSize(len(v)))
		b = appendValidText(b, anyString, v)
	}
	e.resource = appendText(endMessage(b, mark), resourceSpansSchemaURL, schemaURL)
	b, mark = beginMessage(nil, scopeSpansScope)
	b = appendText(b, scopeName, scopeOfSpans)
	if version != "" {
		b = appendText(b, scopeVersion, version)
	}
	e.scope = endMessage(b, mark)
	return e
}

// scopeOfSpans is the name of the instrumentation scope of spans and metrics.
const scopeOfSpans = "spanway"

// room is how many bytes wrap may need before the spans.
func (e *envelope) room() int { return 12 + len(e.resource) + len(e.scope) }

// wrap writes the beginning of an ExportTraceServiceRequest into b's first room bytes, before the spans that follow them, and
// returns the request. It may be called again for the same spans.
func (e *envelope) wrap(b []byte) []byte {
	spans := len(b) - e.room()
	inner := len(e.scope) + spans
	outer := len(e.resource) + 1 + varintSize(uint64(inner)) + inner
	start := e.room() - (2 + varintSize(uint64(inner)) + varintSize(uint64(outer)) + len(e.resource) + len(e.scope))
	h := binary.AppendUvarint(append(b[start:start], requestResourceSpans), uint64(outer))
	h = append(h, e.resource...)
	h = binary.AppendUvarint(append(h, resourceSpansScope), uint64(inner))
	copy(b[start+len(h):], e.scope)
	return b[start:]
}
