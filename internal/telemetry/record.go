package telemetry

import (
	"context"
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

// Root is the first span of a trace: SERVER, ours or that of a process in front of this one.
const Root SpanRef = 0

// NoSpan names no span.
const NoSpan SpanRef = -1

// Bounds of one trace.
const (
	MaxSpans  = 64  // further spans are counted in Trace.Lost and not kept
	MaxEvents = 128 // of one span
)

// Trace is everything that is known of one call, as one record: built while the call runs by one goroutine at a time, handed
// over finished, exactly once, to Pipeline.Finish, which recycles it.
type Trace struct {
	ID      trace.TraceID
	Parent  trace.SpanContext // the caller's; invalid when it sent none
	State   trace.TraceState
	Sampled bool // exported or not: the head sampler's decision, and from Finish on that of tail sampling. Metrics count every trace.
	Spans   []Span
	Lost    int // spans over MaxSpans

	server  trace.SpanID    // the root's id, when another process records it; zero otherwise
	random  bool            // trace flag "random" (W3C Trace Context Level 2)
	base    time.Time       // of all timestamps: wall clock once, then monotonic differences
	baggage string          // the caller's header as it came, forwarded by the fast path of propagation
	remote  context.Context // what propagators other than the fast path extracted; nil on the fast path
	void    Span            // takes what is set on NoSpan
	buf     []byte          // scratch of the encoder
}

// Span is one span of a trace. Its methods belong to the goroutine that has the trace.
type Span struct {
	ID     trace.SpanID
	Parent trace.SpanID
	Name   string
	Kind   Kind
	Failed bool // status Error; otherwise status is unset
	Start  time.Time
	End    time.Time // zero while open
	Attrs  []Attr
	Named  []NamedAttr
	Events []Event

	remoteParent bool
	lostEvents   uint32 // events over MaxEvents
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

// NamedAttr is a text attribute whose name is computed, as OpenInference's flattened lists have them. They stand apart from
// the attributes of the table: they are many, are set once, and are never looked up.
type NamedAttr struct {
	Name, Value string
	JSON        bool // the value is JSON, which must not be cut just anywhere
}

// Int is the value of an integer attribute.
func (a *Attr) Int() int64 { return int64(a.num) }

// Float is the value of a floating-point attribute.
func (a *Attr) Float() float64 { return math.Float64frombits(a.num) }

// Bool is the value of a Boolean attribute.
func (a *Attr) Bool() bool { return a.num != 0 }

// set returns the slot of k in attrs, a new one when it has none.
func set(attrs *[]Attr, k Key, t Type) *Attr {
	a := get(*attrs, k)
	if a == nil {
		*attrs = append(*attrs, Attr{})
		a = &(*attrs)[len(*attrs)-1]
	}
	*a = Attr{Key: k, Type: t}
	return a
}

func get(attrs []Attr, k Key) *Attr {
	for i := range attrs {
		if attrs[i].Key == k {
			return &attrs[i]
		}
	}
	return nil
}

// String sets k to v; an empty v sets nothing.
func (s *Span) String(k Key, v string) {
	if v != "" {
		set(&s.Attrs, k, TypeString).Str = v
	}
}

// Int sets k to v.
func (s *Span) Int(k Key, v int64) { set(&s.Attrs, k, TypeInt).num = uint64(v) }

// Float sets k to v.
func (s *Span) Float(k Key, v float64) { set(&s.Attrs, k, TypeFloat).num = math.Float64bits(v) }

// Bool sets k to v.
func (s *Span) Bool(k Key, v bool) {
	a := set(&s.Attrs, k, TypeBool)
	if v {
		a.num = 1
	}
}

// Strings sets k to v, which must not change afterwards; a nil v sets nothing.
func (s *Span) Strings(k Key, v []string) {
	if v != nil {
		set(&s.Attrs, k, TypeStrings).Strs = v
	}
}

// Get returns the attribute k of s, nil when it is not set. It is valid until the next attribute is set.
func (s *Span) Get(k Key) *Attr { return get(s.Attrs, k) }

// Unset removes the attribute k.
func (s *Span) Unset(k Key) {
	a := get(s.Attrs, k)
	if a == nil {
		return
	}
	last := len(s.Attrs) - 1
	*a = s.Attrs[last]
	s.Attrs[last] = Attr{}
	s.Attrs = s.Attrs[:last]
}

// Fail sets the status to Error and error.type to typ; an empty typ becomes _OTHER, the conventions' fallback, because a
// failed span always has an error.type.
func (s *Span) Fail(typ string) {
	s.Failed = true
	if typ == "" {
		typ = "_OTHER"
	}
	s.String(ErrorType, typ)
}

// Event adds an event to s at t and returns it for its attributes; nil past MaxEvents, which the event's methods take. It
// is valid until the next event is added.
func (s *Span) Event(name string, t time.Time) *Event {
	n := len(s.Events)
	if n >= MaxEvents {
		s.lostEvents++
		return nil
	}
	if n < cap(s.Events) {
		s.Events = s.Events[:n+1]
	} else {
		s.Events = append(s.Events, Event{})
	}
	e := &s.Events[n]
	e.Name, e.Time = name, t
	return e
}

// String sets k to v; an empty v sets nothing. e may be nil.
func (e *Event) String(k Key, v string) {
	if e != nil && v != "" {
		set(&e.Attrs, k, TypeString).Str = v
	}
}

// Int sets k to v. e may be nil.
func (e *Event) Int(k Key, v int64) {
	if e != nil {
		set(&e.Attrs, k, TypeInt).num = uint64(v)
	}
}

// Float sets k to v. e may be nil.
func (e *Event) Float(k Key, v float64) {
	if e != nil {
		set(&e.Attrs, k, TypeFloat).num = math.Float64bits(v)
	}
}

// reset empties s for reuse and keeps the capacity of its slices, but nothing that they pointed to.
func (s *Span) reset() {
	clear(s.Attrs)
	s.dropEvents()
	*s = Span{Attrs: s.Attrs[:0], Events: s.Events}
}

// dropEvents removes the events and keeps their capacity.
func (s *Span) dropEvents() {
	for i := range s.Events {
		e := &s.Events[i]
		clear(e.Attrs)
		*e = Event{Attrs: e.Attrs[:0]}
	}
	s.Events = s.Events[:0]
}
