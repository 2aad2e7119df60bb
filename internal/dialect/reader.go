// Package dialect holds what the wire formats of its subfolders share: reading a response frame by frame, whatever its
// framing. One subfolder is one dialect.
package dialect

import (
	"mime"
	"strings"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
)

// Decoder fills in an event from one frame's data. ev comes reset, with Raw and Dialect set; data that does not decode
// leaves it as it is. A Decoder belongs to one response.
type Decoder interface {
	Decode(f *frame.Frame, ev *llm.Event)
}

// Framing is how a response body is cut into frames.
type Framing uint8

// The framings.
const (
	Whole       Framing = iota // one JSON value is one frame
	SSE                        // server-sent events
	NDJSON                     // one JSON value a line
	Array                      // the elements of one JSON array
	JSON                       // the elements of one JSON array, or one JSON value of another kind, as the body turns out
	EventStream                // the messages of an AWS event stream
)

// FramingOf tells the framing of a response by its content type; other stands for application/json.
func FramingOf(h *llm.Head, other Framing) Framing {
	ct := h.Header.Get("Content-Type")
	if i := strings.IndexByte(ct, ';'); i >= 0 {
		if t, _, err := mime.ParseMediaType(ct); err == nil {
			ct = t
		} else {
			ct = strings.TrimSpace(ct[:i])
		}
	}
	switch strings.ToLower(ct) {
	case "text/event-stream":
		return SSE
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/stream+json":
		return NDJSON
	case "application/vnd.amazon.eventstream":
		return EventStream
	}
	return other
}

// NewReader returns a reader that cuts by f and decodes with dec.
func NewReader(d llm.Dialect, f Framing, dec Decoder) llm.Reader {
	r := &reader{dialect: d, decoder: dec, whole: f == Whole}
	switch f {
	case SSE:
		r.splitter = frame.NewSSE(llm.MaxFrame)
	case NDJSON:
		r.splitter = frame.NewNDJSON(llm.MaxFrame)
	case Array:
		r.splitter = frame.NewArray(llm.MaxFrame)
	case JSON:
		r.splitter = frame.NewArray(llm.MaxBody)
	case EventStream:
		r.splitter = frame.NewEventStream(llm.MaxFrame)
	default:
		r.splitter = frame.NewWhole(llm.MaxBody)
	}
	r.onFrame = r.frame
	return r
}

type reader struct {
	dialect   llm.Dialect
	splitter  frame.Splitter
	decoder   Decoder
	onFrame   func(frame.Frame) error // made once: a method value allocates
	emit      func(*llm.Event) error
	current   frame.Frame // here because a decoder takes its address: a local one would be allocated per frame
	event     llm.Event
	whole     bool
	truncated bool
	malformed bool
	unread    bool // so was the last frame
}

// Malformed is the type of the error that a reader reports where a response is not what its framing promises. Nothing after
// it is read.
const Malformed = "malformed"

// Read implements llm.Reader.
func (r *reader) Read(p []byte, eof bool, emit func(*llm.Event) error) error {
	r.emit = emit
	return r.splitter.Split(p, eof, r.onFrame)
}

// Truncated implements llm.Reader.
func (r *reader) Truncated() bool { return r.truncated }

func (r *reader) frame(f frame.Frame) error {
	ev := &r.event
	ev.Reset()
	ev.Raw, ev.Dialect, ev.Whole = f.Raw, r.dialect, r.whole
	unread := f.Malformed || f.Skipped
	ev.More, r.unread = unread && r.unread, unread
	switch {
	case f.Malformed:
		if !r.malformed {
			ev.Err = &llm.Error{Type: Malformed, Message: "The provider's event stream is corrupt."}
		}
		r.malformed, r.truncated = true, true
	case f.Skipped:
		r.truncated = true
	default:
		r.current = f
		r.decoder.Decode(&r.current, ev)
	}
	return r.emit(ev)
}
