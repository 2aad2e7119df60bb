// Package frame cuts byte streams into the frames of streaming wire formats: server-sent events (WHATWG HTML, section 9.2),
// newline-delimited JSON, the elements of one JSON array, AWS event streams, and a whole body. Splitters push: feed them reads of any size and
// they call back for each complete frame. Frames concatenate to exactly the bytes that were fed.
//
// The package imports nothing but the standard library.
package frame

// Frame is one frame. Its slices are valid until the callback returns.
type Frame struct {
	Raw   []byte // every byte of the frame, terminator, comments and separators included
	Data  []byte // the payload: SSE data lines joined by \n, an NDJSON line, an array element; nil when there is none
	Event string // SSE event name, or what an event stream message is called; ""
	// Headers are those of an event stream message, encoded: Header reads them.
	Headers []byte
	// Exception is true for an event stream message that tells an error: one of the type exception or error.
	Exception bool
	// Malformed is true for bytes that are not what the framing promises, and for all that follows them: what they say
	// cannot be trusted. They arrive in pieces of Raw alone.
	Malformed bool
	// Skipped is true for a frame over the splitter's bound: it arrives in pieces of Raw with neither Data nor Event.
	Skipped bool
}

// Splitter cuts one stream. It belongs to one goroutine at a time.
type Splitter interface {
	// Split consumes p, which it does not keep, and calls emit for each complete frame, in order. With eof what is left
	// is emitted as a last frame, if there is any. An error of emit ends the call and is returned.
	Split(p []byte, eof bool, emit func(Frame) error) error
}
