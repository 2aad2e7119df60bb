package extproc

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spanway/spanway/internal/coding"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/xds"
)

// response is R's side of the response to the client.
type response struct {
	shown    []string        // names of the fields of the head that is owed an answer
	status   string          // of that head
	bodiless bool            // that head came without a body
	started  bool            // it is answered
	decoder  *coding.Decoder // nil when the body is taken as it is
	piece    answer          // carries each piece of the body
}

func (r *response) stop() {
	if r.decoder != nil {
		r.decoder.Close()
		r.decoder = nil
	}
}

// answered takes the head that is to be the client's: the provider's, as U saw it before, or one of Envoy's own in its place. It is
// answered when the pipeline lets something out; the body's pieces come meanwhile.
func (x *session) answered(m *message) error {
	if x.reply != nil {
		return x.tell(x.reply)
	}
	details := m.attributes.text("response.code_details")
	if details != "" && details != viaUpstream || !x.headed {
		return x.tell(x.local(m.status(), details, m.attributes))
	}
	if x.verdict.Retry { // but Envoy does not
		x.attempt.Keep(&x.head)
		x.verdict = gateway.Verdict{}
	}
	x.phase = responding
	x.bodiless = m.last
	x.status = m.status()
	x.shown = make([]string, 0, len(m.fields))
	for _, f := range m.fields {
		if f.name != statusField {
			x.shown = append(x.shown, f.name)
		}
	}
	if x.bodiless {
		return x.send(x.call.Body(nil, true))
	}
	if x.coding != "" {
		x.decoder = coding.NewDecoder(x.coding)
	}
	x.idleSince = time.Now()
	if d := x.attempt.Outgoing().IdleTimeout; d > 0 {
		x.timers.idle = time.AfterFunc(d, x.idled)
	}
	return nil
}

// body takes the next piece of the provider's body.
func (x *session) body(p []byte, eof bool) error {
	defer func() { x.idleSince = time.Now() }()
	if x.decoder != nil {
		return x.decode(p, eof)
	}
	return x.send(x.call.Body(p, eof))
}

// decode is body for one that is compressed.
func (x *session) decode(p []byte, eof bool) error {
	x.decoder.Feed(p, eof)
	for x.phase != over {
		out, err := x.decoder.Next()
		ended := err == io.EOF // Next documents the bare value
		if len(out) > 0 || ended {
			if err := x.send(x.call.Body(out, ended)); err != nil || ended {
				return err
			}
		}
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return x.send(x.call.Cut(gateway.ReasonReset))
		case err != nil:
			return x.send(x.call.Cut(gateway.ReasonMalformed))
		case len(out) == 0:
			return nil
		}
	}
	return nil
}

// trailers end the body. They go no further, as in the native plane.
func (x *session) trailers() error {
	if x.decoder != nil {
		return x.decode(nil, true)
	}
	return x.send(x.call.Body(nil, true))
}

// send does what s says.
func (x *session) send(s gateway.Segment) error {
	if s.Reply != nil {
		return x.tell(s.Reply)
	}
	if len(s.Out) > 0 || s.End && !s.Abort {
		if done, err := x.start(s.Out); done || err != nil {
			return err
		}
	}
	if len(s.Out) > 0 || s.End && !s.Abort {
		x.piece = answer{kind: responseBody, hasBody: true, body: s.Out, last: s.End && !s.Abort}
		err := x.stream.SendMsg(&x.piece)
		if x.piece.body = nil; err != nil {
			return err
		}
	}
	if s.End {
		x.finish()
	}
	if s.Abort {
		return errBroken
	}
	return nil
}

// start answers the response's head, once, and reports whether that was all: a response whose head came without a body has no pieces.
func (x *session) start(out []byte) (done bool, err error) {
	if x.started {
		return false, nil
	}
	x.started = true
	h := make(http.Header, 16)
	code := x.call.Response(h)
	if x.phase != responding || x.bodiless && len(out) > 0 {
		// Envoy shows no body of this head: what there is goes out in place of it.
		return true, x.immediate(code, h, out)
	}
	a := newAnswer(responseHead, 4)
	for _, k := range x.shown {
		switch values, kept := h[http.CanonicalHeaderKey(k)]; {
		case !kept:
			a.drop(k)
		case !slices.Equal(values, x.head.Header[http.CanonicalHeaderKey(k)]):
			a.putAll(k, values)
		}
	}
	for k, values := range h {
		if _, had := x.head.Header[k]; !had {
			a.putAll(k, values)
		}
	}
	if s := strconv.Itoa(code); s != x.status {
		a.put(statusField, s)
	}
	if err := x.stream.SendMsg(a); err != nil {
		return true, err
	}
	if x.bodiless {
		x.finish()
	}
	return x.bodiless, nil
}

// tell sends a response of the gateway's own, which ends the call; nil is for a client that is not there any more.
func (x *session) tell(r *gateway.Reply) error {
	if r == nil {
		x.finish()
		return nil
	}
	if x.started {
		x.finish()
		return errBroken
	}
	x.started = true
	return x.immediate(r.Status, r.Header, r.Body)
}

// immediate sends a response that ends the call. Who may read it is said here: where the provider's head came before, or one of Envoy's
// own, Envoy's filter for that does not get to see it.
func (x *session) immediate(code int, h http.Header, body []byte) error {
	x.call.Share(h)
	err := x.stream.SendMsg(immediate(code, h, body))
	x.finish()
	return err
}

func immediate(code int, h http.Header, body []byte) *answer {
	a := newAnswer(immediateReply, len(h))
	for k, v := range h {
		if k != "Content-Length" {
			a.putAll(k, v)
		}
	}
	a.status, a.body, a.details = code, body, xds.ReplyDetails
	return a
}
