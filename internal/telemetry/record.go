package telemetry

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Kind is a span's kind, with OTLP's numbers (trace.proto, Span.SpanKind).
type Kind uint8

// The kinds that Spanway emits.
const (
	KindInternal Kind = 1
	KindServer   Kind = 2
	KindClient   Kind = 3
)

// SpanRef names a span of a Trace.
type SpanRef int

// Root is the first span of a trace: SERVER in the native data plane.
const Root SpanRef = 0

// NoSpan names no span.
const NoSpan SpanRef = -1

// Bounds of one trace.
const (
	MaxSpans  = 64  // further spans are counted in Trace.Lost and not kept
	MaxEvents = 128 // of one span
)

// Trace is everything that is known of one call, as one record: built while the call runs by one goroutine at a time, handed
// over finished, exactly once, to Pipeline.Finish.
type Trace struct {
	ID      trace.TraceID
	Parent  trace.SpanContext // the caller's; invalid when it sent none
	State   trace.TraceState
	Sampled bool // the head sampler's decision: exported or not. Metrics count every trace.
	Spans   []Span
	Lost    int // spans over MaxSpans
}

// Span is one span of a trace.
type Span struct {
	ID     trace.SpanID
	Parent trace.SpanID
	Name   string
	Kind   Kind
	Failed bool // status Error; otherwise status is unset
	Start  time.Time
	End    time.Time // zero while open
	Attrs  []Attr
	Events []Event
}

// Event is a span event.
type Event struct {
	Name  string
	Time  time.Time
	Attrs []Attr
}

// Type is the type of an attribute's value.
type Type uint8

// The types of value.
const (
	TypeString Type = iota
	TypeInt
	TypeFloat
	TypeBool
	TypeStrings
)

// Attr is one attribute: a name of the table and a typed value.
type Attr struct {
	Key  Key
	Type Type
	num  uint64
	Str  string
	Strs []string
}

// Int is the value of an integer attribute.
func (a *Attr) Int() int64 { return int64(a.num) }

// Float is the value of a floating-point attribute.
func (a *Attr) Float() float64 { return math.Float64frombits(a.num) }

// Bool is the value of a Boolean attribute.
func (a *Attr) Bool() bool { return a.num != 0 }

// set returns the slot of k in s, a new one when it has none.
func (s *Span) set(k Key, t Type) *Attr {
	for i := range s.Attrs {
		if s.Attrs[i].Key == k {
			s.Attrs[i] = Attr{Key: k, Type: t}
			return &s.Attrs[i]
		}
	}
	s.Attrs = append(s.Attrs, Attr{Key: k, Type: t})
	return &s.Attrs[len(s.Attrs)-1]
}

// String sets k to v; an empty v sets nothing.
func (s *Span) String(k Key, v string) {
	if v != "" {
		s.set(k, TypeString).Str = v
	}
}

// Int sets k to v.
func (s *Span) Int(k Key, v int64) { s.set(k, TypeInt).num = uint64(v) }

// Float sets k to v.
func (s *Span) Float(k Key, v float64) { s.set(k, TypeFloat).num = math.Float64bits(v) }

// Bool sets k to v.
func (s *Span) Bool(k Key, v bool) {
	a := s.set(k, TypeBool)
	if v {
		a.num = 1
	}
}

// Strings sets k to v, which must not change afterwards; a nil v sets nothing.
func (s *Span) Strings(k Key, v []string) {
	if v != nil {
		s.set(k, TypeStrings).Strs = v
	}
}

// Get returns the attribute k of s, nil when it is not set.
func (s *Span) Get(k Key) *Attr {
	for i := range s.Attrs {
		if s.Attrs[i].Key == k {
			return &s.Attrs[i]
		}
	}
	return nil
}

// Fail sets the status to Error and error.type to typ.
func (s *Span) Fail(typ string) {
	s.Failed = true
	s.String(ErrorType, typ)
}

// Event adds an event to s at t and returns it for its attributes; nil past MaxEvents.
func (s *Span) Event(name string, t time.Time) *Event {
	if len(s.Events) >= MaxEvents {
		return nil
	}
	s.Events = append(s.Events, Event{Name: name, Time: t})
	return &s.Events[len(s.Events)-1]
}
