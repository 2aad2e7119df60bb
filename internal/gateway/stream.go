package gateway

import (
	"bytes"
	"net/http"
	"time"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
)

// Segment is what a data plane does next with the response.
type Segment struct {
	Out   []byte // for the client now; valid until the next call
	Reply *Reply // send this in place of the response: nothing of it went out yet
	End   bool   // the response ends here: stop reading from the provider
	Abort bool   // the client must see that the response is broken: close its connection
}

// mode is how the response goes to the client.
type mode uint8

const (
	verbatim   mode = iota // bytes as they come, a reader looking on
	piped                  // frame by frame through the policies, verbatim where they change nothing
	translated             // events in the client's dialect
	refusing               // a provider's error in another dialect: told in the client's when it is complete
)

// stream is the response side of a call.
type stream struct {
	call    *Call
	mode    mode
	status  int
	header  http.Header // the provider's
	framing dialect.Framing
	reader  llm.Reader // nil for a path that passes through
	writer  llm.Writer
	chain   []func(*llm.Event) error // the entries of the policies, and at the end encode
	onEvent func(*llm.Event) error
	content bool    // what passes is captured
	strip   bool    // the usage frame was asked for by us: it is not the client's
	started bool    // the head went out
	ended   bool    // the provider's response is complete
	loose   bool    // the response ends with its connection
	begun   int     // bytes of a frame that has not ended yet
	cut     bool    // what went out ends within a frame
	tail    [4]byte // what went out last, for a stream
}

// init makes, once per recycled call, the closure that a reader calls.
func (s *stream) init(c *Call) {
	s.call = c
	s.onEvent = s.event
}

func (s *stream) reset() {
	chain := s.chain
	clear(chain)
	*s = stream{call: s.call, onEvent: s.onEvent, chain: chain[:0]}
}

// open prepares for the response to a whose head is h.
func (s *stream) open(a *Attempt, h *llm.Head) {
	c := s.call
	s.status, s.header, s.loose = h.Status, h.Header, h.UntilClose
	r := c.llm.Request
	if r == nil {
		return
	}
	s.framing = dialect.Whole
	if r.StreamArray && h.Status < http.StatusBadRequest {
		s.framing = dialect.Array
	}
	s.framing = dialect.FramingOf(h, s.framing)
	s.content = c.captures() && h.Status < http.StatusBadRequest
	s.strip = c.route.streamUsage && r.Stream && !r.StreamUsage && a.native
	want := llm.WantMeta
	if s.content {
		want = llm.WantParts
	}
	switch {
	case h.Status >= http.StatusBadRequest:
		if !a.native {
			s.mode = refusing
		}
	case !a.native:
		s.mode, want = translated, llm.WantParts
		s.writer = a.writer
	case len(c.policies) > 0:
		s.mode, want = piped, llm.WantParts
	case s.strip:
		s.mode = piped
	}
	s.reader = a.endpoint.Outbound.NewReader(a.api, h, want)
	if s.mode == piped || s.mode == translated {
		s.link()
	}
}

// link chains the policies' watches before encode.
func (s *stream) link() {
	c := s.call
	next := s.encode
	s.chain = append(s.chain, next)
	for i := len(c.policies) - 1; i >= 0; i-- {
		w, emit := c.policies[i].watch, next
		next = func(ev *llm.Event) error { return w.Event(ev, emit) }
		s.chain = append(s.chain, next)
	}
}

// Response fills dst with the header of the response to the client and returns its status. The provider's Content-Length
// stays only where the body stays.
func (c *Call) Response(dst http.Header) (status int) {
	s := &c.stream
	copyHeader(dst, s.header)
	delete(dst, "Alt-Svc") // says where the provider is, not where we are
	switch s.mode {
	case verbatim:
		if v := s.header["Content-Length"]; len(v) == 1 && s.header["Transfer-Encoding"] == nil {
			dst["Content-Length"] = v
		}
	case translated:
		dst["Content-Type"] = []string{s.writer.ContentType()}
		nameRequest(dst)
	}
	c.dropSharing(dst)
	c.route.conf.ResponseHeaders.Apply(dst)
	s.started = true
	c.status = s.status
	return s.status
}

// Streaming reports whether the client is to get every piece of the response as it comes.
func (c *Call) Streaming() bool {
	s := &c.stream
	return s.framing != dialect.Whole || len(s.header["Content-Length"]) == 0
}

// Body takes the next bytes of the provider's response, which it does not keep; Out may be p itself. eof says that they are
// the last and that the response is complete.
func (c *Call) Body(p []byte, eof bool) Segment {
	now := time.Now()
	s := &c.stream
	if len(p) > 0 {
		if c.result.FirstChunk.IsZero() {
			c.firstChunk(now)
		}
		c.result.LastChunk = now
	}
	seg := s.feed(p, eof)
	if eof {
		s.ended = true
		c.complete()
	}
	c.overhead += time.Since(now)
	return seg
}

func (s *stream) feed(p []byte, eof bool) Segment {
	if s.reader == nil {
		return Segment{Out: p, End: eof}
	}
	c := s.call
	c.out = c.out[:0]
	s.begun += len(p)
	err := s.reader.Read(p, eof, s.onEvent)
	if s.mode == verbatim {
		s.remember(p)
		return Segment{Out: p, End: eof}
	}
	if err == nil && (len(c.policies) > 0 || s.mode == translated) && s.reader.Truncated() {
		c.out = c.out[:0] // what could not be read is in it
		err = unreadable(c.result.Err)
	}
	if err == nil && eof {
		var e *llm.Error
		if s.unfinished() {
			e = cutError(ReasonReset)
		}
		err = s.flush(e)
	}
	if err != nil {
		return s.refuse(err)
	}
	if eof && (s.mode == refusing || s.mode == translated && !s.started && s.framing == dialect.Whole && c.result.Err != nil) {
		return Segment{Reply: s.translateError(), End: true}
	}
	s.remember(c.out)
	return Segment{Out: c.out, End: eof}
}

// unreadable is the error of a response that is corrupt, when its reader told that, or else too large to be read.
func unreadable(told *llm.Error) error {
	if told != nil && told.Type == dialect.Malformed {
		return llm.Errorf(http.StatusBadGateway, dialect.Malformed, "the provider's event stream is corrupt")
	}
	return llm.Errorf(http.StatusBadGateway, "response_too_large", "a part of the provider's response is too large to be checked or translated")
}

// event is where a reader's events enter.
func (s *stream) event(ev *llm.Event) error {
	c := s.call
	s.begun -= len(ev.Raw)
	c.result.Add(ev)
	if len(s.chain) > 0 {
		return s.chain[len(s.chain)-1](ev)
	}
	if s.content {
		c.result.Content(ev)
	}
	return nil
}

// encode is where they leave for the client.
func (s *stream) encode(ev *llm.Event) (err error) {
	c := s.call
	if s.content {
		c.result.Content(ev)
	}
	switch {
	case s.writer != nil:
		c.out, err = s.writer.Write(c.out, ev)
	case s.strip && ev.Usage != nil && len(ev.Choices) == 0 && s.framing == dialect.SSE:
	case s.framing == dialect.EventStream && !isMessage(ev.Raw): // cut short: nothing could follow it
	case ev.Edited:
		c.out, err = c.inbound.Rewrite(c.out, c.llm.Request, ev)
	default:
		c.out = append(c.out, ev.Raw...)
	}
	return err
}

func isMessage(raw []byte) bool {
	_, _, ok := frame.Message(raw)
	return ok
}

// flush lets out what the policies hold back, first come first, and ends a translated response, with e in its midst when it
// is not nil.
func (s *stream) flush(e *llm.Error) error {
	c := s.call
	for i := range c.policies {
		// chain holds encode first, then the entries from the last policy to the first.
		if err := c.policies[i].watch.Flush(s.chain[len(c.policies)-1-i]); err != nil {
			return err
		}
	}
	if s.writer == nil {
		return nil
	}
	out, err := s.writer.Close(c.out, e)
	c.out = out
	return err
}

// refuse ends the response with err, which a policy or the encoder gave.
func (s *stream) refuse(err error) Segment {
	c, e := s.call, asError(err)
	c.endIfGone()
	c.end(outcomeOf(e), e.Type)
	if !s.started && len(c.out) == 0 {
		return Segment{Reply: c.reply(e.Status, c.inbound.Error(e)), End: true}
	}
	return s.sayError(e)
}

// sayError ends a response that has begun: in the client's dialect where it is a stream, else by breaking it off.
func (s *stream) sayError(e *llm.Error) Segment {
	c := s.call
	stuck := s.mode == verbatim && (s.framing == dialect.Array || s.framing == dialect.EventStream && s.cut)
	if s.framing == dialect.Whole || stuck || c.llm.Request == nil {
		return Segment{Out: c.out, End: true, Abort: true}
	}
	c.out = s.endFrame(c.out)
	c.out = append(c.out, c.inbound.StreamError(c.llm.Request, e)...)
	return Segment{Out: c.out, End: true}
}

// translateError puts the provider's error, complete now, into the client's dialect.
func (s *stream) translateError() *Reply {
	c := s.call
	status := s.status
	if status < http.StatusBadRequest {
		status = http.StatusBadGateway // an error in the body of a success
	}
	e := &llm.Error{Status: status, Type: statusText(status), Message: http.StatusText(status)}
	if got := c.result.Err; got != nil {
		e.Type, e.Param = got.Type, got.Param
		if got.Message != "" {
			e.Message = got.Message
		}
	}
	r := c.reply(status, c.inbound.Error(e))
	copyAdvice(r.Header, s.header)
	nameRequest(r.Header)
	return r
}

// Complete reports whether the provider's own end of the response was seen, or an error in its midst. A client that has it
// need not wait for the connection's end, and many do not: they have not gone too early.
func (c *Call) Complete() bool { return c.result.Last || c.result.Err != nil }

// Cut tells that the provider's response ended before its end, for r.
func (c *Call) Cut(r Reason) Segment {
	s := &c.stream
	now := time.Now()
	o := outcomeOfReason(r)
	if r == ReasonReset || r == ReasonMalformed {
		o = OutcomeUpstreamCut
	}
	c.end(o, string(r))
	c.endAttempt(&c.attempt, string(r), now)
	if r == ReasonClientGone {
		return Segment{End: true, Abort: true}
	}
	c.out = c.out[:0]
	e := cutError(r)
	if s.reader != nil {
		s.cut = s.begun > 0 || s.reader.Truncated()
		err := s.reader.Read(nil, true, s.onEvent)
		if err == nil && (s.mode == piped || s.mode == translated && s.started) {
			translatedEnd := s.mode == translated
			if err = s.flush(e); err == nil && translatedEnd {
				return Segment{Out: c.out, End: true}
			}
		}
		if err != nil {
			e = asError(err)
		}
	}
	if !s.started {
		return Segment{Reply: c.reply(e.Status, c.inbound.Error(e)), End: true}
	}
	return s.sayError(e)
}

func cutError(r Reason) *llm.Error {
	switch r {
	case ReasonTimeout:
		return llm.Errorf(http.StatusGatewayTimeout, string(r), "the provider's response stopped and did not go on in time")
	case ReasonShutdown:
		return llm.Errorf(http.StatusServiceUnavailable, string(r), "the gateway is shutting down")
	}
	return llm.UpstreamCut()
}

// remember keeps the last bytes that went out.
func (s *stream) remember(p []byte) {
	if len(p) >= len(s.tail) {
		copy(s.tail[:], p[len(p)-len(s.tail):])
	} else if len(p) > 0 {
		copy(s.tail[:], s.tail[len(p):])
		copy(s.tail[len(s.tail)-len(p):], p)
	}
}

// endFrame appends to out, which goes out next, what ends the frame that it or what went out before it leaves open.
func (s *stream) endFrame(out []byte) []byte {
	s.remember(out)
	switch {
	case s.tail == [4]byte{}: // nothing went out
		return out
	case s.framing == dialect.Array || s.framing == dialect.EventStream || s.mode == translated: // whole frames went out
		return out
	case s.framing == dialect.NDJSON:
		if s.tail[3] != '\n' {
			out = append(out, '\n')
		}
		return out
	case bytes.HasSuffix(s.tail[:], []byte("\n\n")) || bytes.HasSuffix(s.tail[:], []byte("\r\n\r\n")):
		return out
	}
	return append(out, "\n\n"...)
}

// unfinished reports whether a stream ended well by its framing, but a choice in it got no finish reason, nor did the
// dialect's own end come. Where the end of the connection is the end of the body, this is how a cut looks. Where HTTP says that
// the body is whole, nothing failed that we know of: the finish reasons tell, and only a client of another dialect, for which we
// write the end, is told an error.
func (s *stream) unfinished() bool {
	r := &s.call.result
	if !s.loose && s.mode != translated || s.framing == dialect.Whole || s.status >= http.StatusBadRequest {
		return false
	}
	return !r.Last && r.Err == nil && !s.reader.Truncated() && r.Unfinished()
}

// complete names the outcome of a response that came whole.
func (c *Call) complete() {
	s := &c.stream
	err := c.result.Err
	switch {
	case c.outcome != "": // a policy ended it, and the reader went no further
	case s.status >= http.StatusBadRequest:
		failure := statusText(s.status)
		if err != nil && err.Type != "" {
			failure = err.Type
		}
		c.end(outcomeOfStatus(s.status), failure)
	case err != nil:
		failure := err.Type
		if failure == "" {
			failure = statusText(s.status) // as for an error response without a name
		}
		c.end(OutcomeUpstreamError, failure)
	case s.reader != nil && s.unfinished():
		c.end(OutcomeUpstreamCut, string(ReasonReset))
		c.endAttempt(&c.attempt, string(ReasonReset), c.result.LastChunk)
	default:
		c.end(OutcomeOK, "")
	}
}
