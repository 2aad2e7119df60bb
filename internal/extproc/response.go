package extproc

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

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
	piece    *piece
}

func (r *response) stop() {
	if r.decoder != nil {
		r.decoder.Close()
		r.decoder = nil
	}
}

// piece is the message that carries a piece of the body. One serves a whole stream.
type piece struct {
	message  extprocv3.ProcessingResponse
	streamed extprocv3.StreamedBodyResponse
}

func newPiece() *piece {
	p := &piece{}
	p.message.Response = &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{Response: &extprocv3.CommonResponse{
		BodyMutation: &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_StreamedResponse{StreamedResponse: &p.streamed}}}}}
	return p
}

// answered takes the head that is to be the client's: the provider's, as U saw it before, or one of Envoy's own in its place. It is
// answered when the pipeline lets something out; the body's pieces come meanwhile.
func (x *session) answered(m *extprocv3.HttpHeaders, a attributes) error {
	if x.reply != nil {
		return x.tell(x.reply)
	}
	details := a.text("response.code_details")
	if p, _ := readHead(m.GetHeaders(), allFields); details != "" && details != viaUpstream || !x.headed {
		return x.tell(x.local(p.status, details, a))
	}
	if x.verdict.Retry { // but Envoy does not
		x.attempt.Keep(&x.head)
		x.verdict = gateway.Verdict{}
	}
	x.phase = responding
	x.bodiless = m.EndOfStream
	for _, f := range m.GetHeaders().GetHeaders() {
		if f.Key == ":status" {
			x.status = valueOf(f)
		} else {
			x.shown = append(x.shown, f.Key)
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

func allFields(string) bool { return true }

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
		if x.piece == nil {
			x.piece = newPiece()
		}
		x.piece.streamed.Body, x.piece.streamed.EndOfStream = s.Out, s.End && !s.Abort
		err := x.stream.SendMsg(&x.piece.message)
		x.piece.streamed.Body = nil
		if err != nil {
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
	m := newMutation(4)
	for _, k := range x.shown {
		switch values, kept := h[http.CanonicalHeaderKey(k)]; {
		case !kept:
			m.remove(k)
		case !slices.Equal(values, x.head.Header[http.CanonicalHeaderKey(k)]):
			m.setAll(k, values)
		}
	}
	for k, values := range h {
		if _, had := x.head.Header[k]; !had {
			m.setAll(k, values)
		}
	}
	if s := strconv.Itoa(code); s != x.status {
		m.set(":status", s)
	}
	resp := &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
		ResponseHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{HeaderMutation: &m.HeaderMutation}}}}
	if err := x.stream.SendMsg(resp); err != nil {
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

func (x *session) immediate(code int, h http.Header, body []byte) error {
	err := x.stream.SendMsg(immediate(code, h, body))
	x.finish()
	return err
}

func immediate(code int, h http.Header, body []byte) *extprocv3.ProcessingResponse {
	m := newMutation(len(h))
	for k, v := range h {
		if k != "Content-Length" {
			m.setAll(k, v)
		}
	}
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
		Status: &typev3.HttpStatus{Code: typev3.StatusCode(code)}, Headers: &m.HeaderMutation, Body: body, Details: xds.ReplyDetails}}}
}
