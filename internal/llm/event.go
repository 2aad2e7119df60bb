package llm

import "slices"

// Want says how much of a response a reader decodes.
type Want uint8

const (
	// WantMeta is all but content: ids, model, finish reasons, usage, errors.
	WantMeta Want = iota
	// WantParts adds Event.Parts, for policies, translation and content capture.
	WantParts
)

// Event is one step of a response: a frame of a stream, or a whole unstreamed response. It says what is new: a field that
// is empty says nothing. Readers reuse the Event and its slices: both are valid until emit returns.
type Event struct {
	ID           string
	Model        string
	ServiceTier  string
	Fingerprint  string
	Conversation string
	Choices      []Choice // choices that this event touches
	Parts        []Part   // nil unless WantParts
	Usage        *Usage   // the total so far, not an increment
	Dimensions   int      // length of the embedding vectors
	Vectors      [][]byte // the embedding vectors, each a JSON array of numbers; nil unless WantParts
	Err          *Error   // the provider reported an error (in the body of an error response, or mid-stream)
	Last         bool     // the dialect's own end of the response was seen
	Whole        bool     // the event is a whole unstreamed response
	Dialect      Dialect
	Raw          []byte // the frame, terminator included; frames concatenate to the provider's bytes
	More         bool   // Raw goes on with what the event before it has: bytes that are not read come in pieces, as reads cut them
	Edited       bool   // Parts were changed by a policy: Raw no longer tells the truth
}

// Choice is the state of one choice (candidate, completion) as an event tells it.
type Choice struct {
	Index  int
	Finish string // the provider's own word; "" while it goes on
	Stop   string // the stop sequence that ended it, where the provider tells
}

// Reset empties e for reuse and keeps the capacity of its slices.
func (e *Event) Reset() {
	*e = Event{Choices: e.Choices[:0], Parts: e.Parts[:0], Vectors: e.Vectors[:0]}
}

// Clone returns a copy of e that stays valid when a reader reuses e.
func (e *Event) Clone() *Event {
	c := &Event{}
	e.CopyTo(c)
	return c
}

// CopyTo makes dst what Clone returns, in the memory that dst's slices have.
func (e *Event) CopyTo(dst *Event) {
	choices, parts, raw, vectors := dst.Choices[:0], dst.Parts[:0], dst.Raw[:0], dst.Vectors[:0]
	*dst = *e
	dst.Choices = append(choices, e.Choices...)
	dst.Parts = append(parts, e.Parts...)
	for i := range dst.Parts {
		dst.Parts[i].Raw = slices.Clone(dst.Parts[i].Raw)
	}
	dst.Raw, dst.Vectors = append(raw, e.Raw...), vectors
	for _, v := range e.Vectors {
		dst.Vectors = append(dst.Vectors, slices.Clone(v))
	}
	if e.Usage != nil {
		u := *e.Usage
		dst.Usage = &u
	}
	if e.Err != nil {
		err := *e.Err
		dst.Err = &err
	}
}

// Reader decodes one response. It belongs to one goroutine at a time.
type Reader interface {
	// Read consumes p, which it does not keep, and calls emit for each complete frame in order. eof says that nothing
	// follows: what is buffered is then emitted, whether or not its terminator came. An error of emit is returned as it is.
	// Malformed content is not an error: it becomes an event with Raw alone.
	Read(p []byte, eof bool, emit func(*Event) error) error
	// Truncated reports whether a bound was met, so that what the events say may be incomplete.
	Truncated() bool
}

// Writer encodes events for the client of one call. It belongs to one goroutine at a time.
type Writer interface {
	// ContentType is the response's media type.
	ContentType() string
	// Write appends ev in the client's dialect to dst. An unstreamed response may be appended whole by Close.
	Write(dst []byte, ev *Event) ([]byte, error)
	// Close appends what ends the response: a terminator, the unstreamed body, or, when e is not nil, the dialect's error
	// in the middle of a stream. It is called once.
	Close(dst []byte, e *Error) ([]byte, error)
}

// Inbound is a dialect that clients speak. Implementations are stateless and safe for concurrent use.
type Inbound interface {
	Dialect() Dialect
	// Accepts names the API that method and path (the route's prefix removed) belong to; ok is false for a path that the
	// dialect does not know, which passes through.
	Accepts(method, path string) (api API, ok bool)
	// ParseRequest scans body once. It fails with an *Error of status 400 when body is not the JSON that the API takes.
	ParseRequest(api API, h *Head, body []byte) (*Request, error)
	// NewWriter returns a writer for a response from a provider of another dialect, or an *Error of status 501 when the
	// API cannot be translated. The writer notes in loss what of the response its API has no place for.
	NewWriter(r *Request, loss *Loss) (Writer, error)
	// Rewrite appends ev.Raw, a frame of this dialect and of r's API, with its texts replaced by those of ev.Parts and
	// all else as it was.
	Rewrite(dst []byte, r *Request, ev *Event) ([]byte, error)
	// Error encodes e as the body of an error response (application/json).
	Error(e *Error) []byte
	// StreamError encodes e as what a client of r's API understands in the middle of a stream.
	StreamError(r *Request, e *Error) []byte
}

// Outbound is a dialect that providers speak. Implementations are stateless and safe for concurrent use.
type Outbound interface {
	Dialect() Dialect
	// BuildRequest translates r, which came in another dialect, for model. It fails with an *Error of status 501 when r's
	// API cannot be translated, and through loss with one of status 400 that names what the provider has no place for.
	BuildRequest(r *Request, model string, loss *Loss) (api API, body []byte, err error)
	// NewReader returns a reader for the response to a request of api whose head is h.
	NewReader(api API, h *Head, want Want) Reader
}

// Bounds of what a Reader keeps.
const (
	MaxFrame = 1 << 20 // one frame of a stream, bytes; a longer one is passed on uninspected
	MaxBody  = 8 << 20 // one unstreamed response that is inspected, bytes
)
