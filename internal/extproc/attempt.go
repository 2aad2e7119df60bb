package extproc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spanway/spanway/internal/coding"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/upstream"
	"github.com/spanway/spanway/internal/xds"
)

var errUnknown = status.Error(codes.NotFound, "no such call, or it goes on without this attempt")

// try carries the stream U of an attempt.
func (s *Server) try(stream grpc.ServerStream) (err error) {
	n, _ := strconv.Atoi(told(stream, xds.AttemptKey))
	x := s.sessions.of(told(stream, xds.CallKey))
	if x == nil || n < 1 {
		return errUnknown
	}
	u := &attempt{session: x, stream: stream, n: n, cluster: told(stream, xds.ClusterKey)}
	var m message
	for {
		if err := stream.RecvMsg(&m); err != nil {
			return err
		}
		if err := u.take(&m); err != nil {
			return err
		}
	}
}

// attempt is one attempt, as its stream sees it.
type attempt struct {
	*session

	stream  grpc.ServerStream
	n       int
	cluster string
}

func (u *attempt) take(m *message) (err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer func() {
		if u.server.caught(recover()) {
			err = u.apologise()
		}
	}()
	switch m.kind {
	case requestHead:
		return u.request(m)
	case responseHead:
		return u.answer(m)
	}
	return errOrder
}

// apologise ends a call that panicked.
func (u *attempt) apologise() (err error) {
	defer func() {
		if u.server.caught(recover()) {
			err = errUnknown
		}
	}()
	if u.phase != attempting {
		return errUnknown
	}
	return u.refuse(u.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error")))
}

// request puts the attempt's head and body in place of what Envoy shows.
func (u *attempt) request(m *message) error {
	switch on := u.advance(u.stream.Context(), u.n, true); {
	case u.phase == attempting && u.reply != nil:
		return u.refuse(u.reply)
	case !on:
		return errUnknown
	case u.cluster != u.server.clusters.of(u.session.attempt.Backend):
		u.server.log.Error("an attempt went elsewhere than it was planned to", "cluster", u.cluster, "backend", u.session.attempt.Backend.Name)
		return u.refuse(u.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error")))
	}
	o := u.session.attempt.Outgoing()
	if !valid(o) { // Envoy would drop all that we say
		return u.refuse(u.session.attempt.GiveUp(gateway.ReasonInvalid))
	}
	return u.stream.SendMsg(outgoing(o, m))
}

// valid reports whether o can be put on the wire, by the rules of the native plane's client.
func valid(o *gateway.Outgoing) bool {
	r := upstream.Request{Method: o.Method, Path: o.Path, Query: o.Query, Header: o.Header, Host: o.Host}
	return r.Check() == nil
}

// refuse ends the call in place of an attempt. Envoy does not retry that; R sees it and tells the client.
func (u *attempt) refuse(r *gateway.Reply) error {
	u.reply = r
	u.wake()
	return u.stream.SendMsg(immediate(r.Status, r.Header, r.Body))
}

// outgoing makes of the request that Envoy shows the one that is to be sent: all of its head is set, and all else removed, for the
// request that a former attempt sent is still there, its credential included.
func outgoing(o *gateway.Outgoing, shown *message) *answer {
	a := newAnswer(requestHead, len(o.Header)+4)
	for _, f := range shown.fields {
		if !strings.HasPrefix(f.name, ":") && len(o.Header[http.CanonicalHeaderKey(f.name)]) == 0 {
			a.drop(f.name)
		}
	}
	a.put(":method", o.Method)
	path := o.Path
	if o.Query != "" {
		path += "?" + o.Query
	}
	a.put(":path", path)
	a.put(":authority", o.Host)
	for k, v := range o.Header {
		a.putAll(k, v)
	}
	if len(o.Body) > 0 || !shown.last || hasBody(o.Method) {
		a.replace, a.hasBody, a.body, a.lasting = true, true, o.Body, true
		a.metadata = appendTexts(nil, xds.Namespace, "content_length", strconv.Itoa(len(o.Body)))
	}
	return a
}

// hasBody reports whether a request of the method tells its length when it has no body, too (RFC 9110, section 8.6).
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// jitter is by how much Envoy may stretch a pause that it is asked for (config.route.v3.RetryPolicy.RateLimitedRetryBackOff). What is
// left of the pause the next attempt's stream waits, while the attempt's time to its head runs: so Envoy gets the greatest part.
const jitter = 1.5

// answer takes the head of the attempt's response, and tells Envoy whether another attempt is to be made.
func (u *attempt) answer(m *message) error {
	if u.phase != attempting || u.session.n != u.n || u.judged {
		return errUnknown
	}
	p, h := readHead(m.fields, nil)
	code, err := strconv.Atoi(p.status)
	if err != nil {
		return errOrder
	}
	protocol := protocolOf(h.Get(protocolHeader))
	delete(h, protocolHeader)
	u.coding = ""
	if u.call.Inspects() {
		u.coding = coding.Undo(h)
	}
	u.head = llm.Head{Status: code, Header: h, UntilClose: untilClose(protocol, h, m.last)}
	u.headed = true
	v := u.session.attempt.Head(&u.head, protocol)
	u.judge(v)
	a := newAnswer(responseHead, 2)
	a.drop(xds.ProtocolHeader)
	switch {
	case v.Reply != nil:
		return u.refuse(v.Reply)
	case v.Retry:
		a.put(xds.RetryHeader, "1")
		if s := int(v.Wait.Seconds() / jitter); s > 0 {
			a.put(xds.WaitHeader, strconv.Itoa(s))
		}
		ahead := u.call.Ahead(nil)
		if len(ahead) == 0 { // none of the targets that are left can take the request
			if r := u.next(); r != nil {
				return u.refuse(r)
			}
			return errUnknown
		}
		if done := min(u.n-1, len(u.ahead)); !slices.Equal(ahead, u.ahead[done:]) { // Envoy counts from the plan's beginning
			u.ahead = append(u.ahead[:done], ahead...)
			a.metadata = u.server.plans.of(&u.server.clusters, u.session.attempt.Backend, u.ahead)
		}
	}
	return u.stream.SendMsg(a)
}

// untilClose reports whether the body of a response ends with its connection (RFC 9112, section 6.3, rule 8).
func untilClose(protocol string, h http.Header, bodiless bool) bool {
	return !bodiless && protocol[0] == '1' && h["Content-Length"] == nil && h["Transfer-Encoding"] == nil
}
